set multiplot
set logscale xy
set xrange [icl_min:icl_max]
set yrange [iwl_min:iwl_max]
set xtics @icl_tics
set ytics @iwl_tics
set xlabel 'ICL loss   [nats]' offset 0, 0.3
set tmargin at screen 0.90
set bmargin at screen 0.155
set key at graph 0.03, 0.03 bottom left Left reverse
thing(p, name) = value(sprintf('%s_%d', name, p))
# The i-th of the texts between bars.
label_from(i, rest) = strstrt(rest, '|') == 0 ? rest : i == 1 ? rest[1:strstrt(rest, '|') - 1] : \
  label_from(i - 1, rest[strstrt(rest, '|') + 1:*])
in_group(p, i, panel, group, value) = panel == p && group == i ? value : NaN
shades(n) = n == 1 ? '#2c728e' : n == 2 ? '#440154 #35b779' : n == 3 ? '#440154 #2c728e #5ec962' : \
  '#440154 #31688e #21918c #7ad151'
left_of(p) = n_panels == 1 ? 0.175 : 0.085 + 0.5 * (p - 1)
right_of(p) = n_panels == 1 ? 0.955 : 0.485 + 0.5 * (p - 1)

do for [p = 1:n_panels] {
  set lmargin at screen left_of(p)
  set rmargin at screen right_of(p)
  if (p == 1) {
    set ylabel 'IWL loss   [nats]' offset y_offset, 0
  } else {
    set ylabel
  }
  set label 1 thing(p, 'title') at graph 0.5, 1.055 center
  n = thing(p, 'n_groups')
  colors = shades(n)
  labels = thing(p, 'labels')
  plot for [i = 1:n] csv skip 1 using (in_group(p, i, column(csv_panel), column(csv_group), column(csv_icl_loss))):csv_iwl_loss \
         with points pointtype 7 pointsize 0.75 * mark linecolor rgb word(colors, i) notitle, \
       csv_relation skip 1 using (column(relation_form) == 1 ? column(relation_icl_loss) : NaN):relation_iwl_loss \
         with lines linecolor rgb accent linewidth 1.5 dashtype (7, 4) title (p == 1 ? 'Eqs. 46, 47' : ''), \
       csv_relation skip 1 using (column(relation_form) == 2 ? column(relation_icl_loss) : NaN):relation_iwl_loss \
         with lines linecolor rgb 'black' linewidth 1.4 title (p == 1 ? 'exact, one item' : ''), \
       csv_course skip 1 using (column(course_panel) == p ? column(course_icl_loss) : NaN):course_iwl_loss \
         with lines linecolor rgb 'black' linewidth 1.4 dashtype (2, 2) \
         title (p == n_panels && has_course ? 'even attention' : ''), \
       for [i = 1:n] keyentry with points pointtype 7 pointsize mark linecolor rgb word(colors, i) \
         title thing(p, 'decay') . ' = ' . label_from(i, labels)
}
unset multiplot
