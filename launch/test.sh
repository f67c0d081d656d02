#!/usr/bin/env bash
# Lints and tests the checkout, in an environment of its own.
#
#   launch/test.sh [--parity] [PYTEST_ARGUMENT ...]
#
# With --parity the environment has torch, transformers and peft too, in the versions of
# tests/constraints.txt, and the tests that compare with them run instead of being skipped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

if [[ ${1:-} == --parity ]]; then
  shift
  environment=.venv-parity
  make_environment "$environment" '.[test,eval,data,parity]' tests/constraints.txt
else
  environment=.venv-test
  make_environment "$environment" '.[test]'
fi
cd "$root"
python=$environment/bin/python
"$python" -m ruff check
"$python" -m ruff format --check
exec "$python" -m pytest "$@"
