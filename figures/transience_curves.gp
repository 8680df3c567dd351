set lmargin at screen 0.165
set rmargin at screen 0.955
set tmargin at screen 0.86
set bmargin at screen 0.155
set logscale x
set xrange [i_min:i_max]
set xtics @i_tics
set yrange [0.40:1.03]
set ytics 0.1
set format y '%.1f'
set xlabel 'SGD steps' offset 0, 0.3
set ylabel 'accuracy' offset y_offset, 0
unset key
legend_at(i) = 0.2 + 0.22 * (i - 1)
set arrow 11 from screen legend_at(1), screen 0.905 to screen legend_at(1) + 0.06, screen 0.905 nohead \
  linecolor rgb blue linewidth 1.7
set label 11 'ICL' at screen legend_at(1) + 0.075, screen 0.905 left
set arrow 12 from screen legend_at(2), screen 0.905 to screen legend_at(2) + 0.06, screen 0.905 nohead \
  linecolor rgb accent linewidth 1.7 dashtype (8, 2, 2, 2)
set label 12 'IWL' at screen legend_at(2) + 0.075, screen 0.905 left
if (has_theory) {
  set arrow 13 from screen legend_at(3), screen 0.905 to screen legend_at(3) + 0.06, screen 0.905 nohead \
    linecolor rgb 'black' linewidth 1.5 dashtype (5, 3)
  set label 13 'ICL, theory' at screen legend_at(3) + 0.075, screen 0.905 left
}
set arrow 1 from graph 0, first 0.5 to graph 1, first 0.5 nohead linecolor rgb '#999999' dashtype (2, 3) linewidth 0.8
set label 1 settings_label at screen 0.56, 0.965 center
thin = n_runs > 4 ? 0.7 : 1.0

plot csv skip 1 using csv_iteration:csv_iwl_accuracy with lines linecolor rgb accent linewidth thin dashtype (8, 2, 2, 2), \
     csv skip 1 using csv_iteration:csv_icl_accuracy with lines linecolor rgb blue linewidth thin, \
     csv_theory skip 1 using theory_iteration:theory_icl_accuracy with lines linecolor rgb 'black' linewidth 1.5 \
       dashtype (5, 3)
