"""The processor against arithmetic in Python."""

import gc

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.processor.assembler import CALLS, Flag, Op, Program, io
from firmware.processor.core import Processor

WORDS = 1 << 32
OUT, IN = io(7), io(3)


def run(program, *, inputs=(), flags=0, outputs, most=5000):
    """Return what the program writes to register 7; what it reads from register 3 are `inputs`, one a read."""
    processor = Processor(program, flags=4)
    found, left = [], list(inputs)

    async def bench(ctx):
        ctx.set(processor.flags, flags)
        for _ in range(most):
            if left:
                ctx.set(processor.value_in, left[0])
            if ctx.get(processor.write):
                assert ctx.get(processor.number) == OUT.number
                found.append(ctx.get(processor.value_out))
            if ctx.get(processor.read) and ctx.get(processor.number) == IN.number:
                await ctx.tick()
                left.pop(0)
                continue
            if len(found) == outputs:
                return
            await ctx.tick()
        raise AssertionError(f"{found} after {most} clocks")

    simulator = Simulator(processor)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def signed(value, bits=32):
    value %= 1 << bits
    return value - (value >> bits - 1 << bits)


EXPECTED = {
    Op.LOAD: lambda a, x: x,
    Op.ADD: lambda a, x: a + x,
    Op.SUBTRACT: lambda a, x: a - x,
    Op.AND: lambda a, x: a & x,
    Op.OR: lambda a, x: a | x,
    Op.XOR: lambda a, x: a ^ x,
    Op.MULTIPLY: lambda a, x: (a % 65536) * (x % 65536),
    Op.MULTIPLY_SIGNED: lambda a, x: (a % 65536) * signed(x, 16),
    Op.ROTATE: lambda a, x: a << x % 32 | a >> 32 - x % 32,
    Op.SHIFT_LEFT: lambda a, x: a << x % 32,
    Op.SHIFT_RIGHT: lambda a, x: a >> x % 32,
    Op.SHIFT_RIGHT_SIGNED: lambda a, x: signed(a) >> x % 32,
}
numbers = st.one_of(
    st.integers(0, WORDS - 1), st.sampled_from([0, 1, 31, 32, 0x7FFF, 0x8000, 0xFFFF, 1 << 31, WORDS - 1])
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6))
def test_arithmetic(pairs):
    p, expected = Program(), []
    for a, x in pairs:
        for op, law in EXPECTED.items():
            p.load(a)
            p.do(op, x)
            p.store(OUT)
            expected.append(law(a, x) % WORDS)
    p.label("end")
    p.jump("end")
    assert run(p, outputs=len(expected)) == expected


@settings(max_examples=15, deadline=None)
@given(*[st.integers(0, 2**64 - 1)] * 2)
def test_carry_goes_on_into_the_next_word(a, b):
    p = Program()
    low, high = p.word(a), p.word(a >> 32)
    for first, second in ((Op.ADD, Op.ADD_CARRY), (Op.SUBTRACT, Op.SUBTRACT_CARRY)):
        p.load(low)
        p.do(first, b % WORDS)
        p.store(OUT)
        p.load(high)
        p.do(second, b >> 32)
        p.store(OUT)
    p.label("end")
    p.jump("end")
    found = run(p, outputs=4)
    assert found[0] | found[1] << 32 == (a + b) % 2**64
    assert found[2] | found[3] << 32 == (a - b) % 2**64


@settings(max_examples=15, deadline=None)
@given(numbers, numbers)
def test_comparisons_and_signs(a, x):
    p = Program()
    p.load(a)
    p.do(Op.COMPARE, x)
    flags = (Flag.EQUAL, Flag.LESS, Flag.LESS_SIGNED, Flag.ZERO, Flag.NEGATIVE)
    for flag in flags:
        p.load(a)
        yes, on = p.fresh(), p.fresh()
        p.jump_if(flag, yes)
        p.load(0)
        p.jump(on)
        p.label(yes)
        p.load(1)
        p.label(on)
        p.store(OUT)
    p.label("end")
    p.jump("end")
    assert run(p, outputs=5) == [a == x, a < x, signed(a) < signed(x), a == 0, signed(a) < 0]


def test_indexed_words_inputs_and_loops():
    p = Program()
    numbers, n, total = p.word(*range(10, 18)), p.word(0), p.word(0)
    with p.loop() as (_, end):
        p.load(n)
        p.do(Op.COMPARE, 8)
        p.jump_if(Flag.EQUAL, end)
        p.index()
        p.do(Op.ADD, 1)
        p.store(n)
        p.load(numbers.indexed)
        p.do(Op.ADD, IN)
        p.store(numbers.indexed)
        p.do(Op.ADD, total)
        p.store(total)
    p.move(total, OUT)
    p.move(numbers[7], OUT)
    p.label("end")
    p.jump("end")
    assert run(p, inputs=range(100, 900, 100), outputs=2) == [sum(range(10, 18)) + 3600, 817]


def test_a_word_says_how_often_something_is_repeated():
    p = Program()
    left, total = p.word(3), p.word(1 << 31)
    with p.repeat(left):
        p.increase(total)
        p.increase(total, 100)
    p.move(left, OUT)
    p.move(total, OUT)
    p.label("end")
    p.jump("end")
    assert run(p, outputs=2) == [0, (1 << 31) + 303]


def test_routines_call_routines_as_deep_as_there_is_room():
    p = Program()
    p.load(0)
    p.call("routine 0")
    p.store(OUT)
    p.label("end")
    p.jump("end")
    for n in range(CALLS):
        with p.routine(f"routine {n}"):
            p.do(Op.ADD, 1 << n)
            if n + 1 < CALLS:
                p.call(f"routine {n + 1}")
            p.do(Op.ADD, 16 << n)
    assert run(p, outputs=1) == [255]


@pytest.mark.parametrize("flags", [0b0000, 0b0100, 0b1011])
def test_flags_from_outside(flags):
    p = Program()
    for n in range(4):
        p.load(0)
        with p.when(Flag.FIRST + n):
            p.load(1)
        p.store(OUT)
        with p.when(Flag.FIRST + n, 0):
            p.load(5)
        p.store(OUT)
    p.label("end")
    p.jump("end")
    expected = [x for n in range(4) for x in ((1, 1) if flags >> n & 1 else (0, 5))]
    assert run(p, flags=flags, outputs=8) == expected


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_what_cannot_be_assembled():
    p = Program()
    with pytest.raises(ValueError, match="stored"):
        p.store(p.constant(3))
    p.label("a")
    with pytest.raises(ValueError, match="twice"):
        p.label("a")
    p.code *= 0
    p.do(Op.LOAD, *[0] * 4097)
    with pytest.raises(ValueError, match="4097 instructions"):
        p.assemble()
    with pytest.raises(ValueError, match="room"):
        Processor(Program(code=[(0, 0, 0)]), flags=60)
    gc.collect()  # here, where the processor that could not be made may go unused
