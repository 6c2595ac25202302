# Two listings of callgrind_annotate, the second of `requests` requests more: instructions per request by part.
BEGIN {
    # The first rule that fits a function's name decides. Inlined code counts where it was inlined.
    rule("request_builder|request_writer|field_block|target_authority", "writing the request's head")
    rule("hotpool::(http::|response_parser)|response_collector|hotpool::response::", "parsing the response")
    rule("byte_buffer|recycler|memcpy|memmove|memset|malloc|free|operator new|operator delete", "memory: recycled blocks, copies")
    rule("pool_core|connection_manager|hotpool::lease|base::mutex|slot_table|waiter_queue|deadline|connection_pool|coarse_now|end_of|clock_gettime|steady_clock", "get and put: lock, machine, clock")
    rule("(tcp|tls)_stream|socket_bio", "the stream")
    rule("hotpool::", "exchange, client, completion")
    rule("asio::|epoll_wait|epoll_ctl|recv|send|pthread_|std::mutex", "Asio, locks and system calls' wrappers")
    rule("lib(ssl|crypto)", "OpenSSL")
    rule(".", "the rest: handler, C++ library")
}

function rule(pattern, name) { pattern_of[++rules] = pattern; part[rules] = name }

/^ *[0-9][0-9,]* +\(/ {
    cost = $1
    gsub(",", "", cost)
    where = $0
    sub(/^[^)]*\) */, "", where)
    if (where ~ /PROGRAM TOTALS/) next
    # FILE:FUNCTION<TYPES>(TYPES) [OBJECT]: what is between brackets names others, and the file may be that of inlined code.
    object = where
    if (!sub(/^.* \[/, "[", object)) object = ""
    sub(/ \[[^ ]*\]$/, "", where)
    sub(/^[^:]*:/, "", where)
    gsub(/operator(<<|>>|<|>|->|\(\))/, "operator", where)
    while (gsub(/<[^<>]*>|\([^()]*\)/, "", where));
    where = where " " object
    for (i = 1; where !~ pattern_of[i]; i++);
    count[FILENAME, i] += cost
    files[FILENAME] = 1
    if (!(FILENAME in order)) order[FILENAME] = ++seen
}

END {
    for (file in order) name[order[file]] = file
    print "Instructions in user space per request, " row " on " work ":\n"
    print "| part | instructions | share |\n| --- | ---: | ---: |"
    for (i = 1; i <= rules; i++) total += each[i] = (count[name[2], i] - count[name[1], i]) / requests
    for (i = 1; i <= rules; i++)
        if (each[i] >= 0.5) printf "| %s | %.0f | %.0f %% |\n", part[i], each[i], 100 * each[i] / total
    printf "| together | %.0f | |\n", total
}
