# Turns the lines of the programs into results.csv: a line for each row on each kind of work. Needs kinds.awk.
# A figure is the median over the rounds; a ratio is the median of the rounds' own ratios, to the bare epoll loop and,
# for the rows of hotpool, to the other client that took the least CPU.
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
    job = field["cores"] SUBSEP field["work"]
    key = job SUBSEP field["row"]
    if (!(key in row_of)) {
        keys[++total] = key
        job_of[key] = job
        row_of[key] = field["row"]
        cores_of[key] = field["cores"]
        work_of[key] = field["work"]
    }
    if ("title" in field) title[key] = field["title"]
    for (i = 1; i <= names; i++)
        if (name[i] in field) add(key, name[i], field[name[i]])
    if ("round" in field) {
        cpu[key, field["round"]] = field["cpu_ns"]
        if (field["round"] > rounds) rounds = field["round"] + 0
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

# Adds the ratio of each round in which both were measured.
function add_ratios(key, other, what,    round) {
    for (round = 1; round <= rounds; round++)
        if (cpu[key, round] > 0 && cpu[other, round] > 0) add(key, what, cpu[key, round] / cpu[other, round])
}

function rounded(value, format) { return value == "" ? "" : sprintf(format, value) }

END {
    for (k = 1; k <= total; k++) {
        key = keys[k]
        job = job_of[key]
        add_ratios(key, job SUBSEP "epoll", "ratio")
        if (is_client(row_of[key]) && median(key, "cpu_ns") > 0 &&
            (!(job in best) || median(key, "cpu_ns") < median(job SUBSEP best[job], "cpu_ns"))) best[job] = row_of[key]
    }
    print "cores,work,row,title,rounds,requests_per_second,cpu_ns,user_ns,system_ns,ratio,ratio_25,ratio_75,client," \
        "client_ratio,system_calls,system_calls_strace,operator_new,openssl_allocations,all_allocations"
    for (k = 1; k <= total; k++) {
        key = keys[k]
        client = is_hotpool(row_of[key]) ? best[job_of[key]] : ""
        if (client != "") add_ratios(key, job_of[key] SUBSEP client, "client")
        printf "%s,%s,%s,\"%s\",%d", cores_of[key], work_of[key], row_of[key], title[key], count[key, "cpu_ns"]
        printf ",%.0f,%.0f,%.0f,%.0f", median(key, "per_second"), median(key, "cpu_ns"), median(key, "user_ns"),
            median(key, "system_ns")
        printf ",%s,%s,%s", rounded(median(key, "ratio"), "%.4f"), rounded(quantile(key, "ratio", 0.25), "%.4f"),
            rounded(quantile(key, "ratio", 0.75), "%.4f")
        printf ",%s,%s", client, rounded(median(key, "client"), "%.4f")
        printf ",%s,%s,%s,%s,%s\n", median(key, "syscalls"), median(key, "strace"), median(key, "new"),
            median(key, "openssl"), median(key, "malloc")
    }
}
