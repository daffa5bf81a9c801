"""The gateware and the software board, driven with the same random commands: the same replies and cells, to the bit."""

from functools import cached_property

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.parameters import Parameters
from firmware.simulation.board import COMPACT
from firmware.simulation.bus import SimulatedBus, library_of
from firmware.simulation.model import program_of
from firmware.simulation.process import SimulatedBoard
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import LimitError, ProtocolError, UnknownOption
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.cells import CELL, as_words
from hwctl.protocol.codec import decode_command, decode_reply, encode_command, encode_reply
from hwctl.protocol.codes import Feature, HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.replies import Refused
from tests.firmware.mailbox.rawbus import RawBus
from tests.firmware.rawhost import RawHost
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # models are compiled

KEY = 0x5DEECE66D1234567
RESERVE = 4000
LOOPS_AND_OUTER = Feature.OUTER_COUNT | Feature.OUTER_COINCIDENCE | Feature.WRITE_VERIFY | Feature.FORM
LOOPS_AND_OUTER_OPS = (codes.Op.OUTER, codes.Op.WRITE_VERIFY, codes.Op.FORM)
SETS, RESETS, FORMS, UNSET = range(4), range(10, 13), range(20, 24), 99


class Pair:
    """One chip on both boards, with some pulse shapes configured."""

    def __init__(self, device, lanes, **build):
        self.lacks = Feature.MEASURE | (LOOPS_AND_OUTER if build else Feature(0))
        self.lacking = [bytes([op]) for op in (codes.Op.MEASURE, *(LOOPS_AND_OUTER_OPS if build else ()))]
        self.chip = fabricate(presets.get(device), ROWS, COLS, seed=11, unformed=0.2)
        self.parameters = Parameters(rows=ROWS, cols=COLS, lanes=lanes, divisor=4, **build)
        self.start = tuple(encode_command(command) for command in self._shapes())

    def _shapes(self):
        volts, seconds = self.chip.scales.volts, self.chip.scales.seconds
        for polarity, numbers in ((Polarity.SET, SETS), (Polarity.RESET, RESETS), (Polarity.FORM, FORMS)):
            levels = self.chip.levels[polarity]
            for n, number in enumerate(numbers):
                level = levels[n * (len(levels) - 1) // max(len(numbers) - 1, 1)]
                amplitude, gate = round(level.amplitude / volts), round(level.gate / volts)
                yield commands.ConfigureShape(number, polarity, amplitude, round(level.width / seconds), gate, 0)

    def fresh(self):
        """Return the software board as it is after power-up."""
        return EmulatedBoard(self.chip, seed=KEY, lacks=self.lacks)

    @cached_property
    def model(self):
        """The compiled gateware."""
        return program_of(self.parameters, self.chip)

    def execute(self, sent):
        """Return the replies of gateware that was just powered up."""
        with SimulatedBoard(self.model, self.chip, KEY) as gateware:
            host = RawHost(gateware.path)
            try:
                return host.execute(sent, RESERVE)
            finally:
                host.close()


class BusPair(Pair):
    """The same behind the mailbox, with the chip in the memories from power-up."""

    @cached_property
    def model(self):
        return library_of(self.parameters, self.chip, KEY, build="x")

    def execute(self, sent):
        bus = SimulatedBus(self.model)
        try:
            return RawBus(bus).execute(sent, RESERVE)
        finally:
            bus.close()


@pytest.fixture(scope="module", params=LANES)
def pair(request):
    return Pair(request.param, LANES[request.param])


@pytest.fixture(scope="module", params=LANES)
def compact_pair(request):
    return Pair(request.param, 1, **COMPACT)


@pytest.fixture(scope="module")
def bus_pair():
    return BusPair("reram-es", LANES["reram-es"])


# -- what is sent ------------------------------------------------------------------------------------------------------

u32 = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1))


@st.composite
def regions(draw, beyond=True):
    row0, col0 = draw(st.integers(0, ROWS - 1)), draw(st.integers(0, COLS - 1))
    rows, cols = draw(st.integers(1, ROWS - row0)), draw(st.integers(1, COLS - col0))
    far = beyond and draw(st.integers(0, 19)) == 0
    return Region(row0, row0 + rows + far, col0, col0 + cols)


def arrays(dtype, shape, low, high):
    size = int(np.prod(shape))
    return st.lists(st.integers(low, high), min_size=size, max_size=size).map(
        lambda values: np.array(values, dtype).reshape(shape)
    )


