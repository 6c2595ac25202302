#!/bin/sh
# Holds what the tests have seen against what public comments say: sh tests/observed/compare.sh NOTES [ROOT]
#
# NOTES is a directory of files by tests/support/observe.hpp: which operation ended with which errc. Fails when one of
# these pairs is not in the @errors of the function that starts the operation, and lists what is documented and was
# never seen. `tests/observed/operations.txt` says which function starts which operation.
#
# Of @errors counts what stands in backticks up to the next tag: `errc::x`; `condition::x`, all codes that answer it;
# `async_x` or `other_class::async_x`, what that function says. A function without @errors that is "as `async_x`" says
# the same as that one, and @errors of a class hold for all its functions.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
notes=$(cd "$1" && pwd)
cd "${2:-$here/../..}"
[ -n "$(find "$notes" -type f | head -n 1)" ] || { echo "skipped: no program has left notes"; exit 77; }
seen=$(mktemp)
trap 'rm -f "$seen"' EXIT
find "$notes" -type f -exec cat {} + | sort -u >"$seen"

# shellcheck disable=SC2046
awk -v operations="$here/operations.txt" '
function complain(text) { print text; failures++ }

# The name of an operation and of its first template arguments, bare: "peer_op tcp_stream read_attempt".
function label_of(type,    depth, i, c, word, label, parts) {
    sub(/.*[[ ]Op = /, "", type)
    word = label = ""
    for (i = 1; i <= length(type); i++) {
        c = substr(type, i, 1)
        if (c == "<" || c == "(" || c == "{") { if (depth++ == 0) { label = bare(word); word = "" } }
        else if (c == ">" || c == ")" || c == "}") { if (--depth == 0) break }
        if (depth == 1 && c == ",") { label = label " " bare(word); word = "" }
        else if (depth <= 1 && c != "<" && c != ">") word = word c
    }
    return label
}
function bare(word) {
    gsub(/^ +| +$/, "", word)
    sub(/^(const|struct|class) /, "", word)
    sub(/.*::/, "", word)
    return word
}

# What the backticks of `text` say for the function `key`.
function read_errors(key, text,    count, spans, i, span, at) {
    count = split(text, spans, "`")
    for (i = 2; i <= count; i += 2) {
        span = spans[i]
        if (span ~ /^errc::[a-z_]+$/) { sub(/^errc::/, "", span); direct[key, span] = 1 }
        else if (span ~ /^condition::[a-z_]+$/) {
            sub(/^condition::/, "", span)
            for (at = 1; at <= codes; at++)
                if (index(answers[at], " " span " ")) by_condition[key, code[at]] = 1
        } else if (span ~ /async_[a-z_]+(\(\))?$/) refers[key] = refers[key] " " span
    }
}
# What stands behind @errors, up to the next tag.
function errors_in(text,    at) {
    at = index(text, "@errors")
    if (!at) return ""
    text = substr(text, at + 7)
    if (match(text, /@[a-z]/)) text = substr(text, 1, RSTART - 1)
    return text
}
function finish_function(name,    key, text) {
    key = FILENAME " " name
    text = comment
    if (!(key in known)) { known[key] = 1; keys[++key_count] = key }
    read_errors(key, errors_in(of_class))
    if (index(text, "@errors")) read_errors(key, errors_in(text))
    else if (match(text, /[Aa]s (the other )?`[a-z_:]*async_[a-z_]+/)) {
        text = substr(text, RSTART, RLENGTH)
        sub(/.*`/, "", text)
        refers[key] = refers[key] " " text
    }
    comment = ""
}

function is_documented(key, name, depth,    list, count, i, j, other, owner) {
    if ((key, name) in direct || (key, name) in by_condition) return 1
    if (depth == 0) return 0
    count = split(refers[key], list, " ")
    for (i = 1; i <= count; i++) {
        other = list[i]
        sub(/\(\)$/, "", other)
        owner = ""
        if (other ~ /::/) { owner = other; sub(/::async_.*/, "", owner); sub(/.*::/, "", owner); sub(/.*::/, "", other) }
        for (j = 1; j <= key_count; j++) {
            if (keys[j] == key || keys[j] !~ (" " other "$")) continue
            if (owner != "" ? keys[j] !~ ("/" owner "\\.hpp ") : keys[j] !~ ("^" substr(key, 1, index(key, " "))) && owner_found(key, other)) continue
            if (is_documented(keys[j], name, depth - 1)) return 1
        }
    }
    return 0
}
# Whether the file of `key` has a function of that name itself, other than `key`.
function owner_found(key, other,    own) {
    own = substr(key, 1, index(key, " ")) other
    return own != key && (own in known)
}

BEGIN {
    while ((getline line < operations) > 0) {
        if (line ~ /^(#|$)/) continue
        pattern[++patterns] = substr(line, 1, index(line, "=") - 2)
        started[patterns] = substr(line, index(line, "=") + 2)
    }
}
FILENAME ~ /base\/errc\.hpp$/ && /^enum class errc/ { inside = 1; next }
FILENAME ~ /base\/errc\.hpp$/ && /^};/ { inside = 0 }
FILENAME ~ /base\/errc\.hpp$/ && inside && match($0, /^    [a-z_]+/) { code[++codes] = substr($0, 5, RLENGTH - 4); next }
FILENAME ~ /errc_table\.hpp$/ && match($0, /^ *\{errc::[a-z_]+, /) {
    row = $0
    sub(/^ *\{errc::[a-z_]+, /, "", row)
    sub(/,.*/, "", row)
    answers[++rows] = " " row " "
    next
}
FILENAME ~ /hotpool\/.*\.hpp$/ && /^[[:space:]]*\/\/\// { comment = comment " " $0; next }
FILENAME ~ /hotpool\/.*\.hpp$/ && /^[[:space:]]*(template|requires|\[\[|#)/ { next }
FILENAME ~ /hotpool\/.*\.hpp$/ && /^[[:space:]]*(static |inline |friend )*[a-z_:<>]+ async_[a-z_]+\(/ {
    match($0, /async_[a-z_]+\(/)
    finish_function(substr($0, RSTART, RLENGTH - 1))
    next
}
FILENAME ~ /hotpool\/.*\.hpp$/ {
    if ($0 ~ /^(class|struct) [a-z_]+/) of_class = comment
    else if ($0 ~ /^};/) of_class = ""
    comment = ""
    next
}

# The notes come last.
{
    number = $1
    type = $0
    sub(/^[0-9]+\t/, "", type)
    label = label_of(type)
    name = code[number]
    pairs++
    for (i = 1; i <= patterns; i++)
        if (label ~ ("^" pattern[i] "$")) break
    if (i > patterns) { if (!(label in unknown)) complain("no function is known to start: " label); unknown[label] = 1; next }
    good = 0
    functions = split(started[i], list, " ")
    for (j = 1; j <= functions; j++) {
        key = list[j]
        sub(/:/, " ", key)
        key = "include/hotpool/" key
        if (!(key in known)) { complain("tests/observed/operations.txt: there is no " list[j]); continue }
        met[key, name] = 1
        good += is_documented(key, name, 4)
    }
    if (!good && !((started[i], name) in said)) {
        complain(started[i] ": ended with errc::" name ", which its @errors do not have")
        said[started[i], name] = 1
    }
}
END {
    for (i = 1; i <= key_count; i++) {
        unseen = ""
        for (at = 1; at <= codes; at++)
            if (((keys[i], code[at]) in direct) && !((keys[i], code[at]) in met)) unseen = unseen " " code[at]
        if (unseen != "") print "never seen: " keys[i] ":" unseen
    }
    printf "observed errors: %d pairs of operation and errc, %d failures\n", pairs, failures
    exit failures > 0 || pairs == 0
}' include/hotpool/base/errc.hpp include/hotpool/base/errc_table.hpp \
    $(find include/hotpool -name '*.hpp' ! -name 'errc*.hpp' | sort) "$seen"
