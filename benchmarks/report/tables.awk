# Turns results.csv into a Markdown table for each kind of work. Needs csv.awk.
read_csv($0) {
    if (field["cores"] != cores) {
        cores = field["cores"]
        work = ""
        print (introduced ? "\n" : "") "## Exchanges, " (cores == "two" ? "one core each" : "one core for both")
        if (!introduced++) introduce()
    }
    if (field["work"] != work) {
        work = field["work"]
        print "\n### " describe(work) "\n"
        print "| | requests/s | CPU ns | ratio | | to the best client | system calls | allocations | OpenSSL's |"
        print "| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: |"
    }
    print_row()
}

function introduce() {
    print "\nClient and server (nginx, one worker) on loopback" (processor == "" ? "" : ", " processor) "."
    print "CPU is the client's, per request. The ratio is that of CPU to the bare epoll loop of the same kind of work,"
    print "with the middle half of the rounds; for hotpool also to the best of the other HTTP clients, the"
    print "one that takes the least CPU. System calls and allocations are per request and counted for programs of this"
    print "library only; OpenSSL's allocations are those through its own allocator."
}

function print_row(    calls, own) {
    calls = field["system_calls_strace"]
    if (calls == "") calls = field["system_calls"]
    else strace_used = 1
    own = ""
    if (field["all_allocations"] != "") {
        own = field["all_allocations"] - field["openssl_allocations"]
        if (own < 0) own = 0  # the first requests after a start took more than the later ones
    }
    printf "| %s | %d | %d | %s | %s | %s | %s | %s | %s |\n", field["title"], field["requests_per_second"],
        field["cpu_ns"], text(field["ratio"], "%.2f"),
        text(field["ratio_25"], "%.2f") "–" text(field["ratio_75"], "%.2f"),
        field["client_ratio"] == "" ? "" : sprintf("%.2f of %s", field["client_ratio"], field["client"]),
        text(calls, "%.2f"), text(own, "%.2f"), text(field["openssl_allocations"], "%.2f")
}

END {
    if (strace_used) print "\nSystem calls were counted under strace, which slows the client down."
    print ""
}
