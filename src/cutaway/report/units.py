# Numbers as people say them: three digits and a decimal prefix, so that a GB is 10^9 bytes wherever it
# stands.
"""`si(32946601852928, "FLOP")` is `32.9 TFLOP`."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")


def si(value: float, unit: str) -> str:
    """Three significant digits with a decimal prefix.

    >>> si(1536, "B"), si(999_999, "FLOP"), si(12, "B")
    ('1.54 kB', '1.00 MFLOP', '12 B')
    """
    if abs(value) < 1000:
        return f"{value:.3g} {unit}".strip()
    step = 0
    while abs(value) >= 999.5 and step < len(PREFIXES) - 1:
        value, step = value / 1000, step + 1
    return f"{value:.{_decimals(value)}f} {PREFIXES[step]}{unit}"


def percent(part: float, whole: float) -> str:
    """`65.9 %`; `<0.1 %` for what is there but small."""
    share = 100 * part / whole if whole else 0.0
    return "<0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"


def bar(part: float, whole: float, width: int) -> str:
    """The share as a bar of eighths of a cell."""
    eighths = round(8 * width * min(1.0, part / whole)) if whole else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def grouped(value: int) -> str:
    """`8 030 261 248`, with thin gaps that a terminal shows as spaces."""
    return f"{value:,}".replace(",", " ")


def digits(value: float) -> str:
    """Three significant digits of an amount, without a prefix; from a thousand on all before the point.

    >>> digits(5.8812), digits(1733.4)
    ('5.88', '1 733')
    """
    return f"{value:.3g}" if abs(value) < 999.5 else grouped(round(value))


def _decimals(value: float) -> int:
    return 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
