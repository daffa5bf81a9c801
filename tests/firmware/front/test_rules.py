"""The program of the session's machine: its size, its time, and its start from any memory."""

import pytest
from amaranth.sim import Simulator

from firmware.front.assembler import Op, Program
from firmware.front.session import Session
from firmware.front.state import Flag, Port, Word
from firmware.parameters import Parameters
from hwctl.protocol.frame import Kind

SMALL = Parameters(**dict.fromkeys(("receive_budget", "reply_budget", "largest_frame"), 2048))


def test_a_frame_is_done_with_before_the_next_one_overwrites_it():
    session = Session(SMALL)
    Simulator(session)
    assert session.frame_clocks < 7 * 10 * 4  # bytes to the first word of the next frame, bits, clocks of a bit


def test_a_program_that_can_loop_has_no_longest_way():
    p = Program()
    p.label("start")
    p.do(Op.LOAD, Port.ZERO)
    p.label("loop")
    p.do(Op.ADD, Port.ONE)
    p.jump_if(Flag.EQUAL, "loop")
    p.label("end")
    p.do(Op.LOAD, Port.ZERO)
    with pytest.raises(ValueError, match="loop"):
        p.longest("start", ["end"], Flag.ALWAYS)


def test_a_label_is_there_once():
    p = Program()
    p.label("twice")
    with pytest.raises(ValueError, match="twice"):
        p.label("twice")


def test_after_a_reset_no_session_is_held_whatever_the_memory_holds():
    session = Session(SMALL)
    words = session.machine.words

    async def script(ctx):
        for address in range(64):
            ctx.set(words.data[address], 0xFFFFFFFF)
        await ctx.tick().repeat(100)
        assert ctx.get(words.data[Word.SESSION]) == 0
        assert ctx.get(words.data[Word.RECEIVED]) == ctx.get(words.data[Word.EXECUTED]) == 0
        boot = ctx.get(words.data[Word.BOOT])
        await ctx.tick().repeat(100)
        assert ctx.get(words.data[Word.BOOT]) != boot  # it counts until a byte comes
        ctx.set(session.kind, Kind.HELLO)
        for name in ("heard", "frame"):
            ctx.set(getattr(session, name), 1)
        await ctx.tick()
        for name in ("heard", "frame"):
            ctx.set(getattr(session, name), 0)
        await ctx.tick().until(session.send)
        boot = ctx.get(words.data[Word.BOOT])
        assert boot != 0
        await ctx.tick().repeat(100)
        assert ctx.get(words.data[Word.BOOT]) == boot
        assert not ctx.get(session.valid)

    simulator = Simulator(session)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()
