#!/usr/bin/env bash
# Stage 1 at its real size on one GPU, beside plain PyTorch and transformers; see gpu.py for what is measured.
#
#     gpu.sh --trommel FILE --worker FILE --data FOLDER [--work FOLDER] [--out FOLDER] [--rehearse] [PART ..]
#
# For a machine without a network, whose Python (PYTHON, else python3) has PyTorch 2.11 with CUDA and transformers. The program and its
# worker are carried there as files (`strip` makes them small), and so is DATA, which `make.py data` made. WORK (30 GB) keeps models and
# results from call to call; OUT (else $OUT) gets results.json, results.txt and logs. Where a call may not last long enough for all parts,
# give them one after the other. --rehearse: tiny models on the CPU.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

main() {
    local trommel='' worker='' data='' work=${TMPDIR:-/tmp}/trommel-gpu out=${OUT:-} rehearse=() parts=()
    while (($#)); do
        case $1 in
        --trommel | --worker | --data | --work | --out) printf -v "${1#--}" %s "${2:?$1 wants a path}" && shift 2 ;;
        --rehearse) rehearse=(--rehearse) && shift ;;
        -*) fail "no option $1; see the head of this file" ;;
        *) parts+=("$1") && shift ;;
        esac
    done
    [[ -f $trommel && -f $worker ]] || fail "--trommel and --worker are to be files: the release program and trommel-torch"
    [[ -f $data/samples.json ]] || fail "--data has no samples.json: make the folder with make.py data"
    [[ -n $out ]] || fail "give --out, or set OUT"
    [[ -x $trommel && -x $worker ]] || chmod +x "$trommel" "$worker"
    mkdir -p "$work" "$out"

    local python=${PYTHON:-python3} torch
    torch=$("$python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')
    export LD_LIBRARY_PATH=$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export TROMMEL_LIBTORCH=$torch HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error TOKENIZERS_PARALLELISM=true
    TROMMEL_WORKER=$(realpath "$worker")
    export TROMMEL_WORKER
    "$python" "$here/gpu.py" "${rehearse[@]}" "$(realpath "$trommel")" "$(realpath "$data")" "$(realpath "$work")" \
        "$(realpath "$out")" "${parts[@]}"
}

fail() {
    echo "gpu.sh: $*" >&2
    exit 2
}

main "$@"
