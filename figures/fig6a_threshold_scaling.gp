set lmargin at screen 0.165
set rmargin at screen 0.96
# The legend stands above the picture, a line per entry: the points of several models fill both upper corners.
n_entries = n_models + (has_fit ? 1 : 0) + (has_theory ? 4 : 0) + (has_attention ? 1 : 0) + (has_bounds ? 1 : 0)
set tmargin at screen 0.975 - 0.0415 * n_entries
set bmargin at screen 0.11
set logscale xy
set xrange [n_min:n_max]
set yrange [k_min:k_max]
set xtics @n_tics
set ytics @k_tics
set xlabel 'context length {/:Italic N}' offset 0, 0.3
set label 1 'threshold {/:Italic K}*   [items]' at screen 0.04, graph 0.5 center rotate by 90
set key at screen 0.165, screen 0.99 top left Left reverse
shapes = '7 5 9'
colors = blue . ' ' . dark . ' ' . '#7a5195'
plot csv_theory skip 1 using theory_n_context:theory_k_exact_loss_low:theory_k_exact_loss_high with filledcurves \
       fillcolor rgb '#f4cdb8', \
     csv_fit skip 1 using fit_n_context:fit_k_star with lines linecolor rgb '#8a8a8a' linewidth 2.6 \
       title (has_fit ? 'fit of the runs, exponent ' . law_label : ''), \
     csv_theory skip 1 using theory_n_context:theory_k_exact_loss with lines linecolor rgb accent linewidth 1.5 \
       title (has_theory ? 'theory: exact loss at this {/:Italic N}' : ''), \
     csv_theory skip 1 using theory_n_context:theory_k_closed_loop with lines linecolor rgb accent linewidth 1.2 \
       dashtype (12, 4, 2, 4) title (has_theory ? 'theory: closed loop, finite {/:Italic K}' : ''), \
     csv_theory skip 1 using theory_n_context:theory_k_flow with lines linecolor rgb accent linewidth 1.3 \
       dashtype (9, 5) title (has_theory ? 'theory: Eqs. 7–8' : ''), \
     csv_theory skip 1 using theory_n_context:theory_k_leading with lines linecolor rgb accent linewidth 1.5 \
       dashtype (2, 3) title (has_theory ? 'theory: leading order, Eq. 13' : ''), \
     for [i = 1:n_models] csv index i - 1 skip 1 \
       using csv_n_context:csv_k_star_low:csv_k_star_low:csv_k_star_high:csv_k_star_high with financebars \
       linecolor rgb word(colors, i) linewidth 1, \
     for [i = 1:n_models] csv index i - 1 skip 1 using csv_n_context:csv_k_star with points \
       pointtype int(word(shapes, i)) pointsize 1.2 * mark linecolor rgb word(colors, i) \
       title word(model_labels, i) . ', measured', \
     csv_attention skip 1 using attention_n_context:attention_k_star_low:attention_k_star_low:attention_k_star_high:attention_k_star_high \
       with financebars linecolor rgb blue linewidth 1, \
     csv_attention skip 1 using attention_n_context:attention_k_star with points \
       pointtype 7 pointsize 1.35 * mark linecolor rgb 'white', \
     csv_attention skip 1 using attention_n_context:attention_k_star with points \
       pointtype 6 pointsize 1.35 * mark linewidth 1.9 linecolor rgb blue \
       title (has_attention ? 'half of the attention on the copy' : ''), \
     csv skip 1 using csv_n_context:csv_k_above with points pointtype 8 pointsize 1.4 * mark linecolor rgb dark \
       title (has_bounds ? '{/:Italic K}* above / below' : ''), \
     csv skip 1 using csv_n_context:csv_k_below with points pointtype 10 pointsize 1.4 * mark linecolor rgb dark
