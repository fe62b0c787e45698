# Three pictures of a sweep: what a user waits for against what the machine yields, what fits, and which limit binds. They
# are drawn by matplotlib where it is installed; an HTML page holds the same drawing as SVG, so it needs nothing.
"""`plot(columns, path)`: latency against throughput, memory, and money, as PNG, SVG or HTML."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import BadValue, NeedsExtra, OutputError
from cutaway.predict.sweep import pareto

SUFFIXES = (".png", ".svg", ".html")
LINES = 10  # machines that get a colour of their own; the others are grey


def plot(
    columns: Mapping[str, np.ndarray], path: Path, *, ridges: Mapping[str, tuple[float, float]] | None = None
) -> None:
    """Write the picture to a .png, .svg or .html file.

    ridges: name -> (FLOP/s, bytes/s) of devices; with them a roofline is drawn.
    """
    pyplot = check(path)
    import matplotlib

    count = 3 if ridges else 2
    with matplotlib.rc_context({"svg.hashsalt": "cutaway", "font.size": 9}):
        figure, axes = pyplot.subplots(1, count, figsize=(5.6 * count, 4.6), layout="constrained")
        _latency(axes[0], columns)
        _memory(axes[1], columns)
        if ridges:
            _roofline(axes[2], ridges)
        handles, labels = axes[0].get_legend_handles_labels()
        if len(labels) > 1:
            figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        try:
            _save(figure, path)
        except OSError as error:
            raise OutputError(
                "the picture could not be written", where=str(path), known=str(error)
            ) from error
        finally:
            pyplot.close(figure)


def check(path: Path) -> Any:
    """pyplot, if the picture could be drawn: raises `BadValue` for another suffix, `NeedsExtra` without matplotlib."""
    if path.suffix not in SUFFIXES:
        raise BadValue("a picture is a .png, .svg or .html file", asked=path.name)
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise NeedsExtra.named("plot", "matplotlib", asked=f"--plot {path}") from error
    return pyplot


def _save(figure: Any, path: Path) -> None:
    if path.suffix == ".html":
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        body = drawn.getvalue()
        page = f'<!doctype html><meta charset="utf-8"><title>Sweep</title>{body[body.index("<svg") :]}'
        path.write_text(page, encoding="utf-8")
    else:
        figure.savefig(path, dpi=140, metadata={"Date": None} if path.suffix == ".svg" else None)


def _latency(axes: Any, columns: Mapping[str, np.ndarray]) -> None:
    """TPOT against throughput, the rows that nothing beats joined by a line, per machine."""
    fits = columns["fits"].astype(bool)
    for n, (name, mask) in enumerate(_machines(columns)):
        chosen = {k: columns[k][mask & fits] for k in ("tpot_s", "throughput_tokens_per_s")}
        if not len(chosen["tpot_s"]):
            continue
        colour = f"C{n}" if n < LINES else "0.7"
        best = pareto(chosen, "tpot_s", "throughput_tokens_per_s")
        axes.plot(
            chosen["tpot_s"] * 1e3, chosen["throughput_tokens_per_s"], ".", ms=3, color=colour, alpha=0.25
        )
        axes.plot(
            chosen["tpot_s"][best] * 1e3, chosen["throughput_tokens_per_s"][best], "-", lw=1.5, color=colour,
            label=name if n < LINES else None,
        )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="TPOT, ms", ylabel="output tokens/s",
        title="Latency and throughput (what fits)",
    )  # fmt: skip


def _memory(axes: Any, columns: Mapping[str, np.ndarray]) -> None:
    """Bytes on one device by batch, the largest of each batch, and where it stops fitting."""
    for n, (name, mask) in enumerate(_machines(columns)):
        if n >= LINES:
            break
        batches = np.unique(columns["batch"][mask])
        top = np.array([columns["memory_bytes"][mask & (columns["batch"] == b)].max() for b in batches]) / 1e9
        good = np.array([columns["fits"][mask & (columns["batch"] == b)].all() for b in batches])
        axes.plot(batches, top, "-", lw=1.2, color=f"C{n}", label=name)
        axes.plot(batches[~good], top[~good], "x", ms=5, color=f"C{n}")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="batch",
        ylabel="GB on each device",
        title="Memory (× does not fit)",
    )


def _roofline(axes: Any, ridges: Mapping[str, tuple[float, float]]) -> None:
    intensity = np.geomspace(0.25, 8192, 200)
    for name, (peak, bandwidth) in ridges.items():
        axes.loglog(intensity, np.minimum(peak, intensity * bandwidth) / 1e12, label=name)
    axes.set(xlabel="FLOP per byte", ylabel="TFLOP/s", title="Roofline of the devices")
    axes.legend(frameon=False)


def _machines(columns: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Each machine's words and its rows, in order."""
    names = [
        n for n in ("model", "hardware", "tp", "pp", "ep", "dp", "weights", "kv", "engine") if n in columns
    ]
    varied = [n for n in names if len(set(columns[n].tolist())) > 1] or names[:2]
    rows = zip(*(columns[n].tolist() for n in varied), strict=True)
    words = np.array([" ".join(map(_word, varied, row)) for row in rows])
    _, first = np.unique(words, return_index=True)
    return [(str(words[i]), words == words[i]) for i in sorted(first)]


def _word(name: str, value: object) -> str:
    return str(value).rsplit("/", 1)[-1] if name in ("model", "hardware") else f"{name} {value}"
