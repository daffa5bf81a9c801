"""Puts a chip into a board that emulates one: curves, cells, key of the noise."""

from math import isclose

import numpy as np

from hwctl.crossbar.port import Port
from hwctl.devices.chip import Chip
from hwctl.devices.identity import identity_of
from hwctl.errors import LimitError, Unsupported
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import as_words
from hwctl.protocol.codes import Feature, Polarity
from hwctl.protocol.packing import Region

SAME = 1e-9  # relative: scales of two boards that are one
SCALES = {"siemens_per_code": "S", "volts_per_code": "V", "amperes_per_code": "A", "seconds_per_code": "s"}
LOADED_NOTHING = "nothing was loaded"


def load_chip(port: Port, chip: Chip, key: int) -> None:
    """Load a chip into a board that emulates one of its geometry, drive levels and scales.

    key: 64 bits, of all noise. Noise parameters, limits and name stay the board's. Raises Unsupported where the array
    is no emulated one, LimitError where the chip does not fit, and then nothing was loaded; BoardError as `Port.ask`.
    """
    _check(port, chip)
    for polarity, curves in zip((Polarity.SET, Polarity.RESET), chip.curves, strict=True):
        for level, curve in enumerate(curves):
            port.ask(commands.LoadCurve(polarity, level, curve.shift, curve.mean, curve.sigma), replies.Done)
    words = as_words(np.ascontiguousarray(chip.cells)).reshape(chip.rows, chip.cols, -1)
    size = words.shape[-1]
    for part in port.parts(Region(0, chip.rows, 0, chip.cols), bytes_per_cell=2 * size):
        cells = words[part.row0 : part.row1, part.col0 : part.col1]
        port.ask(commands.LoadCells(part, np.ascontiguousarray(cells).reshape(-1, size)), replies.Done)
    port.ask(commands.Seed(key), replies.Done)


def _check(port: Port, chip: Chip) -> None:
    there, url, name = port.identity, port.link.url, chip.device.name
    if not port.has(Feature.EMULATED):
        raise Unsupported(
            f"{url} does not emulate its array, so that no chip can be put there; name a board that does, such as an "
            f"FPGA with hwctl's gateware; {LOADED_NOTHING}"
        )
    if (there.rows, there.cols) != (chip.rows, chip.cols):
        raise LimitError(
            f"{url} has {there.rows} x {there.cols} cells, {name} has {chip.rows} x {chip.cols}; build the board with "
            f"its geometry; {LOADED_NOTHING}"
        )
    wanted = identity_of(
        chip, features=there.features, build=there.build, receive_budget=there.receive_budget,
        reply_budget=there.reply_budget, largest_frame=there.largest_frame,
    )  # fmt: skip
    for field, unit in SCALES.items():
        its, mine = getattr(there, field), getattr(wanted, field)
        if not isclose(its, mine, rel_tol=SAME):
            raise LimitError(
                f"a code of {url} is {its:.6g} {unit}, one of {name} {mine:.6g} {unit}; build the board from the chip; "
                f"{LOADED_NOTHING}"
            )
    _check_levels(there, wanted, url, name)


def _check_levels(there: replies.Identity, wanted: replies.Identity, url: str, name: str) -> None:
    """Raise LimitError where the drive levels of a board are not those of a chip."""
    for polarity in (Polarity.SET, Polarity.RESET):
        its, mine = (i.drive_levels[i.drive_levels[:, 0] == polarity, 1:] for i in (there, wanted))
        if len(its) != len(mine):
            raise LimitError(
                f"{url} has {len(its)} {polarity.name} levels, {name} has {len(mine)}; build the board from the chip; "
                f"{LOADED_NOTHING}"
            )
        other = np.flatnonzero((its != mine).any(axis=1))
        if other.size:
            level = int(other[0])
            volts, seconds = there.volts_per_code, there.seconds_per_code
            its_volts, my_volts = (
                f"{v[level, 0] * volts:g} V for {v[level, 1] * seconds:g} s, gate {v[level, 2] * volts:g} V"
                for v in (its, mine)
            )
            raise LimitError(
                f"{polarity.name} level {level} of {url} is {its_volts}, of {name} {my_volts}; build the board from "
                f"the chip; {LOADED_NOTHING}"
            )
