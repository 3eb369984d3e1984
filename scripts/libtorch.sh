#!/usr/bin/env bash
# Makes .libtorch at the repository root: the headers and the CPU libraries of libtorch 2.11.0, taken out of PyPI wheels.
# Where LIBTORCH is set (a libtorch or the folder of an installed PyTorch 2.11), that one is checked and nothing is made.
set -euo pipefail

readonly version=2.11.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root link=$root/.libtorch

# Per wheel: package, version, sha256, size in MB, platform tag. The small ones come first: a broken set-up fails early.
# The two NVIDIA packages are those that torch 2.11.0 asks for; libtorch_cpu.so links to one library of each.
readonly wheels=(
    "nvidia-cuda-runtime 13.0.96 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 3 manylinux_2_17_x86_64"
    "nvidia-cuda-cupti 13.0.85 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 11 manylinux_2_25_x86_64"
    "torch $version 7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a 531 manylinux_2_28_x86_64"
)

main() {
    if [[ -n ${LIBTORCH:-} && $LIBTORCH != "$link" ]]; then
        check_given "$LIBTORCH"
        return
    fi
    if is_complete "$link"; then
        return
    fi
    [[ ! -e $link || -L $link ]] ||
        fail "$link is there but is no complete libtorch $version; remove it and try again."
    local platform
    platform="$(uname -s)-$(uname -m)"
    [[ $platform == Linux-x86_64 ]] ||
        fail "there is no libtorch wheel for $platform; set LIBTORCH to a libtorch $version for it."
    [[ -n ${XDG_CACHE_HOME:-}${HOME:-} ]] ||
        fail "neither XDG_CACHE_HOME nor HOME is set; set one (libtorch is kept there), or set LIBTORCH."

    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/trommel
    mkdir -p "$cache"
    # One run fetches, a second one waits here and finds the work done.
    exec 9>"$cache/libtorch-$version.lock"
    flock 9
    is_complete "$cache/libtorch-$version" || fetch "$cache"

    # A new link beside the old one, then a rename: no moment without a .libtorch.
    ln -sfn "$cache/libtorch-$version" "$link.$$"
    mv -fT "$link.$$" "$link"
    say ".libtorch -> $cache/libtorch-$version"
}

# Whether the folder $1 is what this script makes. Folders appear by rename, so the version file stands for all of it.
is_complete() {
    [[ -f $1/lib/libtorch_cpu.so && -f $1/build-version && $(<"$1/build-version") == "$version" ]]
}

# Checks the folder that the user's LIBTORCH names.
check_given() {
    local dir=$1 found=
    [[ $dir == /* ]] || fail "LIBTORCH=$dir is not an absolute path; cargo needs one."
    [[ -d $dir/include && -f $dir/lib/libtorch_cpu.so ]] ||
        fail "LIBTORCH=$dir has no include/ and lib/libtorch_cpu.so; set it to a libtorch $version, or unset it."
    if [[ -f $dir/build-version ]]; then
        found=$(<"$dir/build-version")
    elif [[ -f $dir/version.py ]]; then # an installed PyTorch
        found=$(sed -n "s/^__version__ = ['\"]\([^'\"]*\).*/\1/p" "$dir/version.py")
    fi
    [[ $found == 2.11.* ]] ||
        fail "LIBTORCH=$dir is version ${found:-unknown}, but 2.11 is needed; set it to a libtorch $version, or unset it."
}

# Downloads the wheels, takes out what is needed and publishes it as $1/libtorch-VERSION.
fetch() {
    local cache=$1 wheel name release sha256 megabytes platform
    # What a killed run left; nobody else is in here.
    rm -rf "$cache/libtorch-$version".??????
    # Not local: the trap needs it after this function has ended.
    work=$(mktemp -d "$cache/libtorch-$version.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/wheels" "$work/libtorch/lib"

    for wheel in "${wheels[@]}"; do
        read -r name release sha256 megabytes platform <<<"$wheel"
        say "downloading $name $release ($megabytes MB)"
        download "$name" "$release" "$sha256" "$platform"
    done

    say "unpacking"
    unpack "$work/wheels" "$work/libtorch"
    # The wheel's own libtorch.so asks for libtorch_cuda.so; this one is all that the linker has to see.
    echo 'INPUT(libtorch_cpu.so libc10.so)' >"$work/libtorch/lib/libtorch.so"
    echo "$version" >"$work/libtorch/build-version"

    chmod 755 "$work/libtorch"
    rm -rf "$cache/libtorch-$version"
    mv -T "$work/libtorch" "$cache/libtorch-$version"
}

# Downloads one wheel into $work/wheels; pip checks its digest.
download() {
    local name=$1 release=$2 sha256=$3 platform=$4 progress=--quiet
    [[ ! -t 2 ]] || progress=--progress-bar=on
    echo "$name==$release --hash=sha256:$sha256" >"$work/requirement.txt"
    # TMPDIR: /tmp may be too small. No pip cache: what is worth keeping is kept by this script.
    TMPDIR=$work python3 -m pip --disable-pip-version-check --no-cache-dir download "$progress" \
        --require-hashes --no-deps --only-binary=:all: --python-version 311 --implementation cp \
        --platform "$platform" --dest "$work/wheels" --requirement "$work/requirement.txt" >&2 ||
        fail "could not download the Python package $name $release (see pip's words above)." \
            "Off-line, or behind a mirror? Set pip's options (PIP_INDEX_URL, PIP_PROXY, PIP_CERT, PIP_FIND_LINKS)," \
            "or set LIBTORCH to a libtorch $version or to the folder of an installed PyTorch $version."
}

# Takes the needed members out of the wheels in $1 into $2; the CUDA libraries (0.5 GB) stay packed.
unpack() {
    python3 - "$1" "$2" <<'PYTHON' || fail "could not unpack the wheels (see above); is the disk full?"
import pathlib, shutil, sys, zipfile

wheels, target = map(pathlib.Path, sys.argv[1:])
libraries = {
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}
for path in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(path) as wheel:
        for member in wheel.infolist():
            name = member.filename
            if name in libraries:
                libraries.remove(name)
                place = target / "lib" / pathlib.PurePosixPath(name).name
            elif name.startswith("torch/include/") and not member.is_dir():
                place = target / pathlib.PurePosixPath(name).relative_to("torch")
            else:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with wheel.open(member) as packed, open(place, "wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
if libraries:
    sys.exit(f"not in the wheels: {', '.join(sorted(libraries))}")
PYTHON
}

say() { echo "libtorch: $*" >&2; }

fail() {
    printf 'libtorch: %s\n' "$@" >&2
    exit 1
}

main
