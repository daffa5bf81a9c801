"""A converter of fewer bits: what it does to codes, whatever they are."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.array import EmulatedArray
from hwctl.emulator.converter import Converter
from hwctl.protocol.codes import NO_CURRENT, NO_READING
from hwctl.protocol.packing import Region

BITS = st.integers(4, 12)
SIGNED = arrays(np.int16, 20, elements=st.just(NO_CURRENT) | st.integers(-2048, 2047))
READ = arrays(np.uint16, 20, elements=st.just(NO_READING) | st.integers(0, 4095))


@given(BITS, SIGNED)
def test_current_codes_keep_their_flags_and_are_off_by_half_a_step_at_most(bits, codes):
    converter, step = Converter(bits), 1 << (12 - bits)
    found = converter.current_codes(codes)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(converter.current_codes(found), found)  # idempotent
    shown = found != NO_CURRENT
    np.testing.assert_array_equal(shown, (codes != NO_CURRENT) & (codes < 2048 - step + (step + 1) // 2))
    assert (found[shown] % step == 0).all()
    error = found[shown].astype(int) - codes[shown]
    assert ((-step < 2 * error) & (2 * error <= step)).all()  # half up
    if bits == 12:
        np.testing.assert_array_equal(found, codes)


@given(BITS, READ, st.integers(0, 3))
def test_readings_keep_their_flags_and_are_off_by_half_a_step_at_most(bits, codes, tia_range):
    converter, step = Converter(bits), 1 << (12 - bits)
    shifted = np.where(codes == NO_READING, NO_READING, codes << tia_range).astype(np.uint16)
    found = converter.reading(lambda _: shifted, 0, tia_range, 0)
    np.testing.assert_array_equal(converter.reading(lambda _: found, 0, tia_range, 0), found)
    shown = found != NO_READING
    np.testing.assert_array_equal(shown, (codes != NO_READING) & (codes < 4096 - step + (step + 1) // 2))
    assert (found[shown] >> tia_range).max(initial=0) <= 4096 - step
    assert (2 * np.abs((found[shown] >> tia_range).astype(int) - codes[shown]) <= step).all()
    if bits == 12:
        np.testing.assert_array_equal(found, shifted)


@pytest.mark.parametrize("averages_log2", [0, 3])
@pytest.mark.parametrize("tia_range", [0, 2, 4])
def test_twelve_bits_average_as_the_board_does(averages_log2, tia_range):
    chip = fabricate(presets.get("neurram"), 8, 8, 3)
    region, index = Region(0, 8, 0, 8), 0xFFFFFFFD  # the index goes round within the mean
    plain = EmulatedArray(chip, 5)
    read = partial(plain.read, plain.visible, region, 256)
    found = EmulatedArray(chip, 5, Converter(12)).read(plain.visible, region, 256, averages_log2, tia_range, index)
    np.testing.assert_array_equal(found, read(averages_log2, tia_range, index))
