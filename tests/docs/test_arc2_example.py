"""ArC TWO as a board, docs/examples/hwctl-arc2. SCRIPTED: no instrument was at hand, see scripted/."""

import importlib

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import LinkClosed, LinkError, LinkTimeout, MissingPackage, OverRange, TargetError
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import MAX_READ_RANGE, HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Region

SET, RESET = Polarity.SET, Polarity.RESET
PLACES = [(0, 0), (0, 31), (31, 0), (1, 2), (2, 1), (17, 30)]


@pytest.fixture
def crossbar(chip):
    with Crossbar.open("arc2:efm03.bin") as opened:
        chip.calls.clear()
        yield opened


def shapes(crossbar):
    return [crossbar.drive_levels(polarity)[-1] for polarity in (SET, RESET)]


def test_the_board_says_what_it_is(crossbar):
    assert (crossbar.rows, crossbar.cols) == (32, 32)
    assert crossbar.identity.features == 0
    assert crossbar.identity.build == "libarc2 scripted"
    assert [len(crossbar.drive_levels(polarity)) for polarity in (SET, RESET)] == [8, 8]


def test_limits_and_levels_are_those_of_the_url(chip):
    url = "arc2:efm03.bin?set=1.2&reset=1.9&low=1&levels=3&width=2e-6&max-read=0.3&g-max=1e-3&control=header"
    with Crossbar.open(url) as crossbar:
        found = [[(s.amplitude, s.width) for s in crossbar.drive_levels(polarity)] for polarity in (SET, RESET)]
        np.testing.assert_allclose(found[0], [(1.0, 2e-6), (1.1, 2e-6), (1.2, 2e-6)])
        np.testing.assert_allclose(found[1], [(1.0, 2e-6), (1.45, 2e-6), (1.9, 2e-6)])
        full_scale = crossbar.units.siemens_per_reading * (4095 << MAX_READ_RANGE)
        assert full_scale == pytest.approx(1e-3)
        assert crossbar.identity.max_read * crossbar.identity.volts_per_code == pytest.approx(0.3)
    assert chip.control == "header"


def test_a_package_in_the_socket_is_what_is_expected(crossbar, chip):
    assert chip.control == "internal"


# -- lines and signs -----------------------------------------------------------------------------------------------


def test_rows_and_columns_are_the_channels_of_the_daughterboard(chip):
    module = importlib.import_module("hwctl_arc2")
    pyarc2 = importlib.import_module("pyarc2")
    assert (module.ROWS, module.COLUMNS) == (pyarc2.BITS, pyarc2.WORDS)


@pytest.mark.parametrize(("row", "col"), PLACES)
def test_a_single_cell_that_conducts_is_read_where_it_is(crossbar, chip, row, col):
    chip.cells[:] = 0.0
    chip.cells[row, col] = 100e-6
    found = crossbar.read()
    assert np.argwhere(found > 1e-6).tolist() == [[row, col]]
    assert found[row, col] == pytest.approx(100e-6, rel=0.01)
    lines = slice(max(row - 1, 0), row + 1), slice(max(col - 2, 0), col + 1)
    assert np.argwhere(crossbar.read(*lines) > 1e-6).tolist() == [[min(row, 1), min(col, 2)]]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_every_conductance_is_read_in_siemens_whatever_sign_a_current_has(crossbar, chip, sign):
    chip.current_sign = sign
    chip.cells[:] = np.random.default_rng(3).uniform(5e-6, 200e-6, (32, 32))
    np.testing.assert_allclose(crossbar.read(averages=4), chip.cells, atol=0.3e-6)


