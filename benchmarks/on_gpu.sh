#!/usr/bin/env bash
# Every speed benchmark that runs on a GPU, against its peer and the card's own rates: ten minutes.
#
#   benchmarks/on_gpu.sh PPBS            all sizes, on the GPU
#   benchmarks/on_gpu.sh PPBS cpu        a dry run on the processor: the smallest sizes, one round
#
# PPBS is a folder with structures/ and label files as ScanNet writes them. Each benchmark first
# holds both sides equal and prints the card's matrix product rate and copy bandwidth; one that
# fails or takes more than its minutes is told at the end, and the others still run. Needs
# torch-geometric and Biopython for the peers, and for compiled.py Triton, or g++ on the processor,
# where all runs on one thread.
set -u
cd "$(dirname "$0")/.."
data=${1:?folder of PPBS}
device=${2:-cuda}
failed=()

measure() { # minutes, script, arguments
    local minutes=$1
    shift
    echo "== $* --device $device"
    timeout "${minutes}m" "${PYTHON:-python}" -W ignore "benchmarks/$1.py" "${@:2}" \
        --device "$device" || failed+=("$*")
}

if [ "$device" = cpu ]; then
    measure 5 embedding --data "$data" --chains 8 --rounds 1 --threads 1
    measure 5 embedding --plm esm2_8m --share --batch 2 --rounds 1 --threads 1
    measure 5 lighter esm2_8m --rounds 1 --threads 1
    measure 5 graph_networks gvp schnet gatv2 --proteins 1 --rounds 1 --threads 1
    measure 5 compiled schnet --copies 1 --rounds 1 --threads 1
    measure 5 training_step --data "$data" --plm esm2_8m --tokens 200 --rounds 1 --threads 1
    measure 5 pipeline --structures "$data/structures" --count 4 --rounds 1 --threads 1
else
    measure 1 embedding --data "$data" --rounds 3
    measure 1 embedding --data "$data" --dtype bfloat16 --rounds 3
    measure 1 embedding --plm esm2_650m --share --dtype bfloat16 --batch 16 --rounds 5
    measure 1 lighter esm2_150m esm2_650m --rounds 9
    measure 1 graph_networks gvp schnet gatv2 --rounds 9
    measure 2 compiled gvp --copies 32 --rounds 9
    measure 1 training_step --data "$data" --plm esm2_35m --tokens 4096 --rounds 5
    measure 1 training_step --data "$data" --plm esm2_650m --tokens 2048 --rounds 3
    measure 1 pipeline --structures "$data/structures" --plm esm2_8m --rounds 3
    measure 1 pipeline --structures "$data/structures" --plm esm2_35m --rounds 3
    measure 1 pipeline --structures "$data/structures" --plm esm2_150m --rounds 3
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'did not end well: %s\n' "${failed[@]}"
    exit 1
fi
