set lmargin at screen 0.165
set rmargin at screen 0.96
set tmargin at screen 0.86
set bmargin at screen 0.16
set logscale x
set xrange [k_min:k_max]
set xtics @k_tics
set yrange [0.35:1.03]
set ytics 0.1
set format y '%.1f'
set xlabel 'number of items {/:Italic K}' offset 0, 0.3
set label 1 'accuracy at the end' at screen 0.04, graph 0.5 center rotate by 90
set key at graph 0.5, 1.03 center bottom maxrows 2 samplen 1.4
if (has_theory) {
  set object 1 rectangle from first theory_k_low, graph 0 to first theory_k_high, graph 1 behind \
    fillcolor rgb '#f4cdb8' fillstyle solid noborder
  set arrow 1 from first theory_k, graph 0 to first theory_k, graph 1 nohead linecolor rgb accent linewidth 1.4 \
    dashtype (6, 3) back
}
set arrow 2 from graph 0, first 0.5 to graph 1, first 0.5 nohead linecolor rgb '#8a8a8a' linewidth 0.7 dashtype (2, 3) back
set label 2 'chance' at graph 0.99, first 0.5 right offset 0, -0.6 textcolor rgb '#8a8a8a'
set label 3 sprintf('%s, {/:Italic N} = %g', run_label, n_context) at graph 0.99, 0.04 right
plot csv_mean skip 1 using mean_n_items:(show_icl ? column(mean_icl_accuracy) : NaN) with lines linecolor rgb blue linewidth 1, \
     csv_mean skip 1 using mean_n_items:(show_iwl ? column(mean_iwl_accuracy) : NaN) with lines linecolor rgb dark \
       linewidth 0.8 dashtype (4, 3), \
     csv skip 1 using csv_n_items_drawn:(show_icl ? column(csv_icl_accuracy) : NaN) with points pointtype 7 pointsize 0.8 * mark \
       linecolor rgb blue title (show_icl ? 'in-context (ICL)' : ''), \
     csv skip 1 using csv_n_items_drawn:(show_iwl ? column(csv_iwl_accuracy) : NaN) with points pointtype 4 pointsize 0.9 * mark \
       linecolor rgb dark linewidth 0.9 title (show_iwl ? 'in-weights (IWL)' : ''), \
     NaN with lines linecolor rgb accent linewidth 1.4 dashtype (6, 3) title (has_theory ? 'predicted {/:Italic K}*' : '')
