# shellcheck shell=sh
# Sourced by the run.sh scripts: installs what is missing, and only that, through apt (Debian and its kin).
#
#   need_command NAME PACKAGE    the command NAME is wanted
#   need_header HEADER PACKAGE   `#include <HEADER>` is wanted
#   need_file PATH PACKAGE       the file PATH is wanted, where apt is in use (other systems have other paths)
#   need_toolchain               what builds anything here: compiler, CMake, OpenSSL
#   install_missing              installs what was found missing, or ends the script and says what to install
#
#   want_command, want_header, want_file   the same for what the script can do without
#   install_wanted                         installs what it can get of it and never ends the script; what it could not
#                                          get is in $unavailable_packages

missing_packages=
wanted_packages=
unavailable_packages=
as_root=
lists_are_new=no

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

want_command() {
    has_command "$1" || wanted_packages="$wanted_packages $2"
}

want_header() {
    has_header "$1" || wanted_packages="$wanted_packages $2"
}

want_file() {
    [ -e "$1" ] || wanted_packages="$wanted_packages $2"
}

# Says what stands in the way, if packages cannot be installed here at all.
cannot_install() {
    if ! has_command apt-get; then
        echo "this system has no apt-get; please install the equivalents of:"
    elif [ "$(id -u)" -ne 0 ] && ! has_command sudo; then
        echo "not root and no sudo; please run: apt-get install"
    else
        return 1
    fi
}

# apt_install PACKAGE...
apt_install() {
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    if [ $lists_are_new = no ]; then
        $as_root apt-get update -q || echo "warning: apt-get update failed, trying with the lists at hand" >&2
        lists_are_new=yes
    fi
    # RUNLEVEL=1 keeps packages with a daemon from starting it: only its program is wanted here.
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

install_missing() {
    [ -n "$missing_packages" ] || return 0
    echo "installing:$missing_packages"
    if reason=$(cannot_install); then
        echo "error: $reason$missing_packages" >&2
        exit 2
    fi
    # shellcheck disable=SC2086
    if ! apt_install $missing_packages; then
        echo "error: could not install:$missing_packages" >&2
        exit 2
    fi
    missing_packages=
}

install_wanted() {
    [ -n "$wanted_packages" ] || return 0
    if reason=$(cannot_install); then
        echo "warning: $reason$wanted_packages" >&2
        unavailable_packages="$unavailable_packages$wanted_packages"
    else
        echo "installing, as far as it can be had:$wanted_packages"
        # shellcheck disable=SC2086
        if ! apt_install $wanted_packages; then
            # One that cannot be had keeps apt from installing the others.
            for package in $wanted_packages; do
                apt_install "$package" || unavailable_packages="$unavailable_packages $package"
            done
        fi
    fi
    wanted_packages=
}
