#!/bin/sh
# Fails when a page links to a file or a section that is not there: sh tests/lint/links.sh [ROOT]
#
# Looked at: README.md and docs/*.md, links that lead to no other host. A section is named as GitHub does: its heading
# in small letters, spaces as hyphens, no other signs.
set -eu
. "$(dirname "$0")/../../tools/pages.sh"

awk '
function complain(text) { print text; failures++ }

FNR == 1 { fenced = 0; page[FILENAME] = 1; directory = FILENAME; if (!sub(/\/[^\/]*$/, "/", directory)) directory = "" }
/^ *```/ { fenced = !fenced; next }
fenced { next }
/^#+ / {
    name = tolower($0)
    sub(/^#+ /, "", name)
    gsub(/[^a-z0-9_ -]/, "", name)
    gsub(/ /, "-", name)
    section[FILENAME "#" name] = 1
}
{
    rest = $0
    while (match(rest, /\]\([^)]*\)/)) {
        target = substr(rest, RSTART + 2, RLENGTH - 3)
        rest = substr(rest, RSTART + RLENGTH)
        if (target ~ /^[a-z]+:/) continue
        full = target ~ /^#/ ? FILENAME target : directory target
        while (sub(/[^\/]+\/\.\.\//, "", full)) { }
        links[++count] = full
        place[count] = FILENAME ":" FNR
    }
}
END {
    for (i = 1; i <= count; i++) {
        file = links[i]
        sub(/#.*/, "", file)
        if (!(file in page) && system("[ -e \"" file "\" ]") != 0) complain(place[i] ": there is no " file)
        else if (links[i] ~ /#/ && !(links[i] in section)) complain(place[i] ": there is no section " links[i])
    }
    printf "links: %d looked at, %d failures\n", count, failures
    exit failures > 0
}' "$@"
