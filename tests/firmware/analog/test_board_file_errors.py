"""Every mistake in a board file ends in one line that names file, key, what is wrong and what to do."""

import pytest

from firmware.analog.boardfile import BoardFile
from firmware.errors import BoardFileError
from tests.firmware.analog.board_files import GONE, PASSIVE, TRANSISTORS, changed, on_pins

T, P = TRANSISTORS, PASSIVE
NAN, INF = float("nan"), float("inf")
GATE_LINES = {
    "per": "row",
    "dac": [f"lines.{n}" for n in range(8)],
    "volts_per_volt": 1.0,
    "zero_code": 0,
    "drive": [f"drive.{n}" for n in range(8)],
}
WIDE_TIA = {"sense.tia_ohm": [160e3, 40e3, 10e3, 5e3]}

PARTS = [
    (T, {"dac.0.part": "AD5391-7"}, "dac[0].part = 'AD5391-7': no such part; did you mean AD5391-5? known: AD5391-5, "),
    (T, {"adc.0.part": "AD7606"}, "adc[0].part = 'AD7606': no such part; "),
    (T, {"switches.4.part": "74HC164"}, "switches[4].part = '74HC164': no such part; known: 74HC595, pins"),
    (T, {"switches.4.part": "pins"}, "switches[4].chips is no key of part 'pins'; take it out"),
    (T, {"switches.4.outputs": 5}, "switches[4].outputs is no key of part '74HC595'; take it out"),
    (T, {"switches.4.chips": GONE}, "switches[4].chips is missing; give it"),
    (T, on_pins(16, 16), "96 switches on pins; 64 at most: put some on 74HC595"),
    (
        T,
        {**on_pins(16, 16, ("row_drive",)), "power_up.pull_ups": ["row_drive.enable"]},
        "power_up.pull_ups[0] = 'row_drive.enable'",
    ),
    (
        T,
        {**on_pins(16, 16, ("row_drive",)), "power_up.pull_downs.0": GONE},
        "'open', but 'row_drive.outputs' float while the FPGA is not configured; fit resistors, and name them in "
        "power_up.pull_downs",
    ),
    (T, {"dac.1.name": "rows"}, "dac[1].name = 'rows' names two parts"),
    (T, {"adc.0.name": "rows"}, "adc[0].name = 'rows' names two parts"),
    (T, {"dac.0.name": "my rows"}, "dac[0].name = 'my rows'; give a letter"),
    (T, {"dac.0.reference_V": 2.4}, "dac[0].reference_V = 2.4, but the internal reference of AD5391-5 is 2.5 V"),
    (T, {"adc.0.reference_V": 3.3}, "adc[0].reference_V = 3.3; ADS7953 takes 2.4 to 2.6 V"),
    (T, {"adc.0.spi_hz": 25e6}, "adc[0].spi_hz = 2.5e+07; ADS7953 takes at most 2e+07 Hz"),
    (T, {"adc.0.span": 3}, "adc[0].span = 3; give a whole number from 1 to 2"),
    (T, {"switches.0.closes_at": "up"}, "switches[0].closes_at = 'up'; give 'high' or 'low'"),
    (T, {"dac.1.readback": "yes"}, "dac[1].readback = 'yes'; give true or false"),
    (T, {"dac.1.readback": False}, "dac 'gates' is read back, 'cols' is not; wire SDO of all DACs and set readback = "),
    (P, {"adc.1.span": 2}, "adc 'cols': a code is 0.0012207 V, and 0.000610352 V of 'rows'"),
]
KEYS = [
    (T, {"limit": {"read_V": 0.3}}, "limit: no such key; did you mean limits?"),
    (T, {"limits.amplitude_v": 2.0}, "limits.amplitude_v: no such key; did you mean amplitude_V?"),
    (T, {"dac.2.chanels": 16}, "dac[2].chanels: no such key; known: name, part"),
    (T, {"lines.row.grnd": []}, "lines.row.grnd: no such key; did you mean ground?"),
    (T, {"pulse.set.widht_s": 1e-6}, "pulse.set.widht_s: no such key; did you mean width_s?"),
    (T, {"power_up.at_power_on.sense": "open"}, "power_up.at_power_on.sense: no such key"),
    (T, {"limits.read_V": GONE}, "limits.read_V is missing; give it"),
    (T, {"absolute.gate_V": GONE}, "absolute.gate_V is missing; give it"),
    (T, {"watchdog": GONE}, "watchdog is missing; give it"),
    (T, {"dac": GONE}, "dac is missing; give it"),
    (T, {"dac.0.name": GONE}, "dac[0].name is missing; give it"),
    (T, {"lines.col.adc": GONE}, "lines.col.adc is missing; give it"),
    (P, {"lines.row.adc": GONE}, "lines.row has only one of adc and sense; give both, or none"),
    (T, {"pulse.reset": GONE}, "pulse.reset is missing; give it"),
    (T, {"power_up.unconfigured.gate": GONE}, "power_up.unconfigured.gate is missing; give it"),
    (T, {"times.gate_settle_s": GONE}, "times.gate_settle_s is missing; give it"),
    (T, {"sense.gate_V": GONE}, "sense.gate_V is missing; give the gate voltage of reads"),
    (P, {"board.half_select": GONE}, "board.half_select is missing; list what a passive array allows"),
]
TYPES = [
    (T, {"limits.read_V": "0.3 V"}, "limits.read_V = '0.3 V'; give a finite number above 0"),
    (T, {"limits.read_V": True}, "limits.read_V = True; give a finite number above 0"),
    (T, {"limits.read_V": -0.1}, "limits.read_V = -0.1; give a finite number above 0"),
    (T, {"limits.read_V": 0}, "limits.read_V = 0; give a finite number above 0"),
    (T, {"limits.read_V": NAN}, "limits.read_V = nan; give a finite number above 0"),
    (T, {"absolute.amplitude_V": INF}, "absolute.amplitude_V = inf; give a finite number above 0"),
    (T, {"lines.row.volts_per_volt": -INF}, "lines.row.volts_per_volt = -inf; give a finite number"),
    (T, {"times.discharge_s": 10**400}, "times.discharge_s = 1000"),
    (T, {"board.rows": 16.0}, "board.rows = 16.0; give a whole number from 1 to 4096"),
    (T, {"board.rows": True}, "board.rows = True; give a whole number"),
    (T, {"board.name": ""}, "board.name = ''; give a text"),
    (T, {"board.about": ["a"]}, "board.about = ['a']; give a text"),
    (T, {"dac.0.internal_reference": 1}, "dac[0].internal_reference = 1; give true or false"),
    (T, {"dac": {"name": "rows"}}, "dac = {'name': 'rows'}; write each one as a table [[dac]]"),
    (T, {"dac.0": 5}, "dac[0] = 5; write it as a table [dac[0]]"),
    (T, {"limits": 5}, "limits = 5; write it as a table [limits]"),
    (T, {"lines.row.dac": "rows.0"}, "lines.row.dac = 'rows.0'; give a list"),
    (T, {"lines.row.dac.4": 4}, "lines.row.dac[4] = 4; give a text"),
    (T, {"switches.0.chips": 0}, "switches[0].chips = 0; give a whole number from 1 to 64"),
    (T, {"limits.pulses_per_cell": 1e6}, "limits.pulses_per_cell = 1000000.0; give a whole number"),
    (T, {"board.clock_hz": 1e3}, "board.clock_hz = 1000.0; give a finite number from 1e+06 to 1e+09"),
    (T, {"board.device": "hfox"}, "board.device: no device 'hfox'"),
    (T, {"board.device": "mine.toml"}, "mine.toml cannot be read"),
    (T, {"board.device": "a\nb"}, "board.device: no device 'a b'"),
    (T, {"board.cell": "2t1r"}, "board.cell = '2t1r'; give '1t1r' or 'passive'"),
]
WIRING = [
    (T, {"lines.row.dac.15": "rows.16"}, "lines.row.dac[15] = 'rows.16', but rows (AD5391-5) has 0 to 15"),
    (T, {"lines.col.adc.0": "sense.16"}, "lines.col.adc[0] = 'sense.16', but sense (ADS7953) has 0 to 15"),
    (
        T,
        {"lines.row.drive.2": "row_drive.16"},
        "lines.row.drive[2] = 'row_drive.16', but row_drive (2 x 74HC595) has 0 to",
    ),
    (T, {"lines.row.dac.3": "rows.2"}, "lines.row.dac[3] and lines.row.dac[2] are both 'rows.2'"),
    (T, {"lines.row.dac.3": "cols.7"}, "lines.col.dac[7] and lines.row.dac[3] are both 'cols.7'"),
    (T, {"lines.gate.dac.0": "cols.7"}, "lines.gate.dac[0] and lines.col.dac[7] are both 'cols.7'"),
    (T, {"lines.col.adc.9": "sense.8"}, "lines.col.adc[9] and lines.col.adc[8] are both 'sense.8'"),
    (T, {"lines.row.ground.0": "ground.16"}, "lines.col.ground[0] and lines.row.ground[0] are both 'ground.16'"),
    (T, {"lines.col.sense.0": "row_drive.0"}, "lines.col.sense[0] and lines.row.drive[0] are both 'row_drive.0'"),
    (
        T,
        {"lines.row.dac.0": "sense.0"},
        "lines.row.dac[0] = 'sense.0', but sense is one of [[adc]]; name one of [[dac]]",
    ),
    (
        T,
        {"lines.row.dac.0": "nothing.0"},
        "lines.row.dac[0] = 'nothing.0', but nothing is not there; name one of [[dac]]",
    ),
    (T, {"lines.row.dac.0": "rows"}, "lines.row.dac[0] = 'rows'; write it as NAME.NUMBER, such as 'rows.0'"),
    (T, {"lines.row.dac.0": "rows.-1"}, "lines.row.dac[0] = 'rows.-1'; write it as NAME.NUMBER"),
    (T, {"board.rows": 15}, "lines.row.dac has 16 entries for 15 row lines; give one a line, in order"),
    (T, {"lines.col.adc.15": GONE}, "lines.col.adc has 15 entries for 16 col lines"),
    (T, {"lines.gate.drive.0": GONE}, "lines.gate.drive has 15 entries for 16 gate lines"),
    (P, {"lines.gate": GATE_LINES}, "lines.gate: a passive array has no gates; take it out"),
    (T, {"lines.gate": GONE}, "lines.gate is missing; a 1t1r array has gates"),
    (T, {"lines.row.volts_per_volt": [1.28, -1.28]}, "lines.row.volts_per_volt has 2 entries for 16 lines"),
    (T, {"lines.row.volts_per_volt": 0.0}, "lines.row.volts_per_volt = 0 on line 0"),
    (
        T,
        {"lines.row.volts_per_volt": [1.28] * 15 + [1.3]},
        "lines.row: a code is 0.0015625 V on line 0 and 0.00158691 V on line 15",
    ),
    (T, {"lines.col.volts_per_volt": 1.0}, "lines.col: a code is 0.0012207 V, and 0.0015625 V on rows"),
    (T, {"lines.row.zero_code": 4096}, "lines.row.zero_code = 4096; AD5391-5 has codes 0 to 4095"),
    (T, {"lines.row.zero_code": [512] * 3}, "lines.row.zero_code has 3 entries for 16 lines"),
]
LIMITS = [
    (T, {"limits.amplitude_V": 4.0}, "limits.amplitude_V = 4 is above absolute.amplitude_V = 3.3; lower the limit"),
    (T, {"limits.form_width_s": 1.0}, "limits.form_width_s = 1 is above absolute.form_width_s = 0.01"),
    (T, {"limits.pulses_per_cell": 10**9}, "limits.pulses_per_cell = 1e+09 is above absolute.pulses_per_cell = 1e+08"),
    (
        T,
        {"absolute.amplitude_V": 6.0},
        "absolute.amplitude_V = 6 is more than the DAC and output stage of row 0 deliver, 5.59844 V",
    ),
    (
        T,
        {"absolute.gate_V": 6.5},
        "absolute.gate_V = 6.5 is more than the DAC and output stage of gate 0 deliver, 6.39844 V",
    ),
    (
        T,
        {"lines.row.zero_code": [512] * 15 + [2000]},
        "deliver, 3.27344 V; state what the board can do, or correct lines.row",
    ),
    (T, {"absolute.pulse_width_s": 100.0}, "absolute.pulse_width_s = 100 is more than 4294967295 clock ticks"),
    (T, {"limits.amplitude_V": 2.4}, "pulse.set level 0: 2.5 V is above limits.amplitude_V = 2.4; lower the level"),
    (T, {"limits.gate_V": 4.9, "sense.gate_V": 4.0}, "pulse.reset level 0: 5 V is above limits.gate_V = 4.9"),
    (T, {"limits.pulse_width_s": 0.5e-6}, "pulse.set level 0: 1e-06 s is above limits.pulse_width_s = 5e-07"),
    (T, {"pulse.form.width_s": 2e-3}, "pulse.form level 0: 0.002 s is above limits.form_width_s = 0.001"),
    (T, {"limits.form_amplitude_V": 4.5}, "pulse.form level 12: 4.6 V is above limits.form_amplitude_V = 4.5"),
    (
        T,
        {"limits.amplitude_V": 2.4997, "pulse.set.amplitude_V": 2.4996},
        "the code nearest to 2.4996 V puts 2.5 V on a line, above",
    ),
    (
        T,
        {"limits.pulse_width_s": 1.013e-6, "pulse.set.width_s": 1.012e-6},
        "is 49 clock ticks, and limits.pulse_width_s = 1.013e-06 allows 48",
    ),
    (
        T,
        {"limits.read_V": 0.6, "absolute.read_V": 0.6},
        "limits.read_V = 0.6 would move cells: hfox-1t1r takes at most 0.5 V",
    ),
    (T, {"sense.read_V": 0.4}, "sense.read_V = 0.4 is above limits.read_V = 0.3"),
    (T, {"sense.read_V": 1e-4}, "sense.read_V = 0.0001: the nearest code puts 0 V on a line"),
    (T, {"sense.gate_V": 5.2}, "sense.gate_V = 5.2 is above limits.gate_V = 5.1"),
    (P, {"limits.gate_V": 1.0}, "limits.gate_V: a passive array has no gates; take it out"),
    (P, {"times.gate_settle_s": 1e-6}, "times.gate_settle_s: a passive array has no gates"),
    (P, {"sense.gate_V": 1.0}, "sense.gate_V: a passive array has no gates"),
    (P, {"limits.compliance_A": 1e-3}, "limits.compliance_A: without a [limiter] nothing keeps it; take it out"),
    (
        P,
        {"limits.form_amplitude_V": 1.5},
        "limits.form_amplitude_V: without [pulse.form] and a [limiter] nothing is formed",
    ),
    (T, {"times.dac_settle_s": 5e-6}, "times.dac_settle_s = 5e-06, but 'rows' (AD5391-5) takes 6e-06 s; raise it"),
    (
        T,
        {"times.switch_settle_s": 1e-9},
        "times.switch_settle_s = 1e-09, but 'row_drive' (74HC595) alone takes 4.4e-08 s",
    ),
    (T, {"times.gate_settle_s": 1e-9}, "times.gate_settle_s = 1e-09, but"),
    (T, {"times.sense_settle_s": [1e-6]}, "times.sense_settle_s has 1 entries for 4 TIA ranges"),
    (T, {"watchdog.rest_clocks": 0}, "watchdog.rest_clocks = 0; give a whole number from 1 to 65535"),
]
PULSES = [
    (T, {"pulse.set.width_s": 20e-9}, "pulse.set level 0: 2e-08 s is under one tick of board.clock_hz = 4.8e+07"),
    (T, {"pulse.set.amplitude_V": 1e-4}, "pulse.set level 0: 0.0001 V is below half a DAC code"),
    (T, {"pulse.set.side": "gate"}, "pulse.set.side = 'gate'; give 'row' or 'col'"),
    (
        T,
        {"pulse.set.gate_V": [0.7, 0.8], "pulse.set.amplitude_V": [2.5]},
        "pulse.set.gate_V has 2 entries and pulse.set.amplitude_V 1",
    ),
    (
        T,
        {"pulse.set.amplitude_V": [2.4, 2.5]},
        "pulse.set.gate_V is missing: the device model has 32 levels, this file 2",
    ),
    (
        T,
        {"pulse.set.gate_V": [1.0, 1.0005]},
        "pulse.set level 1 has the same codes as level 0: (1600, 48, 640); leave one out",
    ),
    (T, {"pulse.set.gate_V": [1 + n / 100 for n in range(33)]}, "pulse.set has 33 levels; give 1 to 32"),
    (T, {"pulse.form.gate_V": GONE}, "pulse.form level 0: 0 V at the gate keeps the transistor shut; give gate_V"),
    (T, {"board.device": "tiox-passive"}, "pulse.set level 0: 0 V at the gate keeps the transistor shut"),
    (
        P,
        {"board.device": "hfox-1t1r", **WIDE_TIA, "limits.amplitude_V": 1.8, "pulse.set.amplitude_V": 1.0},
        "pulse.set level 0: 0.7 V of the device's gate, but cell = 'passive'",
    ),
    (P, {"pulse.set.gate_V": 1.0}, "pulse.set.gate_V: a passive array has no gates"),
    (P, {"pulse.form": {"side": "row", "amplitude_V": 1.1}}, "pulse.form: FORM needs a hardware [limiter]"),
    (T, {"limiter": GONE}, "pulse.form: FORM needs a hardware [limiter]"),
    (T, {"pulse.form": GONE}, "limits.form_amplitude_V: without [pulse.form] and a [limiter] nothing is formed"),
    (T, {"board.half_select": ["v/2"]}, "board.half_select: transistors select in a 1t1r array"),
    (P, {"board.half_select": ["v/4"]}, "board.half_select[0] = 'v/4'; give 'grounded' or 'v/2' or 'v/3'"),
    (P, {"board.half_select": ["v/2", "v/2"]}, "board.half_select = ['v/2', 'v/2'] names one twice"),
    (P, {"board.half_select": []}, "board.half_select = []; give a list"),
    (
        T,
        {"pulse.timed_by": "latch"},
        "pulse.timed_by = 'latch', but SET has pulses of 1e-06 s, and 'row_drive' takes 1.33e-06 s",
    ),
    (
        T,
        {"switches.0.chips": 3, "lines.row.ground.0": "row_drive.20"},
        "pulse.timed_by = 'enable' switches all outputs of 'row_drive', also lines.row.ground[0]",
    ),
]
LIMITER = [
    (T, {"limiter.kind": "fuse"}, "limiter.kind = 'fuse'; give 'gate' or 'series-resistor' or 'current-clamp'"),
    (T, {"limiter.response_time_s": GONE}, "limiter.response_time_s is missing; give it"),
    (T, {"limiter.gate_V": GONE}, "limiter.gate_V is missing; a limiter of kind 'gate' follows from it"),
    (T, {"limiter.series_ohm": 1e4}, "limiter.series_ohm is no key of a limiter of kind 'gate'"),
    (
        T,
        {"limits.pulses_per_cell_per_s": 0.001},
        "limits.pulses_per_cell_per_s = 0.001 is 4.8e+10 clock ticks from pulse to pulse, 4294967295 at most; give",
    ),
    (
        T,
        {"limits.compliance_A": 20e-3, "absolute.compliance_A": 30e-3},
        "limits.compliance_A = 0.02 is above 0.0065534, the highest that a host can be told",
    ),
    (T, {"limiter.max_current_A": 300e-6}, "limiter.max_current_A = 0.0003 is above limits.compliance_A = 0.0002"),
    (T, {"limiter.response_time_s": 100e-6}, "limiter.response_time_s = 0.0001 is not below a FORM pulse of 0.0001 s"),
    (
        T,
        {"lines.gate.volts_per_volt": 1.45},
        "pulse.form: the code nearest to 1.2 V puts 1.20007 V on a gate, above limiter.gate_V = 1.2; lower",
    ),
    (T, {"limiter.gate_V": 1.1}, "pulse.form: 1.2 V at the gate, and limiter.gate_V = 1.1 is where 0.00015 A flow"),
    (
        T,
        {"limiter.kind": "series-resistor", "limiter.gate_V": GONE, "limiter.series_ohm": 30e3},
        "limiter.max_current_A = 0.00015, but limits.form_amplitude_V across series_ohm is 0.00017 A",
    ),
    (
        P,
        {"limiter": {"kind": "gate", "gate_V": 1.0, "max_current_A": 1e-4, "response_time_s": 1e-7}},
        "limiter.kind = 'gate', but a passive array has no gates",
    ),
]
SENSING = [
    (T, {"sense.tia_sign": 0}, "sense.tia_sign = 0; give 1 or -1"),
    (T, {"sense.tia_sign": -1, "sense.zero_code": 0}, "sense.zero_code = 0 with tia_sign = -1 leaves 0 of 4095 codes"),
    (T, {"sense.zero_code": 4095}, "sense.zero_code = 4095 with tia_sign = 1 leaves 0 of 4095 codes"),
    (
        T,
        {"sense.tia_ohm": [2.5e3, 40e3, 160e3, 640e3]},
        "sense.tia_ohm[1] = 40000 is not below 2500; put the highest first",
    ),
    (T, {"sense.tia_ohm": [640e3, 170e3, 160e3, 40e3]}, "sense.tia_ohm: 170000 and 160000 round to the same power"),
    (
        T,
        {"sense.tia_ohm": [640e3, 160e3, 40e3, 10.0]},
        "sense.tia_ohm[3] = 10: more than a factor of 32768 below the first",
    ),
    (
        T,
        {"sense.tia_ohm": [640e3, 320e3, 160e3, 80e3]},
        "sense.tia_ohm: hfox-1t1r carries 5.2e-05 A at 0.2 V, 80000 ohm tells",
    ),
    (
        T,
        {"sense.range_codes": [0, 1, 2, 2]},
        "sense.range_codes = [0, 1, 2, 2] for 4 TIA ranges; give each one a value",
    ),
    (T, {"sense.range_pins": 1}, "sense.range_codes[2] = 2; give a whole number from 0 to 1"),
]
POWER_UP = [
    (
        T,
        {"power_up.at_power_on.drive": "closed"},
        "power_up.at_power_on.drive = 'closed' is not at rest, which is 'open'",
    ),
    (
        T,
        {"power_up.unconfigured.ground": "open"},
        "power_up.unconfigured.ground = 'open' is not at rest, which is 'closed'",
    ),
    (T, {"power_up.unconfigured.gate": "floating"}, "fit resistors, and name them in pull_downs: 'gate_drive.outputs'"),
    (T, {"power_up.pull_downs.0": GONE}, "at_power_on.drive = 'open', but 'row_drive.outputs' float while /OE is high"),
    (T, {"power_up.pull_downs.4": GONE}, "at_power_on.ground = 'closed', but 'ground.outputs' float while /OE is high"),
    (T, {"power_up.pull_ups.2": GONE}, "but outputs of a 74HC595 are undefined at power-up: fit a pull-up on its /OE"),
    (T, {"power_up.pull_downs": []}, "name them in power_up.pull_downs"),
    (
        T,
        {"switches.0.closes_at": "low"},
        "'open', but the pull-down on 'row_drive.outputs' closes its switches; change one",
    ),
    (
        T,
        {"switches.4.closes_at": "high"},
        "'closed', but the pull-down on 'ground.outputs' opens its switches; change one",
    ),
    (T, {"power_up.pull_downs.5": GONE}, "lines.gate has no ground switches, and power_up.pull_downs no 'lines.gate'"),
    (T, {"power_up.pull_downs.0": "row_drive"}, "power_up.pull_downs[0] = 'row_drive'; give 'row_drive.enable' or"),
    (T, {"power_up.pull_ups.4": "row_drive.outputs"}, "'row_drive.outputs' is in pull_downs and in pull_ups"),
]


