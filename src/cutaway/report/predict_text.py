# What `cutaway predict` shows: the figures that were asked for with their tier, what bounds each phase, what lies in memory,
# and what to know about it. Wide enough for 80 columns; `explain` adds each kernel with the lines that it comes from.
"""A `Prediction`, and the difference of two, as text and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from cutaway.report.predict_json import bounds
from cutaway.report.units import bar, digits, percent, si

if TYPE_CHECKING:
    from cutaway.predict.step import Part
    from cutaway.predicting import Prediction

LABEL = 14
NAMES = {"arithmetic": "arithmetic", "memory": "memory bandwidth", "link": "links"}


def render_text(p: Prediction, *, explain: bool = False, width: int = 80) -> str:
    """The whole answer."""
    lines = [f"{p.model} on {_devices(p)}", *_row("asked", _asked(p), width)]
    lines += [*(_row("but", _lacks(p), width) if not p.fits else ()), ""]
    lines += [f"{label:<{LABEL}}{value:<16}{note}" for label, value, note in figures(p)]
    for phase, parts in p.parts.items():
        lines += ["", *_phase(phase, _held(phase, *p.points[phase]), parts)]
    lines += ["", *_memory(p)]
    if explain:
        lines += _explained(p, width)
    lines += _notes(p, width)
    return "\n".join(lines) + "\n"


def render_markdown(p: Prediction, *, explain: bool = False) -> str:
    """The same as tables."""
    lines = [
        f"# {p.model} on {_devices(p)}",
        "",
        _asked(p),
        "",
        *((f"**But** {_lacks(p)}", "") if not p.fits else ()),
        "| figure | value | tier |",
        "| --- | ---: | --- |",
    ]
    lines += [f"| {label} | {value} | {note} |" for label, value, note in figures(p)]
    for phase, parts in p.parts.items():
        total = sum(bounds(parts).values())
        lines += [
            "",
            f"## One {phase} step: {seconds(total)}",
            "",
            "| kernels | time | share | bound by |",
            "| --- | ---: | ---: | --- |",
        ]
        lines += [
            f"| {name} | {seconds(time)} | {percent(time, total)} | {NAMES.get(bound, bound)} |"
            for name, bound, time in summed(parts)
        ]
    lines += ["", "## Memory of one device", "", "| part | size |", "| --- | ---: |"]
    lines += [f"| {name} | {si(size, 'B')} |" for name, size in memory_rows(p)]
    if explain:
        lines += [
            "",
            "## Kernels",
            "",
            "| kernel | times | time | tier | lines |",
            "| --- | ---: | ---: | --- | --- |",
        ]
        for phase, parts in p.parts.items():
            lines += [
                f"| {phase}: {part.name} ({part.kind}) | {part.count} | {seconds(float(part.seconds))} | {part.tier} "
                f"| {', '.join(part.places)} |"
                for part in _sorted(parts)
            ]
    notes = [
        *p.warnings,
        *(f"gap: {gap}" for gap in p.gaps),
        *(f"{k}: {v}" for k, v in p.definitions.items()),
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def compare_text(a: Prediction, b: Prediction, width: int = 80) -> str:
    """Where the difference of two predictions comes from, kernel by kernel of a step."""
    lines = ["comparison", *_row("A", f"{a.model} on {_devices(a)}; {_asked(a)}", width)]
    lines += [*_row("B", f"{b.model} on {_devices(b)}; {_asked(b)}", width), ""]
    lines.append(f"{'':<{LABEL}}{'A':>14}{'B':>14}{'B / A':>9}")
    for (label, first, _), (_, second, _), ratio in zip(figures(a), figures(b), _ratios(a, b), strict=True):
        lines.append(f"{label:<{LABEL}}{first:>14}{second:>14}{ratio:>9}")
    for phase, rows in changed(a, b).items():
        lines += ["", f"one {phase} step, by what changes most"]
        for name, first, second in rows:
            lines.append(
                f"  {name[:30]:<30} {seconds(first):>11} {seconds(second):>11} {_signed(second - first):>12}"
            )
    return "\n".join(lines) + "\n"


def compare_markdown(a: Prediction, b: Prediction) -> str:
    """The same as tables."""
    lines = ["# Comparison", "", f"- A: {a.model} on {_devices(a)}; {_asked(a)}"]
    lines += [f"- B: {b.model} on {_devices(b)}; {_asked(b)}", "", "| figure | A | B | B / A |", "| --- | ---: | ---: | ---: |"]
    for (label, first, _), (_, second, _), ratio in zip(figures(a), figures(b), _ratios(a, b), strict=True):
        lines.append(f"| {label} | {first} | {second} | {ratio} |")
    for phase, rows in changed(a, b).items():
        lines += ["", f"## One {phase} step", "", "| kernels | A | B | change |", "| --- | ---: | ---: | ---: |"]
        lines += [f"| {n} | {seconds(x)} | {seconds(y)} | {_signed(y - x)} |" for n, x, y in rows]
    return "\n".join(lines) + "\n"


def changed(a: Prediction, b: Prediction) -> dict[str, list[tuple[str, float, float]]]:
    """Phase -> `differences`, of the phases that both have."""
    return {phase: differences(a.parts[phase], b.parts[phase]) for phase in a.parts if phase in b.parts}


def differences(a: Iterable[Part], b: Iterable[Part]) -> list[tuple[str, float, float]]:
    """(kernels, seconds of A, seconds of B), the largest change first."""
    first, second = ({name: time for name, _, time in summed(parts)} for parts in (a, b))
    rows = [(name, first.get(name, 0.0), second.get(name, 0.0)) for name in dict.fromkeys([*first, *second])]
    return sorted(rows, key=lambda row: -abs(row[2] - row[1]))


def figures(p: Prediction) -> list[tuple[str, str, str]]:
    """(label, value, tier or note) of what was asked for."""
    money = "-" if p.usd_per_million_tokens is None else f"{digits(p.usd_per_million_tokens)} USD"
    energy = "-" if p.joules_per_token is None else f"{digits(p.joules_per_token)} J"
    note = "list price" + (f" of {p.hardware.price_date}" if p.hardware.price_date else "")
    # Who compares it with a benchmark should see that it holds no start of all users at once.
    steady = "; steady state, see --rounds" if p.regime == "closed loop" and not p.served and p.asked["rounds"] is None else ""
    rows = [
        ("TTFT", seconds(p.ttft_s), p.tier + steady),
        ("TPOT", seconds(p.tpot_s), p.tier) if p.setup.decode else ("TPOT", "-", "no next token"),
        ("throughput", f"{p.throughput_tokens_per_s:.4g} tok/s", p.tier),
        ("per M tokens", money, note),
        ("per token", energy, "at the boards' power limit"),
    ]
    if p.target is not None:
        rows += _target(p.target, p.hardware.bandwidth)
    return rows


def _target(found: Mapping[str, Any], bandwidth: float) -> list[tuple[str, str, str]]:
    """What the asked TPOT takes."""
    label, batch, needed = f"for {found['tpot_s'] * 1e3:.4g} ms", found["largest_batch"], found["bandwidth_bytes_per_s"]
    rows = {
        "largest_batch": (f"batch {batch}", "the largest on these devices"),
        "bandwidth_bytes_per_s": (
            f"{si(round(needed or 0), 'B')}/s",
            f"of memory for batch {found['batch']}, {(needed or 0) / bandwidth:.2f} times this device's",
        ),
    }
    return [(label, *(("-", found["why_not"][name]) if name in found["why_not"] else row)) for name, row in rows.items()]


def summed(parts: Iterable[Part]) -> list[tuple[str, str, float]]:
    """(name, bound, seconds) with kernels of one name together, the longest first."""
    found: dict[tuple[str, str], float] = {}
    for part in parts:
        found[part.name, part.bound] = found.get((part.name, part.bound), 0.0) + float(part.seconds)
    rows = [(name, bound, time) for (name, bound), time in found.items() if time > 0]
    return sorted(rows, key=lambda row: -row[2])


def memory_rows(p: Prediction) -> list[tuple[str, int]]:
    """(part, bytes) of one device."""
    m = p.memory
    return [
        ("weights", m.weights), ("cache", m.cache), ("activations", m.activations),
        ("messages", m.messages), ("runtime", m.runtime),
    ]  # fmt: skip


def seconds(value: float) -> str:
    """`12.3 ms`."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.4g} {unit}"
    return f"{value * 1e6:.3g} µs"


