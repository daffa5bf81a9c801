"""What the record of a chip says of the cells that are to be programmed."""

from pathlib import Path
from typing import TYPE_CHECKING

from hwctl.errors import BadInput

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.devices.steps import StepModel
    from hwctl.programming.weights import Bounds
    from hwctl.protocol.packing import Region


def known_model(file: Path, model: "StepModel") -> "StepModel":
    """Return a model that expects cells to differ as those of a record do: a twin's own model has them all alike."""
    from dataclasses import replace  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from hwctl.devices.chipfile import load_chip  # noqa: PLC0415
    from hwctl.devices.device import Cells  # noqa: PLC0415
    from hwctl.devices.steps import spread_of_steps  # noqa: PLC0415
    from hwctl.protocol.cells import GAIN_ONE  # noqa: PLC0415

    chip = load_chip(file)
    moving = chip.cells.reshape(-1)[chip.cells.reshape(-1)["flags"] == 0]
    low, span = (moving[name] * chip.scales.siemens for name in ("low", "span"))
    sets, resets = (moving[name] / GAIN_ONE for name in ("gain_set", "gain_reset"))
    none = np.zeros(moving.size, np.bool_)
    cells = Cells(low, low + span, sets, resets, moving["offset"].astype(np.int64), none, none, np.zeros(moving.size))
    return replace(model, gain_spread=spread_of_steps(cells, model.means, model.usual))


def bounds_of(file: Path, crossbar: "Crossbar", region: "Region", model: "StepModel") -> "Bounds":
    """Return what a record that `hwctl calibrate` wrote says of a region's cells.

    A cell's range is its own within that of the model, as targets are. What does not move stays where it was read.
    Raises BadInput where the record is of another device or does not hold the region, RunError where it is none.
    """
    import numpy as np  # noqa: PLC0415

    from hwctl.calibration.record import Record  # noqa: PLC0415
    from hwctl.devices.chipfile import load_device  # noqa: PLC0415
    from hwctl.programming.weights import Bounds  # noqa: PLC0415
    from hwctl.protocol.codes import NO_READING  # noqa: PLC0415

    record = Record.load(file)
    measured, board = str(record.attributes["device"]), crossbar.identity.device
    if board not in (measured, load_device(file).reference):
        raise BadInput(f"{file} was measured on {measured}, and the board has {board}; give the record of this chip")
    row0, col0 = int(record.attributes["row0"]), int(record.attributes["col0"])
    rows, cols = record.cells("flags").shape
    if not (row0 <= region.row0 and region.row1 <= row0 + rows and col0 <= region.col0 and region.col1 <= col0 + cols):
        raise BadInput(
            f"{file} holds rows {row0}:{row0 + rows} and columns {col0}:{col0 + cols}, not rows "
            f"{region.row0}:{region.row1} and columns {region.col0}:{region.col1}; give a region that was calibrated"
        )
    part = np.s_[region.row0 - row0 : region.row1 - row0, region.col0 - col0 : region.col1 - col0]
    flags, last = record.cells("flags")[part], record.cells("last")[part]
    low = np.maximum(record.cells("low")[part], model.g_min)
    high = np.minimum(record.cells("high")[part], model.g_max)
    stuck = (flags != 0) | ~(high > low)
    beyond = (NO_READING - 1) * crossbar.units.siemens_per_reading  # where the converter saturated
    at = np.nan_to_num(last, nan=beyond)
    return Bounds(np.where(stuck, at, low), np.where(stuck, at, high), stuck)