@pytest.mark.parametrize(
    ("source", "changes", "message"), PARTS + KEYS + TYPES + WIRING + LIMITS + PULSES + LIMITER + SENSING + POWER_UP
)
def test_a_mistake_is_named_in_one_line(source, changes, message, tmp_path):
    path = changed(source, changes, tmp_path)
    with pytest.raises(BoardFileError) as caught:
        BoardFile.load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[board\n", "; correct it"),
        (b"[board]\nrows = 4\nrows = 5\n", "; correct it"),
        (b"rows = " + b"9" * 5000, "; correct it"),
        (b"rows = 0x" + b"f" * 5000, "rows: no such key"),
        (b"\xff\xfe", "is no text; name a board file"),
        (b"rows = " + b"[" * 5000, "; correct it"),
        (b'"a\\nb" = 1', "a b: no such key"),
        (b"", "board is missing; give it"),
    ],
)
def test_what_is_no_board_file_is_named_in_one_line(content, message, tmp_path):
    path = tmp_path / "board.toml"
    path.write_bytes(content)
    with pytest.raises(BoardFileError) as caught:
        BoardFile.load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_what_cannot_be_read_is_named(name, tmp_path):
    with pytest.raises(BoardFileError, match=r"cannot be read \(.*\); name a board file"):
        BoardFile.load(tmp_path / name)
