import h5py
import numpy as np
import pytest

from hwctl.crossbar import Crossbar, pulselog
from hwctl.crossbar.pulselog import COLUMNS, PulseLog
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.errors import BoardError, RunError
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OuterMode, Polarity

ROWS, COLS = 6, 5
TARGET = f"emulator:?device=reram-es&rows={ROWS}&cols={COLS}&seed=4"
GATED = TARGET.replace("reram-es", "hfox-1t1r")
BOTH = Polarity.SET, Polarity.RESET


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pulses.h5"


def logged(path):
    """Return the columns of a log."""
    with h5py.File(path) as file:
        return {name: file[name][:] for name in COLUMNS}


def open_loop(crossbar, seed=7):
    """Pulse in every way that is open loop."""
    rng = np.random.default_rng(seed)
    levels = [crossbar.drive_levels(polarity) for polarity in BOTH]
    ends = [[kind[0], kind[-1]] for kind in levels]
    for sets, resets in zip(*ends, strict=True):
        crossbar.pulse(rng.integers(-3, 4, (4, 3)), sets, resets, slice(1, 5), slice(2, 5))
        cells = rng.integers(0, ROWS, 40), rng.integers(0, COLS, 40)
        crossbar.pulse_cells(*cells, rng.integers(-2, 3, 40), sets, resets)
        for mode in OuterMode:
            events = rng.integers(-9, 9, (5, ROWS)), rng.integers(-9, 9, (5, COLS))
            crossbar.outer(*events, sets, resets, mode=mode)
    shapes = [[shape.number for shape in kind] for kind in levels]
    crossbar.pulse_levels(rng.integers(-3, 4, (ROWS, COLS)), *(rng.choice(numbers, (ROWS, COLS)) for numbers in shapes))


def re_enact(columns, crossbar):
    """Send a log's pulses, as they are in it, with pulse_cells: cells of the same shapes at once."""
    group, shapes = [], {}

    def send():
        if group:
            rows, cols, counts = zip(*group, strict=True)
            spare = {polarity: shapes.get(polarity, crossbar.drive_levels(polarity)[0]) for polarity in BOTH}
            crossbar.pulse_cells(rows, cols, counts, *(spare[polarity] for polarity in BOTH))
        group.clear()
        shapes.clear()

    names = ("row", "col", "count", "polarity", "amplitude", "width", "gate", "compliance")
    for row, col, count, polarity, *drive in zip(*(columns[name].tolist() for name in names), strict=True):
        shape = crossbar.shape(Polarity(polarity), *drive)
        if shapes.get(shape.polarity, shape) != shape:
            send()
        shapes[shape.polarity] = shape
        group.append((row, col, count))
    send()


@pytest.mark.parametrize("target", [TARGET, GATED, f"{TARGET}&lacks=outer-count,outer-coincidence,counters"])
def test_a_log_re_enacted_on_another_array_of_the_chip_gives_its_states_to_the_bit(path, target):
    with PulseLog(path) as log, Crossbar.open(target, wraps=[log.wrap]) as crossbar:
        open_loop(crossbar)
        expected = crossbar.dump().words
    columns = logged(path)
    assert not columns["ramped"].any()
    with Crossbar.open(TARGET if "lacks" in target else target) as crossbar:
        fabricated = crossbar.dump().words
        re_enact(columns, crossbar)
        assert crossbar.dump().words.tobytes() == expected.tobytes() != fabricated.tobytes()


def test_counts_and_shapes_are_those_of_the_board_with_units(path):
    with PulseLog(path) as log, Crossbar.open(GATED, wraps=[log.wrap]) as crossbar:
        open_loop(crossbar)
        lifetime, status, identity = crossbar.pulse_counts(), crossbar.status(), crossbar.identity
        levels = [shape for polarity in BOTH for shape in crossbar.drive_levels(polarity)]
    columns = logged(path)
    total = np.zeros((ROWS, COLS), int)
    np.add.at(total, (columns["row"], columns["col"]), np.abs(columns["count"]))
    assert (total == lifetime).all()
    assert columns["count"][columns["count"] > 0].sum() == status.set_pulses
    assert ((columns["count"] < 0) == (columns["polarity"] == Polarity.RESET)).all()
    names = ("polarity", "amplitude", "width", "gate")
    known = {(s.polarity, *np.float32([s.amplitude, s.width, s.gate]).tolist()) for s in levels}
    assert set(zip(*(columns[name].tolist() for name in names), strict=True)) <= known
    assert (np.diff(columns["time"]) >= 0).all()
    assert np.unique(columns["command"]).tolist() == list(range(columns["command"][-1] + 1))
    with h5py.File(path) as file:
        assert file.attrs["format"] == pulselog.FORMAT
        assert {name: file[name].attrs["units"] for name in ("amplitude", "width", "gate", "time", "row")} == {
            "amplitude": "V", "width": "s", "gate": "V", "time": "s", "row": "1",
        }  # fmt: skip
        assert "host time" in file["time"].attrs["description"]
        assert [file[name].dtype.str[1:] for name in COLUMNS] == [kind for kind, _, _ in COLUMNS.values()]
        array = dict(file["arrays/0"].attrs)
        assert array == {"device": identity.device, "rows": ROWS, "cols": COLS, "target": GATED}


