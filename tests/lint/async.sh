#!/bin/sh
# Fails when a public asynchronous function leaves out something that a caller must know: sh tests/lint/async.sh [ROOT]
#
# Looked at: every async_* in the rooms that the doors open (a door is a header of includes only). Its comment has
# @completes, @errors, @cancels, @threads and @lifetime, or says that the function is as another one ("as `async_x`"),
# whose comment then counts. What a class says of @threads and @lifetime holds for its members, and what the first
# overload of a name says, for the others behind it.
set -eu
cd "${1:-$(dirname "$0")/../..}/include"

is_door() {
    ! grep -qvE '^[[:space:]]*($|//|#)' "$1" && ! grep -qE '^[[:space:]]*#[[:space:]]*define' "$1"
}
rooms=$(for file in hotpool/*.hpp hotpool/inbound/*.hpp; do
    [ -f "$file" ] && is_door "$file" || continue
    sed -n 's/^#include "\(hotpool\/[^"]*\)".*/\1/p' "$file"
done | sort -u | while read -r file; do [ ! -f "$file" ] || is_door "$file" || echo "$file"; done)
[ -n "$rooms" ] || { echo "async: no rooms found"; exit 1; }

# shellcheck disable=SC2086
awk '
function complain(text) { print text; failures++ }

FNR == 1 { comment = of_class = "" }
/^[[:space:]]*\/\/\// { comment = comment $0 "\n"; next }
# What may stand between a comment and the name that it belongs to.
/^[[:space:]]*(template|requires|\[\[|#)/ { next }
/^(class|struct) [a-z_]+/ { of_class = comment; comment = ""; next }
/^};/ { of_class = "" }
/^[[:space:]]*(static |inline |friend |constexpr )*[a-z_:<>]+ async_[a-z_]+\(/ {
    match($0, /async_[a-z_]+\(/)
    name = substr($0, RSTART, RLENGTH - 1)
    key = FILENAME " " name
    if (!(key in place)) { place[key] = FILENAME ":" FNR; order[++count] = key; name_of[key] = name }
    text[key] = text[key] comment
    class_text[key] = of_class
    comment = ""
    next
}
{ comment = "" }

# Whether what `key` says, or the function it is as, has `tag`.
function says(key, tag, depth,    rest, other, i) {
    if (index(text[key], "@" tag)) return 1
    if ((tag == "threads" || tag == "lifetime") && index(class_text[key], "@" tag)) return 1
    if (depth == 0) return 0
    rest = text[key]
    while (match(rest, /[Aa]s (the other )?`[a-z_:]*async_[a-z_]+/)) {
        other = substr(rest, RSTART, RLENGTH)
        sub(/.*async_/, "async_", other)
        rest = substr(rest, RSTART + RLENGTH)
        for (i = 1; i <= count; i++)
            if (name_of[order[i]] == other && order[i] != key && says(order[i], tag, depth - 1)) return 1
    }
    return 0
}

END {
    tags = split("completes errors cancels threads lifetime", tag, " ")
    for (i = 1; i <= count; i++) {
        missing = ""
        for (j = 1; j <= tags; j++)
            if (!says(order[i], tag[j], 3)) missing = missing " @" tag[j]
        if (missing != "") complain(place[order[i]] ": " name_of[order[i]] " lacks" missing)
    }
    if (count == 0) complain("no asynchronous functions found")
    printf "async: %d functions, %d failures\n", count, failures
    exit failures > 0
}' $rooms
