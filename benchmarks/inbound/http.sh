#!/bin/sh
# The guarded server of examples/ beside nginx with limit_conn and limit_req and beside a bare Boost.Beast server, one
# small file by HTTP and HTTPS on kept connections: one Markdown section on stdout.
#
#   sh benchmarks/inbound/http.sh GUARDED_SERVER BENCH_INBOUND_HTTP_BEAST [--quick]
#
# Each server runs on one thread of processor 0, wrk on processor 1. The limits of both guarded ones count every request
# and every connection, and refuse none; that they do count is tried first. Rounds alternate between the servers, and
# the medians are shown. "CPU" is the server's own, per request, the kernel's work for it included: it says the same when
# the machine has other things to do.
set -eu
if [ $# -lt 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
guarded=$(realpath "$1")
beast=$(realpath "$2")
rounds=5
seconds=2
if [ "${3:-}" = --quick ]; then
    rounds=1
    seconds=1
fi
PATH="$PATH:/usr/sbin:/sbin"
for tool in nginx wrk openssl curl taskset; do
    command -v "$tool" >/dev/null 2>&1 || { echo "skipped: $tool is not installed" >&2; exit 77; }
done
server_core=0
load_core=1
[ "$(nproc)" -gt 1 ] || load_core=0

work=$(mktemp -d)
pids=
stop_all() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop_all EXIT
chmod 711 "$work"
mkdir "$work/files"
awk 'BEGIN { for (i = 0; i < 1024; i++) printf "%c", 97 + i % 26 }' >"$work/files/file.txt"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

base=$((20000 + $$ % 10000))
cat >"$work/nginx.conf" <<END
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 2048; }
http {
    access_log off;
    etag off;
    server_tokens off;
    default_type text/plain;
    keepalive_requests 1000000000;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    limit_conn_zone \$binary_remote_addr zone=connections:10m;
    limit_req_zone \$binary_remote_addr zone=requests:10m rate=1000000r/s;
    limit_req_zone \$binary_remote_addr zone=narrow:1m rate=1r/m;
    client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
    server {
        listen 127.0.0.1:$((base + 2));
        listen 127.0.0.1:$((base + 3)) ssl;
        limit_conn connections 10000;
        location = /file.txt { limit_req zone=requests burst=1000000 nodelay; try_files /none @memory; }
        location @memory { return 200 "$(cat "$work/files/file.txt")"; }
        location = /narrow { limit_req zone=narrow; try_files /none @memory; }
    }
}
END

export MAX_CONNECTIONS_PER_IP=10000 MAX_REQUESTS_PER_IP_PER_HOUR=4000000000
taskset -c $server_core "$guarded" "$base" $((base + 1)) "$work/cert.pem" "$work/key.pem" "$work/files" >/dev/null &
guarded_pid=$!
taskset -c $server_core nginx -p "$work" -e error.log -c nginx.conf &
nginx_pid=$!
pids="$guarded_pid $nginx_pid"
taskset -c $server_core "$beast" $((base + 4)) $((base + 5)) "$work/cert.pem" "$work/key.pem" "$work/files/file.txt" &
beast_pid=$!
pids="$pids $beast_pid"

