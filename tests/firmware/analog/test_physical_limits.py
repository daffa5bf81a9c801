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


def test_the_limits_that_hold_are_the_files_until_they_are_narrowed_and_never_rise(bench):
    async def script(b):
        found, codes = await b.narrow(), b.board.codes
        assert found.codes == {
            "max_read": codes.max_read, "max_amplitude": codes.max_amplitude, "max_width": codes.max_width,
            "max_form_amplitude": codes.max_form_amplitude, "max_form_width": codes.max_form_width, "max_pulses": 6,
        }  # fmt: skip
        holds = found.codes
        for name, value in found.codes.items():
            holds[name] = value - 1
            assert (await b.narrow(**{name: value - 1})).codes == holds
            await refused(b, commands.ConfigureLimits(**{**dict.fromkeys(holds, 0), name: value}))
        await refused(b, commands.ConfigureLimits(**{**dict.fromkeys(holds, 1), "max_pulses": 6}))
        assert (await b.narrow()).codes == holds
        assert (await b.ask(commands.Identify())).max_amplitude == codes.max_amplitude

    bench.run(script)


def test_the_guard_and_the_budget_follow(bench):
    wanted = commands.ConfigureLimits(11, 22, 33, 44, 55, 5)

    async def script(b):
        guard, ctx = b.array.guard, b.ctx
        gates = {kind: ctx.get(guard.reaches[kind, Class.GATE]) for kind in Kind}
        await b.ask(wanted)
        of_lines = {Kind.READ: 11, Kind.PULSE: 22, Kind.FORM: 44}
        for (kind, one), reach in guard.reaches.items():
            assert ctx.get(reach) == (gates[kind] if one == Class.GATE else of_lines[kind])
        assert {kind: ctx.get(width) for kind, width in guard.widths.items()} == {Kind.PULSE: 33, Kind.FORM: 55}
        assert ctx.get(b.array.budget) == 5
        assert ctx.get(guard.clean)
        assert not any(ctx.get(beyond) for beyond in guard.beyond.values())

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
