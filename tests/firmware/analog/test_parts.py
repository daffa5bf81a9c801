"""Words of parts against what other sources say of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.analog.parts import ADCS, DACS, SWITCHES


@pytest.mark.parametrize("part", DACS.values(), ids=DACS)
@given(st.data())
def test_a_dac_word_is_a_register_of_ten_bits_and_a_value_of_fourteen(part, data):
    """As Linux' ad5380 driver writes it: register (channel << 2) | 3, value aligned to the left."""
    channel, value = data.draw(st.integers(0, part.channels - 1)), data.draw(st.integers(0, (1 << part.bits) - 1))
    word = part.word(channel, value)
    assert word == (channel << 2 | 3) << 14 | value << (14 - part.bits)
    assert word >> 22 == 0  # A/B and R/W
    assert word < 1 << part.word_bits


def test_figures_of_the_ad5391():
    part = DACS["AD5391-5"]
    assert (part.channels, part.bits, part.full_scale * part.reference) == (16, 12, 5.0)
    assert part.word(5, 0xABC) == 0x05EAF0
    assert part.clock == pytest.approx(30.3e6, rel=1e-3)
    assert part.settle == 6e-6
    assert DACS["AD5390-3"].word(15, 0x3FFF) == 0x0FFFFF


@pytest.mark.parametrize(("name", "word"), [("AD5391-5", 0x0C1400), ("AD5391-3", 0x0C0400)])
def test_the_internal_reference_is_asked_for_as_linux_does(name, word):
    """Control register 12 << 2; bit 12 for 2.5 V, bit 10 to turn it on."""
    assert DACS[name].reference_word == word


@pytest.mark.parametrize(
    ("channel", "span", "frame"),
    [(0, 2, 0x1840), (1, 2, 0x18C0), (0, 1, 0x1800), (15, 1, 0x1F80)],  # the first two from TI's forum
)
def test_a_frame_of_an_adc_names_the_next_channel(channel, span, frame):
    assert ADCS["ADS7953"].word(channel, span) == frame


def test_channels_of_adcs():
    assert {name: part.channels for name, part in ADCS.items()} == {
        "ADS7950": 4, "ADS7951": 8, "ADS7952": 12, "ADS7953": 16,
    }  # fmt: skip
    assert {(part.bits, part.latency, part.clock) for part in ADCS.values()} == {(12, 2, 20e6)}


@pytest.mark.parametrize("part", [*DACS.values(), *ADCS.values(), *SWITCHES.values()], ids=lambda part: part.name)
def test_every_part_names_its_source_and_what_is_assumed(part):
    assert part.source
    assert all(part.assumed)
