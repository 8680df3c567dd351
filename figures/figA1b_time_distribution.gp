set multiplot
set tmargin at screen 0.93
set bmargin at screen 0.165

set lmargin at screen 0.085
set rmargin at screen 0.46
set xrange [0:t_high]
set yrange [0:*]
set format y '%.3f'
set xlabel 'acquisition time {/:Italic t}_{ICL} = lr × iteration' offset 0, 0.3
set ylabel 'density over seeds  [1/time]' offset y_offset, 0
set label 1 '{/:Bold a}' at graph -0.19, 1.02
set key top right title spread_title
set style fill solid noborder
plot csv skip 1 using csv_time:csv_density:csv_width with boxes fillcolor rgb pale title 'sampled starts', \
     csv_lines skip 1 using lines_time:lines_exact with lines linecolor rgb blue linewidth 1.7 title 'exact', \
     csv_lines skip 1 using lines_time:lines_lognormal with lines linecolor rgb accent linewidth 1.4 \
       dashtype (6, 4) title 'lognormal'

set lmargin at screen 0.585
set rmargin at screen 0.965
set logscale xy
set format y '10^{%T}'
set xrange [t_min:t_max]
set xtics @t_tics
set yrange [rarest:1]
set ytics 10
set ylabel 'share of seeds slower than {/:Italic t}' offset y_offset, 0
set label 1 '{/:Bold b}' at graph -0.2, 1.02
set key top right title ''
plot for [i = 1:n_spreads] csv_tail index i - 1 skip 1 using tail_time:tail_exact with lines \
       linecolor rgb blue linewidth (0.6 + 0.6 * i) title 'sd ' . word(spread_labels, i), \
     for [i = 1:n_spreads] csv_tail index i - 1 skip 1 using tail_time:tail_lognormal with lines \
       linecolor rgb accent linewidth (0.4 + 0.5 * i) dashtype (6, 4) title (i == 1 ? 'lognormal' : '')
unset multiplot
