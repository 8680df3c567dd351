set multiplot
set tmargin at screen 0.86
set bmargin at screen 0.165
color(i) = word(group_colors, i)
shape(i) = i == 1 ? 7 : i == 2 ? 5 : i == 3 ? 9 : 13
label_from(i, rest) = strstrt(rest, '|') == 0 ? rest : i == 1 ? rest[1:strstrt(rest, '|') - 1] : \
  label_from(i - 1, rest[strstrt(rest, '|') + 1:*])
in_group(i, group, value) = group == i ? value : NaN
of_form(i, f, group, form, value) = group == i && form == f ? value : NaN
set xlabel 'SGD steps' offset 0, 0.3
set logscale x
set xrange [i_min:i_max]
set xtics @i_tics
do for [i = 1:n_groups] {
  words_i = label_from(i, group_labels)
  set label i words_i at screen 0.10 + 0.23 * (i - 1), screen 0.945 left
  set object i circle at screen 0.085 + 0.23 * (i - 1), screen 0.945 size screen 0.006 fillcolor rgb color(i) \
    fillstyle solid noborder
}

set lmargin at screen 0.065
set rmargin at screen 0.33
set yrange [beta_bottom:beta_top]
set ylabel '{/:Italic β}' offset y_offset, 0
set key top left Left reverse at graph 0.02, 0.98
plot for [i = 1:n_groups] csv_theory skip 1 using \
       theory_iteration:(of_form(i, 2, column(theory_group), column(theory_form), column(theory_beta))) with lines \
       linecolor rgb '#666666' linewidth 1.2 dashtype (1, 2), \
     for [i = 1:n_groups] csv_theory skip 1 using \
       theory_iteration:(of_form(i, 1, column(theory_group), column(theory_form), column(theory_beta))) with lines \
       linecolor rgb 'black' linewidth 1.3, \
     for [i = 1:n_groups] csv skip 1 using csv_iteration:(in_group(i, column(csv_group), column(csv_beta))):csv_beta_low:csv_beta_high \
       with yerrorbars pointtype shape(i) pointsize 0.9 * mark linecolor rgb color(i) linewidth 1, \
     keyentry with lines linecolor rgb 'black' linewidth 1.3 title 'exact loss', \
     keyentry with lines linecolor rgb '#666666' linewidth 1.2 dashtype (1, 2) title 'Eqs. 7–8'

do for [i = 1:n_groups] { unset label i; unset object i }
unset key
set lmargin at screen 0.40
set rmargin at screen 0.665
set yrange [w_bottom:w_top]
set ylabel '{/:Italic w}' offset y_offset, 0
plot for [i = 1:n_groups] csv_theory skip 1 using \
       theory_iteration:(of_form(i, 2, column(theory_group), column(theory_form), column(theory_w))) with lines \
       linecolor rgb '#666666' linewidth 1.2 dashtype (1, 2), \
     for [i = 1:n_groups] csv_theory skip 1 using \
       theory_iteration:(of_form(i, 1, column(theory_group), column(theory_form), column(theory_w))) with lines \
       linecolor rgb 'black' linewidth 1.3, \
     for [i = 1:n_groups] csv skip 1 using csv_iteration:(in_group(i, column(csv_group), column(csv_w))):csv_w_low:csv_w_high \
       with yerrorbars pointtype shape(i) pointsize 0.9 * mark linecolor rgb color(i) linewidth 1

unset logscale x
set lmargin at screen 0.73
set rmargin at screen 0.99
set xrange [beta_bottom:beta_top]
set xtics autofreq
set xlabel '{/:Italic β}' offset 0, 0.3
plot for [i = 1:n_groups] csv_theory skip 1 using \
       (of_form(i, 2, column(theory_group), column(theory_form), column(theory_beta))):theory_w with lines \
       linecolor rgb '#666666' linewidth 1.2 dashtype (1, 2), \
     for [i = 1:n_groups] csv_theory skip 1 using \
       (of_form(i, 1, column(theory_group), column(theory_form), column(theory_beta))):theory_w with lines \
       linecolor rgb 'black' linewidth 1.3, \
     for [i = 1:n_groups] csv skip 1 using (in_group(i, column(csv_group), column(csv_beta))):csv_w \
       with points pointtype shape(i) pointsize 0.9 * mark linecolor rgb color(i)
unset multiplot
