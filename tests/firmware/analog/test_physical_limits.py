"""Limits of a physical array that are narrowed at run time: what is beyond them never reaches the pins."""

import numpy as np
import pytest
from board_files import TRANSISTORS, loaded
from test_physical_engine import FORM_SHAPE, RESET_SHAPE, SET_SHAPE, SMALL, Bench

from firmware.analog.bounds import Kind
from firmware.analog.outputs import Class
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import HalfSelect, Polarity, Refusal, ShapePer, Trip
from hwctl.protocol.packing import Ramp, Region

SPARE = 9  # a shape that nobody has configured
SHORT = {**SMALL, "pulse.set.width_s": 200e-9, "pulse.reset.width_s": 150e-9, "pulse.form.width_s": 300e-9}
ONE = Region(0, 1, 0, 1)


@pytest.fixture
def bench(tmp_path):
    return Bench(loaded(TRANSISTORS, SHORT, tmp_path))


async def refused(bench, command, refusal=Refusal.OVER_LIMIT):
    """Ask for what must be refused, and see that no line was driven."""
    before = len(bench.physical.applied)
    found = await bench.ask(command)
    assert isinstance(found, replies.Refused), found
    assert found.refusal == refusal
    assert len(bench.physical.applied) == before


def pulse(counts, set_shape):
    region, shapes = (
        Region(0, len(counts), 0, len(counts[0])),
        (np.array([n], np.uint8) for n in (set_shape, RESET_SHAPE)),
    )
    return commands.Pulse(region, np.array(counts, np.int8), ShapePer.COMMAND, *shapes)


def sparse(set_shape):
    return commands.PulseSparse(*np.zeros((2, 1), np.uint16), np.ones(1, np.int8), set_shape, RESET_SHAPE)


def verify(b):
    ramps = Ramp(SET_SHAPE, SET_SHAPE, 0), Ramp(RESET_SHAPE, RESET_SHAPE, 0)
    target = np.array([[round(14e-6 / b.identity.siemens_per_code)]], np.uint16)
    return commands.WriteVerify(ONE, target, 9, 3, 0, *ramps, 0)


def narrower(name, holds):
    return holds + 1 if name in replies.FLOORS else holds - 1


def test_the_limits_that_hold_are_the_files_until_they_are_narrowed_and_are_never_widened(bench):
    async def script(b):
        found, codes = await b.narrow(), b.board.codes
        assert found.codes == {
            "max_read": codes.max_read, "max_amplitude": codes.max_amplitude, "max_width": codes.max_width,
            "max_form_amplitude": codes.max_form_amplitude, "max_form_width": codes.max_form_width, "max_pulses": 6,
            "max_gate": round(5.1 / codes.scales.volts), "max_form_gate": round(1.2 / codes.scales.volts),
            "max_compliance": round(200e-6 / codes.scales.compliance), "min_interval": codes.pulse_interval,
        }  # fmt: skip
        assert found.limiter == round(150e-6 / codes.scales.compliance)
        holds = found.codes
        for name, value in found.codes.items():
            holds[name] = narrower(name, value)
            assert (await b.narrow(**{name: holds[name]})).codes == holds
            await refused(b, commands.ConfigureLimits(**{name: value}))
        narrow = {name: holds[name] if name in replies.FLOORS else 1 for name in holds}
        await refused(b, commands.ConfigureLimits(**{**narrow, "max_pulses": 6}))
        assert (await b.narrow()).codes == holds
        assert (await b.ask(commands.Identify())).max_amplitude == codes.max_amplitude

    bench.run(script)


def test_the_guard_and_the_budget_follow(bench):
    wanted = commands.ConfigureLimits(11, 22, 33, 44, 55, 5, 66, 77, 88, 99)

    async def script(b):
        guard, ctx = b.array.guard, b.ctx
        of_reading = ctx.get(guard.reaches[Kind.READ, Class.GATE])
        await b.ask(wanted)
        of_lines = {Kind.READ: 11, Kind.PULSE: 22, Kind.FORM: 44}
        of_gates = {Kind.READ: of_reading, Kind.PULSE: 66, Kind.FORM: 77}
        for (kind, one), reach in guard.reaches.items():
            assert ctx.get(reach) == (of_gates if one == Class.GATE else of_lines)[kind]
        assert {kind: ctx.get(width) for kind, width in guard.widths.items()} == {Kind.PULSE: 33, Kind.FORM: 55}
        assert ctx.get(b.array.budget) == 5
        assert ctx.get(guard.clean)
        assert not any(ctx.get(beyond) for beyond in guard.beyond.values())

    bench.run(script)


