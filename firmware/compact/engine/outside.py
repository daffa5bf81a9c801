"""The registers around the engine's processor: reader and writer of bytes, both ports."""

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory

from firmware.compact.engine.registers import DETAIL_BITS, Detail, Outside, Source, Target
from firmware.front.port import CommandPort
from firmware.parameters import LEVEL_BITS
from firmware.port import ArrayPort, Operation
from firmware.processor.assembler import Flag
from firmware.processor.core import Processor


class Registers:
    """Connects a processor to the session's port, the array's port and the memory of fixed replies."""

    def __init__(
        self, m: Module, processor: Processor, session: CommandPort, array: ArrayPort, fixed: bytes, progress: int
    ) -> None:
        """progress: bits of the highest number that is ever said."""
        self.m, self.processor, self.session, self.array = m, processor, session, array
        self.value = processor.value_out
        self.reads = {source: Signal(name=f"reads_{source.name.lower()}") for source in Source}
        self.writes = {target: Signal(name=f"writes_{target.name.lower()}") for target in Target}
        number = processor.number
        m.d.comb += [strobe.eq(processor.read & (number[:4] == source)) for source, strobe in self.reads.items()]
        m.d.comb += [strobe.eq(processor.write & (number[:5] == target)) for target, strobe in self.writes.items()]
        self._values: dict[Source, Value] = {}
        self._reader(fixed)
        self._writer()
        self._session(progress)
        self._request()
        self._streams()
        self._flags()
        m.d.comb += processor.value_in.eq(Array(self._values[source] for source in Source)[number[:4]])

    def _kept(self, target: Target, width: int) -> Signal:
        """Return a register that the program writes."""
        kept = Signal(width, name=target.name.lower())
        with self.m.If(self.writes[target]):
            self.m.d.sync += kept.eq(self.value)
        return kept

    # -- bytes ---------------------------------------------------------------------------------------------------------

    def _reader(self, fixed: bytes) -> None:
        """Keep a byte as soon as the ring has said it: it may say it once and then be written to."""
        m, session = self.m, self.session
        m.submodules.replies = memory = Memory(shape=8, depth=len(fixed), init=list(fixed))
        rom = memory.read_port()
        address, following = Signal.like(session.start), Signal.like(session.start)
        self.byte, self.has_byte = Signal(8), Signal()
        seek, step = self.writes[Target.SEEK], self.reads[Source.BYTE] | self.reads[Source.FIXED]
        m.d.comb += [
            following.eq(Mux(seek, self.value, address + step)),
            session.read_address.eq(following),
            rom.addr.eq(following),
        ]
        m.d.sync += address.eq(following)
        with m.If(seek | step):
            m.d.sync += self.has_byte.eq(0)
        with m.Elif(session.read_valid & ~self.has_byte):
            m.d.sync += [self.byte.eq(session.read_data), self.has_byte.eq(1)]
        self._values |= {Source.BYTE: self.byte, Source.FIXED: rom.data, Source.POSITION: address}

    def _writer(self) -> None:
        m, session = self.m, self.session
        address = Signal.like(session.reply_start)
        put = self.writes[Target.PUT]
        m.d.comb += [session.write_en.eq(put), session.write_data.eq(self.value), session.write_address.eq(address)]
        m.d.sync += address.eq(Mux(self.writes[Target.REPLY], self.value, address + put))

    # -- ports ---------------------------------------------------------------------------------------------------------

    def _session(self, progress: int) -> None:
        m, session, writes = self.m, self.session, self.writes
        self.taken, self.aborted, self.asleep = Signal(), Signal(), Signal()
        m.d.comb += [
            session.taken.eq(writes[Target.TAKE]),
            session.finish.eq(writes[Target.FINISH]),
            session.stopped.eq(writes[Target.STOPPED]),
            session.at_rest.eq(writes[Target.STOPPED] | writes[Target.REST]),
            session.reply_length.eq(self.value),
            session.progress.eq(self._kept(Target.PROGRESS, progress)),
        ]
        with m.If(writes[Target.TAKE]):
            m.d.sync += [self.taken.eq(session.valid), self.aborted.eq(session.aborted)]
        with m.If(writes[Target.SLEEP]):
            m.d.sync += self.asleep.eq(1)
        with m.Elif(session.valid | session.safe):
            m.d.sync += self.asleep.eq(0)
        self._values |= {
            Source.START: session.start, Source.LENGTH: session.length, Source.RESERVE: session.reserve,
            Source.REPLY_START: session.reply_start, Source.BAD_FRAMES: session.bad_frames,
        }  # fmt: skip

    def _request(self) -> None:
        """Keep all fields while the array is busy."""
        m, array = self.m, self.array
        request = array.request
        operation = Signal(len(Operation.__members__).bit_length())
        self.start = Signal()
        m.d.sync += self.start.eq(self.writes[Target.REQUEST])
        with m.If(self.writes[Target.REQUEST]):
            m.d.sync += operation.eq(self.value)
        detail = self._kept(Target.DETAIL, DETAIL_BITS)
        self.low = Signal(32)  # width of a SET pulse, or element
        with m.If(self.writes[Target.SET_WIDTH] | self.writes[Target.ELEMENT]):
            m.d.sync += self.low.eq(self.value)
        self.set_level = self._kept(Target.SET_LEVEL, LEVEL_BITS)
        index = self._kept(Target.INDEX, 32)
        m.d.comb += [
            request.operation.eq(operation), array.start.eq(self.start),
            array.stop.eq(self.session.safe & (operation == Operation.PULSE.value)),
            request.row0.eq(self._kept(Target.ROW0, len(request.row0))),
            request.row1.eq(self._kept(Target.ROW1, len(request.row1))),
            request.col0.eq(self._kept(Target.COL0, len(request.col0))),
            request.col1.eq(self._kept(Target.COL1, len(request.col1))),
            request.word0.eq(detail[Detail.WORD0 :]), request.words.eq(detail[Detail.WORDS :]),
            request.averages_log2.eq(detail[Detail.AVERAGES :]), request.tia_range.eq(detail[Detail.RANGE :]),
            request.voltage.eq(self._kept(Target.VOLTAGE, 16)), request.settle.eq(self._kept(Target.SETTLE, 32)),
            request.index.eq(index), request.transposed.eq(detail[Detail.TRANSPOSED]),
            request.wide.eq(detail[Detail.WIDE]), request.polarity.eq(detail[Detail.POLARITY]),
            request.shift.eq(detail[Detail.SHIFT :]), request.count.eq(detail[Detail.COUNT :]),
            request.set_level.eq(self.set_level), request.set_width.eq(self.low),
            request.reset_level.eq(self._kept(Target.RESET_LEVEL, LEVEL_BITS)), request.reset_width.eq(index),
            array.key.eq(Cat(self._kept(Target.KEY, 32), self._kept(Target.KEY_HIGH, 32))),
        ]  # fmt: skip

    def _streams(self) -> None:
        m, array = self.m, self.array
        elements, results, spent = array.elements, array.results, array.spent
        self.waits = Signal()  # an element does
        m.d.sync += self.waits.eq(self.writes[Target.ELEMENT] | (self.waits & ~elements.ready))
        m.d.comb += [
            elements.valid.eq(self.waits),
            elements.payload.eq(Cat(self.low, self.set_level)),
            results.ready.eq(self.reads[Source.RESULT]),
        ]
        self._values |= {
            Source.RESULT: results.payload, Source.ROWS_DONE: array.rows_done,
            Source.SET_PULSES: spent.set_pulses, Source.RESET_PULSES: spent.reset_pulses,
            Source.CONVERSIONS: spent.conversions, Source.TIME: spent.time[:32], Source.TIME_HIGH: spent.time[32:],
        }  # fmt: skip

    def _flags(self) -> None:
        session = self.session
        flags = {
            Outside.SAFE: session.safe, Outside.VALID: session.valid, Outside.TAKEN: self.taken,
            Outside.ABORTED: self.aborted, Outside.BYTE: self.has_byte, Outside.ELEMENT: self.waits,
            Outside.RESULT: self.array.results.valid, Outside.BUSY: self.array.busy | self.start,
        }  # fmt: skip
        ordered = (flags.get(Outside(Flag.FIRST + n), C(0)) for n in range(len(Outside)))
        self.m.d.comb += self.processor.flags.eq(Cat(ordered))
