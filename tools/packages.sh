# Sourced by the run.sh scripts: installs what is missing, and only that, through apt (Debian and its kin).
#
#   need_command NAME PACKAGE    the command NAME is wanted
#   need_header HEADER PACKAGE   `#include <HEADER>` is wanted
#   need_file PATH PACKAGE       the file PATH is wanted, where apt is in use (other systems have other paths)
#   need_toolchain               what builds anything here: compiler, CMake, OpenSSL
#   install_missing              installs what was found missing, or ends the script and says what to install

missing_packages=

has_command() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

has_header() {
    printf '#if !__has_include(<%s>)\n#error missing\n#endif\n' "$1" |
        ${CXX:-c++} -std=c++20 -fsyntax-only -x c++ - >/dev/null 2>&1
}

need_command() {
    has_command "$1" || missing_packages="$missing_packages $2"
}

# Without a compiler nobody can tell, so the package is asked for; apt skips it when it is there.
need_header() {
    has_header "$1" || missing_packages="$missing_packages $2"
}

need_toolchain() {
    need_command c++ g++
    need_command cmake cmake
    has_command ninja || need_command make make
    need_header openssl/ssl.h libssl-dev
}

need_file() {
    [ -e "$1" ] || ! has_command apt-get || missing_packages="$missing_packages $2"
}

install_missing() {
    [ -n "$missing_packages" ] || return 0
    echo "installing:$missing_packages"
    if ! has_command apt-get; then
        echo "error: this system has no apt-get; please install the equivalents of:$missing_packages" >&2
        exit 2
    fi
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! has_command sudo; then
            echo "error: not root and no sudo; please run: apt-get install$missing_packages" >&2
            exit 2
        fi
        as_root=sudo
    fi
    # RUNLEVEL=1 keeps packages with a daemon from starting it: only its program is wanted here.
    $as_root apt-get update -q || echo "warning: apt-get update failed, trying with the lists at hand" >&2
    # shellcheck disable=SC2086
    if ! $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -q -y --no-install-recommends $missing_packages; then
        echo "error: could not install:$missing_packages" >&2
        exit 2
    fi
}
