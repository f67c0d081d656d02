#!/usr/bin/env bash
# Trains and evaluates the embedded quickstart recipe on this machine, in an environment of its own.
#
#   launch/quickstart.sh [--small] [WORKDIR] [-- --config.key=value ...]
#
# WORKDIR defaults to runs/quickstart in the checkout; run again, it resumes there. The last line
# printed is the path of the report.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

usage="usage: launch/quickstart.sh [--small] [WORKDIR] [-- --config.key=value ...]"
config=configs/quickstart.py
default=$root/runs/quickstart
workdir=
while (($#)); do
  case $1 in
    --small)
      config=configs/quickstart.py:small
      default=$root/runs/quickstart-small
      ;;
    -h | --help)
      printf '%s\n' "$usage"
      exit
      ;;
    --)
      shift
      break
      ;;
    -*) fail 2 "unknown option $1; $usage" ;;
    *)
      [[ -z $workdir ]] || fail 2 "two work directories, $workdir and $1; $usage"
      workdir=$1
      ;;
  esac
  shift
done
workdir=${workdir:-$default}
[[ $workdir == /* || $workdir == *://* ]] || workdir=$PWD/$workdir

make_environment .venv-quickstart .
cd "$root"
exec .venv-quickstart/bin/python -m launch.train --config="$config" --workdir="$workdir" "$@"
