#!/bin/sh
# What one small program costs (GET over TLS, print the status) with hotpool and with others:
# sh benchmarks/program_cost.sh [ROUNDS]
#
# Compiles the files of benchmarks/programs/ in alternating rounds (5 unless told) with -O2 and prints, as a Markdown
# table, the median of the compiler's CPU time, the size of the object's code and data, and that of the program,
# stripped and linked with the system's shared libraries. Peers that are not installed are named and left out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

rounds=${1:-5}
case $rounds in
'' | *[!0-9]* | 0*)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

need_command c++ g++
need_command size binutils
need_header asio.hpp libasio-dev
need_header openssl/ssl.h libssl-dev
install_missing

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

programs=hotpool
# add PROGRAM HEADER: one more, if its header is there
add() {
    if has_header "$2"; then
        programs="$programs $1"
    else
        echo "left out: $1, <$2> is not installed"
    fi
}
add curl curl/curl.h
add httplib httplib.h
add beast boost/beast.hpp

# libraries PROGRAM: those it needs beside OpenSSL
libraries() {
    case $1 in
    curl) echo -lcurl ;;
    # Some systems split cpp-httplib into a header and a library.
    httplib) ! echo 'int main() {}' | ${CXX:-c++} -x c++ - -lcpp-httplib -o "$work/probe" 2>/dev/null || echo -lcpp-httplib ;;
    esac
}

# compile PROGRAM: prints the seconds
compile() {
    (
        ${CXX:-c++} -std=c++20 -O2 -DNDEBUG -DASIO_STANDALONE -I"$root/include" \
            -c "$root/benchmarks/programs/$1.cpp" -o "$work/$1.o" >&2 || exit 1
        times
    ) >"$work/times" || {
        echo "error: benchmarks/programs/$1.cpp does not compile" >&2
        exit 1
    }
    awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/); print user[1] * 60 + user[2] + kernel[1] * 60 + kernel[2] }' "$work/times"
}

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    for program in $programs; do
        seconds=$(compile "$program")
        echo "$seconds" >>"$work/$program.seconds"
    done
done

echo "| GET over TLS with | compile, s | object, KB | stripped program, KB | its own shared libraries, KB |"
echo "| --- | ---: | ---: | ---: | ---: |"
for program in $programs; do
    own=$(libraries "$program")
    # shellcheck disable=SC2086
    ${CXX:-c++} "$work/$program.o" -o "$work/$program" -pthread $own -lssl -lcrypto
    strip "$work/$program"
    shared=0
    [ -z "$own" ] || shared=$(ldd "$work/$program" | awk -v name="lib${own#-l}[.]" '$1 ~ name { print $3 }' |
        while read -r file; do wc -c <"$(readlink -f "$file")"; done)
    object=$(size "$work/$program.o" | awk 'NR == 2 { print $4 }')
    sort -n "$work/$program.seconds" | awk -v program="$program" -v object="$object" \
        -v whole="$(wc -c <"$work/$program")" -v shared="${shared:-0}" '
        { value[NR] = $1 }
        END {
            printf "| %s | %.1f | %.0f | %.0f | %.0f |\n", program, value[int((NR + 1) / 2)], object / 1000,
                whole / 1000, shared / 1000
        }'
done
