"""The converter of an array: docs/cell-law.md, "READ" and "VMM and transposed VMM".

One shift register with one adder does everything, one sum after the other: times voltage, eight bits of the sum a
clock; plus noise; round and shift, eight bits or one a clock; saturate. A line of a VMM takes at most 30 clocks.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from firmware.array.lane import NOISE_BITS, sum_bits
from firmware.parameters import Parameters
from hwctl.protocol.codes import ADC_BITS, MAX_READ_RANGE, NO_CURRENT, NO_READING

LIMB = 8  # bits of the sum that are multiplied in one clock
VOLTAGE_BITS = 16
TOTAL_BITS = 28  # 2^12 conversions of 16 bits


class Converter(wiring.Component):
    """`go` says that the sums and noises of the lanes are there. They must stay until `released`.

    Reading: one conversion of the sum of lane `lane`; `final` says that the cell's result follows. Else: a VMM, all
    lines of a column group, or one row whose sum is that of all lanes. `converted` counts conversions.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Make the ports."""
        self.parameters = parameters
        self._limbs = -(-sum_bits(parameters) // LIMB)
        lanes = parameters.lanes
        super().__init__(
            {
                "reading": In(1),
                "transposed": In(1),
                "wide": In(1),
                "voltage": In(VOLTAGE_BITS),
                "tia_range": In(4),
                "averages_log2": In(4),
                "lane": In(range(max(lanes, 2))),
                "start": In(1),  # a request begins: `line0` is its first sensed column
                "line0": In(parameters.col_bits),
                "line1": In(parameters.col_bits),  # one beyond the last
                "go": In(1),
                "final": In(1),
                "sums": In(signed(sum_bits(parameters))).array(lanes),
                "noises": In(signed(NOISE_BITS)).array(lanes),
                "released": Out(1),
                "converted": Out(1),
                "busy": Out(1),
                "results": Out(stream.Signature(16)),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Build the data path and its states."""
        self.m = m = Module()
        self._registers()
        self._pick()
        with m.FSM() as fsm:
            self._load()
            self._times_voltage()
            self._add_noise()
            self._read()
            self._round()
            self._result()
        m.d.comb += self.busy.eq(self.ready | self.go | ~fsm.ongoing("IDLE"))
        return m

    def _registers(self) -> None:
        size = self._limbs * LIMB + VOLTAGE_BITS
        self.work = Signal(signed(size), reset_less=True)
        self.half = Signal()  # the last bit that was shifted out
        self.total = Signal(TOTAL_BITS, reset_less=True)
        self.saturated = Signal()
        self.fresh = Signal(init=1)  # the next reading is the first of its cell
        self.last = Signal()
        self.left = Signal(5)
        self.ready = Signal()
        self.line = Signal.like(self.line0)
        self.part = Signal(range(max(self.parameters.lanes, 2)))
        # One adder. `work` is 0 wherever a sum begins.
        self.add, self.addend = Signal(), Signal(signed(size))
        m = self.m
        with m.If(self.add):
            m.d.sync += self.work.eq(self.work + self.addend)
        with m.If(self.go):
            m.d.sync += self.ready.eq(1)
        with m.If(self.start):
            m.d.sync += [self.line.eq(self.line0), self.fresh.eq(1), self.part.eq(0)]

    def _pick(self) -> None:
        """Choose a lane."""
        m, lanes = self.m, self.parameters.lanes
        self.sum, self.noise = Signal.like(self.sums[0]), Signal.like(self.noises[0])
        if lanes == 1:
            m.d.comb += [self.sum.eq(self.sums[0]), self.noise.eq(self.noises[0])]
            return
        chosen = Signal.like(self.part)
        of_line = self.line[: len(chosen)]
        m.d.comb += [
            chosen.eq(Mux(self.reading, self.lane, Mux(self.transposed, self.part, of_line))),
            self.sum.eq(Array(self.sums)[chosen]),
            self.noise.eq(Array(self.noises)[Mux(self.transposed & ~self.reading, 0, chosen)]),
        ]

    def _plus(self, addend: object) -> None:
        self.m.d.comb += [self.add.eq(1), self.addend.eq(addend)]

    def _load(self) -> None:
        m, lanes = self.m, self.parameters.lanes
        with m.State("IDLE"), m.If(self.ready):
            self._plus(self.sum)
            m.d.sync += [self.left.eq(self._limbs), self.last.eq(self.final)]
            m.next = "VOLTAGE"
            if lanes > 1:
                with m.If(self.transposed & ~self.reading):
                    m.d.sync += self.part.eq(1)
                    m.next = "LANES"
        if lanes > 1:
            with m.State("LANES"):
                self._plus(self.sum)
                m.d.sync += self.part.eq(self.part + 1)
                with m.If(self.part == lanes - 1):
                    m.d.sync += self.part.eq(0)
                    m.next = "VOLTAGE"

    def _times_voltage(self) -> None:
        """Multiply the lowest bits of the sum; the product comes in from above, the highest bits are signed."""
        m, work = self.m, self.work
        sum_size = self._limbs * LIMB
        high = Signal(VOLTAGE_BITS, reset_less=True)
        step, negative = Signal(VOLTAGE_BITS + LIMB), Signal()
        m.d.comb += [
            step.eq(work[:LIMB] * self.voltage + high),
            negative.eq((self.left == 1) & work[LIMB - 1]),
        ]
        with m.State("VOLTAGE"):
            above = (step[LIMB:] - Mux(negative, self.voltage, 0))[:VOLTAGE_BITS]
            m.d.sync += [
                work.eq(Cat(work[LIMB:sum_size], step[:LIMB], above)),
                high.eq(above),
                self.left.eq(self.left - 1),
            ]
            with m.If(self.left == 1):
                m.next = "SCALE"
        with m.State("SCALE"):
            m.d.sync += [work.eq(work >> 8), high.eq(0)]
            m.next = "NOISE"

    def _add_noise(self) -> None:
        m = self.m
        with m.State("NOISE"):
            self._plus(Mux(self.reading, self.noise >> 8, Mux(self.wide, self.noise << 7, self.noise >> 1)))
            m.d.sync += [self.half.eq(0), self.left.eq(Mux(self.wide, 15, 7) + self.tia_range)]
            m.next = "ROUND"
            with m.If(self.reading):
                m.d.comb += self.released.eq(1)
                m.d.sync += self.ready.eq(0)
                m.next = "READ"
            with m.Else():
                lane_bits = self.parameters.lanes.bit_length() - 1  # of one lane every line is the last of its group
                end = self.transposed | (self.line + 1 == self.line1) | self.line[:lane_bits].all()
                m.d.sync += self.line.eq(self.line + 1)
                with m.If(end):
                    m.d.comb += self.released.eq(1)
                    m.d.sync += self.ready.eq(0)

    def _read(self) -> None:
        """Round to steps of 2^range, check, and add up: y << range of the law, not y."""
        m, work = self.m, self.work
        below = Cat(n < self.tia_range for n in range(MAX_READ_RANGE))  # bits below a step
        with m.State("READ"):
            self._plus(Cat(n + 1 == self.tia_range for n in range(MAX_READ_RANGE)))
            with m.If(self.fresh):
                m.d.sync += [self.saturated.eq(0), self.total.eq(0)]
            m.d.sync += self.fresh.eq(self.last)
            m.next = "CHECK"
        with m.State("CHECK"):
            m.d.comb += self.converted.eq(1)
            beyond = work[ADC_BITS + MAX_READ_RANGE :].any() | (work[ADC_BITS:][:MAX_READ_RANGE] & ~below).any()
            with m.If(work >= 0):
                with m.If(beyond):
                    m.d.sync += self.saturated.eq(1)
                whole = Cat(work[:MAX_READ_RANGE] & ~below, work[MAX_READ_RANGE : ADC_BITS + MAX_READ_RANGE])
                m.d.sync += self.total.eq(self.total + whole)
            m.d.sync += work.eq(0)
            m.next = "IDLE"
            with m.If(self.last):
                m.next = "MEAN"
        with m.State("MEAN"):
            self._plus(Cat(self.total, 0))
            m.d.sync += [self.left.eq(self.averages_log2), self.half.eq(0)]
            m.next = "ROUND"

    def _round(self) -> None:
        """Shift by `left`, and add the last bit that went out: rounding as in the law."""
        m, work = self.m, self.work
        with m.State("ROUND"):
            with m.If(self.left >= 8):
                m.d.sync += [work.eq(work >> 8), self.half.eq(work[7]), self.left.eq(self.left - 8)]
            with m.Elif(self.left != 0):
                m.d.sync += [work.eq(work >> 1), self.half.eq(work[0]), self.left.eq(self.left - 1)]
            with m.Else():
                self._plus(Cat(self.half, 0))
                m.next = "RESULT"

    def _result(self) -> None:
        m, work, results = self.m, self.work, self.results
        with m.State("RESULT"):
            m.d.comb += results.valid.eq(1)
            with m.If(self.reading):
                m.d.comb += results.payload.eq(Mux(self.saturated, NO_READING, work))
            with m.Else():
                sign = work[ADC_BITS - 1 :]
                m.d.comb += results.payload.eq(Mux(sign.all() | ~sign.any(), work, NO_CURRENT))
            with m.If(results.ready):
                m.d.comb += self.converted.eq(~self.reading)
                m.d.sync += work.eq(0)
                m.next = "IDLE"
