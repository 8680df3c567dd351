set lmargin at screen 0.165
set rmargin at screen 0.96
set tmargin at screen 0.83
set bmargin at screen 0.155
set logscale x
set xrange [k_min:k_max]
set xtics @k_tics
set yrange [-0.02:1.04]
set ytics 0.25
set format y '%.2f'
set xlabel 'number of items {/:Italic K}' offset 0, 0.3
set label 1 'share of runs that acquire ICL' at screen 0.035, graph 0.5 center rotate by 90
set label 2 sprintf('%s, {/:Italic N} = %g', run_label, n_context) at graph 0.99, 0.04 right
set key at graph 0.5, 1.03 center bottom maxrows 2 samplen 1.6
plot csv_theory skip 1 using theory_n_items:theory_p_random with lines linecolor rgb blue linewidth 1.3 \
       title (has_random_line ? 'theory, random' : ''), \
     csv_theory skip 1 using theory_n_items:theory_p_balanced with lines linecolor rgb accent linewidth 1.3 \
       dashtype (6, 3) title (has_theory ? 'theory, balanced' : ''), \
     csv index 0 skip 1 using csv_n_items:csv_share_low:csv_share_low:csv_share_high:csv_share_high with financebars \
       linecolor rgb blue linewidth 0.9, \
     csv index 1 skip 1 using (1.03 * column(csv_n_items)):csv_share_low:csv_share_low:csv_share_high:csv_share_high \
       with financebars linecolor rgb accent linewidth 0.9, \
     csv index 0 skip 1 using csv_n_items:csv_share with points pointtype 7 pointsize 1.1 * mark linecolor rgb blue \
       title (has_random ? 'random contexts' : ''), \
     csv index 1 skip 1 using (1.03 * column(csv_n_items)):csv_share with points pointtype 4 pointsize 1.2 * mark \
       linecolor rgb accent linewidth 1.2 title 'balanced contexts'
