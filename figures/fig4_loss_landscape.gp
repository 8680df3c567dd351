set multiplot
set palette defined @palette_colors
set bmargin at screen 0.17
set tmargin at screen 0.93
unset key

# The landscape. Its contours are first written into blocks, which gnuplot separates by blanks whatever it reads; so they
# are drawn by a plot of their own, over the image and under the flow.
set lmargin at screen 0.075
set rmargin at screen 0.44
set contour base
unset surface
set cntrparam levels incremental loss_start/10, loss_start/10, 3*loss_start
set table $contours
splot csv skip 1 using csv_beta:csv_w:csv_loss with lines
unset table
set cntrparam levels discrete loss_start
set table $start_level
splot csv skip 1 using csv_beta:csv_w:csv_loss with lines
unset table
unset contour
set surface
set xrange [beta_min:beta_max]
set yrange [w_min:w_max]
set cbrange [0 : 2*loss_start]
set xlabel 'strength of the match {/:Italic β}' offset 0, 0.3
set ylabel 'strength of the label {/:Italic w}' offset y_offset, 0
set cblabel 'loss [nats]' offset 0.6, 0
set colorbox user origin screen 0.455, 0.17 size screen 0.014, 0.76
set cbtics 0.5 scale 0.4
set label 1 '{/:Bold a}' at graph -0.16, 1.02
set border 15
plot csv skip 1 using csv_beta:csv_w:csv_loss with image
unset colorbox
unset border
unset tics
unset xlabel
unset ylabel
unset label 1
set datafile separator whitespace
plot $contours using 1:2 with lines linecolor rgb 'white' linewidth 0.4, \
     $start_level using 1:2 with lines linecolor rgb 'white' linewidth 1.2 dashtype (2, 2)
set datafile separator ','
plot csv_path skip 1 using path_beta:path_w with lines linecolor rgb 'white' linewidth 2.6, \
     csv_path skip 1 using path_beta:path_w with lines linecolor rgb 'black' linewidth 1.3, \
     for [i = 1:n_starts] csv_path index i - 1 skip 1 every ::0::0 using path_beta:path_w with points \
       pointtype 7 pointsize 1.4 * mark linecolor rgb 'black', \
     for [i = 1:n_starts] csv_path index i - 1 skip 1 every ::0::0 using path_beta:path_w with points \
       pointtype 7 pointsize 0.8 * mark linecolor rgb 'white', \
     csv_half skip 1 using half_beta:half_w with points pointtype 13 pointsize 1.9 * mark linecolor rgb 'black', \
     csv_half skip 1 using half_beta:half_w with points pointtype 13 pointsize 1.1 * mark linecolor rgb 'white'
set border 3
# The same flow in time.
set lmargin at screen 0.645
set rmargin at screen 0.965
set logscale x
set xrange [t_min:t_max]
set xtics nomirror scale 0.6, 0.35 @t_tics
set yrange [0 : 0.75]
set ytics nomirror scale 0.6, 0.35 0.2
set xlabel 'time {/:Italic t} = lr × iteration' offset 0, 0.3
set ylabel 'loss [nats]' offset y_offset, 0
set label 1 '{/:Bold b}' at graph -0.18, 1.02
set key bottom left Left reverse title '{/:Italic β}_0' left
plot for [i = 1:n_starts] csv_path index i - 1 skip 1 using path_time:path_loss with lines \
       linecolor rgb (i == 1 ? dark : i == 2 ? blue : accent) linewidth 1.4 dashtype i \
       title word(start_labels, i), \
     csv_half skip 1 using half_time:half_loss with points pointtype 13 pointsize 1.6 * mark linecolor rgb 'black', \
     csv_half skip 1 using half_time:half_loss with points pointtype 13 pointsize 0.9 * mark linecolor rgb 'white'
unset multiplot
