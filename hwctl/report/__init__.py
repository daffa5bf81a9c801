"""Plots and the HTML reports.

`LayerSnapshot` describes a layer before and after training; `write_report` writes report.html and the CSV
files of all that it plots; `write_chip_report` does so for a calibrated chip, `write_comparison` for two records of
one, `write_program_report` for programmed cells; `write_training_plot`, `plot_device_response` and `plot_measured`
write single pictures. The names are imported when they are first used, because matplotlib takes long to import and is
missing on small boards.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from hwctl.packages import need

if TYPE_CHECKING:
    from hwctl.report.chip import write_chip_report
    from hwctl.report.compare import write_comparison
    from hwctl.report.html import write_report
    from hwctl.report.measured import plot_measured
    from hwctl.report.plots import write_training_plot
    from hwctl.report.programmed import tables_of_cells, tables_of_weights, write_program_report
    from hwctl.report.response import DeviceResponse, plot_device_response
    from hwctl.report.snapshot import LayerSnapshot

__all__ = [
    "DeviceResponse", "LayerSnapshot", "plot_device_response", "plot_measured", "tables_of_cells", "tables_of_weights",
    "write_chip_report", "write_comparison", "write_program_report", "write_report", "write_training_plot",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first used. Raises MissingPackage without matplotlib."""
    homes = {
        "DeviceResponse": "response",
        "LayerSnapshot": "snapshot",
        "plot_device_response": "response",
        "plot_measured": "measured",
        "tables_of_cells": "programmed",
        "tables_of_weights": "programmed",
        "write_chip_report": "chip",
        "write_comparison": "compare",
        "write_program_report": "programmed",
        "write_report": "html",
        "write_training_plot": "plots",
    }
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if homes[name] != "snapshot":
        need("matplotlib", "a plot or a report", "make it on a PC")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
