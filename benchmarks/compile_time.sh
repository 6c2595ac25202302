#!/bin/sh
# What including hotpool costs the compiler, beside the headers it is built on: sh benchmarks/compile_time.sh [ROUNDS]
#
# Compiles three small files in alternating rounds (9 unless told), without optimisation and with -O2, and prints the
# medians of the compiler's CPU time and their ratios as a Markdown table. Then, by program_cost.sh, what a whole small
# program costs beside others.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

rounds=${1:-9}
case $rounds in
'' | *[!0-9]* | 0*)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

need_command c++ g++
need_header asio.hpp libasio-dev
need_header openssl/ssl.h libssl-dev
install_missing

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The headers of Asio and OpenSSL that hotpool names.
find "$root/include/hotpool" -name '*.hpp' -exec sed -n 's/^#include \(<\(asio\|openssl\)[/.].*>\).*/\1/p' {} + |
    sort -u | while read -r header; do
    printf '#if __has_include(%s)\n#include %s\n#endif\n' "$header" "$header"
done >"$work/named.cpp"
cat >"$work/whole.cpp" <<END
#include <asio.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
END
echo '#include <hotpool/hotpool.hpp>' >"$work/hotpool.cpp"
for file in named whole hotpool; do
    echo 'int main() {}' >>"$work/$file.cpp"
done

# cpu_seconds FILE LEVEL: of one compilation; `times` counts those of this subshell's children
cpu_seconds() {
    (
        ${CXX:-c++} -std=c++20 "$2" -DASIO_STANDALONE -I"$root/include" -c "$work/$1.cpp" -o "$work/out.o" >&2
        times
    ) | awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/); print user[1] * 60 + user[2] + kernel[1] * 60 + kernel[2] }'
}

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    for level in -O0 -O2; do
        for file in whole named hotpool; do
            echo "$level $file $(cpu_seconds $file $level)"
        done
    done
done | awk '
    function median(level, file,    total, i, j, value, sorted) {
        total = count[level, file]
        for (i = 1; i <= total; i++) {
            value = seconds[level, file, i]
            for (j = i - 1; j > 0 && sorted[j] > value; j--) sorted[j + 1] = sorted[j]
            sorted[j + 1] = value
        }
        return sorted[int((total + 1) / 2)]
    }
    function line(title, file) {
        printf "| %s | %.2f | %.2f | %.2f | %.2f |\n", title, median("-O0", file), median("-O0", file) / median("-O0", "whole"),
            median("-O2", file), median("-O2", file) / median("-O2", "whole")
    }
    { seconds[$1, $2, ++count[$1, $2]] = $3 }
    END {
        print "| includes | s at -O0 | ratio | s at -O2 | ratio |"
        print "| --- | ---: | ---: | ---: | ---: |"
        line("`asio.hpp` and OpenSSL", "whole")
        line("only the Asio and OpenSSL headers that hotpool names", "named")
        line("`hotpool/hotpool.hpp`", "hotpool")
    }'

echo
sh "$root/benchmarks/program_cost.sh" "$rounds"
