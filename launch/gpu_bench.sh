#!/usr/bin/env bash
# Measures this package on one accelerator, beside Hugging Face transformers on the same card.
#
#   launch/gpu_bench.sh [--out=DIR] [--shape=NAME ...] [--rounds=N] [--option=NAME=VALUE ...]
#                       [--dry_run]
#
# For each shape (by default qwen2.5-0.5b and qwen2.5-1.5b, random weights, bfloat16): decoding at
# batch 1, 16, 64 and 256 against the bandwidth floor, optimiser steps with the share of a large
# matrix product's speed, whole steps of GRPO, files and start. Tables, plots and JSON lines come to
# DIR (by default runs/gpu_bench). --option goes to our updates: attention=cudnn, remat=full.
# --dry_run runs every line on a model of a few thousand parameters, on whatever there is.
#
# Needs `pip install -e '.[gpu]'` and, for the peer, torch and transformers; $PYTHON names another
# interpreter than python, $PEER_PYTHON that of the peer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'gpu_bench.sh: %s\n' "$1" >&2
  exit 2
}

out=runs/gpu_bench rounds=5 dry_run='' shapes=() options=()
for word in "$@"; do
  case $word in
    --out=*) out=${word#*=} ;;
    --shape=*) shapes+=("${word#*=}") ;;
    --rounds=*) rounds=${word#*=} ;;
    --option=*) options+=("$word") ;;
    --dry_run) dry_run=yes ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
      exit
      ;;
    *) fail "unknown argument $word; --help lists them" ;;
  esac
done
python=${PYTHON:-python}
if [[ $dry_run ]]; then
  shapes=(tiny)
elif ((${#shapes[@]} == 0)); then
  shapes=(qwen2.5-0.5b qwen2.5-1.5b)
fi
if [[ ! $dry_run ]] && ! "$python" -c 'import jax, sys; sys.exit(jax.default_backend() == "cpu")'; then
  fail "jax finds no accelerator; pip install -e '.[gpu]' or use --dry_run"
fi

bench() {
  local suite=$1
  shift
  "$python" -m launch.bench --suite="$suite" --out="$out" --rounds="$rounds" \
    "${options[@]}" "$@"
}

peer=(--peer=transformers)
if [[ ${PEER_PYTHON:-} ]]; then peer+=(--peer_python="transformers=$PEER_PYTHON"); fi
for shape in "${shapes[@]}"; do
  bench sample --shape="$shape" "${peer[@]}"
  bench update --shape="$shape" "${peer[@]}"
  bench rl_step --shape="$shape" --case=grpo
  bench scale --shape="$shape" --case=rows --case=length
  bench load --shape="$shape"
done
printf 'results are in %s\n' "$out"
