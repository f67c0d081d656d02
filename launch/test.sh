#!/usr/bin/env bash
# Lints and tests the checkout, in an environment of its own.
#
#   launch/test.sh [PYTEST_ARGUMENT ...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

make_environment .venv-test '.[test]'
cd "$root"
python=.venv-test/bin/python
"$python" -m ruff check
"$python" -m ruff format --check
exec "$python" -m pytest "$@"
