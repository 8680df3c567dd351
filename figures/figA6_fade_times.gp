set multiplot
set logscale xy
set yrange [i_min:i_max]
set tmargin at screen 0.745
set bmargin at screen 0.14
thing(p, name) = value(sprintf('%s_%d', name, p))
of_panel(p, panel, y) = panel == p ? y : NaN
left_of(p) = n_panels == 1 ? 0.175 : 0.085 + 0.5 * (p - 1)
right_of(p) = n_panels == 1 ? 0.955 : 0.485 + 0.5 * (p - 1)
gold = '#b8860b'

do for [p = 1:n_panels] {
  set lmargin at screen left_of(p)
  set rmargin at screen right_of(p)
  low = value(sprintf('d_%d_min', p))
  high = value(sprintf('d_%d_max', p))
  set xrange [low:high]
  tics = value(sprintf('d_%d_tics', p))
  eval 'set xtics ' . tics
  set ytics @i_tics
  set xlabel thing(p, 'decay') offset 0, 0.3
  if (p == 1) { set ylabel 'SGD steps' offset y_offset, 0 } else { set ylabel }
  set label 1 thing(p, 'title') . ', ' . thing(p, 'size') at screen 0.5 * (left_of(p) + right_of(p)), screen 0.965 center
  set key at screen 0.5 * (left_of(p) + right_of(p)), screen 0.93 center top Left reverse vertical maxrows 3 width -1
  unset arrow 1
  if (thing(p, 'has_limit')) {
    limit = thing(p, 'limit')
    if (limit > low && limit < high) {
      set arrow 1 from first limit, graph 0 to first limit, graph 1 nohead linecolor rgb '#777777' dashtype (6, 3) \
        linewidth 0.9
    }
  }
  with_theory = has_theory && p == n_panels
  plot csv_theory skip 1 using theory_lambda_w:(of_panel(p, column(theory_panel), column(theory_accuracy_low))):theory_accuracy_high \
         with filledcurves fillcolor rgb '#c9dde5' fillstyle solid noborder, \
       csv_theory skip 1 using theory_lambda_w:(of_panel(p, column(theory_panel), column(theory_accuracy))) \
         with lines linecolor rgb 'black' linewidth 1.5 title (with_theory ? 'theory, 90 %' : ''), \
       csv_theory skip 1 using theory_lambda_w:(of_panel(p, column(theory_panel), column(theory_strength))) \
         with lines linecolor rgb 'black' linewidth 1.3 dashtype (2, 2) \
         title (with_theory ? 'theory, {/:Italic w} = 1' : ''), \
       csv skip 1 using csv_decay:(of_panel(p, column(csv_panel), column(csv_transient))) with points pointtype 7 \
         pointsize 1.2 * mark linecolor rgb blue title (p == 1 ? 'fades' : ''), \
       csv skip 1 using csv_decay:(of_panel(p, column(csv_panel), column(csv_lasting))) with points pointtype 2 \
         pointsize 1.4 * mark linecolor rgb gold linewidth 1.2 title (p == 1 ? 'has not by then' : ''), \
       csv skip 1 using csv_decay:(of_panel(p, column(csv_panel), column(csv_never))) with points pointtype 1 \
         pointsize 1.6 * mark linecolor rgb '#b2182b' linewidth 1.4 title (p == 1 ? 'never acquired' : '')
}
unset multiplot
