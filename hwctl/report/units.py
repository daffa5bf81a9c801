"""Numbers as people read them."""

import math

NOT_MEASURED = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_SPACE = "\u202f"  # narrow and not breaking, so that a number stays together on a phone


def count(value: float) -> str:
    """Return a count in groups of three digits, or a dash for NaN."""
    return f"{value:,.0f}".replace(",", _SPACE) if math.isfinite(value) else NOT_MEASURED


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent, or a dash for NaN."""
    return f"{100 * share:.2f}{_SPACE}%" if math.isfinite(share) else NOT_MEASURED


def seconds(value: float) -> str:
    """Return a time in s as ns to hours, whichever reads best, or a dash for NaN."""
    if math.isfinite(value) and value >= 60:
        whole, rest = divmod(round(value), 3600)
        if whole:
            return f"{count(whole)}{_SPACE}h {rest // 60:02d}{_SPACE}min"
        return f"{rest // 60}{_SPACE}min {rest % 60:02d}{_SPACE}s"
    return _scaled(value, (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def size(value: float) -> str:
    """Return a number of bytes with a decimal prefix, or a dash for NaN."""
    if abs(value) < 1000:
        return f"{count(value)}{_SPACE}B"
    return _scaled(value, (("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)))


def number(value: float) -> str:
    """Return a number with four significant digits, or a dash for NaN."""
    return f"{value:.4g}" if math.isfinite(value) else NOT_MEASURED


def _scaled(value: float, scales: tuple[tuple[str, float], ...]) -> str:
    if not math.isfinite(value):
        return NOT_MEASURED
    if value == 0:
        return f"0{_SPACE}{scales[-1][0]}"
    fitting = [scale for scale in scales if abs(value) >= scale[1]] or [scales[0]]
    name, unit = fitting[-1]
    scaled = value / unit
    return f"{scaled:.0f}{_SPACE}{name}" if abs(scaled) >= 100 else f"{scaled:.3g}{_SPACE}{name}"