def test_a_gate_with_a_step_of_its_own_is_narrowed_to_what_its_codes_stand_for(tmp_path):
    bench = Bench(loaded(TRANSISTORS, {**SHORT, "lines.gate.volts_per_volt": 1.6}, tmp_path))
    level = bench.board.levels(Polarity.SET)[-1]

    async def script(b):
        await b.shapes()
        reach = b.array.guard.reaches[Kind.PULSE, Class.GATE]
        assert b.ctx.get(reach) == b.board.codes.max_gate
        await b.narrow(max_read=1)
        assert b.ctx.get(reach) == b.board.codes.max_gate  # nobody has asked for a lower one
        await b.narrow(max_gate=level.gate_code)
        assert level.gate_steps <= b.ctx.get(reach) <= level.gate_steps + 1
        await b.ask(commands.ConfigureShape(RESET_SHAPE, Polarity.RESET, *b.board.levels(Polarity.RESET)[0].codes, 0))
        await refused(b, sparse(SET_SHAPE))  # RESET has a gate of 5 V
        await b.narrow(max_gate=level.gate_code - 1)
        await refused(b, commands.ConfigureShape(SPARE, Polarity.SET, *level.codes, 0))

    bench.run(script)


def test_a_pulse_after_a_reading_of_other_rows_has_no_gate_above_its_own_limit(tmp_path):
    """Gates of readings are at 5 V, and stand where their switches are open."""
    bench = Bench(loaded(TRANSISTORS, {**SHORT, "pulse.reset.gate_V": 1.8}, tmp_path))

    async def script(b):
        await b.shapes()
        strongest = max(level.gate_code for level in b.board.levels(Polarity.SET))
        await b.narrow(max_gate=strongest)
        for row in range(2):
            await b.ask(commands.Read(Region(0, 2, 0, 1), 0, 4, 0))
            assert isinstance(await b.pulse(row, 1, [[1, -1]]), replies.Pulsed)
        gates = [applied.gate for applied in b.physical.applied if abs(applied.volts) > 0.5]
        assert 1.7 < min(gates) <= max(gates) <= 2.01
        assert b.pulsed.sum() == 4

    bench.run(script)


def test_cells_of_several_rows_form_with_the_gate_of_the_limiter_alone(bench):
    form = commands.Form(Region(0, 2, 0, 1), Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)

    async def script(b):
        await b.shapes()
        await b.ask(commands.Read(Region(4, 5, 0, 1), 0, 4, 0))
        guard = b.array.guard
        assert any(b.ctx.get(guard.beyond[Kind.FORM]) >> n & 1 for n in range(13, 18))  # a gate at 5 V
        assert isinstance(await b.ask(form), replies.Formed)
        formed = [applied for applied in b.physical.applied if applied.volts > 2.6]
        assert len(formed) == 2
        assert max(applied.gate for applied in formed) <= 1.2
        assert (await b.ask(commands.Status())).faults == 0

    bench.run(script)


def test_the_guard_lets_nothing_form_with_more_than_the_limiters_gate(bench):
    async def script(b):
        await b.shapes()
        reach = b.array.guard.reaches[Kind.FORM, Class.GATE]
        assert b.ctx.get(reach) == round(1.2 / b.board.codes.scales.volts)
        b.ctx.set(reach, b.ctx.get(reach) - 1)
        form = commands.Form(ONE, Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)
        assert (await b.ask(form)).refusal == Refusal.ABORTED
        assert (await b.ask(commands.Status())).faults == Trip.AMPLITUDE
        assert not b.pulsed.any()

    bench.run(script)


def test_no_compliance_is_taken_that_nothing_holds(bench):
    async def script(b):
        await b.shapes()
        limiter = (await b.narrow()).limiter
        form, level = b.board.levels(Polarity.FORM)[-1].codes, b.board.levels(Polarity.SET)[-1].codes
        done = await b.ask(commands.ConfigureShape(FORM_SHAPE, Polarity.FORM, *form, limiter))
        assert isinstance(done, replies.Done)
        await refused(b, commands.ConfigureShape(SPARE, Polarity.FORM, *form, limiter - 1))
        await refused(b, commands.ConfigureShape(SPARE, Polarity.SET, *level, limiter), Refusal.UNSUPPORTED)
        await refused(b, sparse(SPARE), Refusal.NO_SHAPE)

    bench.run(script)


def test_nothing_forms_once_less_current_may_flow_than_the_limiter_lets_through(bench):
    form = commands.Form(ONE, Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)

    async def script(b):
        await b.shapes()
        limiter = (await b.narrow()).limiter
        await b.narrow(max_compliance=limiter)
        assert isinstance(await b.ask(form), replies.Formed)
        await b.narrow(max_compliance=limiter - 1)
        await refused(b, form)
        level = b.board.levels(Polarity.FORM)[-1].codes
        await refused(b, commands.ConfigureShape(SPARE, Polarity.FORM, *level, 0))
        assert (await b.pulse(0, 0, [[1]])).set_pulses == 1

    bench.run(script)