def _held(phase: str, tokens: float, before: float, sequences: float, cached: float) -> str:
    """What a device has before it in this step."""
    if phase == "prefill":
        return f"{_counted(tokens, 'token')} of prompts" + (f", {before:.15g} before them" if before > 0 else "")
    return f"{_counted(sequences, 'sequence')} of {cached:.15g} tokens"


def _counted(number: float, what: str) -> str:
    return f"{number:.15g} {what}{'s' if number != 1 else ''}"


def _phase(phase: str, held: str, parts: tuple[Part, ...]) -> list[str]:
    rows = summed(parts)
    total = sum(time for _, _, time in rows)
    out = [f"one {phase} step, {held}: {seconds(total)} of kernels"]
    for name, bound, time in rows[:8]:
        out.append(
            f"  {name:<29}{seconds(time):>11} {percent(time, total):>7} {bar(time, total, 8)} {NAMES.get(bound, bound)}"
        )
    rest = sum(time for _, _, time in rows[8:])
    return [*out, f"  {'the rest':<29}{seconds(rest):>11} {percent(rest, total):>7}"] if rest else out


def _lacks(p: Prediction) -> str:
    """Said before any figure, which nobody should read as if it ran."""
    return f"{_short(p)} a device: the times are those of devices that hold it"


def _short(p: Prediction) -> str:
    return f"does not fit by {si(p.memory.missing, 'B')}"


