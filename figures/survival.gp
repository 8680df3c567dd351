set lmargin at screen 0.165
set rmargin at screen 0.96
set tmargin at screen 0.87
set bmargin at screen 0.145
set logscale x
set xrange [t_min:t_max]
set xtics @t_tics
set yrange [0:1.02]
set ytics 0.25
set format y '%.2f'
set xlabel 'time {/:Italic t} = lr × iteration' offset 0, 0.3
set label 1 'share of runs not yet acquired' at screen 0.035, graph 0.5 center rotate by 90
set key at graph 0.5, 1.03 center bottom maxrows 2 samplen 1.2
set style fill transparent solid 0.18 noborder
plot for [i = 1:n_curves] csv index i - 1 skip 1 using csv_time:csv_low:csv_high with filledcurves \
       fillcolor rgb word(curve_colors, i), \
     for [i = 1:n_curves] csv index i - 1 skip 1 using csv_time:csv_survival with lines \
       linecolor rgb word(curve_colors, i) linewidth 1.5 title '{/:Italic N} = ' . word(curve_labels, i), \
     csv_censored skip 1 using censored_time:censored_survival with points pointtype 1 pointsize mark linecolor rgb dark \
       title (has_censored ? 'ended without' : ''), \
     for [i = 1:n_curves] csv_theory index i - 1 skip 1 using theory_time:theory_survival with lines \
       linecolor rgb (has_theory ? accent : dark) linewidth 1.2 dashtype (5, 3) title (has_theory && i == 1 ? 'theory' : '')
