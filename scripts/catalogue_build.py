# Rewrites the catalogue from a folder of config.json files and an INDEX.csv that says of each where it
# comes from and how many parameters it must give. Run it when models are added:
#   python scripts/catalogue_build.py FOLDER
"""Folder of configs + INDEX.csv -> src/cutaway/catalogue/models.jsonl."""

import csv
import json
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "cutaway" / "catalogue" / "models.jsonl"

# Keys that say nothing about shapes, dtypes or the path taken through `forward`.
NOISE = {
    "_name_or_path", "auto_map", "begin_suppress_tokens", "suppress_tokens", "early_stopping",
    "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "gradient_checkpointing",
    "id2label", "label2id", "inference_runner", "init_device", "init_method", "init_std",
    "initializer_factor", "initializer_range", "length_penalty", "max_batch_size", "max_length",
    "no_repeat_ngram_size", "num_beams", "output_past", "prefix", "runner_max_sequence_length",
    "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj", "task_specific_params", "tokenizer_class", "transformers.js_config",
    "transformers_version", "validate_runner_input",
}  # fmt: skip


def main(folder: Path) -> int:
    with (folder / "INDEX.csv").open(newline="") as f:
        rows = sorted(csv.DictReader(f), key=lambda row: row["model_id"].casefold())
    lines = [json.dumps(entry(row, folder), ensure_ascii=False, separators=(",", ":")) for row in rows]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} models, {TARGET.stat().st_size:,} bytes -> {TARGET.name}")
    return 0


def entry(row: dict, folder: Path) -> dict:
    config = json.loads((folder / row["file"]).read_text(encoding="utf-8"))
    result = {
        "id": row["model_id"],
        "class": row["meta_class"] or (config.get("architectures") or [""])[0],
        "parameters": int(row["meta_params"]) if row["meta_params"] else None,
        "published": row["published_params"],
        "remote_code": row["loads"] == "needs_remote_code",
        "needs": ["timm", "torchvision", "pillow"] if "timm" in row["loads"] else [],
        "verbatim": row["verbatim"] == "yes",
        "provenance": row["provenance"],
        "notes": row["notes"],
        "config": quiet(config),
    }
    return {key: value for key, value in result.items() if value not in ("", [], False)}


def quiet(config: dict) -> dict:
    """The config without its noise; the number of labels is kept as a number."""
    kept = {k: quiet(v) if isinstance(v, dict) else v for k, v in config.items() if k not in NOISE}
    if "id2label" in config and "num_labels" not in kept:
        kept["num_labels"] = len(config["id2label"])
    return kept


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/catalogue_build.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
