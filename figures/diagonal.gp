set multiplot
set logscale xy
set tmargin at screen 0.87
set bmargin at screen 0.155
shapes = '7 4 8'
colors = blue . ' ' . accent . ' ' . '#7a5195'

set lmargin at screen 0.085
set rmargin at screen 0.48
set xrange [k_min:k_max]
set yrange [k_min:k_max]
set xtics @k_tics
set ytics @k_tics
set xlabel 'predicted {/:Italic K}*  [items]' offset 0, 0.3
set label 3 'measured {/:Italic K}*  [items]' at screen 0.02, graph 0.5 center rotate by 90
set label 1 '{/:Bold a}' at graph -0.17, 1.06
set key at screen 0.5, screen 0.985 center top maxrows 1 samplen 1 width -4
if (!has_thresholds) { set label 2 'no runs near a threshold with curves' at graph 0.5, 0.5 center textcolor rgb '#8a8a8a' }
plot x with lines linecolor rgb dark linewidth 0.9, \
     2 * x with lines linecolor rgb '#8a8a8a' linewidth 0.7 dashtype (2, 3), \
     0.5 * x with lines linecolor rgb '#8a8a8a' linewidth 0.7 dashtype (2, 3), \
     for [i = 1:3] csv index i - 1 skip 1 using csv_predicted:csv_measured_low:csv_measured_low:csv_measured_high:csv_measured_high \
       with financebars linecolor rgb word(colors, i) linewidth 0.9, \
     for [i = 1:3] csv index i - 1 skip 1 using csv_predicted_low:csv_measured:(column(csv_predicted_high) - column(csv_predicted_low)):(0) \
       with vectors nohead linecolor rgb word(colors, i) linewidth 0.9, \
     for [i = 1:3] csv index i - 1 skip 1 using csv_predicted:csv_measured with points \
       pointtype int(word(shapes, i)) pointsize 1.2 * mark linecolor rgb word(colors, i), \
     csv_attention skip 1 using attention_predicted:attention_measured_low:attention_measured_low:attention_measured_high:attention_measured_high \
       with financebars linecolor rgb dark linewidth 0.7, \
     csv_attention skip 1 using attention_predicted_low:attention_measured:(column(attention_predicted_high) - column(attention_predicted_low)):(0) \
       with vectors nohead linecolor rgb dark linewidth 0.7, \
     csv_attention skip 1 using attention_predicted:attention_measured with points pointtype 6 pointsize mark \
       linecolor rgb dark linewidth 1, \
     for [i = 1:3] NaN with points pointtype int(word(shapes, i)) pointsize 1.2 * mark linecolor rgb word(colors, i) \
       title word(model_labels, i), \
     NaN with points pointtype 6 pointsize mark linecolor rgb dark linewidth 1 \
       title (has_half ? 'half of the attention' : '')

unset label 2
unset key
set lmargin at screen 0.585
set rmargin at screen 0.98
set xrange [t_min:t_max]
set yrange [t_min:t_max]
set xtics @t_tics
set ytics @t_tics
set xlabel 'predicted {/:Italic t}_{ICL} = lr × iteration' offset 0, 0.3
set label 3 'measured median {/:Italic t}_{ICL}' at screen 0.525, graph 0.5 center rotate by 90
set label 1 '{/:Bold b}' at graph -0.17, 1.06
if (!has_times) { set label 2 'no acquisition times' at graph 0.5, 0.5 center textcolor rgb '#8a8a8a' }
plot x with lines linecolor rgb dark linewidth 0.9, \
     2 * x with lines linecolor rgb '#8a8a8a' linewidth 0.7 dashtype (2, 3), \
     0.5 * x with lines linecolor rgb '#8a8a8a' linewidth 0.7 dashtype (2, 3), \
     for [i = 1:3] csv_time index i - 1 skip 1 using time_predicted:time_measured_low:time_measured_low:time_measured_high:time_measured_high \
       with financebars linecolor rgb word(colors, i) linewidth 0.9, \
     for [i = 1:3] csv_time index i - 1 skip 1 using time_predicted:time_measured with points \
       pointtype int(word(shapes, i)) pointsize mark linecolor rgb word(colors, i), \
     csv_half skip 1 using half_predicted:half_measured_low:half_measured_low:half_measured_high:half_measured_high \
       with financebars linecolor rgb dark linewidth 0.9, \
     csv_half skip 1 using half_predicted:half_measured with points pointtype 6 pointsize mark linecolor rgb dark \
       linewidth 1
unset multiplot
