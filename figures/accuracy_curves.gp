set lmargin at screen 0.165
set rmargin at screen 0.955
rows = int((n_groups + has_theory + 1) / 2)
set tmargin at screen 0.985 - 0.062 * rows
set bmargin at screen 0.155
set logscale x
set xrange [i_min:i_max]
set xtics @i_tics
set yrange [0.44:1.02]
set ytics 0.1
set format y '%.1f'
set xlabel 'SGD steps' offset 0, 0.3
set ylabel 'ICL accuracy' offset y_offset, 0
unset key
set arrow 1 from graph 0, first 0.5 to graph 1, first 0.5 nohead linecolor rgb '#999999' dashtype (2, 3) linewidth 0.8

color(i) = word(group_colors, i)
# The i-th of the texts between bars.
label(i) = label_from(i, group_labels)
label_from(i, rest) = strstrt(rest, '|') == 0 ? rest : i == 1 ? rest[1:strstrt(rest, '|') - 1] : \
  label_from(i - 1, rest[strstrt(rest, '|') + 1:*])
in_group(i, group, value) = group == i ? value : NaN
# One or many lines in a colour: many have to be thin.
thin = n_runs > 12 ? 0.6 : 0.9

# The legend, in two columns above the picture: gnuplot's own does not know how wide these texts become.
column_at(i) = 0.165 + 0.41 * ((i - 1) % 2)
row_at(i) = 0.965 - 0.062 * int((i - 1) / 2)
n_entries = n_groups + has_theory
do for [i = 1:n_entries] {
  is_theory = i > n_groups
  words_i = is_theory ? 'theory, exact loss' : label(i)
  set label 10 + i words_i at screen column_at(i) + 0.075, screen row_at(i) left
  if (is_theory) {
    set arrow 10 + i from screen column_at(i), screen row_at(i) to screen column_at(i) + 0.06, screen row_at(i) nohead \
      linecolor rgb 'black' linewidth 1.6 dashtype (5, 3)
  } else {
    set arrow 10 + i from screen column_at(i), screen row_at(i) to screen column_at(i) + 0.06, screen row_at(i) nohead \
      linecolor rgb color(i) linewidth 2
  }
}
plot for [i = 1:n_groups] csv skip 1 using csv_iteration:(in_group(i, column(csv_group), column(csv_icl_accuracy))) \
       with lines linecolor rgb color(i) linewidth thin, \
     csv_theory skip 1 using theory_iteration:theory_icl_accuracy with lines linecolor rgb 'black' linewidth 1.6 \
       dashtype (5, 3)
