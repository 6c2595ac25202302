# Compares two results.csv: awk -f csv.awk -f compare.awk NOW BEFORE. `only` is the expression that chose the rows.
# A change counts if it is larger than the middle half of the rounds was wide, before and now.
read_csv($0) {
    if (field["row"] == "epoll" || field["ratio"] == "") next
    key = field["cores"] SUBSEP field["work"] SUBSEP field["row"]
    now = FILENAME == ARGV[1]
    if (!(key in name)) {
        keys[++total] = key
        name[key] = field["work"] (field["cores"] == "two" ? ", two cores" : "") " | " field["row"]
        asked[key] = (field["work"] " " field["row"]) ~ only
    }
    ratio[key, now] = field["ratio"]
    spread[key, now] = field["ratio_75"] - field["ratio_25"]
}

END {
    print "## Compared with before\n"
    print "CPU per request relative to the bare loop. Bold: the change is larger than the spread of the rounds.\n"
    print "| work | row | before | now | change |"
    print "| --- | --- | ---: | ---: | ---: |"
    for (k = 1; k <= total; k++)
        if (((keys[k], 1) in ratio) || asked[keys[k]]) print_change(keys[k])
    print ""
    print changed + 0 " of " compared + 0 " changed by more than their spread."
    print ""
}

function print_change(key,    before, now, difference, size, shown) {
    before = ratio[key, 0]
    now = ratio[key, 1]
    shown = "–"
    if (before > 0 && now > 0) {
        compared++
        difference = now - before
        size = difference < 0 ? -difference : difference
        shown = sprintf("%+.1f %%", 100 * difference / before)
        if (size > spread[key, 0] && size > spread[key, 1]) {
            changed++
            shown = "**" shown "**"
        }
    }
    print "| " name[key] " | " text(before, "%.2f") " | " text(now, "%.2f") " | " shown " |"
}
