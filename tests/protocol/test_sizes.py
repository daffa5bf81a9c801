"""The size of a reply is known from its command: the software board never sends a longer one."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.emulator.layers import Layers
from hwctl.protocol import codec, codes, commands, frame, replies, sizes
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import HalfSelect, OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region, layout_of

ROWS, COLS = 6, 7
SET, RESET, FORM = 3, 7, 100  # pulse shapes


@cache
def board(layered):
    chip = fabricate(presets.get("hfox-1t1r"), ROWS, COLS, 5, 0.3)
    layers = Layers.build(chip, relaxation=0.1) if layered else None
    found = EmulatedBoard(chip, seed=11, layers=layers)
    for index, levels in ((SET, chip.levels[0]), (RESET, chip.levels[1]), (FORM, chip.levels[2])):
        level = levels[0]
        volts, ticks = chip.scales.volts, chip.scales.seconds
        shape = (round(level.amplitude / volts), round(level.width / ticks), round(level.gate / volts))
        assert isinstance(found.execute(commands.ConfigureShape(index, level.polarity, *shape, 0)), replies.Done)
    return found


@st.composite
def regions(draw):
    row0, col0 = draw(st.integers(0, ROWS - 1)), draw(st.integers(0, COLS - 1))
    return Region(row0, draw(st.integers(row0 + 1, ROWS + 1)), col0, draw(st.integers(col0 + 1, COLS + 1)))


@st.composite
def any_command(draw):
    """A command of any kind; on some boards and regions it is executed, on others refused."""
    region = draw(regions())
    rows, cols = region.shape
    cells = rows * cols
    batch = draw(st.integers(1, 4))
    vectors = draw(st.sampled_from(["i1", "<i2"]))
    per = draw(st.sampled_from(ShapePer))
    shapes = per.count(rows, cols)
    wrong = draw(st.sampled_from([0, 0, 0, 1]))
    up, down = Ramp(SET, SET, 0), Ramp(RESET, RESET, 0)
    extra = np.zeros(draw(st.sampled_from([0, 16 * cells])), "u1")
    several = st.sampled_from(
        [
            commands.Identify(),
            commands.ConfigureShape(200, Polarity.SET, 1 + wrong, 1, 0, 0),
            commands.ConfigureRead(1 + 60000 * wrong, 4, 10, HalfSelect.V_HALF),
            commands.Read(region, 1, 4, 0),
            commands.Vmm(region, np.ones((batch, rows), vectors), 8, 0),
            commands.VmmT(region, np.ones((batch, cols), vectors), 8, 0),
            commands.Measure(region, np.ones(rows, "<i2"), np.zeros(cols, "<i2"), 0, 4, 0),
            commands.Pulse(
                region,
                np.ones((rows, cols), "i1"),
                per,
                np.full(shapes, SET + wrong, "u1"),
                np.full(shapes, RESET, "u1"),
            ),
            commands.PulseSparse(
                np.arange(batch, dtype="<u2"), np.arange(batch, dtype="<u2"), np.ones(batch, "i1"), SET + wrong, RESET
            ),
            commands.Outer(
                region, np.ones((batch, rows), "i1"), np.ones((batch, cols), "i1"), OuterMode.COUNT, 1, 0, 0, SET, RESET
            ),
            commands.WriteVerify(region, np.full((rows, cols), 20000, "<u2"), 500, 3, 0, up, down, 0),
            commands.Form(region, Ramp(FORM, FORM, 0), 3, 100, 0, 0),
            commands.Status(),
            commands.Counters(region),
            commands.LoadCounters(region, np.ones((rows, cols), "<u4")),
            commands.Safe(),
            commands.LoadCurve(Polarity.SET, 31 * wrong, 16, np.ones(64, "<i2"), np.ones(64, "<u2")),
            commands.LoadCells(region, np.full((cells, WORDS_PER_CELL), 1 + 65534 * wrong, "<u2")),
            commands.Dump(region),
            commands.Restore(region, np.zeros((cells, WORDS_PER_CELL), "<u2"), 0, extra),
            commands.Seed(11),
            commands.Wait(1),
        ]
    )
    return draw(several)


@given(any_command(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_reply_of_the_software_board_is_longer_than_its_command_says(command, layered):
    reply = sizes.limited(board(layered).execute(command))
    found = len(encode_reply(reply))
    assert found <= sizes.reply_bytes(command)
    if not isinstance(reply, (replies.Refused, replies.Identity, replies.Dumped)):
        assert max(found, sizes.REFUSED_BYTES) == sizes.reply_bytes(command), "more reserved than is ever used"


def test_every_command_has_a_size_and_the_board_executes_each_kind():
    assert set(sizes._ANSWERS) == set(codec.COMMANDS.values())


@given(st.text(max_size=300), st.integers(3, 200))
def test_a_shortened_text_fits_and_begins_as_it_did(text, most):
    short = sizes.shorten(text, most)
    assert len(short.encode()) <= most
    if len(text.encode()) <= most:
        assert short == text
    else:
        assert short.endswith("…")
        assert text.startswith(short[:-1])
        assert len(short.encode()) > most - 4


def test_a_text_that_is_no_unicode_is_shortened_as_well():
    assert len(sizes.shorten("\ud800" * 500).encode()) <= sizes.MAX_DETAIL


def test_the_longest_refusal_fits_what_every_command_reserves():
    longest = sizes.limited(replies.Refused(Refusal.OVER_LIMIT, "ä" * 500))
    assert sizes.MAX_DETAIL - 1 <= len(longest.detail.encode()) <= sizes.MAX_DETAIL
    assert len(encode_reply(longest)) <= sizes.REFUSED_BYTES <= frame.SMALLEST_RESERVE
    assert sizes.reply_bytes(commands.Safe()) == sizes.REFUSED_BYTES


def test_the_longest_identity_fits():
    identity = board(False).execute(commands.Identify())
    values = {name: getattr(identity, name) for name, _, _ in layout_of(replies.Identity).scalars}
    levels = np.zeros((3 * codes.MAX_LEVELS, 4), "<u4")
    longest = replies.Identity(
        **values, tia_ranges=np.arange(16, dtype="u1"), drive_levels=levels, device="d" * 999, build="b" * 999
    )
    assert len(encode_reply(sizes.limited(longest))) == sizes.reply_bytes(commands.Identify())


@pytest.mark.parametrize("layered", [False, True])
def test_a_dump_is_longer_where_layers_remember_something(layered):
    command = commands.Dump(Region(0, ROWS, 0, COLS))
    reply = board(layered).execute(command)
    assert reply.extra.size == layered * sizes.MAX_EXTRA_PER_CELL * ROWS * COLS
    assert (len(encode_reply(reply)) == sizes.reply_bytes(command)) == layered
