"""Board files: the examples, what follows from them, and that every line keeps its own channel."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.analog.boardfile import BoardFile
from firmware.analog.transfer import exact
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.devices.identity import BoardCodes
from hwctl.errors import LimitError
from hwctl.protocol.codes import HalfSelect, Polarity
from tests.firmware.analog.board_files import FOLDER, GONE, PASSIVE, TRANSISTORS, loaded

BOARDS = {path.stem: BoardFile.load(path) for path in (TRANSISTORS, PASSIVE)}
BOTH = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
ALL_USES = ("read", "pulse", "form")


def test_every_file_of_the_folder_is_loaded():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(path.name for path in (TRANSISTORS, PASSIVE))


@BOTH
def test_examples_say_that_they_are_examples(board):
    assert "not a board that exists" in board.about
    assert board.name in (FOLDER / f"{board.name}.toml").read_text()


def test_the_1t1r_board_has_the_levels_of_its_device():
    board, device = BOARDS[TRANSISTORS.stem], presets.get("hfox-1t1r")
    for polarity in (Polarity.SET, Polarity.RESET):
        wanted = [(level.amplitude, level.width, level.gate) for level in device.levels_of(polarity)]
        assert [(level.amplitude, level.width, level.gate) for level in board.levels(polarity)] == wanted
    assert board.forms
    assert [level.amplitude for level in board.levels(Polarity.FORM)][-1] == device.max_form_amplitude
    assert board.levels(Polarity.SET)[31].codes == (1600, 48, 1280)  # 2.5 V, 1 us, 2.0 V at 1.5625 mV and 48 MHz


def test_the_passive_board_refuses_to_form():
    board = BOARDS[PASSIVE.stem]
    assert not board.forms
    assert board.levels(Polarity.FORM) == ()
    assert board.codes.max_form_amplitude == board.codes.max_form_width == 0
    for line in board.lines:
        guard = board.codes.guard(line)
        assert guard.form == (guard.rest, guard.rest)


@BOTH
def test_levels_are_those_that_an_emulated_board_of_the_same_scales_has(board):
    """Nobody rounds in a way of his own: BoardCodes of the chip with this board's scales."""
    chip = fabricate(board.device, 2, 2, 0)
    found, wanted = board.codes.board_codes, BoardCodes.of(replace(chip, scales=board.codes.scales))
    assert found.levels[:2] == wanted.levels[:2]
    assert found.nominal_read == wanted.nominal_read


@BOTH
def test_scales_follow_from_parts(board):
    codes, sense = board.codes, board.sense
    dac = board.dacs[board.rows[0].dac.part]
    gain = {TRANSISTORS.stem: 1.28, PASSIVE.stem: 1.0}[board.name]
    step = dac.part.full_scale * dac.reference / 2**dac.part.bits * gain
    assert codes.scales.volts == pytest.approx(step, rel=1e-12)
    assert codes.scales.seconds == 1 / 48e6
    adc = board.adcs[board.cols[0].adc.part]
    assert codes.amperes == pytest.approx(adc.span * adc.reference / 4096 / sense.ranges[0].ohm, rel=1e-12)
    # Where a cell is read with the nominal read voltage, a current code is a conductance code.
    read = codes.nominal_read * codes.scales.volts
    assert codes.scales.siemens * read == pytest.approx(codes.amperes, rel=1e-12)
    assert read == pytest.approx(board.device.read_voltage, abs=codes.scales.volts / 2)


@BOTH
def test_limits_are_rounded_down_and_waits_up(board):
    codes, limits, times, step = board.codes, board.limits, board.times, board.rows[0].transfer.step
    for steps, volts in ((codes.max_amplitude, limits.amplitude), (codes.max_read, limits.read)):
        assert steps * step <= exact(volts) < (steps + 1) * step
    clock = exact(board.clock)
    assert codes.max_width <= exact(limits.pulse_width) * clock < codes.max_width + 1
    assert codes.silence <= exact(board.watchdog.silence) * clock < codes.silence + 1
    waits = [(codes.switch_settle, times.switch_settle), (codes.dac_settle, times.dac_settle)]
    waits += [(codes.discharge, times.discharge), *zip(codes.sense_settle, times.sense_settle, strict=True)]
    for ticks, seconds in waits:
        assert ticks - 1 < exact(seconds) * clock <= ticks
    assert clock / codes.pulse_interval <= exact(limits.pulse_rate) < clock / (codes.pulse_interval - 1)


