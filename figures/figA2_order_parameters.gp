set multiplot
set logscale x
set xrange [x_min:x_max]
set xtics @x_tics
set xlabel (in_iterations ? 'iterations' : 'time {/:Italic t} = lr × iteration') offset 0, 0.3
set tmargin at screen 0.94
set bmargin at screen 0.165
x_column = in_iterations ? csv_iteration : csv_time
thin = 0.7
unset key

set lmargin at screen 0.07
set rmargin at screen 0.29
set logscale y
set yrange [c1_min:c1_max]
set ytics @c1_tics
set ylabel '{/:Italic c}_1' offset y_offset, 0
set label 1 '{/:Bold a}' at graph -0.22, 1.02
plot for [i = 1:n_levels] csv index i - 1 skip 1 using x_column:csv_c1 with lines \
       linecolor rgb word(level_colors, i) linewidth thin

set lmargin at screen 0.37
set rmargin at screen 0.59
unset logscale y
set yrange [c2_min:c2_max]
set ytics autofreq
set ylabel '{/:Italic c}_2' offset y_offset, 0
set label 1 '{/:Bold b}'
if (has_closure) { set label 2 'closure {/:Italic c}_2 = 1 − {/:Italic c}_1' at graph 0.04, 0.94 font ',7' }
plot for [i = 1:n_levels] csv index i - 1 skip 1 using x_column:csv_c2 with lines \
       linecolor rgb word(level_colors, i) linewidth thin
unset label 2

set lmargin at screen 0.67
set rmargin at screen 0.89
set logscale y
set yrange [c3_min:c3_max]
set ytics @c3_tics
set ylabel '{/:Italic c}_3' offset y_offset, 0
set label 1 '{/:Bold c}'
if (!has_c3) { set label 2 'not measured' at graph 0.5, 0.5 center }
set key at screen 0.9, 0.97 left top Left reverse samplen 1.2 title '{/:Italic K}' left
plot for [i = 1:n_levels] csv index i - 1 skip 1 using x_column:csv_c3 with lines \
       linecolor rgb word(level_colors, i) linewidth thin, \
     for [i = 1:n_levels:legend_step] keyentry with lines linecolor rgb word(level_colors, i) linewidth 2 \
       title word(level_labels, i)
unset multiplot
