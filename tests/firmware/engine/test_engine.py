"""Commands that need no array: what they answer, and what is refused, beside the software board."""

import dataclasses

import numpy as np
import pytest

from firmware.compact.engine.engine import CompactEngine
from firmware.engine.engine import Engine
from firmware.engine.replies import identity_of_build
from hwctl.emulator.board import EmulatedBoard
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codec import encode_command, encode_reply
from hwctl.protocol.codes import HalfSelect, Polarity, Refusal
from hwctl.protocol.packing import Region
from tests.firmware.engine.bench import BUILD, CHIP, KEY, PARAMETERS, EngineBench

LEVEL = EmulatedBoard(CHIP, seed=KEY).execute(commands.Identify()).drive_levels[0].tolist()


@pytest.fixture(params=[Engine, CompactEngine], ids=["pipelines", "compact"])
def make_bench(request):
    """Return what makes a bench for one engine or the other."""
    parameters = PARAMETERS
    if request.param is CompactEngine:
        parameters = dataclasses.replace(PARAMETERS, loops=False, outer=False)
    return lambda: EngineBench(parameters, engine=request.param)


def same(one, other):
    """Whether two replies are equal; of refusals the reason counts."""
    if isinstance(one, replies.Refused) or isinstance(other, replies.Refused):
        return type(one) is type(other) and one.refusal == other.refusal
    return encode_reply(one) == encode_reply(other)


def test_identity_is_that_of_the_build(make_bench):
    bench = make_bench()
    (found,) = bench.execute([encode_command(commands.Identify())], start=2000)
    assert found == encode_reply(identity_of_build(bench.parameters, CHIP, BUILD))


def shape(**changes):
    _, amplitude, width, gate = LEVEL
    return dataclasses.replace(commands.ConfigureShape(7, Polarity.SET, amplitude, width, gate, 0), **changes)


SEQUENCE = {
    "status": commands.Status(),
    "shape": shape(),
    "unknown level": shape(amplitude=1),
    "unknown gate": shape(gate=3),
    "wrong polarity": shape(polarity=Polarity.FORM),
    "read": commands.ConfigureRead(100, 3, 55, HalfSelect.V_HALF),
    "too high": commands.ConfigureRead(501, 3, 55, HalfSelect.V_HALF),
    "wait": commands.Wait(12345678901234567),
    "far": commands.Wait(2**64 - 12345678901234567),
    "not so far": commands.Wait(2**64 - 12345678901234568),
    "seed": commands.Seed(2**63 + 5),
    "safe": commands.Safe(),
    "read beyond": commands.Read(Region(0, 10, 0, 6), 0, 4, 0),
    "pulse without shapes": commands.PulseSparse(
        np.array([1], np.uint16), np.array([1], np.uint16), np.array([1], np.int8), 9, 9
    ),
    "sparse beyond": commands.PulseSparse(
        np.array([1, 9], np.uint16), np.array([1, 2], np.uint16), np.array([1, 1], np.int8), 7, 9
    ),
    "curve beyond": commands.LoadCurve(Polarity.RESET, 1, 16, np.zeros(64, np.int16), np.zeros(64, np.uint16)),
    "status again": commands.Status(),
}


@pytest.mark.slow
def test_commands_are_answered_as_by_the_software_board(make_bench):
    board = EmulatedBoard(CHIP, seed=KEY)
    expected = [board.execute(command) for command in SEQUENCE.values()]
    found = make_bench().decoded([encode_command(command) for command in SEQUENCE.values()], start=16000)
    assert [name for name, one, other in zip(SEQUENCE, found, expected, strict=True) if not same(one, other)] == []


GOOD = encode_command(commands.Read(Region(0, 2, 0, 3), 0, 4, 0))
OPTION = bytes((1, 0, 2, 0)) + b"ab"


def with_options(raw, count, options):
    return bytes((raw[0], count)) + len(options).to_bytes(2, "little") + raw[4:8] + options + raw[8:]


def changed(raw, at, value):
    return raw[:at] + bytes((value,)) + raw[at + 1 :]


PULSE = encode_command(
    commands.Pulse(
        Region(0, 2, 0, 3), np.ones((2, 3), np.int8), codes.ShapePer.COL, np.zeros(3, np.uint8), np.zeros(3, np.uint8)
    )
)
MALFORMED = {
    "nothing": b"",
    "a short header": GOOD[:7],
    "a byte too few": GOOD[:-1],
    "a byte too many": GOOD + b"\0",
    "an unknown code": changed(GOOD, 0, 99),
    "the code of a reply": changed(GOOD, 0, 128),
    "an empty region": changed(GOOD, 10, 0),
    "too many averages": changed(GOOD, 16, 13),
    "a range beyond": changed(GOOD, 17, 5),
    "an option cut off": with_options(GOOD, 1, OPTION[:-1]),
    "an option's head cut off": with_options(GOOD, 1, OPTION[:3]),
    "an option not counted": with_options(GOOD, 0, OPTION),
    "a body announced too long": changed(GOOD, 4, 15) + b"\0",
    "counts of another shape": changed(PULSE, 8 + 9 + 1, 3),
    "counts of -128": changed(PULSE, 8 + 9 + 9, 0x80),
    "counts of another type": changed(PULSE, 8 + 9, 2),
    "a dimension of 2**24": changed(PULSE, 8 + 9 + 4, 1),
    "shapes too few": changed(PULSE, 8 + 9 + 9 + 6 + 1, 2),
    "an unknown per": changed(PULSE, 8 + 8, 4),
}


@pytest.mark.slow
def test_malformed_commands_are_refused(make_bench):
    found = make_bench().decoded(list(MALFORMED.values()))
    wrong = {
        name: reply
        for name, reply in zip(MALFORMED, found, strict=True)
        if getattr(reply, "refusal", None) is not Refusal.MALFORMED
    }
    assert wrong == {}


def test_options_are_skipped_unless_they_are_critical_and_unknown(make_bench):
    critical, harmless = bytes((9, 0x80, 1, 0, 7)), bytes((9, 0, 1, 0, 7))
    status = encode_command(commands.Status())
    raws = [with_options(status, 2, OPTION + harmless), with_options(status, 2, OPTION + critical)]
    status, refused = make_bench().decoded(raws)
    assert isinstance(status, replies.BoardStatus)
    assert refused.refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize(
    ("command", "reserve"), [(commands.Identify(), 130), (commands.Dump(Region(0, 9, 0, 6)), 1000)]
)
def test_a_reply_longer_than_its_reserve_is_refused(make_bench, command, reserve):
    (reply,) = make_bench().decoded([encode_command(command)], reserve=reserve)
    assert reply.refusal is Refusal.OVER_LIMIT


def test_a_command_handed_out_as_aborted_is_not_executed(make_bench):
    bench = make_bench()

    async def run(ctx):
        await bench.one(ctx, encode_command(commands.Wait(7)), 0, aborted=True)
        return await bench.one(ctx, encode_command(commands.Status()), 100)

    assert bench.run(run)[8 + 36 : 8 + 44] == bytes(8)


def test_safe_comes_to_rest_between_commands(make_bench):
    bench = make_bench()
    port = bench.engine.session

    async def run(ctx):
        ctx.set(port.safe, 1)
        await ctx.tick().until(port.at_rest)
        assert not ctx.get(port.stopped)
        ctx.set(port.safe, 0)
        return await bench.one(ctx, encode_command(commands.Status()), 0)

    assert bench.run(run)[-1] == 1
