"""Board files of these tests: the examples, and copies of them with something changed."""

import copy
import sys
from pathlib import Path

import tomli_w

import firmware
from firmware.analog.boardfile import BoardFile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(firmware.__file__).parent / "boards"
TRANSISTORS, PASSIVE = FOLDER / "example-1t1r-16x16.toml", FOLDER / "example-passive-8x8.toml"
GONE = object()
"""Value of a key that is taken out."""


FAST = {
    "times.discharge_s": 100e-9, "times.dac_settle_s": 7e-6, "times.gate_settle_s": 100e-9,
    "times.sense_settle_s": [1e-6] * 4, "limits.pulses_per_cell_per_s": 1e6, "absolute.pulses_per_cell_per_s": 1e6,
}  # fmt: skip
"""Changes of the 1T1R example: parts that are as quick as their data sheets allow, for a simulation of commands,"""
UNGATED = {key: value for key, value in FAST.items() if key != "times.gate_settle_s"}
"""and of the passive one."""


def smaller(rows, cols):
    """Return changes of the 1T1R example that leave it fewer lines, with the same channels."""
    lines = tomllib.loads(TRANSISTORS.read_text())["lines"]
    counts = {"row": rows, "col": cols, "gate": rows}
    return {"board.rows": rows, "board.cols": cols} | {
        f"lines.{side}.{key}": entries[: counts[side]]
        for side, table in lines.items()
        for key, entries in table.items()
        if isinstance(entries, list)
    }


SWITCHES = ("row_drive", "col_drive", "gate_drive", "col_sense", "ground")
"""Of the 1T1R example, in its order."""


def on_pins(rows, cols, names=SWITCHES):
    """Return changes of the 1T1R example, of so many lines, that put some of its switches on pins of the FPGA."""
    outputs = dict(zip(SWITCHES, (rows, cols, rows, cols, 16 + cols), strict=True))
    found = {"fpga": GONE, "power_up.pull_ups": [f"{name}.enable" for name in SWITCHES if name not in names]}
    for n, name in enumerate(SWITCHES):
        if name in names:
            closes_at = "low" if name == "ground" else "high"
            table = {"name": name, "part": "pins", "outputs": outputs[name], "closes_at": closes_at}
            found[f"switches.{n}"] = table
    return found


def changed(source, changes, folder):
    """Write a copy of a board file with values by their dotted key, such as 'lines.row.dac.3'. Returns its path."""
    found = copy.deepcopy(tomllib.loads(source.read_text()))
    for key, value in changes.items():
        *path, last = (int(part) if part.isdigit() else part for part in key.split("."))
        table = found
        for part in path:
            table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
        if value is GONE:
            del table[last]
        else:
            table[last] = value
    path = folder / "board.toml"
    path.write_text(tomli_w.dumps(found))
    return path


def loaded(source, changes, folder):
    """Return a changed board file, loaded."""
    return BoardFile.load(changed(source, changes, folder))
