n_columns = n_panels < 3 ? n_panels : 3
n_rows = int((n_panels + n_columns - 1) / n_columns)
left = 0.075; right = 0.985; top = 0.89; bottom = 0.125
gap_x = 0.02; gap_y = 0.035
panel_w = (right - left - gap_x * (n_columns - 1)) / n_columns
panel_h = (top - bottom - gap_y * (n_rows - 1)) / n_rows
set multiplot
set logscale x
set xrange [k_min:k_max]
set yrange [0.35:1.08]
set ytics 0.25
set label 1 'ICL accuracy at the end' at screen 0.018, screen 0.5 * (top + bottom) center rotate by 90
set label 2 'number of items {/:Italic K}' at screen 0.5 * (left + right), screen 0.03 center
do for [i = 1:n_panels] {
  row = int((i - 1) / n_columns)
  col = (i - 1) - row * n_columns
  set lmargin at screen left + col * (panel_w + gap_x)
  set rmargin at screen left + col * (panel_w + gap_x) + panel_w
  set tmargin at screen top - row * (panel_h + gap_y)
  set bmargin at screen top - row * (panel_h + gap_y) - panel_h
  if (col == 0) { set format y '%.2f' } else { set format y '' }
  below = i + n_columns > n_panels
  if (below) { set xtics @k_tics } else { set xtics @k_marks }
  set label 3 '{/:Italic N} = ' . word(panel_labels, i) at graph 0.03, 0.95
  if (i == 1) { set key at screen 0.5 * (left + right), screen 0.995 center top maxrows 1 } else { unset key }
  plot csv_threshold every ::(i - 1)::(i - 1) skip 1 using threshold_k_predicted:(0.35):(0):(0.66) with vectors nohead \
         linecolor rgb accent linewidth 1.4 dashtype (6, 3), \
       NaN with lines linecolor rgb accent linewidth 1.4 dashtype (6, 3) title (has_theory ? 'predicted {/:Italic K}*' : ''), \
       csv index i - 1 skip 1 using csv_n_items_drawn:csv_icl_accuracy with points pointtype 7 pointsize 0.7 * mark \
         linecolor rgb blue title 'runs', \
       csv_sigmoid index i - 1 skip 1 using sigmoid_n_items:sigmoid_accuracy with lines linecolor rgb dark linewidth 1.1 \
         title 'fitted sigmoid'
  unset label 1
  unset label 2
}
unset multiplot
