"""A host's session, a line that may be cut and a simulated physical board in one time, and faults that befall them."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firmware.analog.boardfile import BoardFile
from firmware.simulation.analogboard import AnalogSimulation
from firmware.simulation.analogmodel import LINES
from firmware.simulation.chips import ChipError
from firmware.simulation.physical import Applied, PhysicalBoard
from hwctl.protocol import commands, replies
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.codes import NO_READING, Polarity, Refusal
from hwctl.protocol.packing import Region
from hwctl.protocol.session import HostSession, Phase
from hwctl.protocol.sizes import reply_bytes

STEP = 512  # clocks between two looks
TIMEOUT = 0.5e-3  # s of the board's time until the host asks again
APART = 4_000, 40_000  # clocks between two faults
LONG = 20_000_000  # clocks within which a command must be answered
FAULTS = (
    "host killed",
    "cable pulled",
    "bytes flipped",
    "board reset",
    "ADC line stuck",
    "DAC line stuck",
    "ADC saturated",
)


class Monitor(PhysicalBoard):
    """The parts, and what no cell may ever get."""

    def __init__(self, *arguments: object, **named: object) -> None:
        """Power up."""
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        sensing = {line.sense.part for line in self.board.cols if line.sense is not None}
        self._sensing = sum(1 << n for n, name in enumerate(self.chains) if name in sensing)
        step = float(self.board.rows[0].transfer.step)
        self._most = {True: self.board.limits.read + step / 2, False: self.board.limits.amplitude + step / 2}
        self.beyond: list[str] = []
        self.saturated = self.reading = self.was_reading = False

    def _follow(self) -> None:
        self.was_reading, self.reading = self.reading, bool(self._enables & self._sensing)
        super()._follow()

    def _applied(self) -> dict[tuple[int, int], tuple[float, float]]:
        now = super()._applied()
        for cell, (volts, _) in now.items():
            if abs(volts) > self._most[self.reading]:
                self.beyond.append(f"{volts:.3f} V at {cell}{', which is read' if self.reading else ''}")
        return now

    def _sensed(self, adc: str, channel: int) -> float:
        return 1e3 if self.saturated else super()._sensed(adc, channel)


@dataclass
class Found:
    """What a campaign has seen."""

    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    trips: Counter[str] = field(default_factory=Counter)
    doubt: int = 0
    """Pulses that were counted, but not executed: those in doubt, and those that were cut."""
    answered: int = 0


class Campaign:
    """A host's session, a line that may be cut, and a board; all in one time."""

    def __init__(self, file: Path, script: list[commands.Command], seed: int) -> None:
        """Power up and open a session."""
        self.board, self.script, self.rng = BoardFile.load(file), script, np.random.default_rng(seed)
        self.simulation = AnalogSimulation(self.board, 1, parts=Monitor)
        self.simulation.cells.respond = self._watched(self.simulation.cells.respond)  # type: ignore[method-assign]
        self.simulation.reset()
        self.found, self.flip, self.cut = Found(), 0.0, False
        self.shape = self.simulation.cells.g.shape
        self.book = np.zeros(self.shape, np.int64)  # pulses, as the host counts them
        self.slack = np.zeros(self.shape, np.int64)  # of these, what need not have been executed
        self.at, self.before, self.sessions, self.base = 0, 0, 0, 0
        self.waiting: dict[int, commands.Command] = {}
        self.doubtful = np.zeros(self.shape, np.int64)
        self._connect()
        self._configure()

    def _watched(self, respond: object) -> object:
        def called(applied: Applied) -> None:
            limit = self.board.codes.max_width
            reading = self.simulation.physical.was_reading  # type: ignore[attr-defined]
            if abs(applied.volts) > self.board.limits.read * 1.01 and applied.clocks > limit and not reading:
                self.found.wrong.append(f"a pulse of {applied.clocks} clocks, limit {limit}")
            try:
                respond(applied)  # type: ignore[operator]
            except ChipError as error:  # a pulse that no drive level explains
                self.found.wrong.append(str(error))

        return called

    # -- time and line -------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """S since the campaign began."""
        return (self.base + self.simulation.model.cycles) / self.board.clock

    def step(self, *, host: bool = True) -> None:
        """Let a little time pass; host: one is there."""
        model = self.simulation.model
        said = self._line(model.run(STEP))
        if not host:
            return
        self.host.receive(said, self.now)
        self.host.tick(self.now)
        out = self._line(self.host.outgoing())
        if out:
            model.push(out)

    def _line(self, data: bytes) -> bytes:
        if self.cut or not data:
            return b""
        if not self.flip:
            return data
        raw = np.frombuffer(data, np.uint8).copy()
        hit = self.rng.random(raw.size) < self.flip
        raw[hit] ^= (1 << self.rng.integers(0, 8, hit.sum())).astype(np.uint8)
        return raw.tobytes()

    def _until(self, done: object, what: str) -> None:
        begun = self.simulation.model.cycles
        while not done():  # type: ignore[operator]
            if self.simulation.model.cycles - begun > LONG:
                raise RuntimeError(f"no {what} within {LONG} clocks")
            self.step()

    # -- the host ------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Take the board over with a new session."""
        self.sessions += 1
        host = self.host = HostSession(self.sessions, TIMEOUT)
        self.waiting = {}
        while host.phase is not Phase.OPEN:
            host.hello(self.now)
            self._until(lambda: not host.pending, "HELLO_INFO")
            assert host.board is not None
            host.open(self.now, host.board.session)
            self._until(lambda: not host.pending, "OPENED")

    def ask(self, command: commands.Command) -> object:
        """Execute a command and return its reply; None where the session was lost."""
        number = self.host.submit(encode_command(command), reply_bytes(command))
        raw: list[bytes] = []

        def answered() -> bool:
            if self.host.phase is Phase.LOST:
                return True
            found = self.host.take_reply(number)
            raw.extend([] if found is None else [found])
            return bool(raw)

        self._until(answered, type(command).__name__)
        return decode_reply(raw[0]) if raw else None

    def _configure(self) -> None:
        self.ask(commands.Safe())
        for number, polarity in enumerate((Polarity.SET, Polarity.RESET)):
            level = self.board.levels(polarity)[-1]
            done = self.ask(commands.ConfigureShape(number, polarity, *level.codes, 0))
            assert isinstance(done, replies.Done), done

    def commanded(self, command: commands.Command) -> np.ndarray:
        """Return the pulses of each cell that a command asks for."""
        counts = np.zeros(self.shape, np.int64)
        if isinstance(command, commands.Pulse):
            r = command.region
            counts[r.row0 : r.row1, r.col0 : r.col1] += np.abs(command.counts.astype(np.int64))
        elif isinstance(command, commands.PulseSparse):
            np.add.at(counts, (command.rows, command.cols), np.abs(command.counts.astype(np.int64)))
        return counts

    def go_on(self, clocks: int) -> None:
        """Send commands of the run for so long, and look at their replies."""
        end = self.simulation.model.cycles + clocks
        while self.simulation.model.cycles < end and self.host.phase is Phase.OPEN:
            while len(self.waiting) < 4:
                command = self.script[self.at % len(self.script)]
                self.at += 1
                self.waiting[self.host.submit(encode_command(command), reply_bytes(command))] = command
            self.step()
            self._look()

    def _look(self) -> None:
        for number in list(self.waiting):
            raw = self.host.take_reply(number)
            if raw is not None:
                self._take(self.waiting.pop(number), decode_reply(raw))

    def _take(self, command: commands.Command, reply: object) -> None:
        self.found.answered += 1
        if isinstance(reply, replies.Refused):
            if reply.refusal == Refusal.ABORTED:  # how far it came is asked for afterwards
                self.doubtful += self.commanded(command)
            elif reply.refusal != Refusal.INTERLOCK:
                self.found.wrong.append(f"{type(command).__name__} was refused: {reply.detail}")
            return
        self.book += self.commanded(command)
        bad = isinstance(reply, replies.Readings) and self.simulation.physical.saturated
        if bad and (reply.readings[...] != NO_READING).all() and self.steady:  # type: ignore[attr-defined]
            self.found.wrong.append("a saturated converter was read as a conductance")

    # -- faults --------------------------------------------------------------------------------------------------------

    steady = False

    def fault(self, name: str) -> None:
        """Let a fault happen, and recover from it as a host does."""
        self.found.faults[name] += 1
        getattr(self, "_" + name.lower().replace(" ", "_"))()
        self._recover()
        self._check(name)

    def _host_killed(self) -> None:
        model, end = self.simulation.model, self.simulation.model.cycles + 3 * self.board.codes.silence
        for command in self.waiting.values():  # they may have been sent
            self.doubtful += self.commanded(command)
        while not (model.quiet and model.resting) and model.cycles < end:
            self.step(host=False)
        if not model.resting:
            self.found.wrong.append("a board without a host is not at rest")
        self._connect()

    def _cable_pulled(self) -> None:
        self.cut = True
        for _ in range(int(self.rng.integers(4, 3 * self.board.codes.silence // STEP // 2))):
            self.step()
        self.cut = False
        if self.host.phase is Phase.OPEN:
            self.host.ping(self.now)

    def _bytes_flipped(self) -> None:
        self.flip = 10 ** self.rng.uniform(-3.5, -1.5)
        self.go_on(int(self.rng.integers(*APART)))
        self.flip = 0.0

    def _board_reset(self) -> None:
        self.base += self.simulation.model.cycles
        self.simulation.reset()
        if self.waiting:
            self.host.ping(self.now)
            self._until(lambda: self.host.phase is Phase.LOST or not self.host.pending, "NO_SESSION")
        self._look()
        for command in self.waiting.values():
            self.doubtful += self.commanded(command)
        self.book += self.doubtful
        self.slack += self.doubtful
        self.doubtful[:] = 0
        self._connect()
        self._configure()
        whole = Region(0, self.shape[0], 0, self.shape[1])
        assert isinstance(self.ask(commands.LoadCounters(whole, self.book.astype(np.uint32))), replies.Done)

    def _adc_line_stuck(self) -> None:
        self._stuck(str(self.rng.choice([line for line in LINES if line.startswith("adc")])))

    def _dac_line_stuck(self) -> None:
        self._stuck(str(self.rng.choice([line for line in LINES if line.startswith("dac")])))

    def _stuck(self, line: str) -> None:
        model = self.simulation.model
        model.lenient = True
        model.stick(line, int(self.rng.integers(0, 2)))
        self.go_on(int(self.rng.integers(*APART)))
        model.stick(None)
        self._drain()
        model.lenient = False

    def _adc_saturated(self) -> None:
        physical = self.simulation.physical
        physical.saturated = True  # type: ignore[attr-defined]
        self._drain()  # what was on its way may have been converted before
        self.steady = True
        self.go_on(int(self.rng.integers(*APART)))
        self.steady = False
        physical.saturated = False  # type: ignore[attr-defined]

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Wait for all replies."""

        def done() -> bool:
            self._look()
            return not self.waiting or self.host.phase is Phase.LOST

        self._until(done, "replies")

    def _recover(self) -> None:
        """Wait for what is under way, acknowledge trips, and take over what the board has counted."""
        self._drain()
        status = self.ask(commands.Status())
        assert isinstance(status, replies.BoardStatus)
        if status.faults & 0xFFFF:
            self.found.trips[f"{status.faults & 0xFFFF:#x}"] += 1
            self.slack += 1  # a pulse that was cut may have been too short to be one
        assert isinstance(self.ask(commands.Safe()), replies.Done)
        self._rest_codes()

    def _rest_codes(self) -> None:
        """Read a cell, until the board takes commands again: all channels have to be given their rest codes first."""
        for _ in range(50):
            found = self.ask(commands.Read(Region(0, 1, 0, 1), 0, 4, 0))
            if isinstance(found, replies.Readings):
                return
            self.ask(commands.Safe())
        self.found.wrong.append(f"the board did not recover: {found}")

    def _check(self, name: str) -> None:
        """Compare counters and host with what the cells have had."""
        physical, model = self.simulation.physical, self.simulation.model
        counts = self.ask(commands.Counters(Region(0, self.shape[0], 0, self.shape[1])))
        assert isinstance(counts, replies.Counts), counts
        board = counts.counts.astype(np.int64)
        truth = self.simulation.cells.pulses.sum(axis=0)
        extra = board - truth
        if (extra < 0).any() or (extra > self.slack).any():
            self.found.wrong.append(f"after {name}: counters are off by {extra.min()} to {extra.max()}")
        missed = board - self.book
        if (missed < 0).any() or (missed > self.doubtful).any():
            self.found.wrong.append(f"after {name}: the host's book is off by {missed.min()} to {missed.max()}")
        self.book, self.doubtful[:] = board.copy(), 0
        self.slack = np.maximum(extra, 0)
        self.found.doubt = int(self.slack.sum())
        if physical.beyond:  # type: ignore[attr-defined]
            self.found.wrong.append(f"after {name}: {physical.beyond[0]}")  # type: ignore[attr-defined]
            physical.beyond.clear()  # type: ignore[attr-defined]
        if model.worst_rest > self.board.codes.rest_clocks:
            self.found.wrong.append(f"after {name}: not at rest for {model.worst_rest} clocks of a trip")
