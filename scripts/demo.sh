#!/usr/bin/env bash
# What a newcomer sees first: a real model, taken apart from its config alone. Totals of its tree, then what one
# pass costs, line by line, for a prompt and for one more token; and the same as files in demo-out/.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
model=meta-llama/Llama-3.1-8B
out=demo-out
mkdir -p "$out"
export COLUMNS=${COLUMNS:-100}

say() {
  printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi
}

show() {
  printf '$ cutaway %s\n\n' "$*"
  "$bin/cutaway" "$@"
}

say "1. What is in $model? (its config comes with Cutaway; no weights are loaded)"
show inspect "$model" --depth 2

say "2. What does one pass cost? First the formulas, for every batch and length, as files."
for phase in prefill decode; do
  for kind in json md csv; do
    "$bin/cutaway" cost "$model" --phase "$phase" -o "$out/llama-3.1-8b.$phase.$kind"
  done
done
ls "$out" | sed "s|^|  $out/|"

say "3. The same with numbers: prompts of 2048 tokens, 4 at a time. What does each line compute and move?"
show cost "$model" --set batch_size=4,seq_len=2048 --depth 3

say "4. One more token for each of 8 requests, 4096 in the cache: the same lines, another picture."
show cost "$model" --phase decode --set batch_size=8,cache_len=4096 --depth 0

cat <<END

Next, with your own:
  $bin/cutaway models                                     models that can be named
  $bin/cutaway cost path/to/config.json                   any Transformers config
  $bin/cutaway cost file.py:Class --trust-code            any nn.Module
  $bin/cutaway cost llama-3.1-8b --symbols all --depth 1  the architecture's sizes as symbols too
END
