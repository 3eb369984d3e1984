#!/usr/bin/env bash
# python.sh FOLDER: makes the folder with the Python packages that the tests of examples/python_extractor need (about 55 MB from
# PyPI), where python3 does not have them. python.sh FOLDER PACKAGE..: with these packages. The tests find them below the target folder.
set -euo pipefail

readonly own=(pyarrow==26.0.1 pillow==13.0.0)

main() {
    local folder=$1
    local packages=("${@:2}")
    command -v python3 >/dev/null || fail "python3 is not there; as root, run: apt-get install python3 python3-pip"
    if [[ ${#packages[@]} == 0 ]]; then
        packages=("${own[@]}")
        ! python3 -c 'import pyarrow, PIL' 2>/dev/null || return 0
    fi
    [[ ! -f $folder/installed || $(<"$folder/installed") != "${packages[*]}" ]] || return 0
    echo "python: fetching ${packages[*]}" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    # TMPDIR: /tmp may be too small.
    TMPDIR=$folder python3 -m pip --disable-pip-version-check --no-cache-dir install --quiet --only-binary=:all: \
        --target "$folder/packages" "${packages[@]}" >&2 ||
        fail "could not install them (see pip's words above)." \
            "Off-line, or behind a mirror? Set pip's options (PIP_INDEX_URL, PIP_PROXY, PIP_CERT, PIP_FIND_LINKS)."
    echo "${packages[*]}" >"$folder/installed"
}

fail() {
    printf 'python: %s\n' "$@" >&2
    exit 1
}

main "$@"
