"""The guard: right wishes pass, wrong ones trip, each trip by its name, and nothing moves until it is acknowledged."""

from dataclasses import replace

import pytest
from amaranth.lib.data import Layout
from amaranth.sim import Simulator

from firmware.analog.bounds import Channel, GuardParameters, Kind
from firmware.analog.guard import Guard
from firmware.analog.outputs import Class, Levels
from hwctl.protocol.codes import Trip

DEAD, GAP, SILENCE, WIDTH = 2, 5, 200, 20
PARAMETERS = GuardParameters(
    channels=(
        Channel(Class.ROW, 100, (0, 200), (100, 900), (100, 1300)),
        Channel(Class.COL, 100, (100, 800), (100, 800), (100, 100)),
        Channel(Class.GATE, 0, (0, 3000), (0, 3000), (0, 600)),
        Channel(Class.RAIL, 0, (0, 450), (0, 450), (0, 0)),
        Channel(Class.ROW, 100, (0, 200), (100, 900), (100, 1300)),
    ),
    width=WIDTH, form_width=40,
    dead=DEAD, gap=GAP, gate_after=3, silence=SILENCE, framing_window=100, bad_frames=3,
)  # fmt: skip
ROW, COL, GATE, RAIL, OTHER_ROW = range(5)  # channels


class Bench:
    """A guard, and a sequencer by hand."""

    def __init__(self, ctx, guard):
        self.ctx, self.guard, self.codes = ctx, guard, []

    async def wish(self, clocks=1, **levels):
        """Wish for levels, ground where nothing is named."""
        self.ctx.set(self.guard.wish, levels or {"ground": 1})
        await self.clocks(clocks)

    async def clocks(self, number):
        for _ in range(number):
            written = self.guard.written
            if self.ctx.get(written.valid) and self.ctx.get(written.ready):
                self.codes.append((self.ctx.get(written.payload.channel), self.ctx.get(written.payload.code)))
            await self.ctx.tick()

    async def write(self, channel, code):
        write = self.guard.write
        self.ctx.set(write.payload, {"channel": channel, "code": code})
        self.ctx.set(write.valid, 1)
        await self.clocks(1)
        self.ctx.set(write.valid, 0)
        await self.clocks(2)

    async def ready_to_drive(self, **back):
        """Go from rest to where a driver may be closed."""
        await self.wish(GAP + 1)
        await self.wish(DEAD + 1, gate=1, **(back or {"return_col": 1}))

    async def pulse(self, clocks):
        await self.ready_to_drive()
        await self.wish(clocks, gate=1, return_col=1, drive_row=1)
        await self.wish(DEAD, gate=1, return_col=1)
        await self.wish(2)

    def levels(self):
        return {name for name, _ in Layout.cast(Levels) if self.ctx.get(getattr(self.guard.levels, name))}

    def trips(self):
        return Trip(self.ctx.get(self.guard.trips))

    async def acknowledge(self):
        self.ctx.set(self.guard.acknowledge, 1)
        await self.clocks(1)
        self.ctx.set(self.guard.acknowledge, 0)
        await self.clocks(1)


@pytest.fixture
def bench():
    """Run a script on a bench whose guard has been at rest for a while."""

    def run(script, parameters=PARAMETERS):
        guard = Guard(parameters)

        async def testbench(ctx):
            ctx.set(guard.written.ready, 1)
            ctx.set(guard.heard, 1)
            ctx.set(guard.rested, 1)
            ctx.set(guard.stands, 1)
            found = Bench(ctx, guard)
            await found.wish(GAP + 4)
            assert found.levels() == {"ground"}
            await script(found)

        simulator = Simulator(guard)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()

    return run


