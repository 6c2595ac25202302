#!/bin/sh
# The guarded server under the hands of wrk, curl and openssl s_client at once: what is answered is as it should be,
# limits hold while that goes on, the counters agree with one another, and a stop cuts no request.
#
#   sh tests/interop/guarded_server.sh GUARDED_SERVER     exit code 77: a tool is missing, skipped
set -eu
if [ $# -ne 1 ] || [ ! -x "$1" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
guarded=$(realpath "$1")
for tool in wrk curl openssl timeout; do
    command -v "$tool" >/dev/null 2>&1 || { echo "skipped: $tool is not installed"; exit 77; }
done

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir "$work/files"
printf 'small\n' >"$work/files/small.txt"
awk 'BEGIN { while (i++ < 200000) print "a line of a large file" }' >"$work/files/large.txt"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

fail() {
    echo "error: $*" >&2
    exit 1
}
# start CONNECTIONS REQUESTS: the limits of one address
start() {
    : >"$work/said"
    MAX_CONNECTIONS_PER_IP=$1 MAX_REQUESTS_PER_IP_PER_HOUR=$2 \
        "$guarded" 0 0 "$work/cert.pem" "$work/key.pem" "$work/files" >"$work/said" &
    server=$!
    tries=0
    until grep -qs '^http' "$work/said"; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "the server does not start"
        sleep 0.05
    done
    read -r plain tls <"$work/said"
}
stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?"
    server=
}
# What the server counts, asked for from an address of its own group.
scrape() {
    curl -s --interface 127.0.0.2 "${plain}metrics" >"$work/metrics"
}
# count METRIC [LABEL...]: the sum over the samples that have these labels
count() {
    awk -v metric="hotpool_inbound_$1" -v a="${2:-}" -v b="${3:-}" '
        index($0, metric "{") == 1 && index($0, a) && index($0, b) { n += $NF }
        END { printf "%d\n", n }' "$work/metrics"
}
check_counters() {
    for s in 'server="plain"' 'server="tls"'; do
        [ "$(count accepted_total "$s")" -eq $(($(count closed_total "$s") + $(count connections "$s"))) ] ||
            fail "connections do not add up for $s"
        # The request for these numbers has begun and not ended.
        under_way=0
        [ "$s" = 'server="tls"' ] || under_way=1
        ended=$(($(count requests_total "$s") + under_way))
        [ "$(count requests_begun_total "$s")" -eq $ended ] || fail "requests do not add up for $s"
    done
}

# --- everybody at once, within the limits