def test_a_limit_between_codes_is_the_code_below(tmp_path):
    board = loaded(TRANSISTORS, {"limits.amplitude_V": 2.60155, "limits.read_V": 0.2999}, tmp_path)
    assert (board.codes.max_amplitude, board.codes.max_read) == (1664, 191)
    times = {"times.discharge_s": 1.001e-6, "limits.pulse_width_s": 1.999e-6, "limits.pulses_per_cell_per_s": 7e3}
    codes = loaded(TRANSISTORS, times, tmp_path).codes
    assert (codes.discharge, codes.max_width, codes.pulse_interval) == (49, 95, 6858)


@BOTH
@given(data=st.data())
def test_no_voltage_gets_a_code_beyond_its_limit(board, data):
    line, use = data.draw(st.sampled_from(board.lines)), data.draw(st.sampled_from(ALL_USES))
    low, high = getattr(board.codes.guard(line), use)
    volts = data.draw(st.floats(-8, 8))
    try:
        code = board.code_of(line, volts, use)
    except LimitError:
        ends = sorted(line.transfer.volts_of(end) for end in (low, high))
        half = line.transfer.step / 2
        assert not ends[0] - half < exact(volts) < ends[1] + half
        return
    assert low <= code <= high
    assert abs(line.transfer.volts_of(code) - exact(volts)) <= line.transfer.step / 2


@BOTH
def test_what_a_guard_lets_by_is_within_the_limit_in_volts(board):
    limits = board.limits
    for line in board.lines:
        guard, volts = board.codes.guard(line), line.transfer.volts_of
        if line.side == "gate":
            most = {"read": limits.gate, "pulse": limits.gate, "form": limits.gate}
        else:
            most = {"read": limits.read, "pulse": limits.amplitude, "form": limits.form_amplitude or 0.0}
        for use, limit in most.items():
            ends = [volts(code) for code in getattr(guard, use)]
            assert max(abs(end) for end in ends) <= exact(limit)
            assert use == "read" or min(ends) == 0
        assert volts(guard.rest) == 0


@BOTH
def test_every_level_is_within_its_limit_on_every_line(board):
    for polarity, pulse in board.pulses.items():
        use = "form" if polarity == Polarity.FORM else "pulse"
        lines = board.rows if pulse.side == "row" else board.cols
        for level in pulse.levels:
            for line, code in zip(lines, board.driven_codes(pulse, level), strict=True):
                assert code == board.code_of(line, level.amplitude, use)
            for gate in board.gates:
                assert gate.transfer.code_at(level.gate_steps) == board.code_of(gate, level.gate, use)


@BOTH
def test_half_selected_cells_see_half_or_a_third(board):
    for pulse in board.pulses.values():
        for level in pulse.levels:
            full = level.amplitude_code
            for scheme, share in ((HalfSelect.V_HALF, 2), (HalfSelect.V_THIRD, 3)):
                driven, other = level.unselected(scheme)
                seen = (full - other, driven, abs(driven - other))
                assert all(abs(steps - Fraction(full, share)) <= 1 for steps in seen[:2])
                assert seen[2] <= Fraction(full, share) + 1
            assert level.unselected(HalfSelect.GROUNDED) == (0, 0)


def test_schemes_of_unselected_lines():
    assert BOARDS[PASSIVE.stem].half_select == (HalfSelect.V_HALF, HalfSelect.V_THIRD)
    assert BOARDS[TRANSISTORS.stem].half_select == (HalfSelect.GROUNDED,)


@BOTH
def test_every_channel_is_named_once_and_found_again(board):
    named = {}
    for line in board.lines:
        for key, channel in line.channels.items():
            assert channel not in named
            named[channel] = f"lines.{line.side}.{key}[{line.index}]"
    assert named == dict(board.assignments)


@settings(max_examples=30)  # each one writes a file and reads it
@given(data=st.data())
def test_lines_keep_the_order_of_the_file(data, tmp_path_factory):
    """Each permutation of channels is a board of its own: no line takes another one's channel."""
    key = data.draw(
        st.sampled_from(["row.dac", "row.drive", "row.ground", "col.dac", "col.adc", "col.sense", "gate.dac"])
    )
    side, name = key.split(".")
    entries = [str(line.channels[name]) for line in getattr(BOARDS[TRANSISTORS.stem], f"{side}s")]
    wanted = data.draw(st.permutations(entries))
    board = loaded(TRANSISTORS, {f"lines.{key}": wanted}, tmp_path_factory.mktemp("board"))
    assert [str(line.channels[name]) for line in getattr(board, f"{side}s")] == wanted


