"""How pictures look, and how a figure becomes SVG that follows the page's light or dark scheme."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BEFORE = "#8a8f98"
AFTER = TEST = SET = "#2f7fd1"
TRAIN = "#8a8f98"
RESET = "#e0701a"
MARK = "#c2388b"

_INK = "#010203"  # replaced by the page's text colour, so it must be no other colour of a figure
_PAPER_INK = "#1f2328"
_IMAGE_DPI = 110
_NO_METADATA: dict[str, str | None] = {"Creator": None, "Date": None, "Format": None, "Type": None}


@contextmanager
def page_style() -> Iterator[None]:
    """Draw for the report page: no background, text and axes in the page's own text colour."""
    with style.context(["default", _settings(_INK, "none")]):
        yield


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw a picture that stands alone: dark on white."""
    with style.context(["default", _settings(_PAPER_INK, "white")]):
        yield


def inline_svg(figure: Figure, prefix: str, label: str) -> str:
    """Return a figure as an SVG element for an HTML page; call it within page_style().

    Images in it are PNG data of bounded size. `prefix` makes its ids unique within the page, `label` (already
    escaped) is what a screen reader says.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=_IMAGE_DPI, metadata=_NO_METADATA)
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    opening, rest = text.split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', opening)
    shape = view_box.group() if view_box else ""
    return f'<svg {shape} role="img" aria-label="{label}">{rest}'.replace(_INK, "currentColor")


def picture(figure: Figure, kind: str, dpi: int) -> bytes:
    """Return a figure as the bytes of a "png" or "svg" file; call it within paper_style()."""
    buffer = io.BytesIO()
    metadata = _NO_METADATA if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def label_axes(axes: Axes, x: str, y: str) -> None:
    """Name both axes with their units and draw a faint grid."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.18, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _settings(ink: str, background: str) -> dict[str, object]:
    return {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 8.5,
        "axes.titlesize": 9.5,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "grid.color": ink,
        "figure.facecolor": background,
        "axes.facecolor": background,
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "hwctl",
    }
