# Published latencies of many sources, as tables of a Markdown file: every row is predicted and shown with its error, and
# the ten that are worst with the reason. What cannot be asked is counted by section with what is missing.
"""`report(path)`: rows of `published-latencies.md` with our error, and the worst ten; `python bench/published.py FILE`."""

import re
import sys
from pathlib import Path

import numpy as np
from published_rows import SECTIONS, Point

from cutaway.errors import CutawayError

REASONS = (  # pattern of a row's words -> why it is far off, as far as its source or other sources tell
    (r"S8 .*assumed", "neither device nor lengths are said where this stands: both are assumed"),
    (r"S8 .* c(25|50) .*TTFT", "prompts of 25 users hardly wait for each other there: how they were sent is not published"),
    (r"S8 .*TTFT", "the overhead of a request is that of TensorRT-LLM's own server; NIM's is smaller"),
    (r"Qwen3-32B H100x1 vllm fp8 c24", "no kernel could read the prompts in this time: a prefix cache answered"),
    (r"R1 H200x8 trtllm", "a run that guesses tokens: the same release without takes the time that is predicted"),
    (r"S7 ", "vLLM 0.5.4 spent more on the host than on kernels; the engine's constants are those of releases since 0.11"),
    (r"S1 .*MiniMax.*H200x4", "a run with experts spread over devices, which the row does not say"),
    (r"S4 .*l40s TP", "sums over eight cards, as NCCL was timed on one machine; that of the source was faster"),
    (r"S4 ", "full load: how many sequences ran is not published; ours is what memory allows"),
    (r"S9 ", "lengths are means; the run with its own lengths stands under the runs with timestamps"),
    (r"S3 .*L40S|S3 .*v0.5|S3 .*batch", "TensorRT-LLM's kernels for fp8 were faster than those timed in vLLM"),
    (r"S18|S21", "whole clusters with experts over many nodes, prompts cached in part; here one node"),
    (r"S20", "vendor's own stack and tuning on a device that nobody timed kernel by kernel"),
    (r"S14 .*c64", "no more tokens a second at 64 users than at 16, and none waits for a place: kernels are no limit"),
    (r"S17", "vLLM of 2023, before graphs of steps"),
    (r"sglang fp8_block c160", "prompts of 1000 and answers of 100: waves of prompts, whose order is not published"),
)  # fmt: skip


def report(path: Path) -> None:
    """Print every row with its error, errors by section, then the worst ten."""
    results: list[Point] = []
    unread: dict[str, int] = {}
    for section, header, row in _rows(path.read_text(encoding="utf-8")):
        ask = SECTIONS.get(section)
        if ask is None:
            continue
        try:
            results += ask(dict(zip(header, row, strict=False)), section)
        except (KeyError, AttributeError, ValueError, CutawayError) as why:
            text = f"{section}: {type(why).__name__} {str(why)[:60]}"
            unread[text] = unread.get(text, 0) + 1
    print(f"\n{'published':<76} {'measured':>10} {'ours':>10} {'error %':>8}")
    for p in results:
        print(f"{p.words:<76} {p.measured:>10.4g} {p.ours:>10.4g} {(p.ours / p.measured - 1) * 100:>+8.1f}")
    print(f"\n{'published, by source':<24} {'figures':>8} {'median %':>9} {'MAPE %':>8}")
    for section in dict.fromkeys(p.words.split()[0] for p in results):
        off = np.array([abs(p.ours / p.measured - 1) * 100 for p in results if p.words.split()[0] == section])
        print(f"{section:<24} {len(off):>8} {np.median(off):>9.1f} {off.mean():>8.1f}")
    print("\nworst ten")
    for p in sorted(results, key=lambda p: -abs(np.log(p.ours / p.measured)))[:10]:
        why = next((reason for pattern, reason in REASONS if re.search(pattern, p.words)), "not known")
        print(f"  {p.words}: {(p.ours / p.measured - 1) * 100:+.0f} %: {why}")
    for text, count in unread.items():
        print(f"  not asked, {count} rows of {text}")


def _rows(text: str):
    """(section, header, cells) of each line of each table."""
    section, header = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            section, header = line.split()[1], []
        elif not line.startswith("|"):
            header = []
        else:
            cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
            if not header:
                header = [cell.casefold() for cell in cells]
            elif not set(line) <= set("|-: "):
                yield section, header, cells


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python bench/published.py published-latencies.md; the file is not there")
    report(Path(sys.argv[1]))
