"""Switches on pins of the FPGA: what chains of registers do, with nothing shifted."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from board_files import TRANSISTORS, loaded, on_pins, smaller
from test_physical_engine import FORM_SHAPE, SMALL, Bench

from firmware.analog.switches import SwitchPins
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Polarity, Trip
from hwctl.protocol.packing import Ramp, Region

ROWS, COLS = 2, 3
WHOLE = Region(0, ROWS, 0, COLS)


@pytest.fixture
def bench(tmp_path):
    changes = {
        **SMALL, **smaller(ROWS, COLS), **on_pins(ROWS, COLS), "pulse.set.width_s": 200e-9,
        "pulse.reset.width_s": 150e-9, "pulse.form.width_s": 300e-9,
    }  # fmt: skip
    return Bench(loaded(TRANSISTORS, changes, tmp_path))


def test_a_pattern_is_at_the_pins_a_clock_later_and_only_while_it_is_enabled():
    dut = SwitchPins(4, rest=0b1010)

    async def script(ctx):
        assert ctx.get(dut.pins) == 0b1010
        ctx.set(dut.pattern, 0b0110)
        assert ctx.get(dut.busy)
        await ctx.tick()
        assert not ctx.get(dut.busy)
        assert ctx.get(dut.pins) == 0b1010
        ctx.set(dut.enable, 1)
        assert ctx.get(dut.pins) == 0b0110
        ctx.set(dut.enable, 0)
        assert ctx.get(dut.pins) == 0b1010

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()


def test_each_cell_is_pulsed_alone_with_its_polarity_for_its_width_and_read_where_it_is(bench):
    async def script(b):
        await b.shapes()
        for at in np.ndindex(ROWS, COLS):
            b.physical.applied.clear()
            await b.pulse(*at, [[1]])
            await b.pulse(*at, [[-1]])
            rise, fall = b.physical.applied
            assert (rise.row, rise.col) == (fall.row, fall.col) == at
            assert rise.volts > 0.5
            assert fall.volts < -0.5
            levels = [b.board.levels(polarity)[-1] for polarity in (Polarity.SET, Polarity.RESET)]
            assert [rise.clocks, fall.clocks] == [level.width_ticks for level in levels]
        b.g[:] = np.arange(1, 7).reshape(ROWS, COLS) * 5e-6
        found = (await b.ask(commands.Read(WHOLE, 0, 4, 0))).readings * b.identity.siemens_per_code
        np.testing.assert_allclose(found, b.g, rtol=0.02, atol=2e-7)
        product = await b.ask(commands.Vmm(WHOLE, np.array([[100, -50]], np.int16) * 256, 4, 0))
        assert isinstance(product, replies.Currents)
        wanted = np.array([100, -50]) / 128 * b.board.sense.read @ b.g
        np.testing.assert_allclose(product.currents[0] * b.identity.amperes_per_code * 16, wanted, rtol=0.05, atol=5e-8)

    bench.run(script)


def test_cells_form(bench):
    async def script(b):
        await b.shapes()
        form = commands.Form(WHOLE, Ramp(FORM_SHAPE, FORM_SHAPE, 0), 1, 65000, 0, 0)
        assert isinstance(await b.ask(form), replies.Formed)
        assert (b.pulsed == 1).all()

    bench.run(script)


def test_after_a_trip_the_pins_are_at_rest_with_the_guards_levels(bench):
    rest = sum(
        bench.board.rest_pattern(chain.name) << bench.board.first_pin(chain) for chain in bench.board.switch_pins
    )

    async def script(b):
        await b.shapes()
        await b.narrow(max_pulses=1)
        assert b.ctx.get(b.array.switch_pins) == rest
        await b.pulse(0, 0, [[2]])
        assert (await b.ask(commands.Status())).faults == Trip.BUDGET
        await b.ctx.tick().until(b.array.resting)
        assert b.ctx.get(b.array.switch_pins) == rest
        assert b.pulsed.sum() == 1

    bench.run(script)
