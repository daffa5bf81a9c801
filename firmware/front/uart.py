"""The UART: 8 data bits, no parity, 1 stop bit."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class Receiver(wiring.Component):
    """From the pin to bytes: `strobe` for one clock with each. A byte without its stop bit is dropped."""

    rx: In(1)
    byte: Out(8)
    strobe: Out(1)

    def __init__(self, divisor: int) -> None:
        """Take a bit in `divisor` clock cycles, at least 4."""
        self.divisor = divisor
        super().__init__()

    def elaborate(self, _: object) -> Module:
        """Look for a start bit, then into the middle of each bit."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        wait = Signal(range(self.divisor))
        left = Signal(range(9))  # data bits to come
        m.d.sync += [self.strobe.eq(0), wait.eq(wait - 1)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [wait.eq((self.divisor - 1) // 2), left.eq(8)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(wait == 0):
                m.d.sync += wait.eq(self.divisor - 1)
                m.next = "BITS"
                with m.If(line):  # a glitch
                    m.next = "IDLE"
            with m.State("BITS"), m.If(wait == 0):
                m.d.sync += wait.eq(self.divisor - 1)
                with m.If(left == 0):
                    m.d.sync += self.strobe.eq(line)
                    m.next = "STOP"
                with m.Else():
                    m.d.sync += [left.eq(left - 1), self.byte.eq(Cat(self.byte[1:], line))]
            with m.State("STOP"), m.If(line):  # after a break the line has to rise before the next start bit
                m.next = "IDLE"
        return m


class Transmitter(wiring.Component):
    """From bytes to the pin."""

    tx: Out(1, init=1)
    bytes: In(stream.Signature(8))

    def __init__(self, divisor: int) -> None:
        """Hold a bit for `divisor` clock cycles."""
        self.divisor = divisor
        super().__init__()

    def elaborate(self, _: object) -> Module:
        """Shift out start bit, data and stop bit."""
        m = Module()
        bits = Signal(9, init=0x1FF)  # the pin, then what follows; ones come in behind
        wait = Signal(range(self.divisor))
        left = Signal(range(11))  # bits to come, the one on the pin included
        m.d.comb += [self.tx.eq(bits[0]), self.bytes.ready.eq(left == 0)]
        with m.If(left == 0):
            m.d.sync += wait.eq(self.divisor - 1)
            with m.If(self.bytes.valid):
                m.d.sync += [bits.eq(Cat(0, self.bytes.payload)), left.eq(10)]
        with m.Elif(wait == 0):
            m.d.sync += [bits.eq(Cat(bits[1:], 1)), wait.eq(self.divisor - 1), left.eq(left - 1)]
        with m.Else():
            m.d.sync += wait.eq(wait - 1)
        return m