status() {
    curl -sk -o /dev/null -w '%{http_code}' "$1" || true
}
for port in "$base" $((base + 2)) $((base + 4)); do
    tries=0
    until [ "$(status "http://127.0.0.1:$port/file.txt")" = 200 ] &&
        [ "$(status "https://127.0.0.1:$((port + 1))/file.txt")" = 200 ]; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { echo "error: no server at $port" >&2; cat "$work/error.log" >&2; exit 1; }
        sleep 0.1
    done
done
status "http://127.0.0.1:$((base + 2))/narrow" >/dev/null
[ "$(status "http://127.0.0.1:$((base + 2))/narrow")" = 503 ] || { echo "error: limit_req does not limit" >&2; exit 1; }
curl -s "http://127.0.0.1:$base/metrics" | grep -q 'hotpool_inbound_requests' ||
    { echo "error: the guarded server does not count" >&2; exit 1; }

# The worker is nginx's only child.
nginx_pid=$(cat "/proc/$nginx_pid/task/$nginx_pid/children")
nginx_pid=${nginx_pid% }
cpu_ticks() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# run NAME PID URL CONNECTIONS: "CONNECTIONS SCHEME NAME REQUESTS_PER_SECOND CPU_PER_REQUEST"
run() {
    before=$(cpu_ticks "$2")
    taskset -c $load_core wrk -t1 "-c$4" "-d${seconds}s" "$3" >"$work/wrk"
    after=$(cpu_ticks "$2")
    if grep -Eq 'Socket errors|Non-2xx' "$work/wrk"; then
        echo "error: $1 failed requests" >&2
        cat "$work/wrk" >&2
        exit 1
    fi
    awk -v what="$4 ${3%%:*} $1" -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" '
        / requests in / { requests = $1 } /^Requests\/sec/ { rate = $2 }
        END { print what, rate, ticks * 1e6 / hertz / requests }' "$work/wrk"
}

for scheme in http https; do
    tls=0
    [ $scheme = http ] || tls=1
    for connections in 1 4 32; do
        round=0
        while [ $round -lt $rounds ]; do
            run hotpool "$guarded_pid" "$scheme://127.0.0.1:$((base + tls))/file.txt" $connections
            run nginx "$nginx_pid" "$scheme://127.0.0.1:$((base + 2 + tls))/file.txt" $connections
            run beast "$beast_pid" "$scheme://127.0.0.1:$((base + 4 + tls))/file.txt" $connections
            round=$((round + 1))
        done
    done
done >"$work/results"

refused=$(curl -s "http://127.0.0.1:$base/metrics" | awk '/^hotpool_inbound_requests_total.*refused/ { n += $NF } END { print n + 0 }')
[ "$refused" -eq 0 ] || { echo "error: the guarded server refused requests" >&2; exit 1; }

echo "## HTTP on kept connections: a guarded server, nginx with limits, bare Beast"
echo
echo "1 KiB from memory, one server thread; requests per second and CPU of the server per request, medians of $rounds"
echo "rounds of $seconds s; $(nginx -v 2>&1 | sed 's/.*: //'), $(openssl version | cut -d' ' -f1,2)."
echo
echo "| | connections | hotpool | nginx | Beast | of nginx | of Beast | CPU hotpool | nginx | Beast |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
sort -k5,5g "$work/results" >"$work/cpu"
sort -k1,1n -k2,2 -k3,3 -k4,4g "$work/results" | awk -v cpu_file="$work/cpu" '
    function median(list,    n, v) { n = split(list, v, " "); return v[int((n + 1) / 2)] }
    { rate[$2, $1, $3] = rate[$2, $1, $3] " " $4 }
    END {
        while ((getline line < cpu_file) > 0) { split(line, f, " "); cpu[f[2], f[1], f[3]] = cpu[f[2], f[1], f[3]] " " f[5] }
        split("http https", schemes, " "); split("1 4 32", counts, " ")
        for (s = 1; s <= 2; s++) for (c = 1; c <= 3; c++) {
            scheme = schemes[s]; n = counts[c]
            h = median(rate[scheme, n, "hotpool"]); x = median(rate[scheme, n, "nginx"]); b = median(rate[scheme, n, "beast"])
            printf "| %s | %d | %.0f | %.0f | %.0f | %.2f | %.2f | %.1f µs | %.1f µs | %.1f µs |\n",
                scheme == "http" ? "plain" : "TLS", n, h, x, b, h / x, h / b, median(cpu[scheme, n, "hotpool"]),
                median(cpu[scheme, n, "nginx"]), median(cpu[scheme, n, "beast"])
        }
    }'
