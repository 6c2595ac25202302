# shellcheck shell=sh disable=SC2154
# Sourced by run.sh: from measurements to tables and charts. $root, $build and $raw are set.
#
#   write_tables     $csv, and the tables in $results
#   draw_charts      LAYER.svg beside them, and a line for each in $results
#   compare_with FILE
#   save_results     puts all of them into docs/bench

results=$build/results.md
csv=$build/results.csv
report=$root/benchmarks/report

write_tables() {
    awk -f "$report/kinds.awk" -f "$report/summary.awk" "$raw" >"$csv"
    awk -v processor="$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
        -f "$report/csv.awk" -f "$report/tables.awk" "$csv" >>"$results"
}

# draw_chart LAYER CORES NAME HEADLINE
draw_chart() {
    awk -v layer="$1" -v cores="$2" -f "$report/csv.awk" -f "$report/kinds.awk" -f "$report/chart.awk" "$csv" \
        >"$build/$3.dat"
    [ -s "$build/$3.dat" ] || return 0
    numbers=$(awk -F '\t' '
        { for (i = 3; i <= 4; i++) if ($i != "NaN" && $i + 0 > longest) longest = $i + 0 }
        END { printf "rows=%d; longest=%f", NR, longest }' "$build/$3.dat")
    if gnuplot -e "data='$build/$3.dat'; output_file='$build/$3.svg'; headline='$4'; $numbers" \
        "$report/chart.gnuplot" 2>"$build/$3.log"; then
        printf '![%s](%s.svg)\n\n' "$4" "$3" >>"$results"
    else
        not_measured "the chart $3.svg" "$(complaint "$build/$3.log")"
    fi
}

draw_charts() {
    rm -f "$build"/plain*.svg "$build"/tls*.svg
    if ! has_command gnuplot; then
        not_measured "charts" "no command gnuplot, package gnuplot-nox"
        return 0
    fi
    for mode in $modes; do
        suffix=
        where="on one core"
        if [ "$mode" = two ]; then
            suffix=-two-cores
            where="one core each"
        fi
        draw_chart plain "$mode" "plain$suffix" "Plain, body of 100 B, client and server $where"
        draw_chart tls "$mode" "tls$suffix" "TLS 1.3, body of 100 B, client and server $where"
    done
}

compare_with() {
    awk -v only="$only" -f "$report/csv.awk" -f "$report/compare.awk" "$csv" "$1" >>"$results"
}

name_missing() {
    [ -s "$missing" ] || return 0
    printf '\n## Not measured\n\n'
    sed 's/^/- /' "$missing"
    echo
}

save_results() {
    saved=$root/docs/bench
    mkdir -p "$saved"
    rm -f "$saved"/*.svg
    cp "$results" "$saved/results.md"
    for file in "$csv" "$build"/plain*.svg "$build"/tls*.svg; do
        [ ! -f "$file" ] || cp "$file" "$saved"
    done
    echo "saved in docs/bench" >&2
}