def _memory(p: Prediction) -> list[str]:
    m = p.memory
    says = "fits" if p.fits else _short(p)
    out = [f"memory of one device: {si(m.total, 'B')} of usable {si(m.usable, 'B')}: {says}"]
    out += [f"  {name:<29}{si(size, 'B'):>11}" for name, size in memory_rows(p) if size]
    edges = f"largest batch {_many(m.largest_batch)}, longest context {_many(m.longest_context)}"
    return [*out, f"  {edges}, fewest devices {m.fewest_devices or '-'}"]


def _many(value: int) -> str:
    return "unbounded" if value >= 1 << 40 else str(value)


def _explained(p: Prediction, width: int) -> list[str]:
    out = []
    for phase, parts in p.parts.items():
        out += ["", f"kernels of a {phase} step"]
        for part in _sorted(parts):
            out.append(
                f"  {part.count:>4} x {part.name} ({part.kind}): {seconds(float(part.seconds))}, {part.bound}, {part.tier}"
            )
            out += [f"         {line}" for line in wrap(part.why, width - 9)]
            out += [f"         {place}" for place in part.places]
    return [*out, "", *(line for k, v in p.definitions.items() for line in _row(k, v, width))]


def _notes(p: Prediction, width: int) -> list[str]:
    notes = [("warning", w) for w in p.warnings] + [("gap", g) for g in p.gaps]
    return [line for label, text in notes for line in ["", *_row(label, text, width)]]


def _row(label: str, text: str, width: int) -> list[str]:
    start = f"{label:<{LABEL}}" if len(label) < LABEL else f"{label}  "
    return wrap(text, width, initial_indent=start, subsequent_indent=" " * LABEL, break_on_hyphens=False)


def _devices(p: Prediction) -> str:
    return f"{p.devices} x {p.hardware.title}"


def _asked(p: Prediction) -> str:
    load = {k: v for k, v in p.asked.items() if v is not None and k not in ("prompt", "output", "target_tpot")} or {
        "batch": 1
    }
    words = [f"{k} {v}" for k, v in load.items()]
    words += [f"prompt {p.asked['prompt']}", f"output {p.asked['output']}", f"engine {p.engine}"]
    words += [
        f"{name} {size}" for name in ("tp", "pp", "ep", "dp") if (size := getattr(p.parallel, name)) > 1
    ]
    if (s := p.setup.speculation) is not None:
        words.append(
            f"{s.tokens} tokens a step guessed by {s.name}, {s.acceptance:.4g} of them right ({s.tokens_per_step:.3g} a step)"
        )
    if (split := p.pools) is not None:
        words.append(
            f"machines for prompts {split.prefill_instances}, for answers {split.decode_instances}, caches between them at "
            f"{si(round(split.bandwidth), 'B')}/s a device"
        )
    q = p.quant
    words.append(f"weights {q.weights.name}, products in {q.activations}, cache {q.kv.name}")
    return ", ".join(words)


def _ratios(a: Prediction, b: Prediction) -> list[str]:
    pairs = [
        (a.ttft_s, b.ttft_s), (a.tpot_s, b.tpot_s), (a.throughput_tokens_per_s, b.throughput_tokens_per_s),
        (a.usd_per_million_tokens, b.usd_per_million_tokens), (a.joules_per_token, b.joules_per_token),
    ]  # fmt: skip
    return [f"{y / x:.2f}" if x and y else "-" for x, y in pairs]


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "-") + seconds(abs(value))


def _sorted(parts: Iterable[Part]) -> list[Part]:
    return sorted((part for part in parts if float(part.seconds) > 0), key=lambda part: -float(part.seconds))
