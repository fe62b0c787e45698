#!/usr/bin/env bash
# Makes the development environment with nothing but Python 3.11+ and pip: a venv, torch by its exact pin,
# then this package with its test tools, all under constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

# The first of these that is new enough; PYTHON=… says otherwise.
find_python() {
  local name
  for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 python}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "error: cutaway needs Python 3.11 or newer" >&2
  echo "  try    PYTHON=/path/to/python3.11 make setup" >&2
  exit 2
}

if [ ! -x "$venv/bin/python" ]; then
  python=$(find_python)
  echo "creating $venv and installing torch and the rest; two or three minutes" >&2
  "$python" -m venv "$venv"
fi
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
torch=$(grep '^torch==' constraints.txt)
"$venv/bin/python" -c "import torch" 2>/dev/null || "${pip[@]}" "$torch"
"${pip[@]}" hatchling editables pytest pytest-xdist hypothesis inline-snapshot jsonschema ruff
"${pip[@]}" --no-build-isolation --editable ".[torch]"