@pytest.mark.parametrize("clocks", [1, WIDTH])
def test_a_pulse_within_limits_is_as_long_as_wished(bench, clocks):
    async def script(b):
        await b.write(ROW, 900)
        await b.ready_to_drive()
        driven = 0
        for step in range(clocks + DEAD + 2):
            await b.wish(1, gate=1, return_col=1, **({"drive_row": 1} if step < clocks else {}))
            driven += "drive_row" in b.levels()
        await b.wish(2)
        assert driven == clocks
        assert b.codes == [(ROW, 900)]
        assert b.trips() == Trip(0)
        assert b.levels() == {"ground"}

    bench(script)


def test_a_pulse_too_long_is_cut_at_its_limit(bench):
    async def script(b):
        await b.write(ROW, 900)
        await b.ready_to_drive()
        driven = 0
        for _ in range(3 * WIDTH):
            await b.wish(1, gate=1, return_col=1, drive_row=1)
            driven += "drive_row" in b.levels()
        assert driven == WIDTH
        assert b.trips() == Trip.WIDTH
        assert b.levels() == {"ground"}

    bench(script)


@pytest.mark.parametrize(("channel", "limit"), [(ROW, 900), (COL, 800), (GATE, 3000), (RAIL, 450)])
def test_a_code_beyond_the_limit_of_its_channel_is_not_written(bench, channel, limit):
    async def script(b):
        await b.write(channel, limit)
        await b.write(channel, limit + 1)
        assert b.codes == [(channel, limit)]
        assert b.trips() == Trip.AMPLITUDE

    bench(script)


def test_what_is_sensed_is_driven_with_the_read_limit_at_most(bench):
    async def sensed(b, code):
        await b.write(ROW, code)
        await b.wish(GAP + 1)
        await b.wish(DEAD + 1, gate=1)
        await b.wish(3 * WIDTH, gate=1, drive_row=1, sense=1)  # a reading may take longer than a pulse

    async def script(b):
        await sensed(b, 200)
        assert b.levels() == {"gate", "drive_row", "sense"}
        await b.wish(DEAD, gate=1)
        await sensed(b, 201)
        assert b.trips() == Trip.AMPLITUDE
        assert b.levels() == {"ground"}

    bench(script)


@pytest.mark.parametrize("way", ["zeroed", "overwritten"])
def test_a_high_code_of_another_row_counts_until_it_is_gone(bench, way):
    async def reading(b):
        await b.write(ROW, 100)
        await b.wish(GAP + 1)
        await b.wish(DEAD + 1, gate=1)
        await b.wish(2, gate=1, drive_row=1, sense=1)
        await b.wish(DEAD, gate=1)
        return b.trips()

    async def script(b):
        await b.write(OTHER_ROW, 900)
        if way == "zeroed":
            b.ctx.set(b.guard.zero, 1)
            await b.wish(1)
            b.ctx.set(b.guard.zero, 0)
            await b.wish(2)
        else:
            await b.write(OTHER_ROW, 100)
        assert await reading(b) == Trip(0)
        await b.write(OTHER_ROW, 201)
        assert await reading(b) == Trip.AMPLITUDE

    bench(script)


def test_codes_of_before_a_limit_was_narrowed_must_be_written_again(bench):
    async def script(b):
        await b.write(ROW, 800)
        await narrow(b, (Kind.PULSE, Class.ROW), 600)
        await b.pulse(3)
        assert b.trips() == Trip.AMPLITUDE
        await b.acknowledge()
        await b.wish(2)
        await b.write(ROW, 700)
        await b.pulse(3)
        assert b.trips() == Trip(0)

    bench(script)


def test_forming_has_limits_of_its_own_and_none_without_a_limiter(bench):
    async def formed(b):
        b.ctx.set(b.guard.forming, 1)
        await b.write(COL, 100)
        await b.write(GATE, 600)
        await b.write(ROW, 1300)
        await b.ready_to_drive()
        await b.wish(40, gate=1, return_col=1, drive_row=1)
        return b.trips()

    async def with_limiter(b):
        assert await formed(b) == Trip(0)
        await b.wish(DEAD, gate=1, return_col=1)
        b.ctx.set(b.guard.forming, 0)
        await b.ready_to_drive()
        await b.wish(1, gate=1, return_col=1, drive_row=1)  # what formed is no pulse
        assert b.trips() == Trip.AMPLITUDE

    async def without(b):
        assert await formed(b) == Trip.AMPLITUDE
        assert (ROW, 1300) not in b.codes

    bench(with_limiter)
    bench(without, replace(PARAMETERS, form_width=None))


