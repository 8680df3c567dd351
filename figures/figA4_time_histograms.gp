n_columns = n_panels < 3 ? n_panels : 3
n_rows = int((n_panels + n_columns - 1) / n_columns)
left = 0.075; right = 0.985; top = 0.90; bottom = 0.145
gap_x = 0.05; gap_y = 0.12
panel_w = (right - left - gap_x * (n_columns - 1)) / n_columns
panel_h = (top - bottom - gap_y * (n_rows - 1)) / n_rows
set multiplot
set style fill solid noborder
set label 1 'share of the runs' at screen 0.016, screen 0.5 * (top + bottom) center rotate by 90
set label 2 'acquisition time {/:Italic t}_{ICL} = lr × iteration' at screen 0.5 * (left + right), screen 0.03 center
set xtics autofreq
do for [i = 1:n_panels] {
  row = int((i - 1) / n_columns)
  col = (i - 1) - row * n_columns
  set lmargin at screen left + col * (panel_w + gap_x)
  set rmargin at screen left + col * (panel_w + gap_x) + panel_w
  set tmargin at screen top - row * (panel_h + gap_y)
  set bmargin at screen top - row * (panel_h + gap_y) - panel_h
  set xrange [real(word(panel_lows, i)):real(word(panel_highs, i))]
  span = real(word(panel_highs, i)) - real(word(panel_lows, i))
  unit = 10 ** floor(log10(span / 3.0))
  step = span / unit < 4.5 ? unit : span / unit < 9 ? 2 * unit : 5 * unit
  set xtics step
  set yrange [0:real(word(panel_tops, i))]
  y_top = real(word(panel_tops, i))
  y_step = y_top > 0.5 ? 0.2 : y_top > 0.2 ? 0.1 : 0.05
  set ytics y_step
  set label 3 word(panel_labels, i) at graph 0.97, 0.93 right
  if (i == 1) { set key at screen 0.5 * (left + right), screen 0.995 center top maxrows 1 } else { unset key }
  plot csv index i - 1 skip 1 using csv_time:csv_share:csv_width with boxes fillcolor rgb '#9ec3d0' title 'runs', \
       csv index i - 1 skip 1 using csv_time:csv_share_theory with histeps linecolor rgb accent linewidth 1.4 \
         title (has_theory && has_spread ? 'theory' : ''), \
       csv_median every ::(i - 1)::(i - 1) skip 1 using median_t_theory:(0):(0):(0.8 * real(word(panel_tops, i))) with vectors \
         nohead linecolor rgb accent linewidth 1.4 dashtype (6, 3), \
       NaN with lines linecolor rgb accent linewidth 1.4 dashtype (6, 3) title (has_theory ? 'theory, median' : ''), \
       csv_median every ::(i - 1)::(i - 1) skip 1 using median_t_median:(0):(0):(0.8 * real(word(panel_tops, i))) with vectors \
         nohead linecolor rgb dark linewidth 1.1, \
       NaN with lines linecolor rgb dark linewidth 1.1 title 'runs, median'
  unset label 1
  unset label 2
}
unset multiplot
