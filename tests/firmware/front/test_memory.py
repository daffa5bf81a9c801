"""The rings, in both kinds of memory."""

import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from firmware.front.memory import SPRAM_BYTES, ring


def run(block, script):
    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()


@pytest.mark.parametrize("spram", [False, True])
def test_what_is_written_is_read_one_clock_later(spram):
    block = ring(4096, spram, simulated=True)

    async def script(ctx):
        ctx.set(block.write_en, 1)
        for address in (0, 1, 2, 3, 2049, 4095):
            ctx.set(block.write_address, address)
            ctx.set(block.write_data, (address * 7 + 1) % 256)
            await ctx.tick()
        ctx.set(block.write_en, 0)
        for address in (4095, 2049, 3, 2, 1, 0):
            ctx.set(block.read_address, address)
            await ctx.tick()
            assert ctx.get(block.read_valid)
            assert ctx.get(block.read_data) == (address * 7 + 1) % 256

    run(block, script)


def test_in_a_single_port_the_write_wins_and_the_reader_sees_it():
    block = ring(4096, spram=True, simulated=True)

    async def script(ctx):
        ctx.set(block.write_en, 1)
        ctx.set(block.write_address, 5)
        ctx.set(block.write_data, 99)
        ctx.set(block.read_address, 5)
        await ctx.tick()
        assert not ctx.get(block.read_valid)
        ctx.set(block.write_en, 0)
        await ctx.tick()
        assert ctx.get(block.read_valid)
        assert ctx.get(block.read_data) == 99

    run(block, script)


def test_for_a_chip_the_single_port_is_the_vendors_cell():
    assert "SB_SPRAM256KA" in rtlil.convert(ring(4096, spram=True))


def test_a_ring_that_does_not_fit_a_cell_is_refused():
    with pytest.raises(ValueError, match="smaller budgets"):
        ring(2 * SPRAM_BYTES, spram=True)