WRONG = {
    "both drivers": {"drive_row": 1, "drive_col": 1},
    "a driver to ground": {"drive_row": 1, "return_row": 1},
    "all lines at ground": {"drive_row": 1, "ground": 1, "return_col": 1},
    "an amplifier at ground": {"sense": 1, "return_col": 1},
    "bias alone": {"bias": 1, "return_col": 1},
    "bias at ground": {"drive_row": 1, "bias": 1, "ground": 1},
    "bias while sensed": {"drive_row": 1, "bias": 1, "sense": 1},
}


@pytest.mark.parametrize("levels", WRONG.values(), ids=WRONG)
def test_what_works_against_each_other_is_a_conflict(bench, levels):
    async def script(b):
        await b.ready_to_drive(return_row=0)
        await b.wish(1, **levels)
        await b.wish(1)
        assert Trip.CONFLICT in b.trips()
        assert not {"drive_row", "drive_col", "bias"} & b.levels()

    bench(script)


@pytest.mark.parametrize(("before", "then"), [(0, 1), (1, 0)])
def test_bias_comes_and_goes_with_its_driver(bench, before, then):
    async def script(b):
        await b.ready_to_drive()
        await b.wish(3, gate=1, return_col=1, drive_row=1, bias=before)
        assert b.trips() == Trip(0)
        assert ("bias" in b.levels()) == before
        await b.wish(1, gate=1, return_col=1, drive_row=1, bias=then)
        assert b.trips() == Trip.CONFLICT
        assert not {"drive_row", "bias"} & b.levels()

    bench(script)


def test_a_path_to_ground_keeps_away_from_bias_on_its_side(bench):
    async def script(b):
        await b.ready_to_drive(return_row=0)
        await b.wish(3, gate=1, drive_row=1, bias=1)
        await b.wish(DEAD - 1, gate=1)
        assert b.trips() == Trip(0)
        await b.wish(1, gate=1, return_col=1)
        assert b.trips() == Trip.ORDER

    bench(script)


def test_a_pulse_too_soon_after_ground_or_after_another_is_out_of_order(bench):
    async def after_ground(b):
        await b.wish(GAP + 1)
        await b.wish(1, return_col=1, drive_row=1)
        assert b.trips() == Trip.ORDER

    async def after_a_pulse(b):
        await b.pulse(3)
        await b.wish(DEAD + 1, return_col=1)
        await b.wish(1, return_col=1, drive_row=1)
        assert b.trips() == Trip.ORDER

    async def ground_after_a_pulse(b):
        await b.ready_to_drive()
        await b.wish(3, gate=1, return_col=1, drive_row=1)
        await b.wish(1)
        assert b.trips() == Trip.ORDER

    for script in (after_ground, after_a_pulse, ground_after_a_pulse):
        bench(script)


@pytest.mark.parametrize("cause", ["safe", "blocked"])
def test_a_pulse_in_flight_is_cut_and_lines_go_to_ground_before_gates_go_off(bench, cause):
    async def script(b):
        await b.write(ROW, 500)
        await b.ready_to_drive()
        await b.wish(3, gate=1, return_col=1, drive_row=1, bias=1)
        b.ctx.set(getattr(b.guard, cause), 1 if cause == "safe" else Trip.BUDGET)
        seen = []
        for _ in range(PARAMETERS.rest_clocks):
            await b.wish(1, gate=1, return_col=1, drive_row=1, bias=1)
            seen.append(b.levels())
        assert not any({"drive_row", "bias"} & levels for levels in seen)
        grounded = [n for n, levels in enumerate(seen) if "ground" in levels]
        gates = [n for n, levels in enumerate(seen) if "gate" in levels]
        assert grounded[0] >= DEAD
        assert gates[-1] > grounded[0]
        assert seen[-1] == {"ground"}
        assert b.trips() == (Trip(0) if cause == "safe" else Trip.BUDGET)

    bench(script)


