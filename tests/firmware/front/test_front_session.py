"""The session block beside hwctl's BoardSession: the same frames, the same answers, the same commands handed out."""

from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.front.deframer import HOST_KINDS
from firmware.front.session import Session
from firmware.parameters import Parameters
from hwctl.protocol import frame as wire
from hwctl.protocol.codes import PROTOCOL_VERSION
from hwctl.protocol.frame import Deframer, Frame, Kind, encode_frame, pack
from hwctl.protocol.session.board import BoardSession

BUDGET = 2048
FRAME_CLOCKS = 250  # between frames; the session says that it needs less
ANSWER_CLOCKS = 200  # of one answer, longer than it takes to gather one


@dataclass
class Sent:
    """An answer as the session gave it to the framer."""

    kind: Kind
    words: list[int]
    reply: tuple[int, int] | None
    boot_differs: bool


@dataclass
class Bench:
    """A session in simulation, with a framer that takes its time and an engine that the test steps."""

    session: Session = field(
        default_factory=lambda: Session(
            Parameters(**dict.fromkeys(("receive_budget", "reply_budget", "largest_frame"), BUDGET))
        )
    )
    answers: list[Sent] = field(default_factory=list)

    def run(self, script):
        simulator = Simulator(self.session)
        simulator.add_clock(1e-6)
        simulator.add_testbench(script)
        simulator.add_testbench(self.take_answers, background=True)
        simulator.run()

    async def take_answers(self, ctx):
        session = self.session
        start = length = 0
        while True:
            await ctx.tick()
            if ctx.get(session.set_start):
                start = ctx.get(session.value) % BUDGET
            if ctx.get(session.set_length):
                length = ctx.get(session.value)
            if not ctx.get(session.send):
                continue
            kind, words = Kind(ctx.get(session.answer)), ctx.get(session.answer_words)
            differs = bool(ctx.get(session.boot_differs))
            await ctx.tick()
            ctx.set(session.busy, 1)
            found = [await self.word(ctx, i) for i in range(words)]
            reply = (start, length) if kind is Kind.REPLY else None
            self.answers.append(Sent(kind, found, reply, differs))
            for _ in range(ANSWER_CLOCKS):
                await ctx.tick()
            ctx.set(session.busy, 0)

    async def word(self, ctx, index):
        ctx.set(self.session.read_index, index)
        while not ctx.get(self.session.read_ready):
            await ctx.tick()
        await ctx.tick()
        return ctx.get(self.session.read_word)

    async def frame(self, ctx, frame):
        """Give the words of a frame, then the frame."""
        session = self.session
        payload = frame.payload[:8].ljust(8, b"\xaa")
        words = [frame.session, frame.sequence, frame.acknowledged]
        words += [int.from_bytes(payload[i : i + 4], "little") for i in (0, 4)]
        for i, word in enumerate(words):
            ctx.set(session.word_index, i)
            ctx.set(session.word, word)
            ctx.set(session.word_valid, 1)
            while not ctx.get(session.word_ready):
                await ctx.tick()
            await ctx.tick()
        ctx.set(session.word_valid, 0)
        ctx.set(session.kind, frame.kind)
        ctx.set(session.question, len(frame.payload) < 4)
        ctx.set(session.frame_length, max(len(frame.payload) - 4, 0))
        await self.pulse(ctx, "frame", "heard")
        await ctx.tick().repeat(FRAME_CLOCKS)

    async def pulse(self, ctx, *names):
        for name in names:
            ctx.set(getattr(self.session, name), 1)
        await ctx.tick()
        for name in names:
            ctx.set(getattr(self.session, name), 0)

    async def settle(self, ctx):
        """Wait until nothing more is answered."""
        while True:
            count = len(self.answers)
            await ctx.tick().repeat(2 * ANSWER_CLOCKS)
            if len(self.answers) == count:
                return

    async def begin(self, ctx):
        """Power up; return `boot`."""
        await ctx.tick().repeat(200)
        await self.frame(ctx, Frame(Kind.HELLO, 1, 1))
        await self.settle(ctx)
        return self.answers.pop().words[4]


