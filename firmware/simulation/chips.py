"""Behavioural models of the parts that a board file may name, at their pins: what drivers are tested against.

Each `see` looks at the pins once a clock, as the parts' own edges do, and makes words of them; `take` and `begin` are
what a part does with a word. What a data sheet forbids is a ChipError: a driver that does it would work on no board.
"""

from collections.abc import Callable

from firmware.analog.parts import AdcPart, DacPart


class ChipError(Exception):
    """A driver did what the part's data sheet forbids, or what it would not notice."""


class _Select:
    """A select pin and a clock, and the bits that came between."""

    def __init__(self, bits: int, samples_on: str) -> None:
        self._bits, self._rising = bits, samples_on == "rising"
        self._selected, self._sclk = False, 0
        self._taken: list[int] = []

    def edges(self, select_n: int, sclk: int, data: int) -> tuple[bool, bool, int | None]:
        """Return whether select fell, whether the part changes its output, and the word if select rose behind it."""
        fell, changes, word = not select_n and not self._selected, False, None
        if fell:
            self._taken = []
            if sclk == self._rising:
                raise ChipError("the clock was not idle as select fell")
        if select_n and self._selected:
            if len(self._taken) != self._bits:
                raise ChipError(f"{len(self._taken)} bits of a word of {self._bits}")
            word = int("".join(map(str, self._taken)), 2)
        elif not select_n and sclk != self._sclk:
            if bool(sclk) == self._rising:
                self._taken.append(data)
            elif self._taken:
                changes = True
        self._selected, self._sclk = not select_n, sclk
        return fell, changes, word


class DacChip:
    """An AD539x in SPI mode with /LDAC low: outputs in V follow each word; before the first one they are unknown.

    `brings` is what the next word brings at SDO: a register that was asked for, else zeros.
    """

    def __init__(self, part: DacPart, reference: float) -> None:
        """Take the V of the reference: external, or internal once it was turned on."""
        self.part, self.reference = part, reference
        self.codes: list[int | None] = [None] * part.channels
        self.internal_reference = False
        self.brings = self._shifting = self.sdo = 0
        self._pins = _Select(part.word_bits, part.samples_on)

    def see(self, sync_n: int, sclk: int, sdi: int) -> bool:
        """Look at the pins; return whether a word came. Raises ChipError."""
        fell, changes, word = self._pins.edges(sync_n, sclk, sdi)
        if fell:
            self._shifting = self.brings
        elif changes:
            self._shifting = self._shifting << 1 & (1 << self.part.word_bits) - 1
        if word is not None:
            self.take(word)
        self.sdo = self._shifting >> self.part.word_bits - 1
        return word is not None

    def take(self, word: int) -> None:
        """Do what a word says. Raises ChipError."""
        part, self.brings = self.part, 0
        channel = word >> part.channel_at & (1 << part.channel_bits) - 1
        value = word >> part.value_at & (1 << part.bits) - 1
        if word == part.reference_word:
            self.internal_reference = True
        elif word == part.read_word(channel):
            self.brings = part.read | part.word(channel, self.codes[channel] or 0)
        elif word == part.word(channel, value):
            self.codes[channel] = value
        elif word != 0:
            raise ChipError(f"word {word:#08x} is no write to a channel")

    def volts(self, channel: int) -> float:
        """Return an output in V. Raises ChipError where nothing was written to it yet."""
        code = self.codes[channel]
        if code is None:
            raise ChipError(f"output {channel} was never written")
        return self.part.full_scale * self.reference * code / (1 << self.part.bits)


class AdcChip:
    """An ADS79xx in manual mode. It samples as /CS falls, and returns what it sampled a frame before."""

    def __init__(self, part: AdcPart, reference: float, span: int, volts: Callable[[int], float]) -> None:
        """Take what stands at its pins.

        reference: V; span: references of the range that it should be told; volts: input in V of a channel.
        """
        self.part, self.reference, self.span, self._volts = part, reference, span, volts
        self._pins = _Select(part.word_bits, part.samples_on)
        self._channel = self._result = self._shifting = 0
        self.sdo = 0
        self.conversions = 0

    def see(self, cs_n: int, sclk: int, sdi: int) -> int:
        """Look at the pins; return SDO. Raises ChipError."""
        fell, changes, word = self._pins.edges(cs_n, sclk, sdi)
        if fell:
            self._shifting = self.begin()
        elif changes:
            self._shifting = self._shifting << 1 & (1 << self.part.word_bits) - 1
        if word is not None:
            self.take(word)
        self.sdo = self._shifting >> self.part.word_bits - 1
        return self.sdo

    def begin(self) -> int:
        """Sample, as a frame begins; return the word that it brings."""
        before, self._result = self._result, self._converted()
        return before

    def take(self, word: int) -> None:
        """Do what the frame's word says. Raises ChipError."""
        channel = word >> self.part.channel_at & 0xF
        if word != self.part.word(channel, self.span) or channel >= self.part.channels:
            raise ChipError(f"frame {word:#06x} is none of manual mode, range {self.span}")
        self._channel = channel

    def _converted(self) -> int:
        top = (1 << self.part.bits) - 1
        code = int(self._volts(self._channel) / (self.span * self.reference) * (top + 1))
        self.conversions += 1
        return self._channel << self.part.result_channel_at | min(max(code, 0), top)


class SwitchChain:
    """74HC595s in a row: outputs take over the shifted bits as STCP rises; before that they are unknown."""

    def __init__(self, outputs: int) -> None:
        """Take the number of outputs of all registers."""
        self._shifted = [0] * outputs
        self.outputs: list[int] | None = None
        self._shcp, self._stcp = 0, 1

    def see(self, shcp: int, ds: int, stcp: int) -> bool:
        """Look at the pins; return whether the outputs took over what was shifted in."""
        if shcp and not self._shcp:
            self._shifted = [ds, *self._shifted[:-1]]
        takes = bool(stcp and not self._stcp)
        if takes:
            self.outputs = list(self._shifted)
        self._shcp, self._stcp = shcp, stcp
        return takes
