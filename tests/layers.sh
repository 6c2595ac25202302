#!/bin/sh
# Fails when a header includes one of a higher layer: sh tests/layers.sh [ROOT]
#
# Only direct includes are looked at, which is enough: each file on the way is looked at too.
set -eu
root=${1:-$(dirname "$0")/..}
cd "$root/include"

# Which layer a header is in: first match wins, * stands for anything.
headers='
base        hotpool/version.hpp
base        hotpool/error.hpp
base        hotpool/base/*
metrics     hotpool/metrics/*
http        hotpool/http/*
http        hotpool/request_builder.hpp
http        hotpool/response_parser.hpp
policy      hotpool/policy/*
policy      hotpool/access/*
policy      hotpool/access_list.hpp
manager     hotpool/manager/*
manager     hotpool/connection_manager.hpp
manager     hotpool/endpoint_pool.hpp
policy      hotpool/endpoint_source.hpp
manager     hotpool/pool_event.hpp
manager     hotpool/connection_budget.hpp
drivers     hotpool/inbound/detail/*
drivers     hotpool/inbound/acceptor.hpp
drivers     hotpool/inbound/acceptor_options.hpp
drivers     hotpool/inbound/connection.hpp
drivers     hotpool/inbound/http_server.hpp
drivers     hotpool/inbound/nonce_cache.hpp
drivers     hotpool/inbound/process_resources.hpp
drivers     hotpool/inbound/random_bytes.hpp
inbound     hotpool/inbound/*
transport   hotpool/transport/*
drivers     hotpool/detail/*
drivers     hotpool/access_controller.hpp
drivers     hotpool/client_options.hpp
drivers     hotpool/connection_pool.hpp
drivers     hotpool/exchange.hpp
drivers     hotpool/exchange_options.hpp
drivers     hotpool/health_checker.hpp
drivers     hotpool/http_client.hpp
drivers     hotpool/lease.hpp
drivers     hotpool/pool_services.hpp
drivers     hotpool/pool_stats.hpp
drivers     hotpool/response.hpp
drivers     hotpool/response_reader.hpp
umbrella    hotpool/hotpool.hpp
umbrella    hotpool/inbound.hpp
'

# What each layer may include. io stands for Asio and OpenSSL. http and manager do not know one another.
arrows='
base        base
metrics     metrics base
http        http metrics base
policy      policy metrics base
manager     manager policy metrics base
inbound     inbound policy http metrics base
transport   transport policy http metrics base io
drivers     drivers inbound transport manager policy http metrics base io
umbrella    drivers inbound transport manager policy http metrics base io
'

find hotpool -name '*.hpp' | sort | while read -r file; do
    grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" /dev/null || echo "$file:0:"
done | awk -v headers="$headers" -v arrows="$arrows" '
function complain(text) { print text; failures++ }

# The layer of a header; "" when the table has none, "std" for what is neither ours nor io.
function layer_of(name,    i) {
    if (name ~ /^(asio|boost|openssl)[\/.]/) return "io"
    if (name !~ /^hotpool\//) return "std"
    for (i = 1; i <= patterns; i++)
        if (name ~ pattern[i]) return layer[i]
    return ""
}

BEGIN {
    count = split(headers, lines, "\n")
    for (i = 1; i <= count; i++) {
        if (split(lines[i], word, " ") != 2) continue
        layer[++patterns] = word[1]
        gsub(/\./, "[.]", word[2])
        gsub(/\*/, ".*", word[2])
        pattern[patterns] = "^" word[2] "$"
    }
    count = split(arrows, lines, "\n")
    for (i = 1; i <= count; i++) {
        words = split(lines[i], word, " ")
        for (j = 2; j <= words; j++) allowed[word[1], word[j]] = 1
    }
}

{
    split($0, part, ":")
    file = part[1]
    place = file ":" part[2]
    if (!(file in seen)) {
        seen[file] = 1
        total++
        if (layer_of(file) == "") complain(file ": in no layer, add it to the table in tests/layers.sh")
    }
    if (part[2] == 0) next
    if (!match($0, /[<"][^>"]+[>"]/)) { complain(place ": an include whose name cannot be read"); next }
    quote = substr($0, RSTART, 1)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    if (quote == "\"" && name !~ /^hotpool\//) { complain(place ": write <hotpool/...>, not \"" name "\""); next }
    to = layer_of(name)
    from = layer_of(file)
    if (to == "") complain(place ": includes " name ", which is in no layer")
    else if (from != "" && to != "std" && !((from, to) in allowed))
        complain(place ": " from " must not include " name " (" to ")")
}

END {
    if (total == 0) complain("no headers found")
    printf "layers: %d headers, %d failures\n", total, failures
    exit failures > 0
}'
