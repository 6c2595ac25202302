# shellcheck shell=sh disable=SC2154
# Sourced by run.sh: what is measured. $build and $only are set.
#
#   wanted ROW                is this row asked for on any work?
#   not_measured WHAT WHY     says so now, and in the results
#   complaint LOG             the first thing a program said before it failed
#   make_plan PROGRAM...      a line "work<TAB>row<TAB>program" in $plan for everything that is asked for
#   drop_unserved_works       takes out what the server does not serve
#   drop_row ROW WORK         takes out one row

works="plain-seq-100 plain-32-100 plain-seq-16k plain-32-16k plain-seq-1m plain-32-1m
tls-seq-100 tls-32-100 tls-seq-16k tls-32-16k tls-seq-1m tls-32-1m"
plan=$build/plan
missing=$build/not_measured
tab=$(printf '\t')
: >"$missing"

wanted() {
    for work in $works; do echo "$work $1"; done | grep -E -q -e "$only"
}

not_measured() {
    grep -F -q -x -e "$1 ($2)" "$missing" && return
    echo "$1 ($2)" >>"$missing"
    echo "not measured: $1 ($2)" >&2
}

complaint() {
    tr -d '\r' <"$1" | sed -n '/./ { p; q; }'
}

# The bare epoll loop comes with whatever is compared with it.
make_plan() {
    for work in $works; do
        for program in "$@"; do
            if ! "$program" --list "$work" >"$build/list" 2>"$build/list.log"; then
                not_measured "$(basename "$program") on $work" "$(complaint "$build/list.log")"
                continue
            fi
            while IFS=$tab read -r row _; do
                printf '%s\t%s\t%s\n' "$work" "$row" "$program"
            done <"$build/list"
        done
    done >"$plan.all"
    awk -F '\t' -v only="$only" '
        { line[NR] = $0; work[NR] = $1; row[NR] = $2 }
        ($1 " " $2) ~ only { asked[$1] = 1 }
        END {
            for (i = 1; i <= NR; i++)
                if ((work[i] " " row[i]) ~ only || ((work[i] in asked) && row[i] == "epoll")) print line[i]
        }' "$plan.all" >"$plan"
    count_plan
}

count_plan() {
    # shellcheck disable=SC2034
    total=$(awk 'END { print NR }' "$plan")
}

# drop_from_plan AWK_CONDITION NAME=VALUE...: a loop over the plan goes on reading the old file
drop_from_plan() {
    condition=$1
    shift
    for pair in "$@"; do
        set -- "$@" -v "$pair"
        shift
    done
    awk -F '\t' "$@" "!($condition) { print }" "$plan" >"$plan.new"
    mv "$plan.new" "$plan"
    count_plan
}

drop_row() {
    # shellcheck disable=SC2016
    drop_from_plan '$1 == work && $2 == row' "row=$1" "work=$2"
}

drop_unserved_works() {
    for work in $(cut -f 1 "$plan" | uniq); do
        run_row "$bench" epoll "$work" 1 >/dev/null 2>"$build/row.log" && continue
        not_measured "$work" "the server does not serve it: $(complaint "$build/row.log")"
        # shellcheck disable=SC2016
        drop_from_plan '$1 == work' "work=$work"
    done
}