def test_after_safe_a_wish_counts_again_only_once_it_was_at_rest(bench):
    async def script(b):
        await b.ready_to_drive()
        b.ctx.set(b.guard.safe, 1)
        await b.wish(20, gate=1, return_col=1)
        b.ctx.set(b.guard.safe, 0)
        await b.wish(20, gate=1, return_col=1)
        assert b.levels() == {"ground"}
        await b.wish(2)
        await b.wish(2, gate=1, return_col=1)
        assert b.levels() == {"gate", "return_col"}

    bench(script)


def test_a_trip_stays_until_it_is_acknowledged(bench):
    async def script(b):
        await b.write(ROW, 4000)
        await b.wish(100)
        await b.write(ROW, 110)
        await b.wish(10, gate=1)
        assert b.trips() == Trip.AMPLITUDE
        assert b.levels() == {"ground"}
        assert b.codes == []
        await b.acknowledge()
        assert b.trips() == Trip(0)
        await b.wish(2)
        await b.pulse(3)
        await b.write(ROW, 110)
        assert b.trips() == Trip(0)
        assert b.codes == [(ROW, 110)]

    bench(script)


@pytest.mark.parametrize("busy", ["executing", "not at rest"])
def test_silence_trips_while_a_command_executes_or_lines_are_not_at_rest(bench, busy):
    async def script(b):
        b.ctx.set(b.guard.heard, 0)
        b.ctx.set(b.guard.executing, busy == "executing")
        await b.wish(SILENCE - 10, **({} if busy == "executing" else {"gate": 1}))
        assert b.trips() == Trip(0)
        b.ctx.set(b.guard.heard, 1)
        await b.clocks(1)
        b.ctx.set(b.guard.heard, 0)
        await b.clocks(SILENCE - 2)
        assert b.trips() == Trip(0)
        await b.clocks(10)
        assert b.trips() == Trip.SILENCE
        await b.clocks(PARAMETERS.rest_clocks)
        assert b.levels() == {"ground"}

    bench(script)


def test_a_host_that_has_nothing_to_say_may_be_silent(bench):
    async def script(b):
        b.ctx.set(b.guard.heard, 0)
        await b.wish(3 * SILENCE)
        assert b.trips() == Trip(0)

    bench(script)


@pytest.mark.parametrize(("number", "every", "trips"), [(3, 5, False), (4, 5, True), (9, 60, False)])
def test_more_damaged_frames_in_a_window_than_are_borne_trip(bench, number, every, trips):
    async def script(b):
        for _ in range(number):
            b.ctx.set(b.guard.bad_frame, 1)
            await b.clocks(1)
            b.ctx.set(b.guard.bad_frame, 0)
            await b.clocks(every)
        assert b.trips() == (Trip.FRAMING if trips else Trip(0))

    bench(script)


async def narrow(b, which, value):
    limits = [*PARAMETERS.reaches(), *PARAMETERS.widths()]
    b.ctx.set(b.guard.narrow.payload, {"which": limits.index(which), "value": value})
    b.ctx.set(b.guard.narrow.valid, 1)
    await b.clocks(1)
    b.ctx.set(b.guard.narrow.valid, 0)


def test_a_limit_can_be_narrowed_and_not_widened(bench):
    async def script(b):
        for value in (400, 2000, 600):
            await narrow(b, (Kind.PULSE, Class.ROW), value)
        await b.write(ROW, 500)
        assert b.trips() == Trip(0)
        await b.write(ROW, 501)
        assert b.trips() == Trip.AMPLITUDE
        assert b.codes == [(ROW, 500)]

    bench(script)


