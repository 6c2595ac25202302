# shellcheck shell=sh disable=SC2154
# Sourced by run.sh: runs what is planned, in rounds, and leaves a line for each measurement in $raw.
#
#   run_row PROGRAM ROW WORK REQUESTS [COMMAND...]   prints the row's line, run under COMMAND
#   measure_all                                      all rounds, then the calls

raw=$build/raw.tsv
bench_options=
own_failures=0

run_row() {
    row_program=$1
    row_id=$2
    row_work=$3
    row_requests=$4
    shift 4
    case $row_work in
    plain-*) port=$server_plain_port ;;
    *) port=$server_tls_port ;;
    esac
    # shellcheck disable=SC2086
    $first taskset -c "$client_core" "$@" "$row_program" --row "$row_id" --work "$row_work" \
        --requests "$row_requests" --port "$port" --ca "$server_ca" $bench_options
}

# try_row PROGRAM ROW WORK REQUESTS: the line in $build/row, complaints in $build/row.log. If the server has gone
# meanwhile, which is not the row's fault, once more with another.
try_row() {
    run_row "$@" >"$build/row" 2>"$build/row.log" && return
    if kill -0 "$server_pid" 2>/dev/null; then return 1; fi
    restart_server
    run_row "$@" >"$build/row" 2>"$build/row.log"
}

restart_server() {
    echo "warning: nginx has ended, starting it again" >&2
    stop_server
    start_server "$server_core" || fail "nginx does not start again"
}

is_own() {
    case $1 in "$build/benchmarks/"*) ;; *) return 1 ;; esac
}

# A row that fails is named and not tried again; one of bench's own makes run.sh fail in the end.
row_failed() {
    not_measured "$3 $2" "$(complaint "$build/row.log")"
    drop_row "$2" "$3"
    ! is_own "$1" || own_failures=$((own_failures + 1))
}

# What takes long and varies little: wrk takes the same two seconds for anything.
is_slow() {
    case $1-$2 in wrk-* | *m) ;; *) return 1 ;; esac
}

# measure PROGRAM ROW WORK: what is slow in every second round only
measure() {
    if is_slow "$2" "$3" && [ $((round % 2)) -eq 0 ]; then return 0; fi
    requests=$size
    case $3 in
    *-16k) requests=$((size / 2)) ;;
    *m) requests=$((size / 20)) ;;
    esac
    if try_row "$@" "$requests"; then
        printf 'cores=%s\tround=%s\t' "$cores" "$round" >>"$raw"
        cat "$build/row" >>"$raw"
    else
        row_failed "$@"
    fi
}

# strace_calls PROGRAM ROW WORK: system calls under strace; start and warm-up drop out in the difference of two runs
strace_calls() {
    few=1000
    case $3 in *m) few=100 ;; esac
    for requests in $few $((3 * few)); do
        run_row "$1" "$2" "$3" "$requests" strace -f -c -o "$server_dir/strace" >/dev/null || return 1
        awk '$4 ~ /^[0-9]+$/ && $NF != "total" { calls += $4 } END { print calls }' "$server_dir/strace"
    done | awk -v cores="$cores" -v row="$2" -v work="$3" -v requests=$((2 * few)) '
        { calls[NR] = $1 }
        END {
            if (NR != 2) exit 1
            printf "cores=%s\trow=%s\twork=%s\tstrace=%.4f\n", cores, row, work, (calls[2] - calls[1]) / requests
        }'
}

# kernel_calls PROGRAM ROW WORK: what bench counts of itself
kernel_calls() {
    requests=4000
    case $3 in *m) requests=200 ;; esac
    bench_options="--count 1"
    try_row "$@" "$requests" && counted=yes || counted=no
    bench_options=
    if [ "$counted" = no ]; then
        row_failed "$@"
        return 1
    fi
    printf 'cores=%s\t' "$cores" >>"$raw"
    cat "$build/row" >>"$raw"
    grep -q syscalls= "$build/row" || count=strace
}

# Programs other than bench do not count, and wrk runs for a time whatever it is told.
count_calls() {
    if is_own "$1"; then kernel_calls "$@" || return 0; fi
    if [ "$count" = strace ] && [ "$2" != wrk ]; then
        strace_calls "$@" >>"$raw" 2>"$build/row.log" ||
            echo "warning: no system calls of $2 on $3: $(complaint "$build/row.log")" >&2
    fi
}

# progress PHASE STEP WORK ROW
progress() {
    if [ -t 2 ]; then
        printf '\r\033[K%s, %s of %s: %s %s, %s%s' "$1" "$2" "$total" "$3" "$4" "$(so_far)" "$estimate" >&2
    elif [ "$2" -eq 1 ]; then
        echo "$1: $total rows, $(so_far)$estimate" >&2
    fi
}

so_far() {
    spent=$(($(date +%s) - started))
    printf '%d:%02d' $((spent / 60)) $((spent % 60))
}

# each_row PHASE COMMAND: calls COMMAND PROGRAM ROW WORK for every line of the plan
each_row() {
    step=0
    while IFS=$tab read -r work row program; do
        step=$((step + 1))
        progress "$1" $step "$work" "$row"
        $2 "$program" "$row" "$work" </dev/null
    done <"$plan"
}

# make_estimate SECONDS: from what the rounds so far took; after the first, which has all that is slow, it is too much
make_estimate() {
    all=$((setup_seconds + $1 * (rounds + 1) * modes_in_all / round))
    estimate=" of about $(((all + 59) / 60)) min and the sections"
    [ -t 2 ] || [ "$round" -gt 1 ] || echo "estimated:${estimate# of}" >&2
}

measure_all() {
    round=0
    rounds_started=$(date +%s)
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        each_row "$cores core$([ "$cores" = same ] || echo s), round $round of $rounds" measure
        make_estimate $(($(date +%s) - rounds_started))
    done
    each_row "counting" count_calls
    [ ! -t 2 ] || printf '\r\033[K' >&2
}
