"""The order of levels around pulses and readings, clock by clock, behind a guard that would trip at any mistake."""

from itertools import groupby, pairwise

import pytest
from amaranth.hdl import Module, ResetInserter
from amaranth.lib.data import Layout
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.analog.bounds import Channel, GuardParameters
from firmware.analog.guard import Guard
from firmware.analog.outputs import Class, Levels, Side
from firmware.analog.sequence import OWN, Sequencer, Times

TIMES = Times(switch=5, converter=7, gate=3, dead=2, discharge=4)
SETTLE = 9
LINES = {"row": Side.ROW, "col": Side.COL}


class Bench:
    """A sequencer whose wishes a guard carries out."""

    def __init__(self, times=TIMES, width=1000):
        self.times = times
        channels = (Channel(Class.ROW, 0, (0, 1), (0, 1)),)
        self.guard = Guard(GuardParameters(channels, width, dead=times.dead, gap=times.discharge))
        self.module = m = Module()
        m.submodules.guard = self.guard
        self.sequencer = Sequencer(times)
        m.submodules.sequencer = ResetInserter(~self.guard.running)(self.sequencer)
        m.d.comb += self.guard.wish.eq(self.sequencer.wish)

    def run(
        self, *, then=lambda ctx, clock: None, clocks=600, sensed_after=0, stands=lambda clock: True, **inputs
    ):  # fmt: skip
        """Start once; return the levels of each clock, as sets, and the numbers of the clocks that fired."""
        levels, fired, self.busy, sensing = [], [], 0, 0

        async def script(ctx):
            nonlocal sensing
            ctx.set(self.guard.heard, 1)
            ctx.set(self.guard.rested, 1)
            ctx.set(self.guard.stands, stands(0))
            await ctx.tick().repeat(self.times.discharge + 5)
            for name, value in inputs.items():
                ctx.set(getattr(self.sequencer, name), value)
            ctx.set(self.sequencer.start, 1)
            for clock in range(clocks):
                sensing += ctx.get(self.sequencer.sensing)
                ctx.set(self.sequencer.sensed, sensing > sensed_after)
                for one in (self.guard, self.sequencer):
                    ctx.set(one.stands, stands(clock))
                then(ctx, clock)
                if ctx.get(self.sequencer.fired):
                    fired.append(clock)
                self.busy += ctx.get(self.sequencer.busy)
                await ctx.tick()
                ctx.set(self.sequencer.start, 0)
                on = {name for name, _ in Layout.cast(Levels) if ctx.get(getattr(self.guard.levels, name))}
                levels.append(frozenset(on))
            self.trips = ctx.get(self.guard.trips)
            self.still_busy = ctx.get(self.sequencer.busy)

        simulator = Simulator(self.module)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.run()
        return levels, fired


def phases(levels):
    """Return the levels that followed each other, and how many clocks each lasted."""
    return [(set(on), len(list(some))) for on, some in groupby(levels)]


@pytest.mark.parametrize(("line", "back"), [("row", "col"), ("col", "row")])
def test_a_pulse_has_its_order_and_each_part_its_time(line, back):
    bench = Bench()
    levels, _ = bench.run(side=LINES[line], pulses=1, width=11, bias=1)
    found = phases(levels)
    connected = {"gate", f"return_{back}"}
    assert [on for on, _ in found] == [
        {"ground"}, {"ground", "gate"}, connected, connected | {f"drive_{line}", "bias"}, connected, {"ground", "gate"},
        {"ground"},
    ]  # fmt: skip
    t = bench.times
    assert [clocks for _, clocks in found[1:6]] == [t.gate + t.converter, t.dead, 11, t.dead, 1]
    assert found[0][1] >= t.switch
    assert bench.busy == t.switch + t.around_pulse + 11 + OWN
    assert not bench.trips
    assert not bench.still_busy


def test_a_reading_is_driven_until_it_was_converted_and_no_line_is_returned():
    bench = Bench(width=3)
    levels, fired = bench.run(sense=1, bias=1, sensed_after=40, width=SETTLE)
    found = phases(levels)
    assert [on for on, _ in found] == [
        {"ground"}, {"ground", "gate"}, {"gate", "sense"}, {"gate", "sense", "drive_row"}, {"gate"},
        {"ground", "gate"}, {"ground"},
    ]  # fmt: skip
    assert found[3][1] == SETTLE + 40
    assert fired == []
    assert not bench.trips


@settings(max_examples=15, deadline=None)
@given(
    times=st.builds(Times, *[st.integers(1, 9)] * 5), side=st.sampled_from(Side), pulses=st.integers(0, 4),
    width=st.integers(1, 30), bias=st.booleans(),
)  # fmt: skip
def test_every_pulse_of_a_train_is_whole_and_nothing_trips(times, side, pulses, width, bias):
    bench = Bench(times)
    levels, fired = bench.run(side=side, pulses=pulses, width=width, bias=bias)
    driver = "drive_row" if side == Side.ROW else "drive_col"
    driven = [len(list(some)) for on, some in groupby(driver in one for one in levels) if on]
    assert driven == [width] * pulses
    assert len(fired) == pulses
    assert {b - a for a, b in pairwise(fired)} <= {width + times.around_pulse + OWN}
    assert not bench.trips
    assert not bench.still_busy
    assert levels[-1] == {"ground"}


@pytest.mark.parametrize("late", [0, 1, 40])
def test_ground_opens_once_codes_stand(late):
    bench = Bench()
    settled = TIMES.switch + TIMES.gate + TIMES.converter
    levels, fired = bench.run(pulses=1, width=11, stands=lambda clock: clock > settled + late)
    assert len(fired) == 1
    assert not bench.trips
    found = phases(levels)
    assert found[1][1] == TIMES.gate + TIMES.converter + late + 1


def test_a_train_whose_codes_never_stand_leaves_all_lines_at_ground():
    bench = Bench()
    levels, fired = bench.run(pulses=1, width=11, stands=lambda clock: False)
    assert fired == []
    assert all("ground" in one for one in levels)
    assert bench.still_busy


def test_stop_ends_a_train_behind_the_pulse_that_it_is_at():
    bench = Bench()

    def stop(ctx, clock):
        ctx.set(bench.sequencer.stop, clock > 60)

    levels, fired = bench.run(pulses=9, width=20, then=stop)
    assert 0 < len(fired) < 9
    assert [len(list(some)) for on, some in groupby("drive_row" in one for one in levels) if on] == [20] * len(fired)
    assert not bench.still_busy


def test_where_the_guard_goes_to_rest_the_rest_of_a_train_is_lost():
    bench = Bench()

    def safe(ctx, clock):
        ctx.set(bench.guard.safe, 70 < clock < 73)

    levels, fired = bench.run(pulses=9, width=20, then=safe)
    assert len(fired) == 2
    driven = [len(list(some)) for on, some in groupby("drive_row" in one for one in levels) if on]
    assert driven[0] == 20
    assert driven[1] < 20
    assert len(driven) == 2
    assert levels[-1] == {"ground"}
    assert not bench.still_busy
    assert not bench.trips


def test_times_below_a_clock_are_refused():
    with pytest.raises(ValueError, match="1 clock or more"):
        Times(1, 1, 1, 0, 1)
