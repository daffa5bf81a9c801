"""Limits of the software board: they fall and never rise, and what is beyond them changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import Layers
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region

SET, RESET, WEAK, FORM = 0, 1, 2, 3
WHOLE = Region(0, 2, 0, 2)
ONE = np.ones((2, 2), np.int8)
NOTHING = commands.ConfigureLimits()
COINCIDENT = np.full((1, 2), 127, np.int8)


class Bench:
    def __init__(self, device="tiox-passive", unformed=0.0):
        self.board = EmulatedBoard(fabricate(presets.get(device), 2, 2, seed=1, unformed=unformed), seed=2)
        levels = {polarity: [] for polarity in Polarity}
        for polarity, several in zip(Polarity, self.board._codes.levels, strict=True):
            levels[polarity] = list(several)
        self.levels = levels
        self.strong, self.weak = max(levels[Polarity.SET]), min(levels[Polarity.SET])
        self.shape(SET, Polarity.SET, self.strong)
        self.shape(RESET, Polarity.RESET, min(levels[Polarity.RESET]))
        self.shape(WEAK, Polarity.SET, self.weak)
        self.form_level = levels[Polarity.FORM][-1]
        self.shape(FORM, Polarity.FORM, self.form_level)
        self.limits = self.done(NOTHING)

    def shape(self, number, polarity, level, compliance=0):
        return self.done(commands.ConfigureShape(number, polarity, *level, compliance))

    @property
    def clock(self):
        return self.done(commands.Status()).clock

    def done(self, command):
        reply = self.board.execute(command)
        assert not isinstance(reply, replies.Refused), reply
        return reply

    def refused(self, command, refusal=Refusal.OVER_LIMIT):
        before = vars(self.done(commands.Status())), self.done(commands.Dump(WHOLE)).words.tobytes()
        reply = self.board.execute(command)
        assert isinstance(reply, replies.Refused)
        assert reply.refusal == refusal
        assert (vars(self.done(commands.Status())), self.done(commands.Dump(WHOLE)).words.tobytes()) == before
        return reply.detail

    def narrow(self, **limits):
        return self.done(replace(NOTHING, **limits))

    def pulse(self, set_shape, counts=ONE):
        shapes = np.array([set_shape], np.uint8), np.array([RESET], np.uint8)
        return commands.Pulse(WHOLE, counts, ShapePer.COMMAND, *shapes)


@pytest.fixture
def bench():
    return Bench()


def outer(mode, slots=1):
    return commands.Outer(WHOLE, COINCIDENT // 127, COINCIDENT // 127, mode, slots, 0, 0, SET, RESET)


def verify(set_shape, attempts=1):
    ramps = Ramp(set_shape, set_shape, 0), Ramp(RESET, RESET, 0)
    return commands.WriteVerify(WHOLE, np.zeros((2, 2), np.uint16), 1, attempts, 0, *ramps, 0)


GATES = ("max_gate", "max_form_gate")
FORMING = commands.Form(WHOLE, Ramp(FORM, FORM, 0), 1, 100, 0, 0)


@pytest.mark.parametrize("name", [name for name in replies.LIMITS if name not in GATES and name not in replies.FLOORS])
def test_a_limit_falls_alone_and_is_never_raised(bench, name):
    holds = bench.limits.codes[name]
    assert bench.narrow(**{name: holds - 1}).codes == {**bench.limits.codes, name: holds - 1}
    bench.refused(replace(NOTHING, **{name: holds}))
    assert bench.done(NOTHING).codes[name] == holds - 1
    assert bench.narrow(**{name: 1}).codes[name] == 1


def test_the_interval_between_pulses_grows_alone_and_is_never_shortened(bench):
    assert bench.limits.min_interval == 0
    assert bench.narrow(min_interval=500).codes == {**bench.limits.codes, "min_interval": 500}
    bench.refused(replace(NOTHING, min_interval=499))
    assert bench.narrow(min_interval=2**32 - 1).min_interval == 2**32 - 1


@pytest.mark.parametrize("name", GATES)
def test_an_array_without_gates_has_nothing_to_narrow_there(bench, name):
    assert bench.limits.codes[name] == 0
    bench.refused(replace(NOTHING, **{name: 1}))


def test_a_gate_beyond_its_limit_is_neither_configured_nor_used():
    bench = Bench("hfox-1t1r")
    gates = [level[2] for level in bench.levels[Polarity.SET]]
    bench.shape(SET, Polarity.SET, bench.levels[Polarity.SET][-1])
    bench.shape(WEAK, Polarity.SET, bench.levels[Polarity.SET][0])
    bench.shape(RESET, Polarity.SET, bench.levels[Polarity.SET][0])
    assert bench.limits.max_gate == max(level[2] for level in bench.levels[Polarity.RESET]) > max(gates)
    bench.narrow(max_gate=max(gates) - 1)
    bench.refused(commands.ConfigureShape(9, Polarity.SET, *bench.levels[Polarity.SET][-1], 0))
    for level in bench.levels[Polarity.RESET]:
        bench.refused(commands.ConfigureShape(9, Polarity.RESET, *level, 0))
    bench.refused(verify(SET))
    bench.shape(9, Polarity.SET, bench.levels[Polarity.SET][0])


def test_forming_needs_a_compliance_once_one_is_demanded(bench):
    bench.shape(9, Polarity.FORM, bench.form_level, 500)
    limited = replace(FORMING, ramp=Ramp(9, 9, 0))
    bench.done(FORMING)
    bench.narrow(max_compliance=500)
    bench.refused(FORMING)
    bench.refused(commands.ConfigureShape(FORM, Polarity.FORM, *bench.form_level, 501))
    bench.done(limited)
    bench.narrow(max_compliance=499)
    bench.refused(limited)
    bench.done(bench.pulse(WEAK))  # SET and RESET are not held


@pytest.mark.parametrize("counts", [3 * ONE, -2 * ONE, np.array([[0, 0], [0, 1]], np.int8)], ids=["3", "2", "1"])
def test_no_two_pulses_of_a_cell_follow_each_other_sooner_than_they_may(bench, counts):
    """Those before the limit was narrowed among them."""
    most, interval = int(np.abs(counts).max()), 10_000
    bench.done(bench.pulse(SET, counts))
    begun = bench.clock
    bench.narrow(min_interval=interval)
    assert bench.clock == begun
    for done in (1, 2):
        bench.done(bench.pulse(SET, counts))
        assert 0 <= bench.clock - begun - done * most * interval < interval
    bench.narrow(min_interval=2 * interval)
    begun = bench.clock
    bench.done(bench.pulse(SET, counts))
    assert bench.clock - begun >= 2 * most * interval


def test_cells_that_rest_meanwhile_need_not_wait_for_each_other(bench):
    bench.narrow(min_interval=10_000)
    bench.done(commands.Wait(10_000))
    begun = bench.clock
    for at in np.ndindex(2, 2):
        rows, cols = (np.array([n], np.uint16) for n in at)
        bench.done(commands.PulseSparse(rows, cols, np.ones(1, np.int8), SET, RESET))
    assert bench.clock - begun < 10_000
    bench.done(commands.Wait(10_000))
    begun = bench.clock
    bench.done(bench.pulse(SET))
    assert bench.clock - begun < 10_000


LONG = (
    commands.Outer(WHOLE, 2 * ONE[:1], 2 * ONE[:1], OuterMode.COUNT, 1, 0, 0, SET, RESET),
    replace(FORMING, attempts=4, stop=65_000),
    replace(verify(WEAK, 6), targets=np.full((2, 2), 65_000, np.uint16)),
)


@pytest.mark.parametrize("command", LONG, ids=lambda command: command.op.name)
def test_loops_on_the_board_and_events_are_spread_too(command):
    bench = Bench(unformed=1.0)
    bench.shape(FORM, Polarity.FORM, bench.levels[Polarity.FORM][0])  # too weak to form
    bench.narrow(min_interval=1_000_000)
    before, begun = bench.done(commands.Counters(WHOLE)).counts, bench.clock
    bench.done(command)
    given = int((bench.done(commands.Counters(WHOLE)).counts - before).max())
    assert given > 2
    assert bench.clock - begun >= given * 1_000_000


@pytest.mark.parametrize("wait", [2**63 + 5, 2**64 - 20_000])
def test_the_interval_is_kept_on_a_clock_of_64_bits(bench, wait):
    bench.narrow(min_interval=10_000)
    bench.done(commands.Wait(wait))
    begun = bench.clock
    for _ in range(3):
        bench.done(bench.pulse(SET))
    assert 20_000 <= (bench.clock - begun) % 2**64 < 40_000
    bench.done(commands.Restore(WHOLE, bench.done(commands.Dump(WHOLE)).words, 100, np.zeros(0, np.uint8)))
    bench.done(bench.pulse(SET))
    assert bench.clock >= 10_100


def test_a_refused_command_takes_no_time(bench):
    bench.narrow(min_interval=10_000, max_amplitude=bench.strong[0] - 1)
    bench.refused(bench.pulse(SET))


def test_cells_are_as_old_as_their_last_pulse():
    """Layers date a pulse when it comes, not when it was asked for."""
    chip = fabricate(presets.get("pcm"), 2, 2, seed=1)
    board = EmulatedBoard(chip, seed=2, layers=Layers.build(chip, device_drift=1.0))
    for number, polarity in enumerate((Polarity.SET, Polarity.RESET)):
        level = board._codes.levels[polarity][-1]
        board.execute(commands.ConfigureShape(number, polarity, *level, 0))
    board.execute(replace(NOTHING, min_interval=10_000_000))
    shapes = np.array([0], np.uint8), np.array([1], np.uint8)
    board.execute(commands.Pulse(WHOLE, 3 * ONE, ShapePer.COMMAND, *shapes))
    assert (board._layers._time.programmed == board._clock).all()
    assert board._clock >= 30_000_000


def test_nothing_is_narrowed_where_one_of_the_limits_would_be_widened(bench):
    detail = bench.refused(replace(NOTHING, max_read=1, max_width=bench.limits.max_width + 1))
    assert "max_width" in detail
    assert bench.done(NOTHING).codes == bench.limits.codes


def test_identity_goes_on_saying_what_the_board_was_built_with(bench):
    before = bench.done(commands.Identify())
    bench.narrow(max_read=1, max_amplitude=1)
    assert bench.done(commands.Identify()).max_read == before.max_read
    assert bench.done(commands.Identify()).max_amplitude == before.max_amplitude


def test_a_shape_beyond_the_amplitude_is_neither_configured_nor_used(bench):
    bench.narrow(max_amplitude=bench.strong[0] - 1)
    bench.refused(commands.ConfigureShape(9, Polarity.SET, *bench.strong, 0))
    rows = np.zeros(1, np.uint16)
    for command in (
        bench.pulse(SET), outer(OuterMode.COUNT), outer(OuterMode.COINCIDENCE), verify(SET),
        commands.PulseSparse(rows, rows, np.ones(1, np.int8), SET, RESET),
    ):  # fmt: skip
        assert "narrowed" in bench.refused(command)
    bench.done(bench.pulse(WEAK))
    bench.shape(SET, Polarity.SET, bench.weak)
    bench.done(bench.pulse(SET))


@pytest.mark.parametrize(("limit", "column"), [("max_form_amplitude", 0), ("max_form_width", 1)])
def test_forming_has_limits_of_its_own(bench, limit, column):
    form = commands.Form(WHOLE, Ramp(FORM, FORM, 0), 1, 100, 0, 0)
    bench.narrow(max_amplitude=1, max_width=1)
    bench.done(form)
    level = bench.levels[Polarity.FORM][-1]
    bench.narrow(**{limit: level[column] - 1})
    bench.refused(form)
    bench.refused(commands.ConfigureShape(9, Polarity.FORM, *level, 0))


def test_a_width_beyond_its_limit_is_refused(bench):
    bench.narrow(max_width=bench.strong[1] - 1)
    bench.refused(bench.pulse(SET))
    bench.refused(commands.ConfigureShape(9, Polarity.SET, *bench.strong, 0))


def test_readings_stop_until_their_voltage_is_within_the_limit(bench):
    voltage = bench.board._codes.nominal_read
    bench.narrow(max_read=voltage - 1)
    line = np.zeros(2, np.int16)
    reading = (
        commands.Read(WHOLE, 0, 4, 0), commands.Vmm(WHOLE, ONE[:1], 4, 0), commands.VmmT(WHOLE, ONE[:1], 4, 0),
        verify(WEAK), commands.Form(WHOLE, Ramp(FORM, FORM, 0), 1, 100, 0, 0),
    )  # fmt: skip
    for command in reading:
        bench.refused(command)
    bench.refused(commands.Measure(WHOLE, line + np.int16(voltage), line, 0, 4, 0))
    bench.refused(commands.ConfigureRead(voltage, 4, 1, HalfSelect.GROUNDED))
    bench.done(commands.ConfigureRead(voltage - 1, 4, 1, HalfSelect.GROUNDED))
    for command in reading:
        bench.done(command)


def test_no_cell_gets_more_pulses_than_its_budget(bench):
    bench.done(bench.pulse(SET, 3 * ONE))
    bench.narrow(max_pulses=5)
    at = np.array([0, 0], np.uint16)
    for command in (
        bench.pulse(SET, 3 * ONE), verify(WEAK, 3),
        commands.PulseSparse(at, at, np.array([2, -1], np.int8), SET, RESET),
        commands.Form(WHOLE, Ramp(FORM, FORM, 0), 3, 100, 0, 0),
    ):  # fmt: skip
        bench.refused(command)
    bench.done(bench.pulse(SET, -2 * ONE))
    bench.refused(outer(OuterMode.COUNT))
    bench.done(bench.pulse(SET, 0 * ONE))
    bench.done(commands.Read(WHOLE, 0, 4, 0))
    assert (bench.done(commands.Counters(WHOLE)).counts == 5).all()