@pytest.mark.parametrize("lacks", ["", "&lacks=write-verify"])
def test_a_closed_loop_is_logged_by_polarity_and_flagged(path, lacks):
    with PulseLog(path) as log, Crossbar.open(TARGET + lacks, wraps=[log.wrap]) as crossbar:
        levels = [crossbar.drive_levels(polarity) for polarity in BOTH]
        done = crossbar.write_verify(np.full((ROWS, COLS), 40e-6), 2e-6, *levels, attempts=9)
    columns = logged(path)
    for sign, expected in ((1, done.set_pulses), (-1, done.reset_pulses)):
        of_sign = np.sign(columns["count"]) == sign
        found = np.zeros((ROWS, COLS), int)
        np.add.at(found, (columns["row"][of_sign], columns["col"][of_sign]), np.abs(columns["count"][of_sign]))
        assert (found == expected).all()
    assert columns["count"].size
    assert (columns["ramped"] == (not lacks)).all()  # the host's loop is made of pulses


def test_forming_is_logged(path):
    with PulseLog(path) as log, Crossbar.open(f"{GATED}&unformed=1", wraps=[log.wrap]) as crossbar:
        levels = fabricate(presets.get("hfox-1t1r"), 1, 1, 0).levels[Polarity.FORM]
        shapes = [crossbar.shape(Polarity.FORM, s.amplitude, s.width, s.gate, 1e-4) for s in levels]
        done = crossbar.form(shapes, 5e-6, attempts=6)
    columns = logged(path)
    assert columns["count"].tolist() == done.pulses[done.pulses > 0].tolist() != []
    assert (columns["polarity"] == Polarity.FORM).all()
    assert columns["amplitude"][0] == pytest.approx(shapes[0].amplitude)
    assert columns["compliance"][0] == pytest.approx(1e-4, rel=0.02)
    assert columns["ramped"].all()


def test_what_was_refused_is_not_logged(path):
    with PulseLog(path) as log, Crossbar.open(TARGET, wraps=[log.wrap]) as crossbar:
        command = commands.PulseSparse(*np.ones((2, 1), np.uint16), np.ones(1, np.int8), 200, 201)
        with pytest.raises(BoardError):
            crossbar.port.ask(command, replies.Pulsed)
    assert not logged(path)["row"].size


def test_a_log_goes_on_where_it_ended_and_knows_its_sessions(path, monkeypatch):
    monkeypatch.setattr(pulselog, "BUFFERED_ROWS", 3)
    with PulseLog(path) as log, Crossbar.open(TARGET, wraps=[log.wrap]) as crossbar:
        open_loop(crossbar)
        assert logged(path)["row"].size  # before it is closed
    first = logged(path)
    with h5py.File(path, "a") as file:
        file["row"].resize((len(file["row"]) + 7,))  # cut off while it was appended to
    with PulseLog(path) as log:
        for seed in (1, 2):
            with Crossbar.open(TARGET, wraps=[log.wrap] if seed == 1 else []) as crossbar:
                open_loop(crossbar, seed)
    both = logged(path)
    size = first["row"].size
    assert all((both[name][:size] == first[name]).all() for name in COLUMNS)
    assert len({both[name].size for name in COLUMNS}) == 1
    assert both["row"].size > size
    assert both["command"][size] == first["command"][-1] + 1
    assert not both["array"].any()
    with h5py.File(path) as file:
        assert file.attrs["sessions"].tolist() == [0, size]


def test_several_arrays_share_a_log(path):
    with PulseLog(path) as log:
        for url in (TARGET, GATED):
            with Crossbar.open(url, wraps=[log.wrap]) as crossbar:
                open_loop(crossbar)
    assert set(logged(path)["array"].tolist()) == {0, 1}
    with h5py.File(path) as file:
        assert [file[f"arrays/{n}"].attrs["device"] for n in (0, 1)] == ["reram-es", "hfox-1t1r"]


def test_a_log_of_another_array_is_left_alone(path):
    with PulseLog(path) as log, Crossbar.open(TARGET, wraps=[log.wrap]) as crossbar:
        open_loop(crossbar)
    before = logged(path)
    with PulseLog(path) as log, pytest.raises(RunError, match=r"6 x 5 reram-es there, 6 x 5 hfox-1t1r here; log to"):
        Crossbar.open(GATED, wraps=[log.wrap])
    assert all((logged(path)[name] == before[name]).all() for name in COLUMNS)


def test_what_is_no_log_is_left_as_it_is(path):
    path.write_text("mine")
    with pytest.raises(RunError, match="is no HDF5 file; name another file"):
        PulseLog(path)
    assert path.read_text() == "mine"
    path.unlink()
    with h5py.File(path, "w") as file:
        file.attrs["format"] = 1
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"format 'hwctl-pulse-log 1' was expected, .*1.* came"):
        PulseLog(path)
    assert path.read_bytes() == before
    with pytest.raises(RunError, match="cannot write the pulse log"):
        PulseLog(path.parent / "nowhere" / "x.h5")
