"""Vectors of the cell law through a whole array of 64 x 64: pulses, streams, forming, words, curves."""

import numpy as np
import pytest
from array_driver import Driver, dump, vectors

from firmware.array.array import EmulatedArray
from firmware.array.constants import ChipConstants
from firmware.compact.array.array import CompactArray
from firmware.parameters import Parameters
from firmware.port import Operation
from hwctl.devices import law
from hwctl.protocol.cells import CELL, as_words
from hwctl.protocol.codes import CURVE_ENTRIES
from hwctl.protocol.packing import Region

pytestmark = pytest.mark.slow  # a full array in Amaranth's simulator

LINES = 64
ENTRY = np.arange(CURVE_ENTRIES)
NAMES = ("row0", "row1", "col0", "col1")


def curve(mean, sigma, shift):
    return law.Curve((mean + 0 * ENTRY).astype(np.int16), (sigma + 0 * ENTRY).astype(np.uint16), shift)


CURVES = (
    (curve(1000 + 10 * ENTRY, 200 + ENTRY, 16), curve(20 * ENTRY - 300, 5000, 13)),
    (curve(3000 - 40 * ENTRY, 900 - ENTRY, 15),),
)
BLANK = (tuple(curve(0, 0, 1) for _ in range(2)), (curve(0, 0, 1),))


ARRAYS = [EmulatedArray, CompactArray]


def some(rows, array):
    """Return every second row, or every fourth for the array as a program, which takes some hundred clocks a pulse."""
    return rows[:: 4 if array is CompactArray else 2]


def build(lanes=2, curves=CURVES, write=0, read=0, array=EmulatedArray):
    parameters = Parameters(rows=LINES, cols=LINES, lanes=lanes)
    return Driver(parameters, ChipConstants(write, read, curves, []), array=array)


def words_of(row, **more):
    cell = np.zeros(1, CELL)
    for name in CELL.names:
        cell[name] = row.get(name, more.get(name, 0))
    return as_words(cell)[0].tolist()


def place(row):
    i, j = divmod(row["k"], LINES)
    return Region(i, i + 1, j, j + 1)


def load(row, **more):
    fields = {**dict(zip(NAMES, place(row), strict=True)), "word0": 0, "words": 10, "key": row["seed"]}
    return Operation.WRITE_WORDS, fields, words_of(row, **more)


def curve_requests():
    for polarity, curves in enumerate(CURVES):
        for level, one in enumerate(curves):
            elements = [*(one.mean.astype(int) & 0xFFFF), *one.sigma.astype(int)]
            yield Operation.WRITE_CURVE, {"polarity": polarity, "set_level": level, "shift": one.shift}, elements


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("loaded", [False, True])
def test_pulses(loaded, array):
    """With curves that the build holds, and with those that the host loads."""
    rows, requests = some(vectors("pulse"), array), list(curve_requests()) if loaded else []
    for row in rows:
        cell = {"row0": row["k"] // LINES, "col0": row["k"] % LINES}
        count = row["pulses"] * (1 - 2 * row["polarity"]) & 0xFF
        levels = {"set_level": row["level"], "reset_level": row["level"]}
        requests += [load(row), (Operation.PULSE_CELL, {**cell, "count": count, **levels}, []), dump(place(row))]
    answers = build(curves=BLANK if loaded else CURVES, array=array).run(requests)
    for row, answer in zip(rows, answers[2 + 1 if loaded else 0 :][2::3], strict=True):
        wanted = words_of({**row, "state": row["new_state"], "count": row["new_count"]})
        assert answer["results"] == wanted, row


@pytest.mark.parametrize("array", ARRAYS)
def test_streams(array):
    """A line against one that sends all bits: the cell's count is the number of bits."""
    rows, requests = some([row for row in vectors("streams") if row["line"] < LINES], array), []
    for row in rows:
        by_row = row["kind"] == law.STREAM_ROW
        i, j = (row["line"], 1) if by_row else (1, row["line"])
        fields = dict(zip(NAMES, (i, i + 1, j, j + 1), strict=True))
        blank = {"k": i * LINES + j, "seed": 0}
        outer = {**fields, "coincidence": 1, "slots": row["slots"], "seed": row["seed"], "event": row["number"]}
        elements = [row["value"], -128] if by_row else [-128, row["value"]]
        requests += [load(blank), (Operation.OUTER, outer, elements), dump(Region(i, i + 1, j, j + 1))]
    for row, answer in zip(rows, build(array=array).run(requests)[2::3], strict=True):
        assert answer["results"][1] == row["bits"].bit_count(), row


@pytest.mark.parametrize("array", ARRAYS)
def test_forming_pulses(array):
    """The pulses of each row of the table, as a command engine would ask for them."""
    rows, requests = vectors("form"), []
    for row in rows:
        cell = {"row0": row["k"] // LINES, "col0": row["k"] % LINES}
        more = {"low": 1000, "span": 60000, "gain_set": 4096, "gain_reset": 4096}
        requests.append(load(row, **more))
        requests += [
            (Operation.FORM_CELL, {**cell, "set_level": min(n, 15), "set_width": 5}, []) for n in range(row["pulses"])
        ]
        requests.append(dump(place(row)))
    answers = iter(build(array=array).run(requests))
    for row in rows:
        next(answers)
        for _ in range(row["pulses"]):
            assert next(answers)["spent"] == {"set_pulses": 1, "reset_pulses": 0, "conversions": 0, "time": 5}
        words = next(answers)["results"]
        cell = np.array(words, np.uint16).view(CELL)[0]
        assert {name: int(cell[name]) for name in ("state", "count", "flags")} == {
            name: row[f"new_{name}"] for name in ("state", "count", "flags")
        }


@pytest.mark.parametrize(("lanes", "array"), [(1, EmulatedArray), (2, EmulatedArray), (1, CompactArray)])
def test_some_words_of_a_region(lanes, array):
    """WRITE_WORDS writes what it names and nothing else."""
    region = Region(1, 3, 3, 6)
    some = {**dict(zip(NAMES, region, strict=True)), "word0": 1, "words": 2}
    counts = np.arange(12) * 257 + 1
    answers = build(lanes, array=array).run([
        (Operation.WRITE_WORDS, some, counts.tolist()), dump(Region(0, 4, 2, 7)), (Operation.READ_WORDS, some, []),
    ])  # fmt: skip
    whole = np.zeros((4, 5, 10), int)
    whole[1:3, 1:4, 1:3] = counts.reshape(2, 3, 2)
    assert answers[1]["results"] == whole.reshape(-1).tolist()
    assert answers[2]["results"] == counts.tolist()
