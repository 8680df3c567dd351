set multiplot
set tmargin at screen 0.86
set bmargin at screen 0.165
color(i) = word(group_colors, i)
label_from(i, rest) = strstrt(rest, '|') == 0 ? rest : i == 1 ? rest[1:strstrt(rest, '|') - 1] : \
  label_from(i - 1, rest[strstrt(rest, '|') + 1:*])
in_group(i, group, value) = group == i ? value : NaN

# The courses of w.
set lmargin at screen 0.07
set rmargin at screen 0.50
set logscale x
set xrange [t_min:t_max]
set yrange [0:w_top]
set xtics @t_tics
set ytics 1
set xlabel 'SGD steps' offset 0, 0.3
set ylabel '{/:Italic w}' offset y_offset, 0
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead linecolor rgb '#999999' linewidth 0.8
set label 1 size_words at graph 0.0, 1.10 left
set label 2 '{/:Italic λ_w} =' at graph 0.36, 1.10 left
do for [i = 1:n_groups] {
  words_i = label_from(i, group_labels)
  set label 2 + i words_i at graph 0.36 + 0.15 * i, 1.10 center textcolor rgb color(i)
}
set key top left Left reverse at graph 0.02, 0.98
plot for [i = 1:n_groups] csv skip 1 using csv_iteration:(in_group(i, column(csv_group), column(csv_w))) with lines \
       linecolor rgb color(i) linewidth 0.9, \
     for [i = 1:n_groups] csv_theory skip 1 using theory_iteration:(in_group(i, column(theory_group), column(theory_w))) \
       with lines linecolor rgb (has_runs ? 'black' : color(i)) linewidth 1.5 dashtype (5, 3), \
     csv_theory skip 1 using theory_iteration:theory_w_tr with lines linecolor rgb '#666666' linewidth 1.2 \
       dashtype (1, 2), \
     keyentry with lines linecolor rgb 'black' linewidth 1.5 dashtype (5, 3) title 'closed loop', \
     keyentry with lines linecolor rgb '#666666' linewidth 1.2 dashtype (1, 2) title '{/:Italic w}_{tr}, Eq. 45'

# The fade line.
do for [i = 1:20] { unset label i }
unset arrow 1
set lmargin at screen 0.595
set rmargin at screen 0.985
set logscale xy
set xrange [d_min:d_max]
set yrange [f_min:f_max]
set xtics @d_tics
set ytics @f_tics
set xlabel 'decay of attention {/:Italic λ_w}   [1/time]' offset 0, 0.3
set ylabel 'SGD steps until {/:Italic w} = 1' offset y_offset, 0
set key top right Right noreverse at graph 0.99, 0.99
plot csv_line skip 1 using line_lambda_w:line_t_fade_low:line_t_fade_high with filledcurves fillcolor rgb '#c9dde5' \
       fillstyle solid noborder, \
     csv_line skip 1 using line_lambda_w:line_t_fade with lines linecolor rgb 'black' linewidth 1.5 title 'closed loop', \
     csv_line skip 1 using line_lambda_w:line_mlp_alone with lines linecolor rgb accent linewidth 1.4 \
       dashtype (8, 3, 1, 3) title 'MLP alone', \
     csv_times skip 1 using times_lambda_w:times_t_fade with points pointtype 7 pointsize 1.2 * mark linecolor rgb blue \
       title (has_runs ? 'runs' : ''), \
     csv_times skip 1 using times_lambda_w:times_not_by with points pointtype 2 pointsize 1.3 * mark \
       linecolor rgb '#b8860b' linewidth 1.2 title (has_runs ? 'not by then' : '')
unset multiplot