@pytest.mark.parametrize("signs", [[1] * 8, [-1] * 8, [1, -1] * 4])
def test_polarity_is_that_of_each_lines_output_stage(signs, tmp_path):
    gains, zeros = [1.0 * sign for sign in signs], [1024 if sign > 0 else 3072 for sign in signs]
    changes = {"lines.row.volts_per_volt": gains, "lines.row.zero_code": zeros}
    board = loaded(PASSIVE, changes, tmp_path)
    for line, sign in zip(board.rows, signs, strict=True):
        assert line.transfer.polarity == sign
        rest, at_one_volt = (board.code_of(line, volts) for volts in (0.0, 1.0))
        assert (at_one_volt - rest) * sign == 1638  # 1 V at 0.61 mV
        dac = board.dacs[line.dac.part]
        # 0 V at the line is a DAC at its middle; from there the stage's gain says where it goes.
        assert float(line.transfer.volts_of(at_one_volt)) == pytest.approx(sign * (at_one_volt - rest) * float(dac.lsb))


def test_a_dac_that_reaches_nothing_below_0_reads_with_one_sign(tmp_path):
    board = loaded(TRANSISTORS, {"lines.row.zero_code": 0}, tmp_path)
    assert board.codes.min_read == 0
    assert board.codes.guard(board.rows[0]).read == (0, 192)
    with pytest.raises(LimitError):
        board.code_of(board.rows[0], -0.1, "read")
    assert BOARDS[TRANSISTORS.stem].codes.min_read == -192


def test_what_a_host_is_told_of_gates_is_not_above_their_limit(tmp_path):
    board = loaded(TRANSISTORS, {"limits.gate_V": 5.0993}, tmp_path)
    assert board.codes.board_codes.max_gate == board.codes.max_gate == 3263  # 5.0984 V; 3264 is 5.1 V


def test_gates_may_have_a_step_of_their_own(tmp_path):
    board = loaded(TRANSISTORS, {"lines.gate.volts_per_volt": 1.6}, tmp_path)
    level = board.levels(Polarity.SET)[31]
    assert (level.gate_code, level.gate_steps) == (1280, 1024)  # 2.0 V in steps of a row, and of a gate
    assert board.codes.gate_ratio == Fraction(4, 5)
    assert board.codes.gate_ratio_code == 3277  # 3276.8
    assert board.codes.max_gate == 2611


def test_levels_of_the_file_stand_for_those_of_the_device(tmp_path):
    changes = {"pulse.set.amplitude_V": 2.0, "pulse.set.gate_V": [0.8, 1.2, 1.6], "pulse.set.width_s": 2e-6}
    levels = loaded(TRANSISTORS, changes, tmp_path).levels(Polarity.SET)
    assert [(level.amplitude, level.width, level.gate) for level in levels] == [
        (2.0, 2e-6, 0.8), (2.0, 2e-6, 1.2), (2.0, 2e-6, 1.6),
    ]  # fmt: skip
    widths = loaded(TRANSISTORS, {"pulse.set.width_s": 2e-6}, tmp_path).levels(Polarity.SET)
    assert [level.gate for level in widths] == [level.gate for level in BOARDS[TRANSISTORS.stem].levels(Polarity.SET)]


def test_a_device_may_be_a_preset_file_beside_the_board_file(tmp_path):
    from hwctl.devices.presetfile import save_device
    from hwctl.devices.tabulated import StepTable, TabulatedDevice

    source = presets.get("tiox-passive")
    position = (np.arange(64) + 0.5) / 64
    tables = tuple(StepTable(level, *source.curve(level, position)) for level in source.levels())
    made = {"name": "mine", "title": "t", "source": "s", "lowest": source.g_min, "highest": source.g_max}
    save_device(TabulatedDevice(tables=tables, **made), tmp_path / "mine.toml")
    board = loaded(PASSIVE, {"board.device": "mine.toml"}, tmp_path)
    assert board.device.name == "mine"
    assert [level.codes for level in board.levels(Polarity.SET)] == [
        level.codes for level in BOARDS[PASSIVE.stem].levels(Polarity.SET)
    ]


