set multiplot
set tmargin at screen 0.94
set bmargin at screen 0.15
thin = 0.7
unset key
set logscale xy
set xlabel 'time  {/:Italic t} = lr × iteration' offset 0, 0.3

set lmargin at screen 0.07
set rmargin at screen 0.385
set xrange [t_min:t_max]
set xtics @t_tics
set yrange [c1_min:c1_max]
set ytics @c1_tics
set ylabel '{/:Italic c}_1({/:Italic t})' offset y_offset, 0
set label 1 '{/:Bold a}' at graph -0.155, 1.02
plot for [i = 1:n_levels] csv index i - 1 skip 1 using csv_time:csv_c1 with lines \
       linecolor rgb word(level_colors, i) linewidth thin

set lmargin at screen 0.475
set rmargin at screen 0.79
set xrange [t_tail_min:t_tail_max]
set xtics @t_tail_tics
set yrange [i_min:i_max]
set ytics @i_tics
set ylabel '{/:Italic I_K}({/:Italic t}) = 2 ∫ {/:Italic c}_1 d{/:Italic t}   [time]' offset y_offset, 0
set label 1 '{/:Bold b}'
plot for [i = 1:n_levels] csv index i - 1 skip 1 using csv_time:csv_integral with lines \
       linecolor rgb word(level_colors, i) linewidth thin, \
     for [i = 1:n_levels] csv_tail index i - 1 skip 1 using tail_time:tail_integral with lines \
       linecolor rgb word(level_colors, i) linewidth thin dashtype (3, 3)

# What the dashed lines tend to, on the same axis.
unset label 1
set lmargin at screen 0.805
set rmargin at screen 0.87
unset logscale x
unset ylabel
set border 1
unset ytics
set xrange [0 : n_replicates + 1]
unset xtics
set xlabel '{/:Italic t} → ∞' offset 0, 0.3
set key at screen 0.9, 0.97 left top Left reverse samplen 1.2 title '{/:Italic K}' left
plot for [i = 1:n_levels] csv_infinity index i - 1 skip 1 \
       using infinity_replicate:infinity_i_infinity_low:infinity_i_infinity_low:infinity_i_infinity_high:infinity_i_infinity_high \
       with financebars linecolor rgb word(level_colors, i) linewidth 0.8, \
     for [i = 1:n_levels] csv_infinity index i - 1 skip 1 using infinity_replicate:infinity_i_infinity with points \
       pointtype 7 pointsize 0.6 * mark linecolor rgb word(level_colors, i), \
     for [i = 1:n_levels] csv_infinity index i - 1 skip 1 using infinity_replicate:infinity_i_lower_bound with points \
       pointtype 8 pointsize mark linecolor rgb word(level_colors, i) linewidth 1, \
     for [i = 1:n_levels:legend_step] keyentry with lines linecolor rgb word(level_colors, i) linewidth 2 \
       title word(level_labels, i)
unset multiplot
