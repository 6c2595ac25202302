#!/bin/sh
# The guarded server behind haproxy and nginx that look after its health, under clients that it refuses, and restarted
# under load: nobody is blamed for a check, who is refused can read why, and a deploy loses no request.
#
#   sh tests/interop/fronted_server.sh GUARDED_SERVER     exit code 77: a tool is missing, skipped
set -eu
if [ $# -ne 1 ] || [ ! -x "$1" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
guarded=$(realpath "$1")
PATH=$PATH:/usr/sbin:/usr/local/sbin
for tool in haproxy nginx wrk curl openssl python3 timeout; do
    command -v "$tool" >/dev/null 2>&1 || { echo "skipped: $tool is not installed"; exit 77; }
done

work=$(mktemp -d)
running=
# nginx has workers, which end with it only where it is asked.
finish() {
    # shellcheck disable=SC2086
    [ -z "$running" ] || kill -TERM $running 2>/dev/null || true
    sleep 0.2
    # shellcheck disable=SC2086
    [ -z "$running" ] || kill -KILL $running 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir "$work/files"
printf 'small\n' >"$work/files/small.txt"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

fail() {
    echo "error: $*" >&2
    exit 1
}
await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "in vain: $*"
        sleep 0.05
    done
}
# start NAME CONNECTIONS REQUESTS: sets NAME_pid, NAME_plain and NAME_tls
start() {
    : >"$work/$1.said"
    MAX_CONNECTIONS_PER_IP=$2 MAX_REQUESTS_PER_IP_PER_HOUR=$3 \
        "$guarded" 0 0 "$work/cert.pem" "$work/key.pem" "$work/files" >"$work/$1.said" 2>"$work/$1.log" &
    eval "$1_pid=$!"
    running="$running $!"
    await grep -q '^http' "$work/$1.said"
    port='s|http://127.0.0.1:\([0-9]*\)/ https://127.0.0.1:\([0-9]*\)/|'
    eval "$1_plain=$(sed -n "1$port\\1|p" "$work/$1.said") $1_tls=$(sed -n "1$port\\2|p" "$work/$1.said")"
}
# stop PID
stop() {
    kill -TERM "$1"
    wait "$1" || fail "a server ended with $?"
}
free_ports() {
    python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in held))'
}
# scrape PORT, from an address of its own group; count METRIC [LABEL...]: the sum over the samples that have these labels
scrape() {
    curl -s --interface 127.0.0.2 "http://127.0.0.1:$1/metrics" >"$work/metrics"
}
count() {
    awk -v metric="hotpool_inbound_$1" -v a="${2:-}" -v b="${3:-}" '
        index($0, metric "{") == 1 && index($0, a) && index($0, b) { n += $NF }
        END { printf "%d\n", n }' "$work/metrics"
}
# clean FILE: what wrk has seen
clean() {
    ! grep -E 'Socket errors|Non-2xx' "$1" >&2
}

# --- health checks: of TCP alone, of TLS, of HTTP

start one 100 1000000
read -r front tls_front nginx_front unused <<END
$(free_ports)
END
# haproxy gives a check up within its interval: where a busy machine takes longer, no server counts as down for it, and
# the checks that begin a handshake have the time to end it. The others of the TLS port end before they are accepted.
cat >"$work/haproxy.cfg" <<END
defaults
 default-server fall 1000
 timeout connect 5s
 timeout client 30s
 timeout server 30s
frontend plain
 mode http
 bind 127.0.0.1:$front
 default_backend plain
backend plain
 mode http
 option httpchk GET /health
 server one 127.0.0.1:$one_plain check inter 10ms
frontend tls
 mode tcp
 bind 127.0.0.1:$tls_front
 default_backend tls
backend tls
 mode tcp
 server one 127.0.0.1:$one_tls check inter 10ms
backend tls_checked
 mode tcp
 server-template check 10 127.0.0.1:$one_tls check check-ssl verify none inter 400ms
backend plain_checked
 mode tcp
 server one 127.0.0.1:$one_plain check inter 10ms
END
haproxy -db -q -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
running="$running $!"
cat >"$work/nginx.conf" <<END
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
 access_log off;
 client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
 uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
 upstream one { server 127.0.0.1:$one_plain max_fails=1 fail_timeout=1s; keepalive 8; }
 server { listen 127.0.0.1:$nginx_front; location / { proxy_pass http://one; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
END
nginx -c "$work/nginx.conf" -p "$work" >"$work/nginx.out" 2>&1 &
running="$running $!"
for port in $front $nginx_front; do await curl -sf "http://127.0.0.1:$port/small.txt"; done
await curl -skf "https://127.0.0.1:$tls_front/small.txt"

wrk -t1 -c8 -d3s "http://127.0.0.1:$front/small.txt" >"$work/wrk1" &
jobs="$!"
wrk -t1 -c4 -d3s "https://127.0.0.1:$tls_front/small.txt" >"$work/wrk2" &
jobs="$jobs $!"
wrk -t1 -c4 -d3s "http://127.0.0.1:$nginx_front/small.txt" >"$work/wrk3" &
jobs="$jobs $!"
for job in $jobs; do wait "$job" || fail "wrk failed"; done
for w in wrk1 wrk2 wrk3; do clean "$work/$w" || fail "$w saw errors"; done
scrape "$one_plain"
checks=$(count accepted_total 'server="tls"')
[ "$checks" -gt 50 ] || fail "only $checks checks of the TLS port"
[ "$(count blocked_groups)" -eq 0 ] || fail "a group is blocked for the checks of its proxy"
[ "$(count refused_total)" -eq 0 ] || fail "a connection was refused"
[ "$(count closed_total 'reason="handshake_failed"')" -eq 0 ] || fail "checks count as failed handshakes"
[ "$(count closed_total 'reason="group_blocked"')" -eq 0 ] || fail "a healthy connection was cut"

# --- who is refused reads why

start small 2 0
python3 - "$small_plain" <<'END' || fail "refused clients did not see why"
import http.client, socket, sys
port = int(sys.argv[1])
held = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(2)]
for h in held:
    h.request("GET", "/small.txt")
    assert h.getresponse().read() == b"small\n"
seen = {}
for _ in range(100):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        c.request("POST", "/small.txt", body=b"x" * 50000)
        what = c.getresponse().status
    except OSError as e:
        what = type(e).__name__
    c.close()
    seen[what] = seen.get(what, 0) + 1
print("refused POSTs:", seen)
sys.exit(0 if seen == {429: 100} else 1)
END

# --- a deploy

start old 100 0
start new 100 0
read -r front unused <<END
$(free_ports)
END
cat >"$work/deploy.cfg" <<END
defaults
 mode http
 timeout connect 5s
 timeout client 30s
 timeout server 30s
 retries 10
 option redispatch 1
frontend front
 bind 127.0.0.1:$front
 default_backend both
backend both
 balance roundrobin
 server old 127.0.0.1:$old_plain check inter 50ms
 server new 127.0.0.1:$new_plain check inter 50ms
END
haproxy -db -q -f "$work/deploy.cfg" >"$work/deploy.log" 2>&1 &
running="$running $!"
await curl -sf "http://127.0.0.1:$front/small.txt"
wrk -t1 -c20 -d4s "http://127.0.0.1:$front/small.txt" >"$work/wrk1" &
job=$!
sleep 1.5
stop "$old_pid"
wait "$job" || fail "wrk failed"
clean "$work/wrk1" || fail "the deploy lost requests"
grep -q ', 0 cut$' "$work/old.said" || fail "$(cat "$work/old.said")"
echo "$checks checks blamed nobody, refusals were read, a deploy lost nothing"
