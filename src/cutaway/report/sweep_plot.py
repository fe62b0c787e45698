# Pictures of a sweep: what a user waits for against what the machine yields, what fits, and which limit binds. They are
# drawn by matplotlib where it is installed; an HTML page holds the same drawing as SVG, so it needs nothing.
"""`plot(columns, path)`: latency against throughput, memory and rooflines, as PNG, SVG or HTML."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.errors import BadValue, NeedsExtra, OutputError
from cutaway.predict.memory import UTILISATION
from cutaway.predict.sweep import WORDS, pareto

if TYPE_CHECKING:
    from cutaway.hardware import Hardware

SUFFIXES = (".png", ".svg", ".html")
LINES = 10  # machines that get a colour of their own; the others are grey
DOTS = 2000  # of a machine; of more rows every so-many-th is drawn
MARKERS = "os^DvPX*<>"
DASHES = ("-", "--", "-.", ":")  # devices, which are no machines and so have no colour


def plot(columns: Mapping[str, np.ndarray], path: Path, *, devices: Sequence[Hardware] = ()) -> None:
    """Write the picture to a .png, .svg or .html file; with devices, their rooflines and capacities too."""
    pyplot = check(path)
    import matplotlib

    machines = _machines(columns)
    count = 3 if devices else 2
    with matplotlib.rc_context({"svg.hashsalt": "cutaway", "font.size": 9}):
        figure, axes = pyplot.subplots(1, count, figsize=(5.6 * count, 5.0), layout="constrained")
        try:
            _latency(axes[0], columns, machines)
            _memory(axes[1], columns, machines, devices)
            if devices:
                _roofline(axes[2], devices)
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
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
        style = "<style>svg{max-width:100%;height:auto}</style>"
        page = f'<!doctype html><meta charset="utf-8"><title>Sweep</title>{style}{body[body.index("<svg") :]}'
        path.write_text(page, encoding="utf-8")
    else:
        figure.savefig(path, dpi=140, metadata={"Date": None} if path.suffix == ".svg" else None)


def _latency(
    axes: Any, columns: Mapping[str, np.ndarray], machines: Sequence[tuple[str, np.ndarray]]
) -> None:
    """TPOT against throughput, the rows that nothing beats joined by a line, per machine."""
    axes.set(
        xlabel="TPOT, ms", ylabel="output tokens/s", title="Latency and throughput of what fits (line: nothing beats it)"
    )
    if not columns["fits"].any():
        axes.text(0.5, 0.5, "nothing fits in memory", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
    for n, (name, rows) in enumerate(machines):
        rows = rows[columns["fits"][rows].astype(bool)]
        shown = n < LINES
        if not len(rows):
            axes.plot([], [], " ", label=f"{name}: does not fit" if shown else None)
            continue
        colour, tpot, rate = _colour(n), columns["tpot_s"][rows] * 1e3, columns["throughput_tokens_per_s"][rows]
        some = slice(None, None, -(-len(rows) // DOTS))
        axes.plot(tpot[some], rate[some], ".", ms=3, color=colour, alpha=0.3, zorder=1)
        best = pareto({"tpot": tpot, "rate": rate}, "tpot", "rate")
        style = {"marker": "o", "ms": 2.5, "lw": 1.5, "zorder": 3, "label": name} if shown else {"lw": 0.6, "zorder": 2}
        axes.plot(tpot[best], rate[best], color=colour, **style)
    if len(machines) > LINES:
        axes.plot([], [], "-", lw=0.6, color=_colour(LINES), label=f"{len(machines) - LINES} more")
    _logarithmic(axes)


def _colour(n: int) -> str:
    return f"C{n}" if n < LINES else "0.75"


def _memory(
    axes: Any,
    columns: Mapping[str, np.ndarray],
    machines: Sequence[tuple[str, np.ndarray]],
    devices: Sequence[Hardware],
) -> None:
    """Bytes on one device by batch, at the longest lengths of each, and what the devices have room for.

    Machines that need the same share a line, which is named by what they have in common.
    """
    lines: dict[bytes, tuple[np.ndarray, np.ndarray, list[int]]] = {}
    for n, (_, rows) in enumerate(machines[:LINES]):
        batches, at = np.unique(columns["batch"][rows], return_inverse=True)
        top = np.zeros(len(batches))
        np.maximum.at(top, at, columns["memory_bytes"][rows] / 1e9)
        lines.setdefault(batches.tobytes() + top.tobytes(), (batches, top, []))[2].append(n)
    for (batches, top, members), marker in zip(lines.values(), itertools.cycle(MARKERS)):
        words = [machines[n][0].split(" ") for n in members]
        common = " ".join(w for w in words[0] if all(w in other for other in words))
        style = {"color": _colour(members[0]) if len(members) == 1 else "k", "marker": marker, "ms": 4, "mfc": "white"}
        axes.plot(batches, top, lw=1.2, label=common, **style)
    for device, dash in zip(devices, itertools.cycle(DASHES)):
        room = device.capacity * UTILISATION / 1e9
        axes.axhline(room, color="0.4", lw=1, ls=dash, label=f"{device.name}: room for {room:.4g} GB")
    longest = int((columns["prompt"] + columns["output"]).max())
    axes.set(
        xlabel="batch", ylabel="GB on each device", title=f"Memory with the longest sequences ({longest} tokens at most)"
    )
    _logarithmic(axes)
    _legend_above(axes)


def _legend_above(axes: Any) -> None:
    """A legend with room of its own over what is drawn."""
    names = axes.get_legend_handles_labels()[1]
    columns = 2 if len(names) > 6 and max(map(len, names)) < 36 else 1
    share = min(0.8, 0.04 + 0.042 * -(-len(names) // columns))
    low, high = axes.get_ylim()
    axes.set_ylim(low, low * (high / low) ** (1 / (1 - share)))
    axes.legend(frameon=False, fontsize=7.5, loc="upper left", ncols=columns)


def _roofline(axes: Any, devices: Sequence[Hardware]) -> None:
    intensity = np.geomspace(0.5, 8192, 200)
    for device, dash in zip(devices, itertools.cycle(DASHES)):
        dtype = "bf16" if "bf16" in device.dtypes else device.dtypes[0]
        peak = device.peak(dtype)
        words = f"{device.name}: {peak / 1e12:.4g} TFLOP/s {dtype}, {device.bandwidth / 1e12:.3g} TB/s"
        roof = np.minimum(peak, intensity * device.bandwidth) / 1e12
        axes.plot(intensity, roof, ls=dash, lw=1.2, label=words, color="0.3")
        axes.plot(peak / device.bandwidth, peak / 1e12, "o", ms=4, color="0.3")
    axes.set(
        xlabel="FLOP per byte", ylabel="TFLOP/s", title="Rooflines (to the left of the dot, memory is the limit)"
    )
    axes.legend(frameon=False, fontsize=8)
    _logarithmic(axes)


def _logarithmic(axes: Any) -> None:
    """Both axes by their logarithm, with numbers as people write them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.grid(True, lw=0.4, alpha=0.5)
    if not axes.dataLim.width >= 0:  # no data, no logarithms
        return
    axes.set(xscale="log", yscale="log")
    axes.autoscale_view()
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        decades = np.log10(high / low)
        steps = (1, 2, 5) if decades < 3.2 else (1,)
        if decades < 0.5:
            steps = tuple(range(1, 10))
        axis.set_major_locator(LogLocator(subs=steps, numticks=30))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())


