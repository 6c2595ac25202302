#!/bin/sh
# Comments are claims: fails when something named in backticks does not exist. sh tests/lint/claims.sh [ROOT]
#
# Looked at: `...` in comments of include/, and in README.md and docs/*.md outside fenced blocks. In each, these
# words must exist:
#   a path or file name (`http/limits.hpp`, `run.sh`, `policy/*.hpp`, `docs/`)   as a file or directory of ours
#   a word_with_underscore, a call(), a hotpool::name, a HOTPOOL_MACRO            in code, outside comments
# Names of others (std::, asio::, ::system_call) are left alone; more of them are listed in tests/lint/claims.allow.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}"
allow=tests/lint/claims.allow
[ -f "$allow" ] || allow=/dev/null

list() {
    for directory in include examples tests benchmarks tools cmake docs .ci; do
        [ ! -d "$directory" ] || find "$directory" -type f
    done
    find . -maxdepth 1 -type f | sed 's|^\./||'
}

list | sort | LC_ALL=C awk -v allow_file="$allow" '
# Splits a line of C++ into `code` and `comment`; `inside` carries an open /* or raw string to the next line.
function split_cpp(line,    rest, mark, end) {
    code = comment = ""
    rest = line
    while (rest != "") {
        if (inside == "comment") {
            end = index(rest, "*/")
            if (!end) { comment = comment " " rest; return }
            comment = comment " " substr(rest, 1, end - 1)
            rest = substr(rest, end + 2)
            inside = ""
        } else if (inside != "") {
            end = index(rest, inside)
            if (!end) { code = code rest; return }
            code = code substr(rest, 1, end - 1) " "
            rest = substr(rest, end + length(inside))
            inside = ""
        } else if (!match(rest, /\/\/|\/\*|R"[^( ]*\(|"(\\.|[^"\\])*"|[0-9]\047|\047(\\.|[^\047\\])+\047/)) {
            code = code rest
            return
        } else {
            code = code substr(rest, 1, RSTART - 1)
            mark = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (mark == "//") { comment = comment " " rest; return }
            if (mark == "/*") inside = "comment"
            else if (mark ~ /^R"/) { inside = ")" substr(mark, 3, length(mark) - 3) "\""; code = code " " }
            else code = code mark
        }
    }
}

function know_words(text,    count, words, i) {
    gsub(/[^A-Za-z0-9_]+/, " ", text)
    count = split(text, words, " ")
    for (i = 1; i <= count; i++) known[words[i]] = 1
}

# A shell pattern as a regular expression.
function from_pattern(text) {
    gsub(/[.+]/, "[&]", text)
    gsub(/\*/, ".*", text)
    return text
}

function allowed(word,    i) {
    for (i = 1; i <= allows; i++)
        if (word ~ allow[i]) return 1
    return 0
}

function path_exists(name,    i, wanted) {
    sub(/^\.\//, "", name)
    if (index(name, "*") == 0 && (name in is_path)) return 1
    wanted = "(^|/)" from_pattern(name) "$"
    for (i = 1; i <= paths; i++)
        if (path[i] ~ wanted) return 1
    return 0
}

function complain(what) {
    print where ": `" what "` does not exist"
    failures++
}

function check_word(word,    bare, count, parts, i) {
    claims++
    if (allowed(word)) return
    if (word ~ /[\/.]/ && word !~ /\(\)$/) {
        if (!path_exists(word)) complain(word)
        return
    }
    bare = word
    sub(/\(\)$/, "", bare)
    count = split(bare, parts, "::")
    for (i = 1; i <= count; i++)
        if (!(parts[i] in known) && !allowed(parts[i])) { complain(word); return }
}

function check_span(span,    word, rest) {
    if (allowed(span)) return
    # Whole spans that are a path or a pattern of paths.
    if (span ~ /^[A-Za-z0-9_.*\/-]+\.(hpp|cpp|md|sh|cmake|json|in|allow)$/ || span ~ /^[a-z][A-Za-z0-9_\/-]*\/$/) {
        sub(/\/$/, "", span)
        claims++
        if (!path_exists(span)) complain(span)
        return
    }
    rest = span
    while (match(rest, /[A-Za-z0-9_:][A-Za-z0-9_:\/.-]*(\(\))?/)) {
        word = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        if (word ~ /^(std|asio|boost|::)/ || word ~ /:\/\//) continue
        sub(/[:.\/-]+$/, "", word)
        if (word ~ /\.(hpp|cpp|sh|cmake)$/) { check_word(word); continue }
        # object.member and words-with-hyphens are looked at part by part.
        check_parts(word)
    }
}

function check_parts(text,    count, parts, i) {
    count = split(text, parts, /[.\/-]/)
    for (i = 1; i <= count; i++)
        if (parts[i] ~ /^hotpool::./ || parts[i] ~ /^[A-Za-z_:][A-Za-z0-9_:]*\(\)$/ || parts[i] ~ /^HOTPOOL_/ ||
            parts[i] ~ /^[a-z_:][a-z0-9_:]*_[a-z0-9_:]*$/)
            check_word(parts[i])
}

# Each line stands alone: a span that goes on over the end of a line is not looked at.
function check_text(text,    count, spans, i) {
    count = split(text, spans, "`")
    for (i = 2; i < count; i += 2) check_span(spans[i])
}

BEGIN {
    while ((getline line < allow_file) > 0) {
        sub(/#.*/, "", line)
        gsub(/[ \t]/, "", line)
        if (line != "") allow[++allows] = "^" from_pattern(line) "$"
    }
}

{
    file = $0
    path[++paths] = file
    is_path[file] = 1
    directory = file
    while (sub(/\/[^\/]*$/, "", directory) && !(directory in is_path)) {
        is_path[directory] = 1
        path[++paths] = directory
    }
    if (file ~ /\.(hpp|cpp|h)$/) {
        inside = ""
        number = 0
        while ((getline line < file) > 0) {
            number++
            split_cpp(line)
            know_words(code)
            if (file ~ /^include\// && index(comment, "`")) {
                text_of[++texts] = comment
                place_of[texts] = file ":" number
            }
        }
        close(file)
    } else if (file ~ /^(README\.md|docs\/.*\.md)$/) {
        fenced = 0
        number = 0
        while ((getline line < file) > 0) {
            number++
            if (line ~ /^ *```/) fenced = !fenced
            else if (!fenced && index(line, "`")) {
                text_of[++texts] = line
                place_of[texts] = file ":" number
            }
        }
        close(file)
    } else if (file ~ /(CMakeLists\.txt|\.cmake|\.sh|\.json)$/) {
        while ((getline line < file) > 0) {
            # Of scripts only the names that are ours by prefix: options, targets, variables.
            sub(/^[ \t]*#.*/, "", line)
            while (match(line, /(HOTPOOL|hotpool)_[A-Za-z0-9_]+/)) {
                know_words(substr(line, RSTART, RLENGTH))
                line = substr(line, RSTART + RLENGTH)
            }
        }
        close(file)
    }
}

END {
    for (i = 1; i <= texts; i++) {
        where = place_of[i]
        check_text(text_of[i])
    }
    printf "claims: %d names checked, %d failures\n", claims, failures
    exit failures > 0
}'
