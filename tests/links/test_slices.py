"""Commands in slices: the bits of the whole command, refused as a whole, stopped by SAFE between two slices."""

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import BoardError, LinkTimeout
from hwctl.links import open_link, slices
from hwctl.links.bytelink import ByteLink
from hwctl.links.listen import Served
from hwctl.links.server import BoardServer, LoopPort
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import from_words
from hwctl.protocol.codec import decode_reply, encode_command, encode_reply
from hwctl.protocol.codes import OuterMode, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.session import HostSession

ROWS, COLS = 7, 5
TARGET = f"emulator:?device=reram-es&rows={ROWS}&cols={COLS}&seed=4&unformed=0.2"
REGION = Region(1, 7, 0, 4)
SETS, RESETS, FORMS = range(200, 203), range(210, 213), 220
RNG = np.random.default_rng(1)


def signed(*shape, most=9):
    return RNG.integers(-most, most + 1, shape).astype(np.int8)


def shaped(per):
    number = per.count(*REGION.shape)
    return commands.Pulse(
        REGION, signed(*REGION.shape), per, *(RNG.choice(kind, number).astype(np.uint8) for kind in (SETS, RESETS))
    )


def outer(mode):
    return commands.Outer(REGION, signed(9, 6), signed(9, 4), mode, 13, 77, 2**32 - 4, SETS[0], RESETS[0])


EVERY = {
    "READ": commands.Read(REGION, 3, 4, 2**32 - 3),
    **{f"PULSE {per.name}": shaped(per) for per in ShapePer},
    "PULSE_SPARSE": commands.PulseSparse(
        *(RNG.integers(0, most, 50).astype(np.uint16) for most in (ROWS, COLS)), signed(50), SETS[1], RESETS[1]
    ),
    **{f"OUTER {mode.name}": outer(mode) for mode in (OuterMode.COUNT, OuterMode.COINCIDENCE)},
    "WRITE_VERIFY": commands.WriteVerify(
        REGION,
        RNG.integers(10000, 60000, REGION.shape).astype(np.uint16),
        300,
        20,
        1,
        Ramp(200, 202, 1),
        Ramp(210, 212, 1),
        5,
    ),
    "FORM": commands.Form(REGION, Ramp(FORMS, FORMS, 0), 5, 20000, 2, 9),
    "VMM": commands.Vmm(REGION, signed(20, 6, most=127), 12, 2**32 - 9),
    "VMM 16 bits": commands.Vmm(REGION, RNG.integers(-9999, 9999, (5, 6)).astype(np.int16), 12, 3),
    "VMM_T": commands.VmmT(REGION, signed(11, 4, most=127), 12, 3),
}


def configured(link):
    """Define the shapes that the commands above name, and return the link."""
    crossbar = Crossbar(link)
    scale = crossbar.identity
    for numbers, polarity in ((SETS, Polarity.SET), (RESETS, Polarity.RESET)):
        levels = crossbar.drive_levels(polarity)
        for n, number in enumerate(numbers):
            shape = levels[n % len(levels)]
            volts, gate = (round(value / scale.volts_per_code) for value in (shape.amplitude, shape.gate))
            width = round(shape.width / scale.seconds_per_code)
            command = commands.ConfigureShape(number, polarity, volts, width, gate, 0)
            assert isinstance(link.execute(command), replies.Done)
    for width in (10**n for n in range(8)):
        link.execute(commands.ConfigureShape(FORMS, Polarity.FORM, scale.max_form_amplitude, width, 0, 0))
    return link


def state(link):
    """Return all that a command changes."""
    dumped = link.execute(commands.Dump(Region(0, ROWS, 0, COLS)))
    return encode_reply(dumped), encode_reply(link.execute(commands.Status()))


def counts(link):
    """Return the pulses of each cell."""
    words = link.execute(commands.Dump(Region(0, ROWS, 0, COLS))).words
    return from_words(words)["count"].astype(np.int64).reshape(ROWS, COLS)


@pytest.fixture
def fine(monkeypatch):
    """Slices as small as they come."""
    monkeypatch.setattr(slices, "WORK", 1)


@pytest.mark.parametrize("name", EVERY)
def test_slices_are_the_whole_command_to_the_bit(fine, name):
    command = EVERY[name]
    whole, sliced = (configured(open_link(TARGET)) for _ in range(2))
    parts = slices.slices(command)
    assert len(parts) > 3
    units = {"V": "vectors", "O": "x"}.get(name[0])
    total = len(command.counts) if name == "PULSE_SPARSE" else len(getattr(command, units)) if units else 24
    assert sum(part.progress for part in parts) == total
    reply = whole.execute(command)
    assert not isinstance(reply, replies.Refused), reply
    assert encode_reply(slices.joined([sliced.execute(part.command) for part in parts])) == encode_reply(reply)
    assert state(sliced) == state(whole)


def test_a_short_command_stays_whole():
    assert [part.command for part in slices.slices(EVERY["READ"])] == [EVERY["READ"]]
    assert len(slices.slices(commands.Status())) == 1


# -- served ----------------------------------------------------------------------------------------------------------


class Stopping(LoopPort):
    """A line on which SAFE arrives after so many slices."""

    after = None
    link = None

    def read(self):
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                self.after = None
                self.link.safe_now()
        return super().read()


@pytest.fixture
def board(request):
    """A byte link to a served emulator, its line, and the board itself."""
    inner = open_link(TARGET)
    port = Stopping(BoardServer(inner), TARGET)
    port.link = ByteLink.connect(port, TARGET)
    configured(port.link)
    yield port.link, port, inner
    port.link.close()