def shape_numbers(numbers):
    return st.one_of(st.sampled_from(list(numbers)), st.sampled_from([*numbers, *numbers, UNSET, 10]))


@st.composite
def reads(draw):
    return commands.Read(draw(regions()), draw(st.integers(0, 4)), draw(st.sampled_from([0, 2, 4, 4, 255])), draw(u32))


@st.composite
def products(draw):
    region, transposed, wide = draw(regions()), draw(st.booleans()), draw(st.booleans())
    lines, batch = region.cols if transposed else region.rows, draw(st.integers(1, 3))
    most = 2**15 if wide else 2**7
    vectors = draw(arrays(np.int16 if wide else np.int8, (batch, lines), -most, most - 1))
    kind = commands.VmmT if transposed else commands.Vmm
    return kind(region, vectors, draw(st.sampled_from([0, 5, 8, 15, 255])), draw(u32))


@st.composite
def pulses(draw):
    region, per = draw(regions()), draw(st.sampled_from(ShapePer))
    n = per.count(region.rows, region.cols)
    most = draw(st.sampled_from([1, 3, 127]))
    return commands.Pulse(
        region, draw(arrays(np.int8, region.shape, -most, most)), per,
        draw(st.lists(shape_numbers(SETS), min_size=n, max_size=n).map(lambda v: np.array(v, np.uint8))),
        draw(st.lists(shape_numbers(RESETS), min_size=n, max_size=n).map(lambda v: np.array(v, np.uint8))),
    )  # fmt: skip


@st.composite
def sparse(draw):
    n = draw(st.integers(1, 6))
    far = draw(st.integers(0, 19)) == 0
    return commands.PulseSparse(
        draw(arrays(np.uint16, (n,), 0, ROWS - 1 + far)), draw(arrays(np.uint16, (n,), 0, COLS - 1)),
        draw(arrays(np.int8, (n,), -9, 9)), draw(shape_numbers(SETS)), draw(shape_numbers(RESETS)),
    )  # fmt: skip


@st.composite
def outers(draw):
    region, events, mode = draw(regions()), draw(st.integers(1, 3)), draw(st.sampled_from(OuterMode))
    most = draw(st.sampled_from([3, 11])) if mode == OuterMode.COUNT else 128
    return commands.Outer(
        region, draw(arrays(np.int8, (events, region.rows), -most, min(most, 127))),
        draw(arrays(np.int8, (events, region.cols), -most, min(most, 127))), mode,
        draw(st.integers(1, 32)), draw(u32), draw(u32), draw(shape_numbers(SETS)), draw(shape_numbers(RESETS)),
    )  # fmt: skip


def ramps(numbers):
    first, last = numbers[0], numbers[-1]
    return st.builds(
        lambda a, b, step: Ramp(min(a, b), max(a, b), step),
        st.integers(first, last), st.integers(first, last + 1), st.integers(1, 3),
    )  # fmt: skip


@st.composite
def verifies(draw):
    region = draw(regions())
    return commands.WriteVerify(
        region, draw(arrays(np.uint16, region.shape, 0, 65535)), draw(st.integers(0, 3000)), draw(st.integers(0, 12)),
        draw(st.integers(0, 2)), draw(ramps(SETS)), draw(ramps(RESETS)), draw(u32),
    )  # fmt: skip


@st.composite
def forms(draw):
    return commands.Form(
        draw(regions()), draw(ramps(FORMS)), draw(st.integers(0, 8)), draw(st.integers(0, 20000)),
        draw(st.integers(0, 2)), draw(u32),
    )  # fmt: skip


@st.composite
def cells(draw):
    region = draw(regions())
    n = region.rows * region.cols
    seed = draw(u32)
    rng = np.random.default_rng(seed)
    made = np.zeros(n, CELL)
    for name in ("state", "gain_set", "gain_reset"):
        made[name] = rng.choice([0, 1, 4096, 32768, 65535, 40000], n)
    made["count"] = rng.choice([0, 1, 2**16 - 1, 2**32 - 2, 2**32 - 1], n)
    made["low"], made["span"] = rng.integers(0, 30000, n), rng.integers(0, 35536 + (seed % 7 == 0), n)
    made["offset"] = rng.choice([0, 0, 1, -1, 40, -32768, 32767], n)
    made["flags"] = rng.choice([0, 0, 0, 1, 2, 4, 5, 8], n)
    made["form_level"] = rng.choice([0, 3, 8, 15, 65535], n)
    words = as_words(made)
    if draw(st.booleans()):
        return commands.LoadCells(region, words)
    extra = np.zeros(draw(st.sampled_from([0, 0, 3])), np.uint8)
    return commands.Restore(region, words, draw(st.integers(0, 2**64 - 1)), extra)


