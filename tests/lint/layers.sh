#!/bin/sh
# Fails when a header includes one that its folder must not know: sh tests/lint/layers.sh [ROOT]
#
# Each folder of include/hotpool is a layer; `arrows` says which others it may include, and allows no circle. Headers
# with nothing but includes are doors: they may include anything, and nothing but doors includes them.
# Only direct includes are looked at, which is enough: each file on the way is looked at too.
set -eu
root=${1:-$(dirname "$0")/../..}
cd "$root/include"

# The layers from the bottom up, each with what it may include besides itself. io stands for Asio and OpenSSL: what
# may include neither is a value or a machine.
#
# http and manager do not know one another, the pool knows no HTTP, and the accepting side knows nothing of outbound
# connections.
arrows='
base
metrics         base
http            base metrics
policy          base metrics
access          base policy
manager         base metrics policy access
inbound         base metrics http policy access
transport       base http policy asio openssl
io              base transport asio
connection      base policy manager transport io asio
pool            base policy access manager transport io connection asio
exchange        base http policy manager transport io connection pool asio
client          base http policy transport io connection pool exchange asio
inbound/detail  base http policy access inbound transport io asio
'

find hotpool -name '*.hpp' | sort | while read -r file; do
    # A door has no line that is not empty, a comment or a directive.
    kind=room
    grep -qvE '^[[:space:]]*($|//|#)' "$file" || kind=door
    grep -qE '^[[:space:]]*#[[:space:]]*define' "$file" && kind=room
    echo "$kind:$file:0:"
    grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" /dev/null | sed "s|^|$kind:|"
done | awk -v arrows="$arrows" '
function complain(text) { print text; failures++ }

function folder_of(name) {
    if (name ~ /^asio[\/.]/ || name ~ /^boost\/asio/) return "asio"
    if (name ~ /^openssl\//) return "openssl"
    if (name !~ /^hotpool\//) return "std"
    sub(/^hotpool\//, "", name)
    return sub(/\/[^\/]*$/, "", name) ? name : "."
}

BEGIN {
    count = split(arrows, lines, "\n")
    for (i = 1; i <= count; i++) {
        words = split(lines[i], word, " ")
        if (words == 0) continue
        known[word[1]] = ++layers
        allowed[word[1], word[1]] = 1
        for (j = 2; j <= words; j++) {
            allowed[word[1], word[j]] = 1
            if (word[j] != "asio" && word[j] != "openssl" && !(word[j] in known))
                complain("tests/lint/layers.sh: " word[1] " may include " word[j] ", which is not below it")
        }
    }
}

{
    split($0, part, ":")
    file = part[2]
    place = file ":" part[3]
    if (!(file in kind)) {
        kind[file] = part[1]
        total++
        doors += part[1] == "door"
        from = folder_of(file)
        if (part[1] == "room" && !(from in known))
            complain(file ": not a door, and in no folder of the table in tests/lint/layers.sh")
    }
    if (part[3] == 0) next
    if (!match($0, /[<"][^>"]+[>"]/)) { complain(place ": an include whose name cannot be read"); next }
    quote = substr($0, RSTART, 1)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    if (quote == "\"" && name !~ /^hotpool\//) { complain(place ": write <hotpool/...>, not \"" name "\""); next }
    if (kind[file] == "door") next
    includes++
    include_place[includes] = place
    include_from[includes] = folder_of(file)
    include_name[includes] = name
}

END {
    for (i = 1; i <= includes; i++) {
        name = include_name[i]
        from = include_from[i]
        to = folder_of(name)
        if (to == "std") continue
        if (kind[name] == "door") complain(include_place[i] ": includes the door " name ", not what is behind it")
        else if (to != "asio" && to != "openssl" && !(name in kind)) complain(include_place[i] ": there is no " name)
        else if ((from in known) && !((from, to) in allowed))
            complain(include_place[i] ": " from " must not include " name " (" to ")")
    }
    if (total == 0) complain("no headers found")
    printf "layers: %d headers in %d folders, %d doors, %d failures\n", total, layers, doors, failures
    exit failures > 0
}'