def test_pulses_of_a_cell_follow_each_other_no_sooner_than_a_narrowed_interval(bench):
    async def script(b):
        await b.shapes()
        narrowed = 3 * b.board.codes.pulse_interval + 1_000
        await b.pulse(0, 0, [[3]])
        fast = np.diff(b.ends)
        assert b.board.codes.pulse_interval <= fast.min() <= fast.max() < narrowed
        await b.narrow(min_interval=narrowed)
        await b.pulse(1, 0, [[3]])
        await b.pulse(1, 0, [[-1]])
        slow = np.diff(b.ends)[3:]
        assert slow[:2].tolist() == [narrowed, narrowed]
        assert slow[2] >= narrowed - 5  # a RESET is a little shorter

    bench.run(script)


@pytest.mark.parametrize("limit", ["max_amplitude", "max_width"])
def test_a_pulse_beyond_a_narrowed_limit_never_reaches_the_pins_also_with_a_shape_from_before(bench, limit):
    async def script(b):
        await b.shapes()
        strong = b.board.levels(Polarity.SET)[-1].codes
        highest = strong[("max_amplitude", "max_width").index(limit)]
        await b.narrow(**{limit: highest})
        assert (await b.pulse(0, 0, [[1]])).set_pulses == 1
        await b.narrow(**{limit: highest - 1})
        await refused(b, commands.ConfigureShape(SPARE, Polarity.SET, *strong, 0))
        await refused(b, pulse([[1, -1]], SET_SHAPE))
        await refused(b, sparse(SET_SHAPE))
        await refused(b, verify(b))
        await refused(b, sparse(SPARE), Refusal.NO_SHAPE)
        await refused(b, pulse([[1, -1]], SPARE), Refusal.NO_SHAPE)
        assert b.pulsed.sum() == 1

    bench.run(script)


def test_the_guard_alone_would_stop_it_too(bench):
    async def script(b):
        await b.shapes()
        holds = b.array.guard.reaches[Kind.PULSE, Class.ROW]
        await b.narrow(max_read=(await b.narrow()).max_read - 1)
        b.ctx.set(holds, b.board.levels(Polarity.SET)[-1].codes[0] - 1)
        assert (await b.ask(pulse([[1]], SET_SHAPE))).refusal == Refusal.ABORTED
        assert (await b.ask(commands.Status())).faults == Trip.AMPLITUDE
        assert not b.pulsed.any()

    bench.run(script)


@pytest.mark.parametrize(("limit", "column"), [("max_form_amplitude", 0), ("max_form_width", 1)])
def test_forming_has_limits_of_its_own(bench, limit, column):
    async def script(b):
        await b.shapes()
        level = b.board.levels(Polarity.FORM)[-1].codes
        form = commands.Form(ONE, Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)
        await b.narrow(max_amplitude=1, max_width=1)
        assert isinstance(await b.ask(form), replies.Formed)
        assert b.pulsed[0, 0] == 1
        await b.narrow(**{limit: level[column] - 1})
        await refused(b, form)
        await refused(b, commands.ConfigureShape(SPARE, Polarity.FORM, *level, 0))

    bench.run(script)


def test_readings_stop_until_their_voltage_is_within_the_limit(bench):
    read, nominal = commands.Read(Region(0, 1, 0, 2), 0, 4, 0), bench.board.codes.nominal_read

    async def script(b):
        await b.shapes()
        before = await b.ask(read)
        await b.narrow(max_read=nominal - 1)
        for command in (read, verify(b), commands.Form(ONE, Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)):
            await refused(b, command)
        await refused(b, commands.ConfigureRead(nominal, 4, 1, HalfSelect.GROUNDED))
        assert isinstance(await b.ask(commands.ConfigureRead(nominal - 1, 4, 1, HalfSelect.GROUNDED)), replies.Done)
        np.testing.assert_allclose((await b.ask(read)).readings, before.readings, rtol=0.05)

    bench.run(script)


def test_a_cell_takes_no_more_pulses_than_a_narrowed_budget(bench):
    async def script(b):
        await b.shapes()
        assert (await b.narrow(max_pulses=4)).max_pulses == 4
        assert (await b.pulse(3, 3, [[3]])).set_pulses == 3
        assert (await b.pulse(3, 3, [[3]])).refusal == Refusal.ABORTED
        assert b.pulsed[3, 3] == 4
        assert (await b.ask(commands.Status())).faults == Trip.BUDGET
        assert (await b.narrow(max_pulses=2)).max_pulses == 2  # also while it has tripped
        await b.ask(commands.Safe())
        await b.ctx.tick().until(b.array.guard.running)
        assert (await b.pulse(4, 4, [[2]])).set_pulses == 2
        assert (await b.pulse(4, 4, [[1]])).refusal == Refusal.ABORTED
        assert b.pulsed[4, 4] == 2

    bench.run(script)