def test_a_pulse_can_be_narrowed_too(bench):
    async def script(b):
        await narrow(b, Kind.PULSE, 5)
        await b.write(ROW, 900)
        await b.ready_to_drive()
        await b.wish(5, gate=1, return_col=1, drive_row=1)
        assert b.trips() == Trip(0)
        await b.wish(2, gate=1, return_col=1, drive_row=1)
        assert b.trips() == Trip.WIDTH

    bench(script)


def test_nothing_is_driven_and_no_code_taken_before_all_channels_are_known_to_be_at_rest(bench):
    async def script(b):
        b.ctx.set(b.guard.rested, 0)
        b.ctx.set(b.guard.safe, 1)
        await b.wish(1)
        await b.write(ROW, 500)
        b.ctx.set(b.guard.safe, 0)
        await b.wish(20)
        assert b.ctx.get(b.guard.to_rest) == 0  # nothing was written since
        await b.write(ROW, 500)
        b.ctx.set(b.guard.zero, 1)
        await b.wish(2)
        b.ctx.set(b.guard.zero, 0)
        assert b.ctx.get(b.guard.to_rest)
        b.ctx.set(b.guard.write.payload, {"channel": ROW, "code": 600})
        b.ctx.set(b.guard.write.valid, 1)
        await b.wish(10)
        assert b.codes == [(ROW, 500)]
        b.ctx.set(b.guard.rested, 1)
        await b.wish(4)
        assert b.codes[1] == (ROW, 600)

    bench(script)


@pytest.mark.parametrize("back", ["row", "col"])
def test_what_does_not_stand_yet_is_not_driven(bench, back):
    line = "col" if back == "row" else "row"

    async def script(b):
        await b.ready_to_drive(**{f"return_{back}": 1})
        b.ctx.set(b.guard.stands, 0)
        await b.wish(2, gate=1, **{f"return_{back}": 1, f"drive_{line}": 1})
        assert b.trips() == Trip.ORDER
        assert f"drive_{line}" not in b.levels()

    bench(script)


def test_a_code_that_is_on_its_way_is_not_driven(bench):
    async def script(b):
        await b.ready_to_drive()
        b.ctx.set(b.guard.written.ready, 0)
        await b.write(ROW, 300)
        await b.wish(2, gate=1, return_col=1, drive_row=1)
        assert b.trips() == Trip.ORDER

    bench(script)


def test_codes_that_no_longer_stand_do_not_end_what_is_driven(bench):
    async def script(b):
        await b.ready_to_drive()
        await b.wish(2, gate=1, return_col=1, drive_row=1)
        b.ctx.set(b.guard.stands, 0)
        await b.wish(2, gate=1, return_col=1, drive_row=1)
        assert b.trips() == Trip(0)

    bench(script)


def test_at_power_up_lines_stay_at_rest_until_converters_do():
    guard, seen = Guard(PARAMETERS), []

    async def script(ctx):
        ctx.set(guard.heard, 1)
        for clock in range(60):
            ctx.set(guard.rested, clock >= 40)
            ctx.set(guard.wish, {"gate": 1} if clock % 2 else {"ground": 1})
            await ctx.tick()
            seen.append((ctx.get(guard.to_rest), ctx.get(guard.levels.gate)))

    simulator = Simulator(guard)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()
    assert set(seen[1:40]) == {(1, 0)}
    assert any(gate for _, gate in seen[41:])


WRONG_PARAMETERS = {
    "no channel": ({"channels": ()}, "no channel of a converter"),
    "no dead time": ({"dead": 0}, "1 clock or more"),
    "no width": ({"form_width": 0}, "1 clock or more"),
}


@pytest.mark.parametrize(("change", "message"), WRONG_PARAMETERS.values(), ids=WRONG_PARAMETERS)
def test_what_cannot_be_guarded_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PARAMETERS, **change)


@pytest.mark.parametrize("window", [(101, 200), (0, 99), (-1, 200), (0, 1 << 16)])
def test_a_window_without_rest_or_beyond_a_converter_is_refused(window):
    with pytest.raises(ValueError, match="low <= rest <= high"):
        Channel(Class.ROW, 100, window, (0, 200))
