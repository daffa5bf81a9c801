"""The link to a board on a bus, on the simulated one: the replies of the software board, and what goes wrong."""

import numpy as np
import pytest

from firmware.parameters import Parameters
from firmware.simulation.bus import SimulatedBus, library_of
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import LimitError, LinkClosed, LinkTimeout, ProtocolError, TargetError
from hwctl.links import mailbox
from hwctl.links.mailbox import MailboxLink
from hwctl.protocol import commands, registers, replies
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import Feature, Refusal, ShapePer
from hwctl.protocol.packing import Region
from hwctl.protocol.registers import offset_of
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # a model is compiled

DEVICE, KEY = "reram-es", 77
CLOCK = 5e6  # Hz
WHOLE = Region(0, ROWS, 0, COLS)


@pytest.fixture(scope="module")
def chip():
    return fabricate(presets.get(DEVICE), ROWS, COLS, seed=1)


@pytest.fixture(scope="module")
def library(chip):
    return library_of(Parameters(rows=ROWS, cols=COLS, lanes=LANES[DEVICE]), chip, KEY, build="x")


@pytest.fixture
def bus(library):
    opened = SimulatedBus(library, CLOCK)
    yield opened
    SimulatedBus.close(opened)


@pytest.fixture
def link(bus, monkeypatch):
    monkeypatch.setattr(bus, "close", lambda: None)  # one board for several links
    opened = MailboxLink(bus, "pynq:")
    yield opened
    opened.close()


class Calls:
    """Counts transfers and words of a bus."""

    def __init__(self, bus):
        self.bus, self.calls, self.words = bus, 0, 0

    def read_words(self, offset, count):
        self.calls, self.words = self.calls + 1, self.words + count
        return self.bus.read_words(offset, count)

    def write_words(self, offset, words):
        self.calls, self.words = self.calls + 1, self.words + len(words)
        self.bus.write_words(offset, words)

    def close(self):
        pass


class Memory:
    """Another core: words that stay as they are."""

    def __init__(self, *words):
        self.words = np.zeros(registers.RANGE // 4, "<u4")
        self.words[: len(words)] = words

    def read_words(self, offset, count):
        return self.words[offset // 4 :][:count]

    def write_words(self, offset, words):
        pass

    def close(self):
        pass


def test_many_commands_are_answered_as_by_the_software_board(link, chip):
    board = EmulatedBoard(chip, seed=KEY, lacks=Feature.MEASURE)
    sent = [commands.Read(WHOLE, 0, 4, n) for n in range(600)]  # more than a ring holds
    sent += [
        commands.Pulse(
            WHOLE, np.ones(WHOLE.shape, np.int8), ShapePer.COMMAND, np.zeros(1, np.uint8), np.ones(1, np.uint8)
        )
    ]
    sent += [commands.Status(), commands.Dump(WHOLE)]
    found = link.execute_all(sent)
    assert [encode_reply(reply) for reply in found[:600]] == [encode_reply(board.execute(c)) for c in sent[:600]]
    assert found[600].refusal == Refusal.NO_SHAPE
    assert found[601].reads == 600 * ROWS * COLS


def test_bulk_reads_take_few_transfers(bus):
    calls = Calls(bus)
    link = MailboxLink(calls, "pynq:")
    before = calls.calls, calls.words
    link.execute_all([commands.Dump(WHOLE)] * 40)
    calls_made, words = calls.calls - before[0], calls.words - before[1]
    assert words > 20 * calls_made
    link.close()


def test_a_link_finds_what_the_host_before_it_had_executed(link, bus):
    link.execute_all([commands.Status()] * 7)
    second = MailboxLink(bus, "pynq:")
    assert second.before.session not in {0, second.before.executed}
    assert (second.before.started, second.before.executed) == (7, 7)
    assert second.execute(commands.Identify()).rows == ROWS
    second.close()


def test_safe_stops_a_command_that_runs_and_aborts_those_behind_it(link):
    link.safe_now()  # as another thread may at any moment: the next wait sees it
    found = link.execute_all([commands.Read(WHOLE, 8, 4, 0)] * 3)
    assert [reply.refusal for reply in found] == [Refusal.ABORTED] * 3
    executed, running, progress = link.stopped
    assert (executed, running) == (0, 1)
    assert 0 < progress < ROWS * COLS
    assert link.execute(commands.Status()).reads >= progress << 8


def test_another_core_is_no_board():
    with pytest.raises(TargetError, match="0x00000000 is not what a board of hwctl begins with"):
        MailboxLink(Memory(), "pynq:")


def test_another_version_of_the_protocol_is_refused():
    with pytest.raises(ProtocolError, match="speaks protocol 9"):
        MailboxLink(Memory(registers.IDENTITY, 9), "pynq:")


def test_a_core_that_does_not_come_to_rest_is_named(monkeypatch):
    monkeypatch.setattr(mailbox, "SAFE_TIMEOUT", 0.05)
    with pytest.raises(LinkTimeout, match="does not come to rest"):
        MailboxLink(Memory(registers.IDENTITY, 1, 0, 8192, 8192), "pynq:")


def test_what_no_ring_takes_is_refused_before_it_is_sent(link):
    before = link._bus.read(offset_of("COMMAND_TAIL"))
    big = np.zeros((300, 60), np.int8)
    with pytest.raises(LimitError, match="which has"):
        link.execute_all([commands.Status(), commands.Vmm(Region(0, 60, 0, 60), big, 0, 0)])
    assert link._bus.read(offset_of("COMMAND_TAIL")) == before
    link.execute(commands.Status())
    assert isinstance(link.execute(commands.Identify()), replies.Identity), "replies belong to their commands"


def test_a_board_that_does_not_go_on_is_named_with_its_command(link, bus, monkeypatch):
    monkeypatch.setattr(mailbox, "STUCK_TIMEOUT", 0.2)
    size = bus.read(offset_of("REPLY_BYTES"))
    bus.write(offset_of("REPLY_HEAD"), 2**32 - size)  # as if the ring were full: no room for a reply
    monkeypatch.setattr(link, "_collect", lambda _: None)
    with pytest.raises(LinkTimeout, match=r"did not go on with command 1 \(STATUS\)") as caught:
        link.execute(commands.Status())
    assert [type(command) for command in caught.value.in_doubt] == [commands.Status]


def test_a_closed_link_says_so(link):
    link.close()
    with pytest.raises(LinkClosed, match="open it again"):
        link.execute(commands.Status())
