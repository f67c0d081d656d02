# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: the checkout, a Python, a virtual environment.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# fail STATUS MESSAGE: ends the script with one line on standard error.
fail() {
  printf '%s\n' "$2" >&2
  exit "$1"
}

# Prints the Python to use: $PYTHON where it is set, else the first that is new enough.
find_python() {
  local candidate candidates=(python3 python3.13 python3.12 python3.11)
  if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' &>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail 1 "Python 3.11 or newer is needed (tried ${candidates[*]}); install it or set PYTHON=/path/to/python"
}

# make_environment FOLDER REQUIREMENT [CONSTRAINTS]: a virtual environment of the checkout, with the
# checkout installed in it, within the versions of a file of the checkout. The stamp is written
# last and names all that went in, so an environment that is incomplete or out of date is made anew.
make_environment() {
  local folder=$root/$1 requirement=$2 constraints=${3:-} python stamp
  python=$(find_python)
  stamp=$({
    "$python" --version
    printf '%s\n' "$root" "$requirement"
    cat "$root/setup.py" "$root/pyproject.toml" ${constraints:+"$root/$constraints"}
  } | cksum)
  if [[ $(cat "$folder/.complete" 2>/dev/null) == "$stamp" ]] && "$folder/bin/python" -c '' 2>/dev/null; then
    return
  fi
  "$python" -c 'import ensurepip, venv' &>/dev/null ||
    fail 1 "$python lacks the venv and ensurepip modules; install them (Debian, Ubuntu: apt install python3-venv) or set PYTHON"
  printf 'Installing into %s\n' "$folder" >&2
  "$python" -m venv --clear "$folder"
  (cd "$root" && "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    ${constraints:+-c "$constraints"} -e "$requirement")
  printf '%s\n' "$stamp" >"$folder/.complete"
}
