# shellcheck shell=sh disable=SC2154
# Sourced: the measurements besides exchanges and get + put, each a Markdown section on stdout.
#
#   sections_run REGEX   those of cold, memory, scale, waiters, threads, inbound_* whose name matches
#
# Needs the server of server.sh, running on the core server_core, and: build (the build directory), rounds,
# client_core, first (a command that runs another with a better priority, or nothing). A section that fails says so
# in its place, and the next one follows.

sections="cold memory scale waiters threads"
# Of the accepting side; each brings its own server and clients.
sections="$sections inbound_admission inbound_supervisor inbound_broadcast inbound_tls inbound_establish inbound_idle"
sections="$sections inbound_http"

# section_failed SECTION: explained by the end of what it wrote to stderr
section_failed() {
    printf '\nThe section %s is incomplete:\n\n```\n' "$1"
    tail -n 5 "$build/section-$1.log"
    printf '```\n'
}

# section_core_beside_server: another core than the server's, if this shell may use one
section_core_beside_server() {
    taskset -pc $$ | awk -v taken="$server_core" '{
        count = split($NF, parts, ",")
        for (i = 1; i <= count; i++) {
            split(parts[i] "-" parts[i], ends, "-")
            for (core = ends[1]; core <= ends[2]; core++) if (core != taken) { print core; exit }
        }
    }'
}

# section_on CORE PROGRAM ARGUMENTS...
section_on() {
    core=$1
    program=$2
    shift 2
    # shellcheck disable=SC2086
    $first taskset -c "$core" "$build/benchmarks/$program" "$@"
}

section_cold() {
    printf '## Cold connections\n\n'
    section_on "$client_core" bench_cold cold "$rounds" "$server_plain_port" "$server_tls_port" "$server_ca" || return 1
    beside=$(section_core_beside_server)
    if [ -z "$beside" ]; then
        printf '\nHot against cold needs two cores and was left out.\n'
        return 0
    fi
    echo
    section_on "$beside" bench_cold hot "$rounds" "$server_plain_port" "$server_tls_port" "$server_ca"
}

# section_memory_rows LAYER: a line for each row, its bytes and their ratio to the first row's
section_memory_rows() {
    floor=
    "$build/benchmarks/bench_memory" --list >"$build/memory-rows" || return 1
    while read -r on row title; do
        [ "$on" = "$1" ] || continue
        port=$server_plain_port
        [ "$on" = plain ] || port=$server_tls_port
        # Freed blocks that malloc keeps for a thread would count as used.
        if ! bytes=$(GLIBC_TUNABLES=glibc.malloc.tcache_count=0 section_on "$client_core" bench_memory \
            "$on" "$row" "$port" "$server_ca" </dev/null); then
            printf '| %s | failed | |\n' "$title"
            failed=yes
            continue
        fi
        floor=${floor:-$bytes}
        awk -v title="$title" -v bytes="$bytes" -v floor="$floor" \
            'BEGIN { printf "| %s | %d | %.2f |\n", title, bytes, bytes / floor }'
    done <"$build/memory-rows"
}

section_memory() {
    failed=
    printf '## Memory\n\nHeap bytes of one idle connection that has carried a request: 400 of them, divided.\n'
    for layer in plain tls; do
        printf '\n| %s | bytes | ratio |\n| --- | ---: | ---: |\n' "$layer"
        section_memory_rows $layer || return 1
    done
    printf '\nResident memory that 10,000 idle plain connections add:\n\n| | MB | bytes each |\n| --- | ---: | ---: |\n'
    section_on "$client_core" bench_memory_resident asio || failed=yes
    section_on "$client_core" bench_memory_resident hotpool || failed=yes
    [ -z "$failed" ]
}

section_scale() { section_on "$client_core" bench_scale "$rounds"; }

section_waiters() { section_on "$client_core" bench_waiters "$rounds"; }

# On all cores, beside the server.
# shellcheck disable=SC2086
section_threads() { $first "$build/benchmarks/bench_threads" "$rounds" "$server_plain_port"; }

# section_inbound NAME: nothing is pinned, since client and server share a program or pin themselves
section_inbound() {
    program=$build/benchmarks/bench_inbound_$1
    quick=
    [ "$rounds" -gt 3 ] || quick=--quick
    # shellcheck disable=SC2086
    case $1 in
    http) sh "$root/benchmarks/inbound/http.sh" "${program%http}guarded_server" "${program}_beast" $quick ;;
    *) $first "$program" $quick ;;
    esac
}

# The programs of a section, which need not be named like it.
section_programs() {
    case $1 in
    memory) echo bench_memory bench_memory_resident ;;
    inbound_http) echo bench_inbound_guarded_server bench_inbound_http_beast ;;
    *) echo "bench_$1" ;;
    esac
}

section_build() {
    for target in $(section_programs "$1"); do
        cmake --build "$build" -j 2 --target "hotpool_$target" || return 1
    done
}

sections_run() {
    for section in $sections; do
        echo "$section" | grep -Eq -- "$1" || continue
        echo "$section" >&2
        echo
        if section_build "$section" >"$build/section-$section.log" 2>&1; then
            case $section in
            inbound_*) section_inbound "${section#inbound_}" ;;
            *) "section_$section" ;;
            esac 2>>"$build/section-$section.log" || section_failed "$section"
        else
            printf '## %s\n' "$section"
            section_failed "$section"
        fi
    done
}
