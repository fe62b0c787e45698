#!/usr/bin/env bash
# What a newcomer sees first: one real model, its tree and its cost, on screen and in demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
model=meta-llama/Llama-3.1-8B
mkdir -p demo

show() {
  printf '\n$ cutaway %s\n' "$*"
  "$bin/cutaway" "$@"
}

has() {
  "$bin/cutaway" "$1" --help >/dev/null 2>&1
}

show inspect "$model" --depth 3
if has cost; then
  show cost "$model" --phase decode --set batch_size=1 --set cache_len=4096 --depth 2
  "$bin/cutaway" cost "$model" --phase decode -o demo/llama-3.1-8b.cost.md
fi
if has predict; then
  show predict "$model" --hardware h100-sxm --batch 8 --prompt 1024 --output 256
fi
if has explore; then
  "$bin/cutaway" explore "$model" -o demo/llama-3.1-8b.html
fi
"$bin/cutaway" inspect "$model" -o demo/llama-3.1-8b.inspect.md
printf '\nwritten:\n'
ls demo | sed 's/^/  demo\//'