@pytest.mark.parametrize(("row", "col"), PLACES)
@pytest.mark.parametrize(("url", "sign"), [("arc2:efm03.bin", 1.0), ("arc2:efm03.bin?set-on=row", -1.0)])
def test_a_pulse_is_on_its_two_lines_with_every_other_at_ground(chip, row, col, url, sign):
    pyarc2 = importlib.import_module("pyarc2")
    with Crossbar.open(url) as crossbar:
        strongest_set, strongest_reset = shapes(crossbar)
        for count, way in ((2, sign), (-3, -sign)):
            chip.pulses.clear()
            crossbar.pulse([[count]], strongest_set, strongest_reset, row, col)
            assert len(chip.pulses) == abs(count)
            expected = np.zeros(64)
            expected[pyarc2.WORDS[col]], expected[pyarc2.BITS[row]] = 0.75 * way, -0.75 * way
            for lines, nanoseconds in chip.pulses:
                np.testing.assert_allclose(lines, expected, atol=1e-6)
                assert nanoseconds == 1000
            assert not chip.volts.any()


def test_set_raises_and_reset_lowers_the_cell_and_no_other(crossbar, chip):
    before = chip.cells.copy()
    for count, way in ((5, 1.0), (-8, -1.0)):
        at_start = chip.cells[4, 9]
        crossbar.pulse([[count]], *shapes(crossbar), 4, 9)
        assert way * (chip.cells[4, 9] - at_start) > 5e-6
    assert np.argwhere(chip.cells != before).tolist() == [[4, 9]]


def test_each_cell_gets_the_shape_that_it_names(crossbar, chip):
    sets, resets = crossbar.drive_levels(SET), crossbar.drive_levels(RESET)
    numbers = [[sets[0].number, sets[-1].number]], [[resets[-1].number, resets[2].number]]
    crossbar.pulse_levels([[1, -1]], *(np.array(of_polarity) for of_polarity in numbers), 0, slice(0, 2))
    across = [2 * lines.max() * np.sign(lines[16] - lines[63]) for lines, _ in chip.pulses]
    np.testing.assert_allclose(across, [0.8, 1.0], atol=1e-6)  # wordline 0 is channel 16, wordline 1 channel 63


def test_a_read_drives_the_row_with_the_voltage_that_is_configured(crossbar, chip):
    crossbar.configure_read(0.1)
    crossbar.read(3, slice(0, 2), averages=2)
    reads = [call for call in chip.calls if call[0] == "read_slice_masked"]
    assert [(row, columns.tolist(), volts) for _, row, columns, volts in reads] == [
        (33, [16, 63], pytest.approx(0.1))
    ] * 2


# -- what is refused -----------------------------------------------------------------------------------------------


def pulse(count=1, region=None, **change):
    region = region or Region(0, 1, 0, 1)
    counts = np.full((region.row1 - region.row0, region.col1 - region.col0), count, np.int8)
    given = {"set_shapes": np.array([0], np.uint8), "reset_shapes": np.array([8], np.uint8)} | change
    return commands.Pulse(region, counts, ShapePer.COMMAND, **given)


def read_setting(**change):
    given = {"voltage": 200, "tia_range": MAX_READ_RANGE, "settle": 100, "half_select": HalfSelect.GROUNDED} | change
    return commands.ConfigureRead(**given)