def _machines(columns: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Each machine's words and the numbers of its rows; of many, those first that nothing beats most often."""
    names = [name for name in WORDS if name in columns]
    count = len(columns["ttft_s"])
    changes = np.zeros(count, bool)
    changes[0] = True
    for name in names:  # rows of a machine lie together, so there are few places to look at
        changes[1:] |= columns[name][1:] != columns[name][:-1]
    starts = np.flatnonzero(changes)
    varied = [n for n in names if len(set(columns[n][starts].tolist())) > 1] or names[:2]
    found: dict[str, list[np.ndarray]] = {}
    for start, end in zip(starts, [*starts[1:], count], strict=True):
        words = " ".join(_word(name, columns[name][start]) for name in varied)
        found.setdefault(words, []).append(np.arange(start, end))
    machines = [(words, np.concatenate(rows)) for words, rows in found.items()]
    best = np.zeros(count, bool)
    for model in dict.fromkeys(columns["model"][starts].tolist()):
        own = np.flatnonzero((columns["model"] == model) & columns["fits"])
        best[own[pareto({k: v[own] for k, v in columns.items()}, "tpot_s", "throughput_tokens_per_s")]] = True
    if len(machines) > LINES:
        machines.sort(key=lambda machine: -int(best[machine[1]].sum()))
    return machines


def _word(name: str, value: object) -> str:
    return str(value).rsplit("/", 1)[-1] if name in ("model", "hardware", "engine") else f"{name}={value or 'as-is'}"