@pytest.mark.parametrize(
    ("ohms", "expected"),
    [
        ([640e3, 160e3, 40e3, 2.5e3], [(0, 1.0), (2, 1.0), (4, 1.0), (8, 1.0)]),
        ([500e3, 150e3, 50e3, 15e3], [(0, 1.0), (2, 1 / 1.2), (4, 10 / 16), (6, 100 / 192)]),
    ],
)
def test_ranges_are_powers_of_two_and_a_factor(ohms, expected, tmp_path):
    changes = {"sense.tia_ohm": ohms, "sense.zero_code": 400}
    sense = loaded(TRANSISTORS, changes, tmp_path).sense
    assert [found.number for found in sense.ranges] == [number for number, _ in expected]
    for found, (_, factor) in zip(sense.ranges, expected, strict=True):
        assert float(found.factor) == pytest.approx(factor)
        assert abs(found.factor_code - found.factor * 65536) <= 0.5
        # A code of the ADC is the current that it is, whatever the range.
        code = 1000 * found.factor * 2**found.number
        assert code * sense.amperes_per_code == 1000 * sense.lsb / exact(found.ohm)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_highest_current_is_what_the_adc_has_left(sign, tmp_path):
    sense = loaded(TRANSISTORS, {"sense.tia_sign": sign, "sense.zero_code": 2000}, tmp_path).sense
    assert sense.headroom == (2095 if sign > 0 else 2000)
    assert float(sense.highest_current(sense.ranges[2])) == pytest.approx(sense.headroom * 5 / 4096 / 40e3)


@BOTH
def test_at_rest_drives_are_open_and_lines_grounded(board):
    for name, chain in board.chains.items():
        pattern = board.rest_pattern(name)
        assert 0 <= pattern < 1 << chain.outputs
        for line in board.lines:
            for key, channel in line.channels.items():
                if channel.part == name:
                    high = bool(pattern >> channel.number & 1)
                    assert (high == chain.closes_high) == (key == "ground")


def test_switches_that_close_at_high_are_high_at_rest_on_ground_lines(tmp_path):
    changes = {"switches.1.closes_at": "high", "power_up.pull_downs": ["drive.outputs", "tia.outputs"]}
    changes["power_up.pull_ups"] = ["drive.enable", "ground.enable", "tia.enable", "ground.outputs"]
    assert loaded(PASSIVE, changes, tmp_path).rest_pattern("ground") == 0xFFFF


def test_clocks_of_parts_are_never_above_their_highest(tmp_path):
    for clock in (12e6, 48e6, 50e6, 99e6, 100e6):
        changes = {"board.clock_hz": clock, "watchdog.silence_s": 0.1}
        board = loaded(TRANSISTORS, changes, tmp_path)
        for item in (*board.dacs.values(), *board.adcs.values(), *board.chains.values()):
            assert clock / (2 * item.half_period) <= item.part.clock
            assert item.half_period == 1 or clock / (2 * item.half_period - 2) > item.part.clock
    slow = loaded(TRANSISTORS, {"dac.0.spi_hz": 5e6}, tmp_path)
    assert (slow.dacs["rows"].half_period, slow.dacs["cols"].half_period) == (5, 1)


@pytest.mark.parametrize(
    "limiter",
    [
        {"kind": "current-clamp", "max_current_A": 150e-6, "response_time_s": 1e-6},
        {"kind": "series-resistor", "series_ohm": 50e3, "max_current_A": 105e-6, "response_time_s": 1e-8},
    ],
)
def test_other_limiters_allow_forming_too(limiter, tmp_path):
    board = loaded(TRANSISTORS, {"limiter": limiter}, tmp_path)
    assert board.forms
    assert board.limiter.kind == limiter["kind"]
    assert board.limiter.series == limiter.get("series_ohm")


def test_a_limiter_alone_does_not_form(tmp_path):
    gone = {f"{table}.{key}": GONE for table in ("limits", "absolute") for key in ("form_amplitude_V", "form_width_s")}
    board = loaded(TRANSISTORS, {"pulse.form": GONE, **gone}, tmp_path)
    assert not board.forms
    assert board.limiter is not None
    gate = board.codes.guard(board.gates[0])
    assert gate.form == (gate.rest, gate.rest)


def test_long_pulses_may_be_timed_by_the_latch(tmp_path):
    changes = {"pulse.timed_by": "latch", "pulse.set.width_s": 2e-6, "pulse.reset.width_s": 1.5e-6}
    assert loaded(TRANSISTORS, changes, tmp_path).timed_by == "latch"
