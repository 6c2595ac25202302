# Reads results.csv. A program that uses it calls read_csv once for each line and then finds the line's columns in
# `field`, by name; the first line of a file gives the names and is answered with 0.

function read_csv(line,    count, value, i) {
    count = split_csv(line, value)
    delete field
    if (FNR == 1) {
        for (i = 1; i <= count; i++) column[i] = value[i]
        return 0
    }
    for (i = 1; i <= count; i++) field[column[i]] = value[i]
    if (!("cores" in field)) field["cores"] = "same"
    return 1
}

function split_csv(line, value,    count) {
    while (line != "") {
        if (substr(line, 1, 1) == "\"") {
            line = substr(line, 2)
            value[++count] = substr(line, 1, index(line, "\"") - 1)
            line = substr(line, index(line, "\"") + 1)
        } else {
            match(line, /^[^,]*/)
            value[++count] = substr(line, 1, RLENGTH)
            line = substr(line, RLENGTH + 1)
        }
        line = substr(line, 2)
    }
    return count
}

function text(value, format) { return value == "" ? "–" : sprintf(format, value) }

function describe(work,    part, layer, flight, body) {
    split(work, part, "-")
    layer = part[1] == "tls" ? "TLS 1.3" : "Plain"
    flight = part[2] == "seq" ? "one request at a time" : part[2] " requests at once"
    body = part[3]
    if (!sub(/k$/, " KiB", body) && !sub(/m$/, " MiB", body)) body = body " B"
    return layer ", " flight ", body of " body
}
