# shellcheck shell=sh
# Sourced by the checks of pages: goes to the tree that the first argument names, or else to that of the calling script,
# and makes the arguments its pages, README.md and docs/*.md.

cd "${1:-$(dirname "$0")/../..}"
set -- README.md
for page in docs/*.md; do
    [ ! -f "$page" ] || set -- "$@" "$page"
done
