# What all figures share: terminal, font, frame, tics, words for colours. width and height are inches in print.
set encoding utf8
set datafile separator ','
if (format eq 'svg') {
  # 160 dots per inch: the same proportions as in print (7.5 pt are 16.7 dots), readable on a screen.
  set terminal svg size width * 160, height * 160 font 'DejaVu Sans,16.7' linewidth 1.7 background 'white'
  mark = 0.6
  y_offset = 1.3  # of labels at y axes, in characters
} else {
  # pdfcairo takes a point for 1/96 inch: the scale 0.75 makes 7.5 pt true.
  set terminal pdfcairo size width in, height in font 'DejaVu Sans,7.5' fontscale 0.75 linewidth 1.5
  mark = 0.36
  y_offset = 0.3
}
set output id . '.' . format

set border 3 linewidth 0.9 linecolor rgb '#222222'
set tics nomirror scale 0.6, 0.35
set key samplen 1.6 spacing 1.15 noautotitle
set bars 0  # bars are drawn as financebars: yerrorbars cut a hole around the marker

dark = '#222222'
pale = '#d9d9d9'
blue = '#2c728e'
accent = '#c2410c'
