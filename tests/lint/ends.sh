#!/bin/sh
# Compares the asynchronous functions of the public headers with the rows of the matrix: a new one without its row
# fails, and so does a row of a function that is gone.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root/include/hotpool" || exit 2

# What is declared `auto async_...(` in a class or a namespace of the public API, as header:function.
declared=$(grep -rho --with-filename --include='*.hpp' -E '^ *auto async_[a-z_]+\(' \
    pool connection exchange client inbound | sed -E 's/: *auto /:/; s/\($//' | sort -u)
covered=$(sed -nE 's/.*"([a-z_\/]+\.hpp:async_[a-z_]+)".*/\1/p' "$root"/tests/ends/*.cpp | sort -u)

[ -n "$declared" ] || { echo "no asynchronous functions are found"; exit 1; }
failed=0
for function in $declared; do
    echo "$covered" | grep -qx "$function" || { echo "no row covers $function"; failed=1; }
done
for function in $covered; do
    echo "$declared" | grep -qx "$function" || { echo "a row covers $function, which is not there"; failed=1; }
done
[ $failed -eq 0 ] && echo "$(echo "$declared" | wc -l) asynchronous functions have their rows"
exit $failed