class Twin:
    """A BoardSession beside the bench, and one engine for both."""

    def __init__(self, bench, boot):
        self.bench = bench
        self.board = BoardSession(BUDGET, BUDGET, BUDGET, boot=boot)
        self.deframer = Deframer(4096)
        self.replies = {}  # by place in the ring
        self.running = None
        self.tail = 0
        self.starts = {}  # of commands in the ring, by session and number

    async def frame(self, ctx, frame):
        before = self.board.received if frame.kind is Kind.COMMAND else 2**32
        self.board.receive(encode_frame(frame))
        if self.board.received > before:
            self.starts[self.board.session, self.board.received] = self.tail % (2 * BUDGET)
            self.tail += len(frame.payload) - 4
        await self.bench.frame(ctx, frame)
        await self.compare(ctx)

    async def compare(self, ctx):
        """Both give the same answers, as a set: the block sends the latest of a kind, replies in order."""
        await self.bench.settle(ctx)
        theirs = self.deframer.feed(self.board.outgoing())
        ours = [self.translate(sent) for sent in self.bench.answers]
        self.bench.answers.clear()
        assert sorted(ours) == sorted(theirs)
        assert ctx.get(self.bench.session.tail) == self.tail % (2 * BUDGET)

    def translate(self, sent):
        session, sequence, acknowledged, *rest = sent.words
        payload = b"".join(word.to_bytes(4, "little") for word in rest)
        if sent.kind is Kind.HELLO_INFO:
            payload = bytes([PROTOCOL_VERSION]) + payload
        if sent.kind is Kind.REJECTED:
            reason = wire.Rejection.BOOT if sent.boot_differs else wire.Rejection.REPLACES
            payload = bytes([reason]) + payload
        if sent.kind is Kind.REPLY:
            payload = self.replies[sent.reply[0]]
            assert len(payload) == sent.reply[1]
        return Frame(sent.kind, session, sequence, acknowledged, payload)

    async def take(self, ctx):
        """Take the next command from both; BoardSession ends aborted ones by itself."""
        session = self.bench.session
        if self.running is not None or self.board.safe_requested():
            assert not ctx.get(session.valid)
            return
        command = self.board.next_command()
        while ctx.get(session.valid) and ctx.get(session.aborted):
            self.replies[ctx.get(session.reply_start)] = b"aborted"
            ctx.set(session.reply_length, 7)
            await self.bench.pulse(ctx, "taken")
            await self.bench.pulse(ctx, "finish")
            await ctx.tick().repeat(150)
        assert ctx.get(session.valid) == (command is not None)
        if command is not None:
            self.running, payload = command
            assert ctx.get(session.start) == self.starts[self.board.session, self.running]
            assert ctx.get(session.length) == len(payload)
            assert ctx.get(session.reserve) == self.board.reserved()
            await self.bench.pulse(ctx, "taken")
        await self.compare(ctx)

    async def finish(self, ctx, length):
        if self.running is None or self.board.safe_requested():
            return
        session = self.bench.session
        reply = bytes([length]) * length
        place = ctx.get(session.reply_start)
        self.replies[place] = reply
        self.board.finish(self.running, reply)
        self.running = None
        ctx.set(session.reply_length, length)
        await self.bench.pulse(ctx, "finish")
        await self.compare(ctx)

    async def rest(self, ctx):
        """Bring both to rest; what runs is stopped."""
        session = self.bench.session
        assert ctx.get(session.safe) == self.board.safe_requested()
        if not self.board.safe_requested():
            return
        self.replies[ctx.get(session.reply_start)] = b"aborted"
        ctx.set(session.reply_length, 7)
        names = ("at_rest", "stopped") if self.running is not None else ("at_rest",)
        self.board.abort(b"aborted", b"aborted" if self.running is not None else None)
        self.running = None
        await self.bench.pulse(ctx, *names)
        await self.compare(ctx)

    async def progress(self, ctx, value):
        self.board.progress = value
        ctx.set(self.bench.session.progress, value)


def near(value):
    return st.integers(max(value - 2, 0), value + 3)


def draw_frame(data, board, sessions):
    kind = data.draw(st.sampled_from(HOST_KINDS + (Kind.COMMAND,) * 6))
    session = data.draw(st.sampled_from([board.session] * 8 + sessions))
    sequence = data.draw(near(board.received) if kind is Kind.COMMAND else st.integers(1, 40))
    acknowledged = data.draw(near(board.executed))
    payload = b""
    if kind is Kind.COMMAND:
        reserve = data.draw(st.sampled_from([192, 192, 200, 500, 191, 2016, 2017, 2**32 - 1]))
        payload = wire.RESERVE.pack(reserve) + bytes(data.draw(st.sampled_from([0, 5, 300, 1500])))
        payload = data.draw(st.sampled_from([payload] * 5 + [b"abc"]))
    if kind is Kind.OPEN:
        boot = board._boot + data.draw(st.sampled_from([0, 0, 0, 0, 1]))
        payload = pack(wire.Open(data.draw(st.sampled_from([board.session] * 5 + sessions)), boot))
    if kind is Kind.SAFE:
        payload = pack(wire.Safe(data.draw(near(board.received))))
    return Frame(kind, session, sequence, acknowledged, payload)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_the_block_behaves_like_board_session(data):
    bench = Bench()

    async def script(ctx):
        twin = Twin(bench, await bench.begin(ctx))
        await twin.frame(ctx, Frame(Kind.OPEN, 5, 1, 0, pack(wire.Open(0, twin.board._boot))))
        steps = data.draw(st.lists(st.sampled_from("ffffffttedssr"), min_size=10, max_size=30))
        for step in steps:
            if step == "f":
                await twin.frame(ctx, draw_frame(data, twin.board, [5, 6, 7]))
            elif step == "t":
                await twin.take(ctx)
            elif step == "e":
                await twin.finish(ctx, data.draw(st.integers(0, 190)))
            elif step == "r":
                await twin.rest(ctx)
            elif step == "d" and twin.running is not None:
                await twin.progress(ctx, data.draw(st.integers(0, 2**32 - 1)))

    bench.run(script)


def test_a_reply_keeps_its_length_where_the_array_comes_to_rest_right_behind_it():
    bench = Bench()

    async def script(ctx):
        boot = await bench.begin(ctx)
        await bench.frame(ctx, Frame(Kind.OPEN, 5, 1, 0, pack(wire.Open(0, boot))))
        await bench.frame(ctx, Frame(Kind.COMMAND, 5, 1, 0, wire.RESERVE.pack(192) + bytes(8)))
        await bench.pulse(ctx, "taken")
        await bench.frame(ctx, Frame(Kind.SAFE, 5, 2, 0, pack(wire.Safe(1))))
        ctx.set(bench.session.reply_length, 33)
        await bench.pulse(ctx, "finish")
        ctx.set(bench.session.reply_length, 0)
        await bench.pulse(ctx, "at_rest")
        await bench.settle(ctx)

    bench.run(script)
    assert [sent.reply[1] for sent in bench.answers if sent.kind is Kind.REPLY] == [33]
