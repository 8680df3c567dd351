set lmargin at screen 0.165
set rmargin at screen 0.96
set tmargin at screen 0.975
set bmargin at screen 0.135
set logscale xy
set xrange [n_min:n_max]
set yrange [t_min:t_max]
set xtics @n_tics
set ytics @t_tics
set xlabel 'context length {/:Italic N}' offset 0, 0.3
set label 1 '{/:Italic t}_{ICL}   [time = lr × iteration]' at screen 0.04, graph 0.5 center rotate by 90
set key top left Left reverse
shapes = '7 5 9'
colors = blue . ' ' . dark . ' ' . '#7a5195'
pales = '#9ec3d0 #bdbdbd #cdb8d8'
plot csv_theory skip 1 using theory_n_context:(has_band ? column(theory_t_accuracy_05) : NaN):theory_t_accuracy_95 \
       with filledcurves fillcolor rgb '#f4cdb8', \
     csv_fit skip 1 using fit_n_context:fit_t_law with lines linecolor rgb '#8a8a8a' linewidth 0.8, \
     for [i = 1:n_models] csv index i - 1 skip 1 using csv_n_context_drawn:csv_t_icl with points \
       pointtype int(word(shapes, i)) pointsize 0.8 * mark linecolor rgb word(pales, i), \
     for [i = 1:n_models] csv index i - 1 skip 1 using csv_n_context_drawn:csv_t_censored with points \
       pointtype 8 pointsize 0.9 * mark linecolor rgb word(colors, i) linewidth 0.8, \
     NaN with points pointtype 8 pointsize 0.9 * mark linecolor rgb dark linewidth 0.8 \
       title (has_censored ? 'not acquired when the run ended' : ''), \
     csv_theory skip 1 using theory_n_context:theory_t_accuracy with lines linecolor rgb accent linewidth 1.5 \
       title (has_theory ? 'theory: exact loss, 95 % accuracy' : ''), \
     csv_theory skip 1 using theory_n_context:theory_t_flow with lines linecolor rgb accent linewidth 1.3 \
       dashtype (9, 5) title (has_theory ? 'theory: Eqs. 7–8' : ''), \
     csv_theory skip 1 using theory_n_context:theory_t_leading with lines linecolor rgb accent linewidth 1.5 \
       dashtype (2, 3) title (has_theory ? 'theory: leading order, Eq. 11' : ''), \
     for [i = 1:n_models] csv_median index i - 1 skip 1 \
       using median_n_context:median_t_low:median_t_low:median_t_high:median_t_high with financebars \
       linecolor rgb word(colors, i) linewidth 1, \
     for [i = 1:n_models] csv_median index i - 1 skip 1 using median_n_context:median_t_median with points \
       pointtype int(word(shapes, i)) pointsize 1.2 * mark linecolor rgb word(colors, i) \
       title word(model_labels, i) . ', median'
