#!/bin/sh
# Fails when README.md or a page of docs/ says something else than the code: sh tests/lint/readme.sh [ROOT]
#
# Looked at, each behind a line of its own:
#   <!-- code: FILE -->            the fenced block is the text between "// [readme" and "// readme]" in FILE
#   <!-- fields: FILE STRUCT -->   the table's rows are the fields of STRUCT, in order, with their defaults
#   <!-- names: FILE ENUM -->      the table's rows are the enumerators of ENUM, in order, but for `none`
set -eu
. "$(dirname "$0")/../../tools/pages.sh"

awk '
function complain(text) { print FILENAME ":" FNR ": " text; failures++ }

function read_region(file,    line, inside) {
    wanted = 0
    while ((getline line < file) > 0) {
        if (line == "// [readme") inside = 1
        else if (line == "// readme]") inside = 0
        else if (inside) expected[++wanted] = line
    }
    close(file)
}

# A default as the table writes it: 30 s for std::chrono::seconds(30), 64 KiB for 64 * 1024.
function shown(value) {
    if (match(value, /^std::chrono::(milliseconds|seconds|minutes|hours)\([0-9]+\)$/)) {
        unit = value ~ /milli/ ? " ms" : value ~ /minutes/ ? " min" : value ~ /hours/ ? " h" : " s"
        gsub(/[^0-9]/, "", value)
        return value unit
    }
    if (value == "duration::zero()") return "0"
    if (sub(/ \* 1024 \* 1024$/, "", value)) return value " MiB"
    if (sub(/ \* 1024$/, "", value)) return value " KiB"
    return value
}

function read_fields(file, name,    line, inside, value, parts) {
    wanted = 0
    while ((getline line < file) > 0) {
        if (line ~ "^struct " name " \\{") inside = 1
        else if (line ~ /^\};/) inside = 0
        else if (inside && line ~ /^    [A-Za-z][A-Za-z0-9_:<>,* ]* [a-z0-9_]+( = |\{)[^;]*;/) {
            sub(/;.*/, "", line)
            value = line
            if (!sub(/^[^={]* = /, "", value)) sub(/^[^{]*/, "", value)
            sub(/( = |\{).*/, "", line)
            sub(/.* /, "", line)
            expected[++wanted] = "`" line "` | `" shown(value) "`"
        }
    }
    close(file)
}

function read_names(file, name,    line, inside) {
    wanted = 0
    while ((getline line < file) > 0) {
        if (line ~ "^enum class " name "[ :]") inside = 1
        else if (line ~ /^\};/) inside = 0
        else if (inside && match(line, /^    [a-z_]+/)) {
            line = substr(line, 5, RLENGTH - 4)
            if (line != "none") expected[++wanted] = "`" line "`"
        }
    }
    close(file)
}

# The next thing of the table or block is `text`.
function meet(text) {
    at++
    claims++
    if (at > wanted) complain(text ": not in the code")
    else if (text != expected[at]) complain(text ": the code has " expected[at])
}
function finish() {
    if (kind == "") return
    if (wanted == 0) complain("nothing found for this " kind)
    while (++at <= wanted) complain("missing: " expected[at])
    kind = ""
}

FNR == 1 { finish() }
/^<!-- (code|fields|names): / {
    finish()
    kind = substr($2, 1, length($2) - 1)
    at = fenced = 0
    if (kind == "code") read_region($3)
    else if (kind == "fields") read_fields($3, $4)
    else read_names($3, $4)
    next
}
kind == "code" && /^```/ { if (fenced++) finish(); next }
kind == "code" && fenced { meet($0) }
kind != "code" && kind != "" && /^\| `/ {
    row = $0
    sub(/^\| /, "", row)
    cells = split(row, cell, " \\| ")
    meet(kind == "fields" ? cell[1] " | " cell[2] : cell[1])
}
kind != "code" && /^$/ { finish() }
END {
    finish()
    printf "readme: %d lines checked, %d failures\n", claims, failures
    exit failures > 0 || claims == 0
}' "$@"
