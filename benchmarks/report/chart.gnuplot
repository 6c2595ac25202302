# Draws what chart.awk prints:
#   gnuplot -e "data='FILE'; output_file='FILE.svg'; headline='TEXT'; rows=N; longest=RATIO" chart.gnuplot
set terminal svg size 900,(rows * 22 + 130 > 500 ? rows * 22 + 130 : 500) noenhanced font "sans-serif,12" background "#ffffff"
set output output_file
set datafile separator "\t"
set title headline font ",14" offset screen -0.16,0
set label 1 "CPU of the client per request, bare epoll loop = 1. Dark: one request at a time, light: 32 at once." \
    at graph 1,graph 0 right offset 0,-2.4
set xrange [0:longest * 1.08]
set yrange [0.4:rows + 0.6]
set border 3 linecolor "#555555"
set tics nomirror scale 0 textcolor "#000000"
set grid xtics linecolor "#dddddd"
set key top right samplen 1.5
set lmargin screen 0.36
set rmargin screen 0.985
set bmargin 4.5
set style fill solid noborder

bar(kind, wanted, value) = kind eq wanted ? value : NaN
top = 0.38
plot \
    data using (0):1:ytic(2) with points pointtype -1 notitle, \
    data using (0):1:(0):(bar(strcol(5), "hotpool", $3)):($1):($1 + top) with boxxyerror linecolor "#d9480f" title "hotpool", \
    data using (0):1:(0):(bar(strcol(5), "hotpool", $4)):($1 - top):($1) with boxxyerror linecolor "#ffa94d" notitle, \
    data using (0):1:(0):(bar(strcol(5), "client", $3)):($1):($1 + top) with boxxyerror linecolor "#1864ab" title "other HTTP clients", \
    data using (0):1:(0):(bar(strcol(5), "client", $4)):($1 - top):($1) with boxxyerror linecolor "#74c0fc" notitle, \
    data using (0):1:(0):(bar(strcol(5), "bare", $3)):($1):($1 + top) with boxxyerror linecolor "#495057" title "no HTTP client", \
    data using (0):1:(0):(bar(strcol(5), "bare", $4)):($1 - top):($1) with boxxyerror linecolor "#adb5bd" notitle, \
    data using 3:($1 + top / 2):(sprintf("%.2f", $3)) with labels left offset 0.4,0 font ",9" notitle, \
    data using 4:($1 - top / 2):(sprintf("%.2f", $4)) with labels left offset 0.4,0 font ",9" notitle
