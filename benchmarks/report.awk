# Turns the lines of bench into a Markdown table for each kind of work, and into the file `csv`.
# A figure is the median over the rounds; a ratio is the median of the rounds' own ratios to the bare epoll loop.
BEGIN {
    FS = "\t"
    names = split("per_second cpu_ns user_ns system_ns new openssl malloc syscalls strace", name, " ")
}

{
    delete field
    for (i = 1; i <= NF; i++) {
        at = index($i, "=")
        field[substr($i, 1, at - 1)] = substr($i, at + 1)
    }
    key = field["work"] SUBSEP field["row"]
    if (!(key in title)) {
        if (!(field["work"] in rows)) work[++works] = field["work"]
        row[field["work"], ++rows[field["work"]]] = field["row"]
    }
    if ("title" in field) title[key] = field["title"]
    for (i = 1; i <= names; i++)
        if (name[i] in field) add(key, name[i], field[name[i]])
    if ("round" in field) {
        round = field["work"] SUBSEP field["round"]
        if (field["row"] == "epoll") bare[round] = field["cpu_ns"]
        in_round[++measured] = round
        key_of[measured] = key
        cpu_of[measured] = field["cpu_ns"]
    }
}

function add(key, what, value) { seen[key, what, ++count[key, what]] = value }

# The value below which `share` of them lie; empty if there is none.
function quantile(key, what, share,    total, i, j, value, sorted, place) {
    total = count[key, what]
    if (!total) return ""
    for (i = 1; i <= total; i++) {
        value = seen[key, what, i] + 0
        for (j = i - 1; j > 0 && sorted[j] > value; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
    place = (total - 1) * share
    return sorted[1 + (share > 0.5 && place > int(place) ? int(place) + 1 : int(place))]
}

function median(key, what) { return quantile(key, what, 0.5) }

function text(value, format) { return value == "" ? "–" : sprintf(format, value) }

function describe(work,    part, layer, flight, body) {
    split(work, part, "-")
    layer = part[1] == "tls" ? "TLS 1.3" : "Plain"
    flight = part[2] == "seq" ? "one request at a time" : part[2] " requests at once"
    body = part[3]
    if (!sub(/k$/, " KiB", body) && !sub(/m$/, " MiB", body)) body = body " B"
    return layer ", " flight ", body of " body
}

END {
    for (i = 1; i <= measured; i++)
        if (bare[in_round[i]] > 0) add(key_of[i], "ratio", cpu_of[i] / bare[in_round[i]])

    print "## Exchanges\n"
    print "Client and server (nginx, one worker) on loopback, " \
        (cores == "two" ? "one core each" : "on the same core") (processor == "" ? "" : ", " processor) ". CPU is the client's."
    print "The ratio is that of CPU to the bare epoll loop, with the middle half of the rounds. System calls and"
    print "allocations are per request; OpenSSL's allocations are those through its own allocator."
    print "work,row,title,rounds,requests_per_second,cpu_ns,user_ns,system_ns,ratio,ratio_25,ratio_75," \
        "system_calls,system_calls_strace,operator_new,openssl_allocations,all_allocations" > csv
    for (w = 1; w <= works; w++) {
        print "\n### " describe(work[w]) "\n"
        print "| | requests/s | CPU ns | ratio | | system calls | allocations | OpenSSL's |"
        print "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
        for (r = 1; r <= rows[work[w]]; r++) report_row(work[w], row[work[w], r])
    }
    if (strace_used) print "\nSystem calls were counted under strace, which slows the client down."
    print ""
}

function report_row(work, row,    key, calls, own) {
    key = work SUBSEP row
    calls = median(key, "strace")
    if (calls == "") calls = median(key, "syscalls")
    else strace_used = 1
    own = median(key, "malloc") - median(key, "openssl")
    if (own < 0) own = 0  # the first requests after a start took more than the later ones
    printf "| %s | %.0f | %.0f | %s | %s | %s | %.2f | %.2f |\n", title[key], median(key, "per_second"),
        median(key, "cpu_ns"), text(median(key, "ratio"), "%.2f"),
        text(quantile(key, "ratio", 0.25), "%.2f") "–" text(quantile(key, "ratio", 0.75), "%.2f"),
        text(calls, "%.2f"), own, median(key, "openssl")
    printf "%s,%s,\"%s\",%d,%.0f,%.0f,%.0f,%.0f,%s,%s,%s,%s,%s,%.4f,%.4f,%.4f\n", work, row, title[key],
        count[key, "cpu_ns"], median(key, "per_second"), median(key, "cpu_ns"), median(key, "user_ns"),
        median(key, "system_ns"), median(key, "ratio"), quantile(key, "ratio", 0.25), quantile(key, "ratio", 0.75),
        median(key, "syscalls"), median(key, "strace"), median(key, "new"), median(key, "openssl"),
        median(key, "malloc") > csv
}
