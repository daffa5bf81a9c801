"""The test vectors of docs/cell-law.md against the numpy reference and against the compiled loops of the board."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.devices.outerproduct import streams
from hwctl.emulator import kernels
from hwctl.emulator.array import EmulatedArray
from hwctl.emulator.board import EmulatedBoard
from hwctl.protocol.cells import CELL, WORDS_PER_CELL
from hwctl.protocol.codes import NO_CURRENT, NO_READING, OuterMode
from hwctl.protocol.commands import ConfigureRead, Measure, Outer
from hwctl.protocol.packing import Ramp, Region

PAGE = Path(__file__).parents[2] / "docs" / "cell-law.md"
LINES = 64
MASK = 0xFFFFFFFF
SET_RAMP, RESET_RAMP, FORM_RAMP = Ramp(0, 1, 1), Ramp(2, 2, 0), Ramp(0, 15, 1)
WRITE, READ, STOP, MEASURE_READ = 90, 40, 5000, 120


def tables(text):
    """Rows of each table below a heading "Vectors: NAME", as integers by column name."""
    found = {}
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        if not section.startswith("Vectors: "):
            continue
        lines = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in section.splitlines()
            if line.startswith("|")
        ]
        name = section.splitlines()[0].removeprefix("Vectors: ")
        found[name] = [dict(zip(lines[0], map(parse, row), strict=True)) for row in lines[2:]]
    return found


def parse(cell):
    return int(cell, 0)


VECTORS = tables(PAGE.read_text(encoding="utf-8"))


def test_every_section_has_vectors():
    wanted = {"hash", "pulse", "visible", "read", "vmm", "measure", "streams", "write-verify", "form"}
    assert set(VECTORS) == wanted
    assert all(len(rows) >= 4 for rows in VECTORS.values())


# -- what the page assumes ----------------------------------------------------------------------------------------


def curve(mean, sigma, shift):
    entries = np.arange(64)
    return law.Curve((mean + 0 * entries).astype(np.int16), (sigma + 0 * entries).astype(np.uint16), shift)


ENTRY = np.arange(64)
CURVES = (
    (curve(1000 + 10 * ENTRY, 200 + ENTRY, 16), curve(20 * ENTRY - 300, 5000, 13)),
    (curve(3000 - 40 * ENTRY, 900 - ENTRY, 15),),
)


def cell_of(row, **fields):
    cell = np.zeros(1, CELL)
    for name in CELL.names:
        cell[name] = fields.get(name, row.get(name, 0))
    return cell


def array_of(row, cell, write=0, read=0):
    """A 64 x 64 array whose cell k is `cell`."""
    chip = fabricate(presets.get("linear"), LINES, LINES, 0)
    cells = chip.cells.copy().reshape(-1)
    cells[row["k"]] = cell[0]
    chip = replace(chip, cells=cells.reshape(LINES, LINES), curves=CURVES, write_code=write, read_code=read)
    array = EmulatedArray(chip, row["seed"])
    for shape, level in ((0, 0), (1, 1), (2, 0)):
        array.set_shape(shape, level, 100)
    return array


def place(row):
    i, j = divmod(row["k"], LINES)
    return Region(i, i + 1, j, j + 1)


# -- hash, pulse, visible -----------------------------------------------------------------------------------------


def hash_by_numpy(row):
    seed = row["key0"] | row["key1"] << 32
    w0, w1 = law.draw(seed, row["x0"] >> 24, row["x0"] & 0xFFFFFF, row["x1"])
    return {"w0": int(w0[0]), "w1": int(w1[0]), "xi_w0": int(law.xi(w0)[0])}


def hash_by_kernel(row):
    w0, w1 = kernels.hash_pair(row["key0"], row["key1"], row["x0"], row["x1"])
    return {"w0": w0, "w1": w1, "xi_w0": kernels._xi(w0)}


def pulse_by_numpy(row):
    cell = cell_of(row)
    for _ in range(row["pulses"]):
        level = np.array([row["level"]])
        law.pulse(cell, np.array([row["k"]]), row["polarity"], level, CURVES[row["polarity"]], row["seed"])
    return {"new_state": int(cell["state"][0]), "new_count": int(cell["count"][0])}


def pulse_by_kernel(row):
    array = array_of(row, cell_of(row))
    counts = np.array([[row["pulses"] * (1 - 2 * row["polarity"])]], np.int8)
    array.pulse(place(row), counts, np.array([row["level"]], np.uint8), np.array([2], np.uint8), (0, 0))
    cell = array.cells(place(row))
    return {"new_state": int(cell["state"][0, 0]), "new_count": int(cell["count"][0, 0])}


def visible_by_numpy(row):
    return {"code": int(law.visible(cell_of(row), np.array([row["k"]]), row["write"], row["seed"])[0])}


def visible_by_kernel(row):
    array = array_of(row, cell_of(row), write=row["write"])
    return {"code": int(array.visible[divmod(row["k"], LINES)])}


# -- readings -----------------------------------------------------------------------------------------------------


def noise(row, kind, unit, index, parameter):
    return parameter * int(law.xi(law.draw(row["seed"], kind, unit, index)[0])[0])


def reading(row, code, voltage, tia_range, averages_log2, index, read):
    total = 0
    for n in range(1 << averages_log2):
        current = (code * voltage >> 8) + (noise(row, law.READ, row["k"], index + n, read) >> 8)
        converted = current + (1 << tia_range >> 1) >> tia_range
        if converted > 4095:
            return NO_READING
        total += max(converted, 0)
    return (total << tia_range) + (1 << averages_log2 >> 1) >> averages_log2


def read_by_numpy(row):
    return {"reading": reading(row, row["code"], row["voltage"], row["range"], row["a"], row["index"], row["read"])}


def read_by_kernel(row):
    array = array_of(row, cell_of(row), read=row["read"])
    visible = np.zeros((LINES, LINES), np.uint16)
    visible[divmod(row["k"], LINES)] = row["code"]
    return {"reading": int(array.read(visible, place(row), row["voltage"], row["a"], row["range"], row["index"])[0, 0])}


def current(row, total, kind, line, scale, tia_range, index, read):
    total += (noise(row, kind, line, index, read) << scale) >> 8
    code = total + (1 << scale + tia_range >> 1) >> scale + tia_range
    return code if -2048 <= code <= 2047 else NO_CURRENT


def vmm_by_numpy(row):
    kind = law.ROW if row["transposed"] else law.COLUMN
    total = row["sum"] * row["voltage"] >> 8
    scale = {8: 7, 16: 15}[row["bits"]]
    return {"current": current(row, total, kind, row["line"], scale, row["range"], row["index"], row["read"])}


def vmm_by_kernel(row):
    array = array_of({**row, "k": 0}, cell_of(row), read=row["read"])
    sums = np.array([[row["sum"]]], np.int64)
    scale = {8: 7, 16: 15}[row["bits"]]
    by_row = bool(row["transposed"])
    out, _ = array.convert(sums, row["line"], by_row, row["voltage"], scale, row["range"], row["index"])
    return {"current": int(out[0, 0])}


def measure_by_numpy(row):
    total = sum((row[f"row_{i}"] - row["column"]) * row[f"code_{i}"] for i in range(2))
    scaled = total * ((1 << 23) // row["nominal"]) >> 8
    return {"current": current(row, scaled, law.COLUMN, 3, 15, row["range"], row["index"], MEASURE_READ)}


def measure_by_kernel(row):
    chip = fabricate(presets.get("linear"), 2, 4, 0)
    assert row["nominal"] == round(chip.device.read_voltage / chip.scales.volts)
    cells = np.zeros((2, 4), CELL)
    cells["low"][:, 3] = row["code_0"], row["code_1"]
    board = EmulatedBoard(replace(chip, cells=cells, read_code=MEASURE_READ), seed=row["seed"])
    rows = np.array([row["row_0"], row["row_1"]], np.int16)
    columns = np.array([row["column"]], np.int16)
    reply = board.execute(Measure(Region(0, 2, 3, 4), rows, columns, 0, row["range"], row["index"]))
    return {"current": int(reply.currents[0, 0])}


# -- OUTER, WRITE_VERIFY, FORM ------------------------------------------------------------------------------------


def streams_by_numpy(row):
    vector = np.array([[row["value"]]], np.int8)
    command = Outer(
        Region(0, 1, 0, 1), vector, vector, OuterMode.COINCIDENCE, row["slots"], row["seed"], row["number"], 0, 1
    )
    bits = streams(vector[0].astype(np.int64), np.array([row["line"]]), row["kind"], command, row["number"])[0]
    return {"bits": sum(int(bit) << t for t, bit in enumerate(bits))}


def streams_by_kernel(row):
    out = np.zeros(1, np.int64)
    values = np.array([row["value"]], np.int8)
    kernels._streams(values, row["line"], row["kind"], row["slots"], row["seed"], row["number"], out)
    return {"bits": int(out[0])}


VERIFIED = {"low": 1000, "span": 60000, "gain_set": 4096, "gain_reset": 4096}


def look(row, cell, n):
    code = int(law.visible(cell, np.array([row["k"]]), WRITE, row["seed"])[0])
    return reading(row, code, 256, 4, row["a"], row["index"] + (n << row["a"]), READ)


def verify_by_numpy(row):
    cell = cell_of(row, **VERIFIED)
    done = {"reached": 0, "sets": 0, "resets": 0}
    ramps, levels = (SET_RAMP, RESET_RAMP), {0: 0, 1: 1, 2: 0}
    last = shape = None
    for n in range(row["attempts"] + 1):
        seen = look(row, cell, n)
        done |= {"reading": seen, "reads": n + 1}
        if seen != NO_READING and abs(seen - row["target"]) <= row["tolerance"]:
            done["reached"] = 1
            break
        if n == row["attempts"]:
            break
        p = 0 if seen < row["target"] else 1
        shape = min(shape + ramps[p].step, ramps[p].last) if p == last else ramps[p].first
        last = p
        law.pulse(cell, np.array([row["k"]]), p, np.array([levels[shape]]), CURVES[p], row["seed"])
        done["resets" if p else "sets"] += 1
    return {**done, "new_state": int(cell["state"][0])}


def verify_by_kernel(row):
    array = array_of(row, cell_of(row, **VERIFIED), WRITE, READ)
    ramps = np.array([SET_RAMP, RESET_RAMP], np.int64)
    targets = np.array([[row["target"]]], np.uint16)
    out = array.write_verify(place(row), targets, row["tolerance"], row["attempts"], row["a"], ramps, 256, row["index"])
    done = dict(zip(("reached", "reading", "sets", "resets", "reads"), out[0, 0].tolist(), strict=False))
    return {**done, "new_state": int(array.cells(place(row))["state"][0, 0])}


def form_by_numpy(row):
    cell = cell_of(row, **VERIFIED)
    done = {"formed": 0, "pulses": 0}
    for n in range(row["attempts"] + 1):
        done["reading"] = look(row, cell, n)
        if not cell["flags"][0] & 4 or done["reading"] >= STOP:
            done["formed"] = 1
            break
        if n == row["attempts"]:
            break
        if min(FORM_RAMP.first + n * FORM_RAMP.step, FORM_RAMP.last) >= cell["form_level"][0]:
            cell["flags"] &= ~np.uint16(4)
            cell["state"] = 0x8000
        cell["count"] = min(int(cell["count"][0]) + 1, MASK)
        done["pulses"] += 1
    return {**done, **{f"new_{name}": int(cell[name][0]) for name in ("flags", "state", "count")}}


def form_by_kernel(row):
    array = array_of(row, cell_of(row, **VERIFIED), WRITE, READ)
    for shape in range(16):
        array.set_shape(shape, shape, 100)
    ramp = np.array(FORM_RAMP, np.int64)
    out = array.form(place(row), row["attempts"], STOP, row["a"], ramp, 256, row["index"])[0, 0]
    cell = array.cells(place(row))
    news = {f"new_{name}": int(cell[name][0, 0]) for name in ("flags", "state", "count")}
    return {**dict(zip(("formed", "reading", "pulses"), out.tolist(), strict=False)), **news}


BOTH = {
    "hash": (hash_by_numpy, hash_by_kernel),
    "pulse": (pulse_by_numpy, pulse_by_kernel),
    "visible": (visible_by_numpy, visible_by_kernel),
    "read": (read_by_numpy, read_by_kernel),
    "vmm": (vmm_by_numpy, vmm_by_kernel),
    "measure": (measure_by_numpy, measure_by_kernel),
    "streams": (streams_by_numpy, streams_by_kernel),
    "write-verify": (verify_by_numpy, verify_by_kernel),
    "form": (form_by_numpy, form_by_kernel),
}


@pytest.mark.parametrize("way", [0, 1], ids=["numpy", "compiled"])
@pytest.mark.parametrize("name", BOTH)
def test_the_vectors_of_the_page_hold(name, way):
    for row in VECTORS[name]:
        result = BOTH[name][way](row)
        assert result == {column: row[column] for column in result}, row
        assert len(result) >= 1


def test_the_page_describes_the_cell_as_it_is():
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"^\| ([\d-]+) \| `(\w+)` \| (\w+)", text, flags=re.MULTILINE)
    assert [name for _, name, _ in named] == list(CELL.names)
    word = 0
    for where, name, kind in named:
        size = CELL[name].itemsize // 2
        assert where == (str(word) if size == 1 else f"{word}-{word + size - 1}")
        assert (kind[0], kind[1:]) == (CELL[name].kind, str(16 * size))
        word += size
    assert word == WORDS_PER_CELL


def test_the_page_gives_the_voltage_as_the_board_computes_it():
    chip = fabricate(presets.get("linear"), 1, 1, 0)
    board = EmulatedBoard(chip, seed=0)
    for code in (1, 77, 199, 200, 333, 500):
        board.execute(ConfigureRead(code, 4, 100, 0))
        assert board._relative_voltage == (code << 8) // 200
