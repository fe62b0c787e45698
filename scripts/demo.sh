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

say "2. A prompt of 2048 tokens, one request: what does each line compute and move?"
show cost "$model" --set batch_size=1,seq_len=2048 --depth 3

say "3. One more token for each of 8 requests, with 4096 in the cache: the same lines, another picture."
show cost "$model" --phase decode --set batch_size=8,cache_len=4096 --depth 1

say "4. The same as files: formulas for every batch and length, and numbers at these."
for phase in prefill decode; do
  "$bin/cutaway" cost "$model" --phase "$phase" -o "$out/llama-3.1-8b.$phase.json"
  "$bin/cutaway" cost "$model" --phase "$phase" -o "$out/llama-3.1-8b.$phase.md"
  "$bin/cutaway" cost "$model" --phase "$phase" -o "$out/llama-3.1-8b.$phase.csv"
done
"$bin/cutaway" inspect "$model" -o "$out/llama-3.1-8b.inspect.md"
"$bin/cutaway" cost "$model" --set batch_size=1,seq_len=2048 -o "$out/llama-3.1-8b.prefill-2048.md"
ls "$out" | sed "s|^|  $out/|"

cat <<END

Next, with your own:
  $bin/cutaway models                                     models that can be named
  $bin/cutaway cost path/to/config.json                   any Transformers config
  $bin/cutaway cost file.py:Class --trust-code            any nn.Module
  $bin/cutaway cost llama-3.1-8b --symbols all --depth 1  the architecture's sizes as symbols too
END
