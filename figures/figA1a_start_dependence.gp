set multiplot
y_label = 0.045
set lmargin at screen 0.165
set rmargin at screen 0.945
set xrange [beta_min:beta_max]
set logscale y

set tmargin at screen 0.98
set bmargin at screen 0.40
set format x ''
set xtics 1
set yrange [t_min:t_max]
set ytics @t_tics
set label 1 '{/:Italic t}_{ICL}   [time = lr × iteration]' at screen y_label, graph 0.5 center rotate by 90
set key top right
plot csv skip 1 using csv_beta0:csv_t_leading with lines linecolor rgb accent linewidth 1.4 dashtype (7, 4) \
       title 'Eq. 11:  {/:Italic N}√(2π) {/:Italic e}^{−β_0}', \
     csv skip 1 using csv_beta0:csv_t_cold_printed with lines linecolor rgb dark linewidth 1 dashtype (1, 3) \
       title 'Eq. 37 as printed:  {/:Italic N e}^{−2β_0}', \
     csv skip 1 using csv_beta0:csv_t_cold with lines linecolor rgb dark linewidth 1.2 dashtype (8, 3, 1, 3) \
       title 'Eq. 37 corrected:  {/:Italic N e}^{−2β_0}/2', \
     csv skip 1 using csv_beta0:csv_t_solution with lines linecolor rgb blue linewidth 1.7 \
       title 'Eqs. 7–8 solved exactly', \
     csv skip 1 every 4 using csv_beta0:csv_t_exact_loss with points pointtype 6 pointsize 1.1 * mark \
       linecolor rgb 'black' linewidth 1 title 'flow on the exact loss'

unset key
set tmargin at screen 0.36
set bmargin at screen 0.115
set format x '%g'
set xlabel 'start value {/:Italic β}_0' offset 0, 0.3
set yrange [ratio_min:ratio_max]
set ytics @ratio_tics
set label 1 'over the flow'
plot 1 with lines linecolor rgb '#999999' linewidth 0.7, \
     csv skip 1 using csv_beta0:csv_ratio_leading with lines linecolor rgb accent linewidth 1.4 dashtype (7, 4), \
     csv skip 1 using csv_beta0:csv_ratio_cold_printed with lines linecolor rgb dark linewidth 1 dashtype (1, 3), \
     csv skip 1 using csv_beta0:csv_ratio_cold with lines linecolor rgb dark linewidth 1.2 dashtype (8, 3, 1, 3), \
     csv skip 1 using csv_beta0:csv_ratio_solution with lines linecolor rgb blue linewidth 1.7
unset multiplot
