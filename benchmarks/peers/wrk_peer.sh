#!/bin/sh
# wrk as a row: the interface of bench. wrk runs for a time instead of a number of requests, does not look at bodies
# and does not verify certificates; it shows what the server can give.
set -eu
seconds=2
title="wrk (the server's ceiling, checks nothing)"

fail() {
    echo "wrk_peer: $1" >&2
    exit 1
}

host=127.0.0.1
row=
work=
port=
while [ $# -gt 1 ]; do
    case $1 in
    --list)
        printf 'wrk\t%s\n' "$title"
        exit 0
        ;;
    --row) row=$2 ;;
    --work) work=$2 ;;
    --host) host=$2 ;;
    --port) port=$2 ;;
    --requests | --ca) ;;
    *) fail "unknown option $1" ;;
    esac
    shift 2
done
[ "$row" = wrk ] || fail "no row $row"
[ -n "$port" ] || fail "--port is missing"

case $work in
plain-*-*) scheme=http ;;
tls-*-*) scheme=https ;;
*) fail "not a kind of work: $work" ;;
esac
connections=${work#*-}
connections=${connections%%-*}
[ "$connections" != seq ] || connections=1

if ! said=$(wrk -t 1 -c "$connections" -d ${seconds}s -H 'Connection: keep-alive' \
    "$scheme://$host:$port/${work##*-}" 2>&1); then
    fail "$said"
fi
case $said in *"Socket errors"* | *"Non-2xx"*) fail "$said" ;; esac

# The second line of times is what the children took: user and system, as 0m1.234s each.
spent=$(mktemp)
trap 'rm -f "$spent"' EXIT
times >"$spent"
{
    sed -n 2p "$spent"
    echo "$said"
} | awk -v work="$work" -v title="$title" '
    function seconds(text,    parts) {
        split(text, parts, /[ms]/)
        return parts[1] * 60 + parts[2]
    }
    NR == 1 { user = seconds($1); system_time = seconds($2); next }
    / requests in / { requests = $1 }
    /^Requests\/sec:/ { per_second = $2 }
    END {
        if (!requests) exit 1
        printf "row=wrk\twork=%s\trequests=%d\ttitle=%s\tper_second=%s\tcpu_ns=%.1f\tuser_ns=%.1f\tsystem_ns=%.1f\n",
            work, requests, title, per_second, (user + system_time) / requests * 1e9, user / requests * 1e9,
            system_time / requests * 1e9
    }' || fail "wrk said: $said"
