"""Converters and I-V curve of emulated chips come out as they were set."""

import numpy as np
import pytest

from hwctl.calibration.readpath import read_path


def measured(chip, seed=0):
    probe = chip.probe()
    single = chip.chip.device.read_noise
    return probe, read_path(probe, chip.sigma, single, np.random.default_rng(seed))


def converters(chip):
    """Return offsets in S and gains over their mean of the columns, and gains of the rows on the same scale."""
    layers = chip.crossbar.link._board._layers
    gain = layers._columns[1]
    offset = layers._columns[0] * chip.crossbar.identity.siemens_per_code
    return offset, gain / gain.mean(), layers._rows[1] / gain.mean()


@pytest.mark.parametrize("device", ["neurram", "hfox-1t1r", "reram-es"])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_alpha_is_found(bench, device, alpha):
    _, path = measured(bench(device, 32, 24, alpha=alpha))
    assert abs(path.alpha.value - alpha) < 4 * path.alpha.error
    assert path.alpha.error < 0.01
    bend = (1 + alpha * path.voltages**2) / (1 + alpha * 0.2**2)
    np.testing.assert_allclose(path.curve, bend, atol=0.005)


def test_offsets_and_gains_of_the_converters_are_found(bench):
    chip = bench("neurram", 32, 24, adc_offset=20, adc_gain=0.02, alpha=0.3)
    _, path = measured(chip)
    offset, gain, row_gain = converters(chip)
    assert np.abs(offset).max() > 5 * path.offset_error.max()
    assert (np.abs(path.offset - offset) < 4 * path.offset_error).all()
    assert np.std(gain) > 5 * path.gain_error.max()
    assert (np.abs(path.gain - gain) < 4 * path.gain_error).all()
    assert np.abs(path.row_gain - row_gain).max() < 0.005


def test_readings_are_corrected(bench):
    chip = bench("neurram", 32, 24, adc_offset=20, adc_gain=0.05)
    probe, path = measured(chip)
    true = probe.crossbar.link._board._array.visible * chip.crossbar.identity.siemens_per_code
    wrong = np.abs(probe.raw(256) - true.reshape(-1)).mean()
    path.correct(probe)
    assert np.abs(probe.read(256) - true.reshape(-1)).mean() < 0.35 * wrong


def test_a_board_that_senses_no_rows_tells_no_gains(bench):
    chip = bench("neurram", 8, 8, lacks="vmm_t", adc_gain=0.02)
    probe, path = measured(chip)
    assert np.isnan(path.gain).all()
    path.correct(probe)
    assert (probe.gain == 1.0).all()


def test_cells_that_conduct_nothing_tell_nothing(bench):
    _, path = measured(bench("pcm", alpha=0.5))
    assert np.isnan(path.alpha.value)
    assert np.isnan(path.offset).all()


def test_the_read_voltage_is_the_same_afterwards(bench):
    chip = bench("neurram", 8, 8)
    before = chip.crossbar.read_voltage
    measured(chip)
    assert chip.crossbar.read_voltage == before
