set multiplot
y_label = 0.045  # at the same place in both panels, however wide the tic labels
set lmargin at screen 0.165
set rmargin at screen 0.945
set logscale xy
set xrange [k_min:k_max]
set yrange [i_min:i_max]
set ytics @i_tics

# The runs, the law with its band, and what acquisition needs.
set tmargin at screen 0.98
if (has_law) {
  set bmargin at screen 0.345
  set xtics @k_marks
} else {
  set bmargin at screen 0.11
  set xtics @k_tics
  set xlabel 'number of items {/:Italic K}' offset 0, 0.3
}
set label 1 '{/:Italic I_K}(∞)   [time = lr × iteration]' at screen y_label, graph 0.5 center rotate by 90
set key top left Left reverse
run_label = 'runs  (bars: range of the tails)'
law_label = 'law {/:Italic K}^{ ν},  ν = ' . nu_label
bound_label = 'lower bound: tail unresolved'
needed_label = has_required ? sprintf('needed for ICL at {/:Italic N} = %g', n_context) : ''
plot csv_fit skip 1 using fit_n_items:fit_i_law_low:fit_i_law_high with filledcurves fillcolor rgb pale, \
     csv skip 1 using csv_n_items:csv_i_infinity_low:csv_i_infinity_low:csv_i_infinity_high:csv_i_infinity_high \
       with financebars linecolor rgb blue linewidth 0.8, \
     csv skip 1 using csv_n_items:csv_i_infinity with points pointtype 7 pointsize mark linecolor rgb blue \
       title run_label, \
     csv skip 1 using csv_n_items:csv_i_lower_bound with points \
       pointtype 8 pointsize mark linecolor rgb blue linewidth 1 title (has_bounds ? bound_label : ''), \
     csv_fit skip 1 using fit_n_items:fit_i_law with lines linecolor rgb dark linewidth 1.1 \
       title (has_law ? law_label : ''), \
     csv_required skip 1 using required_n_items:required_required_integral with lines \
       linecolor rgb accent dashtype (9, 5) linewidth 1.2 title needed_label, \
     csv_k_star skip 1 using k_star_n_items:k_star_required_integral with lines linecolor rgb accent linewidth 2.2, \
     csv_law skip 1 using law_k_star:law_required_at_k_star with points \
       pointtype 13 pointsize 1.25 * mark linecolor rgb accent \
       title (has_k_star ? '{/:Italic K}* = ' . k_star_label : '')

# The same over the law: scatter, tails and band, which the upper panel is too coarse to show.
if (has_law) {
  unset key
  set tmargin at screen 0.315
  set bmargin at screen 0.11
  unset logscale y
  set xtics @k_tics
  set xlabel 'number of items {/:Italic K}' offset 0, 0.3
  set label 1 'run / law'
  set yrange [1 - ratio_reach : 1 + ratio_reach]
  set ytics autofreq
  set ytics ratio_step
  set format y '%.2f'
  plot csv_fit skip 1 using fit_n_items:fit_ratio_low:fit_ratio_high with filledcurves fillcolor rgb pale, \
       1 with lines linecolor rgb dark linewidth 1.1, \
       csv skip 1 using csv_n_items_drawn:csv_ratio_low:csv_ratio_low:csv_ratio_high:csv_ratio_high \
         with financebars linecolor rgb blue linewidth 0.8, \
       csv skip 1 using csv_n_items_drawn:csv_ratio with points pointtype 7 pointsize 0.8 * mark linecolor rgb blue
}
unset multiplot
