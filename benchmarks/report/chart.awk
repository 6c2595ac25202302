# Picks from results.csv what a chart shows: CPU relative to the bare loop with 100 B, for `layer` and `cores`.
# Prints for each row, the dearest first: place, label, one request at a time, 32 at once, kind. Needs csv.awk and
# kinds.awk. Rows on io_uring are left to the tables: they would double the bars.
BEGIN { OFS = "\t" }

read_csv($0) && field["cores"] == cores && field["ratio"] != "" && field["work"] ~ ("^" layer "-(seq|32)-100$") {
    row = field["row"]
    if (row ~ /-uring$/) next
    if (!(row in label)) {
        rows[++total] = row
        label[row] = field["title"]
        kind[row] = is_hotpool(row) ? "hotpool" : is_client(row) ? "client" : "bare"
    } else if (label[row] != field["title"]) {
        label[row] = joined(label[row], field["title"])
    }
    ratio[row, field["work"] ~ /seq/ ? "seq" : "32"] = field["ratio"]
    sum[row] += field["ratio"]
    works[row]++
}

# "libcurl, easy" and "libcurl, multi" make "libcurl, easy / multi"
function joined(one, other,    length_of_common) {
    for (length_of_common = length(one); length_of_common > 0; length_of_common--)
        if (substr(one, 1, length_of_common) == substr(other, 1, length_of_common) &&
            substr(one, length_of_common, 1) == " ") break
    return one " / " substr(other, length_of_common + 1)
}

function mean(row) { return sum[row] / works[row] }

function value(row, flight) { return (row, flight) in ratio ? ratio[row, flight] : "NaN" }

END {
    for (i = 2; i <= total; i++) {
        row = rows[i]
        for (j = i - 1; j > 0 && mean(rows[j]) < mean(row); j--) rows[j + 1] = rows[j]
        rows[j + 1] = row
    }
    for (i = 1; i <= total; i++)
        print i, label[rows[i]], value(rows[i], "seq"), value(rows[i], "32"), kind[rows[i]]
}