def test_safe_stops_a_pulse_between_two_rows_and_says_so(fine, board):
    link, port, inner = board
    command = EVERY["PULSE COMMAND"]
    port.after = 3
    first, second = link.execute_all([command, command])
    assert (first.refusal, second.refusal) == (Refusal.ABORTED, Refusal.ABORTED)
    assert "progress was 16" in first.detail
    assert "before it began" in second.detail
    assert link.stopped.progress == 16
    expected = np.zeros((ROWS, COLS), np.int64)
    expected[1:5, :4] = np.abs(command.counts[:4].astype(np.int64))
    np.testing.assert_array_equal(counts(inner), expected)
    assert link.execute(commands.Status()).safe == 1
    assert isinstance(link.execute(command), replies.Pulsed)
    expected[1:7, :4] += np.abs(command.counts.astype(np.int64))
    np.testing.assert_array_equal(counts(inner), expected)


BAD = {
    "row outside": (commands.Read(Region(0, ROWS + 1, 0, COLS), 0, 4, 0), Refusal.OUT_OF_REGION),
    "shape of the last row": (
        commands.Pulse(
            REGION, np.ones(REGION.shape, np.int8), ShapePer.ROW,
            np.array([200] * 5 + [99], np.uint8), np.full(6, 210, np.uint8),
        ),
        Refusal.NO_SHAPE,
    ),
    "last cell of a list": (
        commands.PulseSparse(
            np.array([0, 1, ROWS], np.uint16), np.zeros(3, np.uint16), np.full(3, 9, np.int8), 0, 8
        ),
        Refusal.OUT_OF_REGION,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_is_refused_before_its_first_slice(fine, board, name):
    link, _, inner = board
    command, refusal = BAD[name]
    link.execute(commands.Safe())
    before = state(inner)
    reply = link.execute(command)
    assert (type(reply), reply.refusal) == (replies.Refused, refusal)
    assert state(inner) == before


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        (replies.Refused(Refusal.INTERLOCK, "lid open"), "aborted after a progress of 8: lid open"),
        (LinkTimeout("silent"), "silent"),
    ],
)
def test_a_command_that_fails_in_its_middle_is_aborted_and_counted(fine, monkeypatch, failing, says):
    inner = open_link(f"{TARGET}&lacks=counters")
    crossbar = Crossbar(ByteLink.connect(LoopPort(BoardServer(inner), TARGET), TARGET))
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
    whole, pulsed = inner.execute, []

    def execute(command):
        pulsed.append(isinstance(command, commands.Pulse))
        if sum(pulsed) < 3 or not pulsed[-1]:
            return whole(command)
        if isinstance(failing, LinkTimeout):
            raise failing
        return failing

    monkeypatch.setattr(inner, "execute", execute)
    with pytest.raises(BoardError, match=rf"{says}; read its cells back") as error:
        crossbar.pulse(np.ones((4, 4), np.int64), sets, resets, slice(0, 4), slice(0, 4))
    assert error.value.aborted
    assert (sum(pulsed), crossbar.pulse_counts().sum()) == (3, 16)
    np.testing.assert_array_equal(counts(inner)[:4, :4], np.repeat([1, 1, 0, 0], 4).reshape(4, 4))
    crossbar.close()


def test_a_reply_beyond_its_reserve_is_refused_and_nothing_is_executed():
    inner = open_link(TARGET)
    server, host = BoardServer(inner), HostSession(5)
    host.hello(0.0)

    def exchange():
        server.receive(host.outgoing())
        while server.work():
            pass
        host.receive(server.session.outgoing(), 0.0)

    exchange()
    host.open(0.0, 0)
    exchange()
    number = host.submit(encode_command(commands.Dump(Region(0, ROWS, 0, COLS))), 10)
    exchange()
    host.outgoing()
    reply = decode_reply(host.take_reply(number))
    assert (reply.refusal, "reserve" in reply.detail) == (Refusal.OVER_LIMIT, True)


def test_layers_that_keep_their_own_time_see_whole_commands(fine):
    target = f"{TARGET}&drift=0.1&rtn=0.1"
    link = ByteLink.connect(LoopPort(BoardServer(open_link(target)), target), target)
    inner = open_link(target)
    for board in (link, inner):
        configured(board)
    for name in ("PULSE CELL", "READ", "VMM"):
        assert encode_reply(link.execute(EVERY[name])) == encode_reply(inner.execute(EVERY[name]))
    assert state(link) == state(inner)
    link.close()


def test_a_client_that_goes_in_the_middle_leaves_the_board_safe_and_the_next_one_finds_the_command_done(fine):
    inner = configured(open_link(TARGET))
    server = BoardServer(inner)
    far, host = Served(server), HostSession(5)

    def say(host):
        far.receive(host.outgoing())
        host.receive(far.outgoing(), 0.0)

    def opened(host):
        host.hello(0.0)
        say(host)
        host.open(0.0, host.board.session)
        say(host)

    opened(host)
    command = EVERY["PULSE COMMAND"]
    host.submit(encode_command(command), 16)
    say(host)
    for _ in range(2):
        far.work()
    far.client_left()
    assert inner.execute(commands.Status()).safe == 1
    assert 0 < counts(inner).sum() < np.abs(command.counts.astype(np.int64)).sum()
    opened(HostSession(6))
    while far.work():
        pass
    np.testing.assert_array_equal(counts(inner)[1:7, :4], np.abs(command.counts.astype(np.int64)))
