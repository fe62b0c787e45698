#!/usr/bin/env bash
# Makes the development environment with nothing but Python 3.11+ and pip: a venv, torch by its exact pin,
# then this package with its test tools, all under constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}

"$python" - <<'PY' || { echo "error: cutaway needs Python 3.11 or newer; set PYTHON=python3.12, say" >&2; exit 2; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --constraint constraints.txt)
torch=$(grep '^torch==' constraints.txt)
"$venv/bin/python" -c "import torch" 2>/dev/null || "${pip[@]}" "$torch"
"${pip[@]}" hatchling editables pytest pytest-xdist hypothesis inline-snapshot jsonschema ruff
"${pip[@]}" --no-build-isolation --editable ".[torch]"