OUT, OVER, NO_SHAPE = Refusal.OUT_OF_REGION, Refusal.OVER_LIMIT, Refusal.NO_SHAPE
REFUSED = {
    "a stronger pulse": (commands.ConfigureShape(9, SET, 1501, 100, 0, 0), OVER),
    "a longer pulse": (commands.ConfigureShape(9, SET, 1500, 101, 0, 0), OVER),
    "a forming pulse": (commands.ConfigureShape(9, Polarity.FORM, 1500, 100, 0, 0), Refusal.NOT_CHARACTERISED),
    "another amplitude": (commands.ConfigureShape(9, SET, 1499, 100, 0, 0), Refusal.NOT_CHARACTERISED),
    "a gate": (commands.ConfigureShape(9, SET, 1500, 100, 1, 0), Refusal.NOT_CHARACTERISED),
    "a compliance": (commands.ConfigureShape(9, SET, 1500, 100, 0, 1), Refusal.UNSUPPORTED),
    "a higher read voltage": (read_setting(voltage=501), OVER),
    "another TIA range": (read_setting(tia_range=3), OVER),
    "a longer settle time": (read_setting(settle=3001), OVER),
    "V/2": (read_setting(half_select=HalfSelect.V_HALF), Refusal.UNSUPPORTED),
    "reading row 32": (commands.Read(Region(31, 33, 0, 1), 0, MAX_READ_RANGE, 0), OUT),
    "reading column 32": (commands.Read(Region(0, 1, 31, 33), 0, MAX_READ_RANGE, 0), OUT),
    "8192 averages": (commands.Read(Region(0, 1, 0, 1), 13, MAX_READ_RANGE, 0), OVER),
    "pulsing row 32": (pulse(region=Region(31, 33, 0, 1)), OUT),
    "-128 pulses": (pulse(-128), OVER),
    "an undefined shape": (pulse(set_shapes=np.array([77], np.uint8)), NO_SHAPE),
    "a RESET shape for SET": (pulse(set_shapes=np.array([8], np.uint8)), NO_SHAPE),
    "a listed cell outside": (
        commands.PulseSparse(np.array([0, 32], np.uint16), np.zeros(2, np.uint16), np.ones(2, np.int8), 0, 8),
        OUT,
    ),
    "VMM": (commands.Vmm(Region(0, 1, 0, 1), np.ones((1, 1), np.int8), MAX_READ_RANGE, 0), Refusal.UNSUPPORTED),
    "COUNTERS": (commands.Counters(Region(0, 1, 0, 1)), Refusal.UNSUPPORTED),
    "SEED": (commands.Seed(1), Refusal.UNSUPPORTED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_never_reaches_the_instrument(crossbar, chip, name):
    shapes(crossbar)
    command, refusal = REFUSED[name]
    chip.calls.clear()
    reply = crossbar.link.execute(command)
    assert isinstance(reply, replies.Refused)
    assert reply.refusal == refusal
    assert "\n" not in reply.detail
    assert chip.calls == []


def test_the_driver_does_with_other_commands_what_the_board_lacks(crossbar, chip):
    chip.cells[:] = np.random.default_rng(5).uniform(20e-6, 120e-6, (32, 32))
    volts = np.linspace(-0.1, 0.1, 32)
    np.testing.assert_allclose(crossbar.vmm(volts[None], bits=16)[0], volts @ chip.cells, atol=2e-6)
    np.testing.assert_allclose(crossbar.vmm_t(volts[None], bits=16)[0], chip.cells @ volts, atol=2e-6)
    x, d = np.zeros((1, 32), int), np.zeros((1, 32), int)
    x[0, 3], d[0, 7] = 2, -1
    assert crossbar.outer(x, d, *shapes(crossbar), mode=OuterMode.COUNT) == (0, 2)
    assert len(chip.pulses) == 2


# -- what fails ----------------------------------------------------------------------------------------------------


def test_a_reading_beyond_full_scale_is_flagged(crossbar, chip):
    chip.cells[2, 5] = 260e-6
    with pytest.raises(OverRange):
        crossbar.read()
    found = crossbar.read(over_range="nan")
    assert np.argwhere(np.isnan(found)).tolist() == [[2, 5]]


@pytest.mark.parametrize("kind", ["PanicException", "ArC2Error"])
def test_a_read_that_fails_raises_and_gives_no_number(crossbar, chip, kind):
    error = getattr(importlib.import_module("pyarc2"), kind)("FPGA Error: no answer\nfrom the device")
    chip.failing["read_slice_masked"] = error
    with pytest.raises(
        LinkClosed, match="read_slice_masked of pyarc2 failed: FPGA Error: no answer from the device"
    ) as end:
        crossbar.read()
    assert "\n" not in str(end.value)


def test_a_current_that_pyarc2_does_not_know_raises(crossbar, chip):
    chip.cells[2, 5] = np.nan
    with pytest.raises(LinkError, match="has no current"):
        crossbar.read()


def test_pulses_that_fail_are_in_doubt_and_the_lines_are_grounded_all_the_same(chip):
    with Crossbar.open("arc2:efm03.bin") as crossbar:
        both = shapes(crossbar)
        chip.failing["pulse_one"] = importlib.import_module("pyarc2").ArC2Error("FPGA Error")
        with pytest.raises(LinkClosed) as lost:
            crossbar.pulse([[3]], *both, 4, 9)
        assert crossbar.pulses_in_doubt(lost.value)[4, 9] == 3
        assert crossbar.pulse_counts()[4, 9] == 3
    assert chip.at_rest


def test_an_instrument_that_stays_busy_is_given_up(crossbar, chip, monkeypatch):
    monkeypatch.setattr("hwctl_arc2.BUSY_TIMEOUT", 0.01)
    chip.always_busy = True
    with pytest.raises(LinkTimeout, match="was busy for"):
        crossbar.safe()
    chip.always_busy = False


def test_ctrl_c_in_a_pulse_leaves_the_array_at_rest(chip):
    with pytest.raises(KeyboardInterrupt), Crossbar.open("arc2:efm03.bin") as crossbar:
        both = shapes(crossbar)
        chip.failing["pulse_one"] = KeyboardInterrupt()
        crossbar.pulse([[3]], *both, 4, 9)
    assert chip.at_rest


# -- SAFE ----------------------------------------------------------------------------------------------------------


def test_every_channel_is_grounded_from_the_start_at_safe_and_at_the_end(chip):
    assert not chip.at_rest
    with Crossbar.open("arc2:efm03.bin") as crossbar:
        assert chip.at_rest
        crossbar.read()
        assert not chip.at_rest
        crossbar.safe()
        assert chip.at_rest
        crossbar.pulse([[1]], *shapes(crossbar), 0, 0)
        assert not chip.at_rest
        assert not chip.volts.any()
    assert chip.at_rest
    with pytest.raises(LinkClosed, match="open it again"):
        crossbar.read()


# -- opening it ----------------------------------------------------------------------------------------------------

BAD_URLS = {
    "arc2:": "no firmware ''",
    "arc2:missing.bin": "no firmware 'missing.bin'",
    "arc2:efm03.bin?id=3": r"no ArC TWO with id 3; found: \[0\]",
    "arc2:efm03.bin?sett=1": "no option 'sett'",
    "arc2:efm03.bin?set=11": "set=11; give a number from 0.001 to 10",
    "arc2:efm03.bin?low=1.6": "low=1.6; give a number from 0.001 to 1.5",
    "arc2:efm03.bin?width=39e-9": "give a number from 4e-08",
    "arc2:efm03.bin?max-read=2": "max-read=2",
    "arc2:efm03.bin?set-on=gate": "set-on=gate; give column or row",
    "arc2:efm03.bin?control=usb": "control=usb; give internal or header",
    "arc2:empty.bin": "pyarc2 cannot open it: FPGA Error: could not program",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_target_that_cannot_be_opened_is_one_line(chip, tmp_path, url):
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(TargetError, match=BAD_URLS[url]) as end:
        open_link(url)
    assert "\n" not in str(end.value)


def test_without_an_instrument_there_is_no_board(chip):
    chip.ids = []
    with pytest.raises(TargetError, match="no ArC TWO with id 0; found: none"):
        open_link("arc2:efm03.bin")


def test_without_pyarc2_it_says_what_to_install(chip, monkeypatch):
    monkeypatch.setattr("hwctl.packages.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="pip install pyarc2") as end:
        open_link("arc2:efm03.bin")
    assert "\n" not in str(end.value)
