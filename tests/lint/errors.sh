#!/bin/sh
# Fails when docs/errors.md has another table of errors than the headers: sh tests/lint/errors.sh [ROOT]
# The table that it should have: sh tests/lint/errors.sh --print [ROOT]
#
# Each row is an enumerator of errc with its sentence (`errc.hpp`) and the conditions it answers (`errc_table.hpp`). The
# enumeration and the table of the library must have the same codes in the same order.
set -eu
print=
[ "${1:-}" != --print ] || { print=yes; shift; }
cd "${1:-$(dirname "$0")/../..}"

wanted=$(mktemp)
found=$(mktemp)
trap 'rm -f "$wanted" "$found"' EXIT

awk '
function complain(text) { print text > "/dev/stderr"; failures++ }

FILENAME ~ /errc\.hpp$/ && /^enum class errc/ { inside = 1; next }
FILENAME ~ /errc\.hpp$/ && /^};/ { inside = 0 }
FILENAME ~ /errc\.hpp$/ && inside && /^    \/\/ / { heading[count + 1] = substr($0, 8); next }
FILENAME ~ /errc\.hpp$/ && inside && match($0, /^    [a-z_]+/) {
    code[++count] = substr($0, 5, RLENGTH - 4)
    if (!index($0, "///< ")) complain(FILENAME ":" FNR ": " code[count] " has no sentence")
    sentence[count] = substr($0, index($0, "///< ") + 5)
    next
}
FILENAME ~ /errc\.hpp$/ && inside && match($0, /^ +\/\/\/< /) { sentence[count] = sentence[count] " " substr($0, RLENGTH + 1) }

FILENAME ~ /errc_table\.hpp$/ && match($0, /^ *\{errc::[a-z_]+, /) {
    row = $0
    sub(/^ *\{errc::/, "", row)
    name = row
    sub(/,.*/, "", name)
    if (name != code[++rows]) complain(FILENAME ":" FNR ": the row of " name " is where that of " code[rows] " should be")
    sub(/^[a-z_]+, /, "", row)
    sub(/,.*/, "", row)
    answers[rows] = ""
    parts = split(row, part, " \\| ")
    for (i = 1; i <= parts; i++)
        if (part[i] != "none") answers[rows] = answers[rows] (i > 1 ? ", " : "") "`" part[i] "`"
}
END {
    if (rows != count) complain("errc has " count " enumerators and " rows + 0 " rows")
    for (i = 1; i <= count; i++) {
        if (i in heading) {
            title = toupper(substr(heading[i], 1, 1)) substr(heading[i], 2)
            print (i > 1 ? "\n" : "") "### " title "\n\n| `errc` | what has happened | answers |\n| --- | --- | --- |"
        }
        print "| `" code[i] "` | " sentence[i] " | " answers[i] " |"
    }
    exit failures > 0 || count == 0
}' include/hotpool/base/errc.hpp include/hotpool/base/errc_table.hpp >"$wanted"

if [ -n "$print" ]; then
    cat "$wanted"
    exit
fi
# In the page it lies between two comments.
sed -n '/^<!-- errors: /,/^<!-- errors end -->/p' docs/errors.md | sed '1d;$d' >"$found"
if ! diff "$found" "$wanted"; then
    echo "errors: docs/errors.md differs; \`sh tests/lint/errors.sh --print\` writes the table anew"
    exit 1
fi
echo "errors: $(grep -c '^| `[a-z]' "$wanted") codes, 0 failures"
