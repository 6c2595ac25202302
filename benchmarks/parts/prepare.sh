# shellcheck shell=sh disable=SC2154
# Sourced by run.sh: peers in other languages. None of them is needed; what is asked for and cannot be had is named.
# $root and $build are set.
#
#   want_peers       asks for their packages
#   build_peers      builds them; their programs are in $peer_programs, one on each line
#   name_library ID HEADER NAME PACKAGE   names a C++ peer that bench was built without, after make_plan

peers=$root/benchmarks/peers
peer_directory=$build/peers
peer_programs=
debian_crates=/usr/share/cargo/registry
debian_node_modules=/usr/share/nodejs

wanted_node() {
    wanted undici || wanted node
}

want_peers() {
    if wanted go; then want_command go golang-go; fi
    if wanted hyper; then
        want_command cargo cargo
        want_file "$(echo $debian_crates/hyper-tls-0.5*)" librust-hyper-tls-dev
        want_file "$(echo $debian_crates/hyper-0.14*)" "librust-hyper-dev librust-tokio-dev librust-libc-dev"
    fi
    if wanted_node; then
        want_command node nodejs
        has_undici || wanted_packages="$wanted_packages node-undici"
    fi
    if wanted wrk; then want_command wrk wrk; fi
    return 0
}

has_undici() {
    NODE_PATH=$debian_node_modules node -e 'require("undici")' >/dev/null 2>&1
}

# launcher NAME COMMAND: a program that runs COMMAND with what it is called with
launcher() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$peer_directory/$1"
    chmod +x "$peer_directory/$1"
}

# add_peer NAME TITLE: one that does not start is no peer
add_peer() {
    if "$peer_directory/$1" --list plain-seq-100 >/dev/null 2>"$peer_directory/$1.log"; then
        peer_programs="$peer_programs$peer_directory/$1
"
    else
        not_measured "$2" "does not start, see build/bench/peers/$1.log"
    fi
}

build_go() {
    has_command go || { not_measured "$1" "no command go, package golang-go" && return; }
    if GOCACHE=$build/go-cache GOPROXY=off GOTOOLCHAIN=local GO111MODULE=off \
        go build -o "$peer_directory/go" "$peers/go_peer.go" >"$peer_directory/go.log" 2>&1; then
        add_peer go "$1"
    else
        not_measured "$1" "does not build, see build/bench/peers/go.log"
    fi
}

# Debian's crates instead of a registry on the network; cargo writes its lock file beside the sources.
build_hyper() {
    has_command cargo || { not_measured "$1" "no command cargo, package cargo" && return; }
    [ -d "$debian_crates" ] || { not_measured "$1" "no crates in $debian_crates" && return; }
    crate=$peer_directory/hyper.crate
    mkdir -p "$crate/.cargo"
    cp -R "$peers/hyper/." "$crate"
    cat >"$crate/.cargo/config.toml" <<EOF
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "$debian_crates"
EOF
    if (cd "$crate" && CARGO_HOME=$build/cargo-home cargo build --offline --release -j "${JOBS:-$(nproc)}") \
        >"$peer_directory/hyper.log" 2>&1; then
        cp "$crate/target/release/hyper_peer" "$peer_directory/hyper"
        add_peer hyper "$1"
    else
        not_measured "$1" "cargo does not build it, see build/bench/peers/hyper.log"
    fi
}

build_node() {
    has_command node || { not_measured "$1" "no command node, package nodejs" && return; }
    has_undici || not_measured "$1" "no module undici, package node-undici; http.Agent of Node stands in"
    launcher node "env NODE_PATH='$debian_node_modules' node '$peers/node_peer.js'"
    add_peer node "$1"
}

build_wrk() {
    has_command wrk || { not_measured "$1" "no command wrk, package wrk" && return; }
    launcher wrk "sh '$peers/wrk_peer.sh'"
    add_peer wrk "$1"
}

build_peers() {
    mkdir -p "$peer_directory"
    if wanted go; then build_go "Go net/http"; fi
    if wanted hyper; then build_hyper "Rust hyper"; fi
    if wanted_node; then build_node "Node undici"; fi
    if wanted wrk; then build_wrk wrk; fi
}

name_library() {
    wanted "$1" || return 0
    awk -F '\t' -v id="$1" 'index($2, id) == 1 { found = 1 } END { exit !found }' "$plan.all" && return
    if has_header "$2"; then
        not_measured "$3" "bench was built without it, see build/bench/build.log"
    else
        not_measured "$3" "no header $2, package $4"
    fi
}
