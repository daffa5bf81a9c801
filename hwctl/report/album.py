"""The figures of one page, and the CSV files of what they plot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwctl.report import page, plots, style
from hwctl.report.files import Table, write_csv

Draw = Callable[[Axes, Table], None]


@dataclass
class Album:
    """Draws figures for a page within `style.page_style()`; a table of several figures is written once."""

    folder: Path
    """Of the CSV files."""
    _written: set[str] = field(default_factory=set)

    def shown(self, title: str, table: Table, draw: Draw, caption: str = "") -> str:
        """Return a figure as HTML. Raises RunError where its table cannot be written."""
        if table.file not in self._written:
            write_csv(self.folder, table)
            self._written.add(table.file)
        figure = Figure(figsize=plots.FIGURE_IN, layout="constrained")
        draw(figure.subplots(), table)
        svg = style.inline_svg(figure, f"{table.name}-{title}".lower().replace(" ", "-"), escape(title))
        return page.figure(title, svg, caption, table.file, self.folder.name)
