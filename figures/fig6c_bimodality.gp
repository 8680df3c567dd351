set multiplot
set lmargin at screen 0.165
set rmargin at screen 0.945
set logscale x
set xrange [t_min:t_max]
y_label = 0.045

# Levels that the seeds need, and the curve that has to reach them.
set tmargin at screen 0.975
set bmargin at screen 0.40
set xtics @t_marks
set yrange [0:i_top]
set label 1 '{/:Italic I_K}({/:Italic t})   [time]' at screen y_label, graph 0.5 center rotate by 90
set object 1 rectangle from graph 0, first i_limit_low to graph 1, first i_limit_high behind fillcolor rgb pale \
  fillstyle solid noborder
set arrow 1 from graph 0, first i_limit to graph 1, first i_limit nohead linecolor rgb dark dashtype (2, 3) linewidth 0.9
set label 2 '{/:Italic I_K}(∞)' at graph 0.99, first i_limit_high right offset 0, 0.7
set key top left Left reverse at graph 0.06, 0.99
plot csv_paths skip 1 using paths_time:paths_integral with lines linecolor rgb '#9ec3d0' linewidth 0.5, \
     csv skip 1 using csv_time:csv_integral with lines linecolor rgb dark linewidth 1.7 title curve_label, \
     csv_tail skip 1 using tail_time:tail_integral with lines linecolor rgb dark linewidth 1.7 dashtype (4, 3), \
     csv_seeds skip 1 using seeds_t_icl:seeds_level_acquired with points pointtype 7 pointsize mark \
       linecolor rgb blue title 'seed acquires', \
     csv_seeds skip 1 using (t_min * 1.08):seeds_level_never with points pointtype 2 pointsize 0.8 * mark \
       linecolor rgb accent linewidth 1 title 'seed never does'

# Who has acquired by t.
unset object 1
unset arrow 1
unset label 2
unset key
set tmargin at screen 0.36
set bmargin at screen 0.125
set xtics @t_tics
set xlabel 'time {/:Italic t} = lr × iteration' offset 0, 0.3
if (has_outcomes) {
  # Runs of the folder: when they acquired, and how many never did.
  set yrange [0:outcome_top]
  set ytics outcome_step
  set label 1 'number of runs'
  set style fill solid noborder
  set label 3 'never' at never_time, graph 1.0 center textcolor rgb accent
  plot csv_outcomes every ::0::(n_bins - 1) skip 1 using outcomes_time:outcomes_n_runs:outcomes_width with boxes \
         fillcolor rgb '#9ec3d0', \
       csv_outcomes every ::n_bins::n_bins skip 1 using outcomes_time:outcomes_n_runs:outcomes_width with boxes \
         fillcolor rgb '#e8a98a', \
       csv_expected skip 1 using expected_time:expected_n_runs with lines linecolor rgb dark linewidth 1
} else {
  set yrange [0:1]
  set ytics 0.5
  set label 1 'acquired by {/:Italic t}'
  set arrow 2 from graph 0, first p_icl to graph 1, first p_icl nohead linecolor rgb dark dashtype (2, 3) linewidth 0.9
  set label 3 p_label at graph 0.03, first p_icl left offset 0, p_offset
  plot csv_share skip 1 using share_time:share_share with lines linecolor rgb blue linewidth 1.7
}
unset multiplot