@st.composite
def curves(draw):
    polarity, level = draw(st.sampled_from([Polarity.SET, Polarity.RESET])), draw(st.sampled_from([0, 0, 1, 6, 31]))
    rng = np.random.default_rng(draw(u32))
    mean, sigma = rng.integers(-(2**15), 2**15, 64), rng.integers(0, 2**16, 64)
    return commands.LoadCurve(polarity, level, draw(st.integers(1, 24)), mean.astype("<i2"), sigma.astype("<u2"))


small = st.one_of(
    st.builds(commands.Status),
    st.builds(commands.Identify),
    st.builds(commands.Safe),
    st.builds(commands.Seed, st.integers(0, 2**64 - 1)),
    st.builds(commands.Wait, st.one_of(st.integers(0, 100), st.integers(0, 2**64 - 1))),
    st.builds(commands.Counters, regions()),
    st.builds(commands.Dump, regions()),
    st.builds(commands.ConfigureRead, st.integers(1, 520), st.integers(0, 15), u32, st.sampled_from(HalfSelect)),
    regions().flatmap(lambda r: st.builds(commands.LoadCounters, st.just(r), arrays(np.uint32, r.shape, 0, 2**32 - 1))),
)
well_formed = st.one_of(
    small, reads(), products(), pulses(), sparse(), outers(), verifies(), forms(), cells(), curves()
)


def encoded(command):
    try:
        return encode_command(command)
    except LimitError:
        return encode_command(commands.Status())


@st.composite
def damaged(draw):
    """A command of which some bytes are others, or missing, or too many."""
    raw = bytearray(encoded(draw(well_formed)))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        del raw[draw(st.integers(0, len(raw) - 1)) :]
    elif kind == 1:
        raw += draw(st.binary(min_size=1, max_size=3))
    else:
        for _ in range(kind - 1):
            raw[draw(st.integers(0, min(len(raw) - 1, 40)))] = draw(st.integers(0, 255))
    return bytes(raw)


programs = st.lists(st.one_of(well_formed.map(encoded), well_formed.map(encoded), damaged()), min_size=1, max_size=12)


# -- what is compared --------------------------------------------------------------------------------------------------


def software(board, raw):
    """Return the software board's reply to bytes, as `serve` makes it."""
    try:
        return board.execute(decode_command(raw))
    except UnknownOption as error:
        return Refused(Refusal.UNSUPPORTED, str(error))
    except ProtocolError as error:
        return Refused(Refusal.MALFORMED, str(error))


def comparable(reply):
    """Return what must be equal: a refusal's reason, an identity's geometry and scales, all bytes of anything else."""
    if isinstance(reply, Refused):
        return reply.refusal
    if isinstance(reply, replies.Identity):
        return reply.rows, reply.cols, reply.device, reply.siemens_per_code, reply.drive_levels.tolist()
    return encode_reply(reply)


def same(one, other, raw, lacking):
    if raw[:1] in lacking:  # both lack it, but only one of them looks for its fields first
        return isinstance(one, Refused) and isinstance(other, Refused)
    return comparable(one) == comparable(other)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs)
def test_both_boards_answer_every_program_alike(pair, program):
    compare(pair, program)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs)
def test_a_compact_board_answers_every_program_alike(compact_pair, program):
    compare(compact_pair, program)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs)
def test_a_board_on_a_bus_answers_every_program_alike(bus_pair, program):
    compare(bus_pair, program)


def compare(pair, program):
    reference = pair.fresh()
    whole = encode_command(commands.Dump(Region(0, ROWS, 0, COLS)))
    sent = [*pair.start, *program, encode_command(commands.Status()), whole]
    found = [decode_reply(raw) for raw in pair.execute(sent)]
    for n, (raw, reply) in enumerate(zip(sent, found, strict=True)):
        expected = software(reference, raw)
        assert same(expected, reply, raw, pair.lacking), (n, raw.hex(), expected, reply)
