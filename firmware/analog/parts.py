"""Parts that a board file may name: what their datasheets say, as drivers and checks need it.

AD539x: Analog Devices, "8-/16-Channel, 3 V/5 V, Serial Input, Single-Supply, 12-/14-Bit Voltage Output,
AD5390/AD5391/AD5392", data sheet Rev. E: timing page 11 table 6, registers page 24 tables 10 to 14, channel address
page 29, supply page 6; of Rev. F page 11 table 5 the time between words that read back, as it is longer there. Bits,
channels, references and the place of values in the word are those of Linux' drivers/iio/dac/ad5380.c as well.
ADS79xx: Texas Instruments, "ADS79xx Pin Compatible, 12-, 10-, 8-Bit, 1-MSPS, 16-, 12-, 8-, 4-Channel, Single-Ended,
Serial Interface ADCs", SLAS605C: features, device operation, mode control register. Fields and the two frames from
a channel's number to its value are those of Linux' drivers/iio/adc/ti-ads7950.c as well.
74HC595: Nexperia, "74HC595; 74HCT595, 8-bit serial-in, serial or parallel-out shift register with output latches;
3-state", Rev. 9: function table 3, dynamic characteristics table 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class DacPart:
    """A voltage-output DAC that takes one word a channel, MSB first. Output: full scale * code / 2**bits."""

    name: str
    bits: int
    value_at: int
    """Lowest bit of the value in the word."""
    reference: float
    """V of the internal reference."""
    references: tuple[float, float]
    """V: lowest and highest external reference."""
    settle: float
    """s, typical, of the output after an update."""
    source: str
    assumed: tuple[str, ...]
    """What the source does not say, or was not seen there."""
    channels: int = 16
    full_scale: int = 2
    """Times the reference."""
    word_bits: int = 24
    channel_at: int = 16
    channel_bits: int = 4
    write: int = 0b11 << 14
    """REG1 and REG0 of a write to a channel's input register; A/B (bit 23) and R/W (bit 22) are 0."""
    read: int = 1 << 22
    """R/W: the next word to the part brings what the channel's register holds."""
    samples_on: str = "falling"
    """Edge of SCLK at which the part takes a bit."""
    clock: float = 1 / 33e-9
    """Hz: highest SCLK."""
    sync_high: float = 10e-9
    """s: shortest /SYNC high between words,"""
    read_sync_high: float = 140e-9
    """and behind one that asks for a register."""
    load_low: float = 20e-9
    """s: shortest low pulse on /LDAC, which updates all outputs at once."""
    clear_low: float = 20e-9
    """s: shortest low pulse on /CLR."""
    clear: float = 40e-6
    """s until /CLR has brought all outputs to the clear code, at most."""

    def word(self, channel: int, value: int) -> int:
        """Return the word that writes a code to a channel."""
        return self.write | channel << self.channel_at | value << self.value_at

    def read_word(self, channel: int) -> int:
        """Return the word that asks for a channel's code."""
        return self.read | self.word(channel, 0)

    @property
    def reference_word(self) -> int:
        """The word that turns the internal reference on: control register 12, bits as in Linux' driver."""
        return 12 << self.channel_at | (self.reference > 2.0) << 12 | 1 << 10


@dataclass(frozen=True)
class AdcPart:
    """An ADC with a multiplexer that says in each frame which channel comes two frames later. LSB: span / 2**bits."""

    name: str
    channels: int
    source: str
    assumed: tuple[str, ...]
    bits: int = 12
    references: tuple[float, float] = (2.4, 2.6)
    """V: lowest and highest reference; all are external."""
    spans: tuple[int, ...] = (1, 2)
    """Input ranges from 0 V, times the reference."""
    word_bits: int = 16
    manual: int = 0b0001 << 12
    """Manual mode: the frame names the next channel."""
    program: int = 1 << 11
    """Bits 6 to 0 of this frame are taken over."""
    channel_at: int = 7
    double_span: int = 1 << 6
    """The range is 0 V to twice the reference."""
    result_channel_at: int = 12
    """Lowest bit of the channel in a result; the value stands below."""
    latency: int = 2
    """Frames from the one that names a channel to the one that holds its value."""
    samples_on: str = "rising"
    """Edge of SCLK at which the part takes a bit; it changes its output at the other one."""
    clock: float = 20e6
    """Hz: highest SCLK."""
    rate: float = 1e6
    """Conversions a second, at most."""

    def word(self, channel: int, span: int) -> int:
        """Return the frame that names a channel, in a range of `span` times the reference."""
        return self.manual | self.program | channel << self.channel_at | (self.double_span if span == 2 else 0)


@dataclass(frozen=True)
class SwitchPart:
    """A shift register with output latches, or pins of the FPGA, whose outputs close or open analog switches."""

    name: str
    source: str
    assumed: tuple[str, ...]
    outputs: int = 8
    clock: float = 20e6
    """Hz: highest shift clock."""
    propagation: float = 44e-9
    """s from the latch clock to the outputs, at most (4.5 V, to 85 C)."""
    shifted: bool = True
    """Else each output is a pin of the FPGA, and there is nothing to enable."""


_AD539X = "AD5390/AD5391/AD5392 data sheet Rev. E"
_DAC_ASSUMED = (
    "gain and offset registers hold their defaults, so that the output is full scale * code / 2**bits",
    "nothing is said of outputs at power-up: boards keep their drive switches open then",
    "a word read back has channel and value where a write has them; a word of zeros does nothing but bring it",
)
_HIGH = (2.0, 2.75)  # AVDD of the -5 parts is at most 5.5 V, which bounds full scale
_LOW = (1.0, 1.8)


def _dac(name: str, bits: int, settle: float) -> DacPart:
    high = name.endswith("-5")
    supply = "external references from 2 V" if high else "external references from 1 V; AVDD is at most 3.6 V"
    assumed = (*_DAC_ASSUMED, supply)
    return DacPart(name, bits, 14 - bits, 2.5 if high else 1.25, _HIGH if high else _LOW, settle, _AD539X, assumed)


def _adc(name: str, channels: int) -> AdcPart:
    assumed = (
        "external references from 2.4 to 2.6 V: the condition of its electrical characteristics",
        "takes bits at the rising edge: SPI mode 0, which Linux' driver leaves as it is",
    )
    return AdcPart(name, channels, "ADS79xx data sheet SLAS605C", assumed)


DACS: Mapping[str, DacPart] = MappingProxyType(
    {
        part.name: part
        for part in (
            _dac("AD5391-5", 12, 6e-6),
            _dac("AD5391-3", 12, 6e-6),
            _dac("AD5390-5", 14, 8e-6),
            _dac("AD5390-3", 14, 8e-6),
        )
    }
)
ADCS: Mapping[str, AdcPart] = MappingProxyType(
    {part.name: part for part in (_adc("ADS7950", 4), _adc("ADS7951", 8), _adc("ADS7952", 12), _adc("ADS7953", 16))}
)
SWITCHES: Mapping[str, SwitchPart] = MappingProxyType(
    {
        "74HC595": SwitchPart(
            "74HC595",
            "74HC595; 74HCT595 data sheet Rev. 9",
            ("20 MHz at 4.5 V over temperature: 100 MHz is typical there", "its outputs are undefined at power-up"),
        ),
        "pins": SwitchPart(
            "pins",
            "data sheet of the FPGA that [fpga] names",
            ("levels of [fpga].standard open and close the switches",),
            outputs=1,
            propagation=0.0,
            shifted=False,
        ),
    }
)
