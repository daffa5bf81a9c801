"""Pulse trains in CSV files: what is read, and what is refused."""

import numpy as np
import pytest

from hwctl.devices.trains.csvfile import Drive, read_trains
from hwctl.errors import DeviceError
from hwctl.protocol.codes import Polarity

SET, RESET = Polarity.SET, Polarity.RESET
SMALL = "pulse,conductance_uS\n0,10\n1,12\n2,13\n0,13\n1,11\n2,10.5\n"


def read(tmp_path, text, drive=None):
    path = tmp_path / "x.csv"
    path.write_text(text)
    return read_trains(path, drive or Drive())


def shown(measured):
    return [
        (train.cell, train.level.polarity, train.pulses.tolist(), np.round(train.g * 1e6, 9).tolist())
        for train in measured.trains
    ]


SMALL_TRAINS = [("", SET, [0, 1, 2], [10, 12, 13]), ("", RESET, [0, 1, 2], [13, 11, 10.5])]


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        "\ufeff" + SMALL,
        SMALL.replace("\n", "\r\n"),
        "\n".join(line.replace(",", " , ") for line in SMALL.splitlines()) + "\n\n\n",
        "conductance_nS,pulse\n10000,0\n12000,1\n13000,2\n13000,0\n11000,1\n10500,2\n",
        "pulse,conductance_S\n0,1e-5\n1,1.2e-5\n2,1.3e-5\n0,1.3e-5\n1,1.1e-5\n2,1.05e-5\n",
        # numbered on, and from 1: the reading before is where the next train starts
        "pulse,conductance_mS,polarity\n0,.01,SET\n1,.012,set\n2,.013,potentiation\n3,.011,RESET\n4,.0105,depression\n",
        "pulse,conductance_uS\n0,10\n1,12\n2,13\n1,11\n2,10.5\n",
    ],
    ids=["small", "with a mark", "of Windows", "spaces", "nS", "S", "numbered on", "from 1"],
)
def test_trains_are_read_however_they_are_written(tmp_path, text):
    found = shown(read(tmp_path, text))
    assert [item[:2] + item[3:] for item in found] == [item[:2] + item[3:] for item in SMALL_TRAINS]
    for item in found:
        assert np.diff(item[2]).tolist() == [1, 1]


@pytest.mark.parametrize("mixed", [False, True])
def test_cells_may_alternate_and_named_cycles_too(tmp_path, mixed):
    lines = []
    for cycle in (1, 2):
        for polarity, g in (("SET", (10, 12, 13)), ("RESET", (13, 11, 10))):
            for n in range(3):
                lines += [f"{cell},{cycle},{polarity},{n},{g[n] + cell}" for cell in (1, 2)]
    if mixed:
        lines.sort(key=lambda line: line.split(",")[3])
    found = shown(read(tmp_path, "\n".join(["cell,cycle,polarity,pulse,conductance_uS", *lines])))
    assert len(found) == 8
    assert {(cell, polarity) for cell, polarity, *_ in found} == {(c, p) for c in "12" for p in (SET, RESET)}
    assert found.count(("2", SET, [0, 1, 2], [12, 14, 15])) == 2


def test_levels_come_from_columns_and_else_from_what_is_given(tmp_path):
    text = "pulse,conductance_uS,amplitude_V,width_s\n0,10,1.5,1e-7\n1,12,1.5,1e-7\n0,12,1.7,1e-7\n1,9,1.7,1e-7\n"
    up, down = (train.level for train in read(tmp_path, text, Drive(gate=2.0)).trains)
    assert (up.amplitude, up.width, up.gate) == (1.5, 1e-7, 2.0)
    assert (down.amplitude, down.width, down.gate) == (1.7, 1e-7, 2.0)
    up, down = (train.level for train in read(tmp_path, SMALL, Drive(1.1, 1.3, 5e-8)).trains)
    assert [(level.amplitude, level.width, level.gate) for level in (up, down)] == [(1.1, 5e-8, 0.0), (1.3, 5e-8, 0.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("", "line 1: columns ''; name 'pulse', one of conductance_S"),
        ("pulse,conductance\n0,1\n", "line 1: column 'conductance' is unknown or named twice; name 'pulse'"),
        ("pulse,pulse,conductance_uS\n", "column 'pulse' is unknown or named twice"),
        ("pulse,conductance_uS,conductance_S\n", "columns 'pulse,conductance_uS,conductance_S'"),
        ("conductance_uS\n1\n", "line 1: columns 'conductance_uS'"),
        (SMALL.replace("2,13", "2,nan"), "line 4: conductance_uS is nan; give a finite number, or leave the row out"),
        (SMALL.replace("2,13", "2,"), "line 4: conductance_uS '' is no number"),
        (SMALL.replace("2,13", "2,x"), "line 4: conductance_uS 'x' is no number"),
        (SMALL.replace("2,13", "2,-1"), "line 4: conductance_uS -1; give 0 to below 1e+06"),
        (SMALL.replace("conductance_uS", "conductance_S"), "line 2: conductance_S 10; give 0 to below 1"),
        (SMALL.replace("2,13", "2,13,1"), "line 4: 3 values for 2 columns"),
        (SMALL.replace("2,13", "2.5,13"), "line 4: pulse 2.5; give whole numbers from 0"),
        (SMALL.replace("1,11\n2,10.5\n", ""), "line 5: a train of this row alone; give what was read before"),
        (SMALL.replace("0,13\n1,11\n2,10.5\n", ""), "no RESET train; give trains of both polarities"),
        ("pulse,conductance_uS,polarity\n0,1,UP\n", "line 2: polarity 'UP'; give SET or RESET"),
        ('pulse,conductance_uS\n0,"1\n', "is no CSV file"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path, text, says):
    path = tmp_path / "x.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DeviceError) as error:
        read_trains(path, Drive())
    assert str(error.value).startswith(str(path))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
