set lmargin at screen 0.15
set rmargin at screen 0.855
set tmargin at screen 0.86
set bmargin at screen 0.135
set logscale xy
set xrange [n_min:n_max]
set yrange [k_min:k_max]
set xtics @n_tics
set ytics @k_tics
set xlabel 'context length {/:Italic N}' offset 0, 0.3
set ylabel 'number of items {/:Italic K}' offset y_offset, 0
set border 15
set key at screen 0.15, 0.995 left top Left reverse vertical maxrows 2 spacing 1.1
set label 1 'in-context learning' at graph 0.05, first k_known left offset 0, -1 textcolor rgb 'white' front
set label 2 'memorizes first' at graph 0.965, 0.05 right front
shade(i) = word('#e8eff1 #cfe0e5 #b5d0d9 #98bfcc #7aaebf #5c9cb1 #4089a1 #2c728e #1f5068', i)

# What the shades mean: from white, no seed, to dark, all seeds.
level(i) = 0.30 + 0.05 * i
do for [i = 1:9] {
  set object i rectangle from screen 0.885, level(i) to screen 0.91, level(i + 1) fillcolor rgb shade(i) \
    fillstyle solid noborder
}
set object 10 rectangle from screen 0.885, level(0) to screen 0.91, level(10) fillstyle empty border linecolor rgb dark \
  linewidth 0.6
do for [i = 1:9:2] { set label 10 + i word('1 5 10 25 50 75 90 95 99', i) . ' %' at screen 0.92, level(i) left }
set label 30 'seeds' at screen 0.885, 0.835 left

# From the edge of one shade to the top: each covers the one below it.
plot for [i = 1:9] csv skip 1 using csv_n_context:(column(csv_edge_01 + i - 1)):(k_known) with filledcurves \
       fillcolor rgb shade(i) fillstyle solid noborder, \
     csv skip 1 using csv_n_context:csv_k_50 with lines linecolor rgb 'black' linewidth 1.8 title 'half of the seeds', \
     csv skip 1 using csv_n_context:csv_k_leading with lines linecolor rgb accent linewidth 1.5 dashtype (7, 4) \
       title 'Eq. 13', \
     csv skip 1 using csv_n_context:csv_k_exact_loss with lines linecolor rgb 'black' linewidth 1.5 dashtype (2, 3) \
       title 'exact loss', \
     csv_items skip 1 using (n_max * 0.97):items_n_items with points pointtype 1 pointsize 0.6 * mark \
       linecolor rgb 'black' linewidth 0.8, \
     for [i = 0:9] csv_runs skip 1 using runs_n_context:(column(runs_shade) == i ? column(runs_n_items) : NaN) \
       with points pointtype 7 pointsize 2.2 * mark linecolor rgb (i == 0 ? 'white' : shade(i)), \
     csv_runs skip 1 using runs_n_context:runs_n_items with points pointtype 6 pointsize 2.2 * mark linecolor rgb 'black' \
       linewidth 1.1 title (has_runs ? 'runs' : '')
