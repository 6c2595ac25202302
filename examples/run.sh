#!/bin/sh
# Builds the quickstart and runs it: sh examples/run.sh [URL]
#
# Without a URL it talks to a TLS server of its own on loopback. Installs what is missing (Debian packages).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

case ${1:-} in
--help | -h)
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

need_toolchain
need_header asio.hpp libasio-dev
need_file /etc/ssl/certs/ca-certificates.crt ca-certificates
install_missing

build=$root/build/quickstart
log=$build/build.log
mkdir -p "$build"
echo "building the quickstart (about half a minute the first time)"
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release \
        -DHOTPOOL_BUILD_TESTS=OFF -DHOTPOOL_BUILD_EXAMPLES=ON &&
        cmake --build "$build" --target quickstart
} >"$log" 2>&1; then
    cat "$log" >&2
    echo "error: the quickstart does not build" >&2
    exit 1
fi
exec "$build/examples/quickstart" "$@"
