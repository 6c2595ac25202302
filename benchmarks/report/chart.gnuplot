# Draws what chart.awk prints: gnuplot -e "data='...'; output_file='...'; headline='...'; rows=N; longest=R" chart.gnuplot
set terminal svg size 900,(rows * 24 + 120 > 500 ? rows * 24 + 120 : 500) font "sans-serif,12" background "#ffffff"
set output output_file
set datafile separator "\t"
set title headline font ",14"
set xlabel "CPU of the client per request, bare epoll loop = 1"
set xrange [0:longest * 1.1]
set yrange [0.4:rows + 0.6]
set border 3 linecolor "#555555"
set tics nomirror scale 0
set grid xtics linecolor "#dddddd"
set key top right samplen 2 spacing 1.1 opaque
set style fill solid noborder

bar(kind, wanted, value) = kind eq wanted ? value : NaN
top = 0.38
plot \
    data using (0):1:ytic(2) with points pointtype -1 notitle, \
    data using (0):1:(0):(bar(strcol(5), "hotpool", $3)):($1):($1 + top) with boxxyerror linecolor "#d9480f" title "hotpool, one at a time", \
    data using (0):1:(0):(bar(strcol(5), "hotpool", $4)):($1 - top):($1) with boxxyerror linecolor "#ffa94d" title "32 at once", \
    data using (0):1:(0):(bar(strcol(5), "client", $3)):($1):($1 + top) with boxxyerror linecolor "#1864ab" title "other HTTP clients, one at a time", \
    data using (0):1:(0):(bar(strcol(5), "client", $4)):($1 - top):($1) with boxxyerror linecolor "#74c0fc" title "32 at once", \
    data using (0):1:(0):(bar(strcol(5), "bare", $3)):($1):($1 + top) with boxxyerror linecolor "#495057" title "no HTTP client, one at a time", \
    data using (0):1:(0):(bar(strcol(5), "bare", $4)):($1 - top):($1) with boxxyerror linecolor "#adb5bd" title "32 at once", \
    data using 3:($1 + top / 2):(sprintf("%.2f", $3)) with labels left offset 0.4,0 font ",9" notitle, \
    data using 4:($1 - top / 2):(sprintf("%.2f", $4)) with labels left offset 0.4,0 font ",9" notitle
