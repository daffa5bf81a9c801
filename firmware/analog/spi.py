"""SPI, as the converters and switches of the front end speak it: words of one length, most significant bit first."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


@dataclass(frozen=True)
class SpiTiming:
    """How a part wants its words. Raises ValueError."""

    bits: int
    half: int
    """Clocks of either half of SCLK."""
    high: int
    """Clocks for which select is high between two words, at least."""
    samples_on: str = "rising"
    """Edge of SCLK at which the part takes a bit; the master takes the part's at the same one,"""
    late: bool = False
    """or at the one behind it, as the part puts the next one out: where half a period is too short for it."""

    def __post_init__(self) -> None:
        """Check."""
        if self.bits < 1 or self.half < 1 or self.high < 1 or self.samples_on not in ("rising", "falling"):
            raise ValueError(f"{self}: give bits, half and high of 1 or more, samples_on rising or falling")

    @property
    def word_clocks(self) -> int:
        """Clocks from one word to the next."""
        return 1 + (2 * self.bits + 1) * self.half + self.high


class SpiMaster(wiring.Component):
    """`words` go to one of `parts`, which share clock and data, or with one select to all of them at once.

    `lines` parts answer on lines of their own; `received` holds their words when `done` is high for one clock. SCLK is
    low while nothing is sent. Select falls half a bit before the first edge, and rises half a bit after the last.
    """

    def __init__(self, timing: SpiTiming, parts: int, lines: int = 0) -> None:
        """Make the ports."""
        self.timing, self.parts, self.lines = timing, parts, lines
        word = data.StructLayout({"part": Shape.cast(range(max(parts, 2))), "bits": unsigned(timing.bits)})
        ports = {
            "words": In(stream.Signature(word)),
            "done": Out(1),
            "busy": Out(1),
            "sclk": Out(1),
            "mosi": Out(1),
            "select_n": Out(parts, init=(1 << parts) - 1),
        }
        if lines:
            ports |= {"miso": In(lines), "received": Out(timing.bits).array(lines)}
        super().__init__(ports)

    def elaborate(self, _: object) -> Module:
        """Count halves of bits."""
        m, timing = Module(), self.timing
        out = Signal(timing.bits)
        left = Signal(range(timing.bits + 1))
        wait = Signal(range(max(timing.half, timing.high)))
        first = timing.samples_on == "falling"  # level of SCLK in the first half of a bit
        m.d.comb += self.mosi.eq(out[-1])
        words = enumerate(self.received if self.lines else ())
        taken = [word.eq(Cat(self.miso[n], word[:-1])) for n, word in words]
        m.d.sync += self.done.eq(0)
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM() as machine:
            m.d.comb += self.busy.eq(~machine.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += self.words.ready.eq(1)
                with m.If(self.words.valid):
                    m.d.sync += [
                        out.eq(self.words.payload.bits), left.eq(timing.bits), wait.eq(timing.half - 1),
                        self.select_n.eq(~(1 << self.words.payload.part)), self.sclk.eq(first),
                    ]  # fmt: skip
                    m.next = "FIRST HALF"
            with m.State("FIRST HALF"), m.If(wait == 0):
                m.d.sync += [self.sclk.eq(~self.sclk), wait.eq(timing.half - 1), *([] if timing.late else taken)]
                m.next = "SECOND HALF"
            with m.State("SECOND HALF"), m.If(wait == 0):
                last = left == 1
                m.d.sync += [
                    left.eq(left - 1), wait.eq(timing.half - 1), *(taken if timing.late else []),
                    self.sclk.eq(Mux(last, 0, first)), out.eq(Mux(last, out, Cat(0, out[:-1]))),
                ]  # fmt: skip
                m.next = "FIRST HALF"
                with m.If(last):
                    m.next = "TAIL"
            with m.State("TAIL"), m.If(wait == 0):
                m.d.sync += [self.select_n.eq(-1), wait.eq(timing.high - 1), self.done.eq(1)]
                m.next = "HIGH"
            with m.State("HIGH"), m.If(wait == 0):
                m.next = "IDLE"
        return m
