#!/usr/bin/env bash
# Trains on a Cloud TPU slice: the same command on every worker, in the background.
#
#   launch/tpu_pod.sh all --name=NAME --zone=ZONE --type=v5litepod-16 \
#     --version=v2-alpha-tpuv5-lite --workdir=gs://BUCKET/run -- --config=configs/quickstart.py
#
#   create   makes the slice                         needs --type --version, takes --spot
#   copy     copies this checkout to every worker
#   setup    installs it there
#   run      starts launch.train on every worker     needs --workdir and -- --config=... [flags]
#   logs     follows the log of the first worker until its run ends
#   status   the slice's state, and whether each worker is training
#   delete   removes the slice
#   all      create, copy, setup, run, logs
#
# Every command needs --name and --zone and takes --project and --dry_run (print the exact commands
# and do nothing). `run` mounts the bucket of --workdir as a folder with gcsfuse, so that all workers
# share it; after a preemption, `delete` and `all` resume the run from there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  printf 'tpu_pod.sh: %s\n' "$1" >&2
  exit 2
}

# do_run COMMAND WORD ...: runs it, or prints it where nothing is to be done.
do_run() {
  if [[ $dry_run ]]; then
    local words
    words=$(printf '%q ' "$@")
    printf '%s\n' "${words% }"
  else
    "$@"
  fi
}

tpu() {
  local verb=$1
  shift
  do_run gcloud compute tpus tpu-vm "$verb" "$@" "${where[@]}"
}

# on WORKER COMMAND: runs a shell command there.
on() { tpu ssh "$name" --worker="$1" --command="$2"; }

create() { tpu create "$name" --accelerator-type="$type" --version="$version" ${spot:+--spot}; }

copy() {
  local archive=${TMPDIR:-/tmp}/reasoning_jax-$name.tar.gz
  do_run tar -czf "$archive" --exclude=.git --exclude='.venv*' --exclude=__pycache__ \
    --exclude=./runs -C "$root" .
  tpu scp "$archive" "$name:reasoning_jax.tar.gz" --worker=all
  do_run rm "$archive"
  on all 'rm -rf reasoning_jax && mkdir reasoning_jax && tar -xzf reasoning_jax.tar.gz -C reasoning_jax'
}

# The images' own Python is older than 3.11, so uv brings one.
setup() {
  local uv=.local/bin/uv
  on all "PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv && \
$uv venv --clear --python 3.11 venv && \
$uv pip install --quiet --python venv/bin/python -e './reasoning_jax[tpu]'"
}

# True on a worker that trains; it expands there.
# shellcheck disable=SC2016
alive='kill -0 "$(cat train.pid 2>/dev/null)" 2>/dev/null'

run() {
  local bucket folder command
  bucket=${workdir#gs://}
  folder=${bucket#"${bucket%%/*}"}
  bucket=${bucket%%/*}
  command=$(printf '%q ' ../venv/bin/python -m launch.train --coordinator=auto \
    --workdir="../bucket$folder" "$@")
  on all "if $alive; then echo 'already training' >&2; exit 1; fi; \
command -v gcsfuse >/dev/null || { echo 'install gcsfuse (Cloud Storage FUSE) first' >&2; exit 1; }; \
mkdir -p bucket && \
{ mountpoint -q bucket || gcsfuse --implicit-dirs $(printf %q "$bucket") bucket; } && \
cd reasoning_jax && \
{ nohup $command>../train.log 2>&1 </dev/null & echo \$! >../train.pid; }"
}

# shellcheck disable=SC2016
logs() { on 0 'tail --pid="$(cat train.pid)" -n +1 -F train.log'; }

status() {
  tpu describe "$name" --format='value(state,health)'
  on all "if $alive; then echo \"\$(hostname): training\"; else echo \"\$(hostname): not training\"; fi"
}

delete() { tpu delete "$name" --quiet; }

all() {
  create
  copy
  setup
  run "$@"
  logs
}

commands='create, copy, setup, run, logs, status, delete or all'
(($#)) || fail "which command? $commands"
command=$1
shift
case $command in
  create) needs='name zone type version' ;;
  run) needs='name zone workdir' ;;
  all) needs='name zone type version workdir' ;;
  copy | setup | logs | status | delete) needs='name zone' ;;
  -h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
    exit
    ;;
  *) fail "no command $command; one of $commands" ;;
esac

name='' zone='' type='' version='' project='' workdir='' spot='' dry_run=''
while (($#)); do
  case $1 in
    --spot | --dry_run)
      printf -v "${1#--}" yes
      shift
      ;;
    --name=* | --zone=* | --type=* | --version=* | --project=* | --workdir=*)
      flag=${1%%=*}
      printf -v "${flag#--}" %s "${1#*=}"
      shift
      ;;
    --name | --zone | --type | --version | --project | --workdir)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    --)
      shift
      break
      ;;
    *) fail "unknown flag $1; flags of launch.train go after --" ;;
  esac
done

for flag in $needs; do
  [[ ${!flag} ]] || fail "$command needs --$flag"
done
case $command in
  run | all)
    [[ $workdir == gs://* ]] || fail "--workdir=$workdir is on one machine; every worker needs a gs:// path"
    [[ " $*" == *' --config'[=\ ]* ]] || fail "$command needs a recipe: -- --config=configs/NAME.py"
    ;;
  *) (($# == 0)) || fail "$command takes nothing after --, got: $*" ;;
esac
[[ $dry_run ]] || command -v gcloud >/dev/null || fail "gcloud is not installed; see the Google Cloud CLI"

where=(--zone="$zone")
if [[ $project ]]; then where+=(--project="$project"); fi
"$command" "$@"
