#!/usr/bin/env bash
# Checks that the tools which the build needs are there, and installs missing Debian packages where it may.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root oldest_rust=1.95.0

main() {
    check_rust
    local missing
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} -gt 0 ]] || return 0
    install_packages "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} -eq 0 ]] || fail "still not found after installing: ${missing[*]}"
}

check_rust() {
    local found
    command -v cargo >/dev/null ||
        fail "cargo is not there; install Rust $oldest_rust or newer with its installer, rustup (Debian's own is too old)."
    found=$(cargo --version | cut -d ' ' -f 2)
    [[ $(printf '%s\n' "$oldest_rust" "$found" | sort -V | head -n 1) == "$oldest_rust" ]] ||
        fail "cargo is version $found, but $oldest_rust or newer is needed; run: rustup update"
}

# Prints the Debian packages of the tools that are not there, one a line.
missing_packages() {
    has c++ || echo g++
    has make || echo make
    has cmake || echo cmake # libjpeg-turbo and SentencePiece are built from the sources in their crates
    has nasm || echo nasm   # libjpeg-turbo's SIMD code: without it another, far slower decoder would be built
    # Python only fetches libtorch; no part of the program needs it.
    if [[ -z ${LIBTORCH:-} || $LIBTORCH == "$root/.libtorch" ]] && [[ ! -e $root/.libtorch/build-version ]]; then
        has flock || echo util-linux
        has python3 || echo python3
        python3 -c 'import pip' 2>/dev/null || echo python3-pip
    fi
}

install_packages() {
    local advice="missing tools; as root, run: apt-get install $*" as_root=()
    has apt-get || fail "missing tools; install what Debian calls: $*"
    if [[ $EUID -ne 0 ]]; then
        sudo -n true 2>/dev/null || fail "$advice"
        as_root=(sudo -n)
    fi
    echo "deps: installing $*" >&2
    "${as_root[@]}" apt-get update -qq >&2 || echo "deps: apt-get update failed; trying with the lists at hand" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 ||
        fail "apt-get could not install them (see above)." "$advice"
}

has() { command -v "$1" >/dev/null; }

fail() {
    printf 'deps: %s\n' "$@" >&2
    exit 1
}

main