start 100 0
curls() {
    url=$1
    i=0
    while [ $i -lt 15 ]; do
        curl -sk --cacert "$work/cert.pem" -w '%{http_code} %{size_download}\n' -o /dev/null "${url}small.txt" \
            -o /dev/null "${url}large.txt" -o /dev/null "${url}health" -o /dev/null "${url}no_file"
        curl -skI -w '%{http_code}\n' -o /dev/null "${url}large.txt"
        curl -sk -d body -w '%{http_code}\n' -o /dev/null "${url}small.txt"
        curl -sk -H 'Expect: something' -w '%{http_code}\n' -o /dev/null "${url}small.txt"
        curl -sk -0 -w '%{http_code}\n' -o /dev/null "${url}small.txt"
        curl -sk -H 'Transfer-Encoding: gzip' -w '%{http_code}\n' -o /dev/null "${url}small.txt"
        i=$((i + 1))
    done | sort | uniq -c | awk '{ $1 = $1; print }'
}
s_clients() {
    at=${tls#https://}
    i=0
    while [ $i -lt 15 ]; do
        { printf 'GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'; sleep 0.2; } |
            timeout 20 openssl s_client -quiet -connect "${at%/}" 2>/dev/null
        printf 'nonsense\r\n\r\n' | timeout 20 openssl s_client -quiet -connect "${at%/}" 2>/dev/null
        i=$((i + 1))
    done | tr -d '\r' | grep -c -e '^HTTP/1.1 200 OK$' -e '^HTTP/1.1 400 Bad Request$'
}
wrk -t1 -c16 -d4s "${plain}small.txt" >"$work/wrk1" &
jobs="$!"
wrk -t1 -c16 -d4s "${tls}small.txt" >"$work/wrk2" &
jobs="$jobs $!"
wrk -t1 -c4 -d4s "${plain}large.txt" >"$work/wrk3" &
jobs="$jobs $!"
curls "$plain" >"$work/curl1" &
jobs="$jobs $!"
curls "$tls" >"$work/curl2" &
jobs="$jobs $!"
s_clients >"$work/s_client" &
jobs="$jobs $!"
for job in $jobs; do wait "$job" || fail "a client failed"; done

large=$(wc -c <"$work/files/large.txt")
printf '%s\n' '15 200' "15 200 $large" '15 200 3' '15 200 6' '15 404 13' '15 405' '15 417' '15 501' | sort >"$work/wanted"
for seen in curl1 curl2; do
    # The request by HTTP/1.0 and the one for a head alone.
    sed 's/^30 200$/15 200/' "$work/$seen" | sort >"$work/seen"
    diff "$work/wanted" "$work/seen" >&2 || fail "curl saw other answers"
done
[ "$(cat "$work/s_client")" -eq 45 ] || fail "s_client saw $(cat "$work/s_client") good answers of 45"
requests=0
for w in wrk1 wrk2 wrk3; do
    ! grep -E 'Socket errors|Non-2xx' "$work/$w" >&2 || fail "wrk saw errors"
    requests=$((requests + $(awk '/ requests in / { print $1 }' "$work/$w")))
done
scrape
check_counters
[ "$(count requests_total 'outcome="served"')" -ge $requests ] || fail "fewer were counted than answered"
[ "$(count requests_total 'outcome="refused"')" -eq 0 ] || fail "somebody was refused"
# Expect, an unknown coding and nonsense.
[ "$(count requests_total 'outcome="failed"')" -eq 75 ] || fail "$(count requests_total 'outcome="failed"') failed, not 75"
[ "$(count refused_total)" -eq 0 ] || fail "a connection was refused"
stop

# --- more than one address may have

start 5 1000
wrk -t1 -c64 -d2s "${plain}small.txt" >"$work/wrk1" 2>&1 &
jobs="$!"
wrk -t1 -c64 -d2s "${tls}small.txt" >"$work/wrk2" 2>&1 &
jobs="$jobs $!"
i=0
while [ $i -lt 20 ]; do
    scrape
    for s in 'server="plain"' 'server="tls"'; do
        [ "$(count connections "$s" 'state="open"')" -le 6 ] || fail "more connections than allowed"
    done
    i=$((i + 1))
    sleep 0.05
done
for job in $jobs; do wait "$job" || true; done
# Within the connections allowed, what is left of the quota is soon used up.
wrk -t1 -c4 -d1s "${plain}small.txt" >/dev/null 2>&1
wrk -t1 -c4 -d1s "${tls}small.txt" >/dev/null 2>&1
scrape
check_counters
[ "$(count refused_total 'reason="group_connections"')" -gt 0 ] || fail "no connection was refused"
refused=$(curl -s -o /dev/null -D - "${plain}small.txt" | tr -d '\r')
echo "$refused" | grep -q '^HTTP/1.1 429 ' || fail "no 429: $refused"
echo "$refused" | grep -q '^Retry-After: [1-9]' || fail "no Retry-After: $refused"
scrape
# By both servers for 127.0.0.1, and 22 times for these numbers so far; the present one is still to be counted.
[ "$(count requests_total 'server="plain"' 'outcome="served"')" -eq $((1000 + 21)) ] || fail "the quota does not hold: $(count requests_total 'server="plain"' 'outcome="served"')"
[ "$(count requests_total 'server="tls"' 'outcome="served"')" -eq 1000 ] || fail "the quota does not hold for TLS: $(count requests_total 'server="tls"' 'outcome="served"')"
stop

# --- a stop under load

start 100 0
loop() {
    code=0
    while [ $code -eq 0 ]; do
        curl -sk -o /dev/null -w '%{http_code}\n' "${1}large.txt" >>"$work/$2" || code=$?
    done
    echo "end $code" >>"$work/$2"
}
jobs=
for i in 1 2 3; do
    loop "$plain" "plain$i" &
    jobs="$jobs $!"
    loop "$tls" "tls$i" &
    jobs="$jobs $!"
done
sleep 1
stop
for job in $jobs; do wait "$job"; done
grep -q ', 0 cut$' "$work/said" || fail "$(cat "$work/said")"
# 7: nobody listens any more; 35, 52, 56: the connection was closed before its request was sent. Never 18, half a file.
sort "$work"/plain? "$work"/tls? | uniq -c >"$work/ends"
! grep -vE ' (200|503|000|end (7|35|52|56))$' "$work/ends" >&2 || fail "a stop cut requests"
echo "$requests requests by wrk within the limits, everything as it should be"
