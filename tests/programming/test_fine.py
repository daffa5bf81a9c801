"""The fine stage: closer than one reading tells, and what is not quiet is said, nudged, or programmed by its mean."""

from dataclasses import replace

import numpy as np
import pytest
from verify_lab import US, agrees_with_the_board, bench, finely_stepped, opened

from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.errors import LimitError
from hwctl.programming.fine import Fine
from hwctl.programming.modelbased import ModelBased, model_based
from hwctl.programming.precise import PreciseReading, read_precisely

TOLERANCE, PRECISION = 0.1 * US, 0.02 * US


def test_cells_come_closer_than_the_noise_of_a_reading_allows():
    lab = bench(stuck=0.05)
    with pytest.raises(LimitError, match="more averages"):
        model_based(lab.crossbar, lab.targets, TOLERANCE, model=lab.model, averages=4)
    done = Fine(lab.model, TOLERANCE, PRECISION).program(lab.crossbar, lab.targets)
    agrees_with_the_board(lab, done)
    np.testing.assert_array_equal(done.reached, lab.works)
    assert (done.error <= PRECISION).all()
    seen = lab.crossbar.read(averages=4096)
    assert (np.abs(seen - lab.targets) <= TOLERANCE)[lab.works].mean() > 0.98
    np.testing.assert_allclose(done.reading, seen, atol=5 * PRECISION)


def test_chosen_cells_alone_are_read_and_pulsed():
    lab = bench(rows=6, cols=6)
    chosen = np.arange(36).reshape(6, 6) % 5 == 0
    before = lab.crossbar.pulse_counts()
    done = Fine(lab.model, TOLERANCE, PRECISION).program(lab.crossbar, lab.targets, chosen=chosen)
    assert (done.reached == chosen).all()
    assert not (lab.crossbar.pulse_counts() - before)[~chosen].any()
    assert not done.reads[~chosen].any()
    assert np.isnan(done.error[~chosen]).all()


def test_the_mean_over_both_states_is_programmed_where_pulses_do_not_quieten_a_cell():
    """As on the emulator, where random telegraph noise is a cell's own for ever."""
    lab = bench(rows=10, cols=10, rtn=0.05)
    method = Fine(lab.model, 4 * TOLERANCE, 5 * PRECISION, pause=0.02, denoise=1)
    done = method.program(lab.crossbar, lab.targets)
    agrees_with_the_board(lab, done)
    assert done.noisy.sum() >= 3
    assert not done.denoised.any()
    assert done.reached[done.noisy].mean() > 0.7
    rows, cols = np.nonzero(done.noisy & done.reached)
    again = read_precisely(lab.crossbar, rows, cols, 5 * PRECISION, pause=0.02)
    assert (np.abs(again.mean - lab.targets[rows, cols]) < 4 * TOLERANCE + 4 * again.error).all()


def test_a_cell_that_pulses_quieten_gets_them_and_its_target_again(monkeypatch):
    """On a chip where a small pulse frees the trap, as Rao et al., Nature 615 (2023) 823, found."""
    lab = bench(rows=6, cols=6)
    noisy_until = {}

    def reading(crossbar, rows, cols, wish, **options):
        found = read_precisely(crossbar, rows, cols, wish, **options)
        counts = crossbar.pulse_counts()[rows, cols]
        trapped = [
            (int(r), int(c)) in {(1, 2), (4, 4)} and n < noisy_until.setdefault((int(r), int(c)), n + 2)
            for r, c, n in zip(rows, cols, counts, strict=True)
        ]
        noise = np.where(trapped, 5, 1) * found.noise
        return PreciseReading(found.mean, found.error, found.conversions, found.unquiet, np.array(trapped), noise)

    monkeypatch.setattr("hwctl.programming.fine.read_precisely", reading)
    done = Fine(lab.model, TOLERANCE, PRECISION, denoise=5).program(lab.crossbar, lab.targets)
    agrees_with_the_board(lab, done)
    assert done.reached.all()
    assert not done.noisy.any()
    assert [tuple(cell) for cell in np.argwhere(done.denoised).tolist()] == [(1, 2), (4, 4)]
    few = Fine(lab.model, TOLERANCE, PRECISION).program(lab.crossbar, lab.targets)
    assert not few.denoised.any()


def test_levels_of_a_grid_of_2048_are_told_apart_by_an_independent_reading_and_not_after_a_coarse_stage():
    device = finely_stepped(noise=0.8 * US)
    with opened(device, 16, 16) as crossbar:
        number = np.random.default_rng(1).integers(0, 2048, (16, 16))
        targets = 50 * US + number * 2 * US
        found = {}
        for name, method in (
            ("coarse", ModelBased(StepModel.of(device), 6 * US, averages=1)),
            ("fine", Fine(StepModel.of(device), 0.6 * US, 0.15 * US)),
        ):
            assert method.program(crossbar, targets).reached.all()
            found[name] = np.rint((crossbar.read(averages=64) - 50 * US) / (2 * US)) == number
    assert found["fine"].all()
    assert found["coarse"].mean() < 0.6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": 0.05 * US}, r"precision above 0 and below 0.4 of the tolerance"),
        ({"precision": 0.0}, "precision above 0"),
        ({"denoise": -1}, "0 small pulses or more"),
    ],
)
def test_a_precision_that_leaves_no_band_is_refused(options, says):
    with pytest.raises(LimitError, match=says):
        Fine(**{"model": bench(rows=2, cols=2).model, "tolerance": TOLERANCE, "precision": PRECISION, **options})


def test_a_precision_below_what_the_converter_shows_is_refused_with_the_figure():
    lab = bench(rows=2, cols=2)
    says = r"one step of the converter is 0.0122 uS, and noise of 0.001 uS .* 0.00256 uS stay"
    with pytest.raises(LimitError, match=says):
        Fine(replace(lab.model, read_noise=0.001 * US), TOLERANCE, 0.002 * US).program(lab.crossbar, lab.targets)
    assert not lab.crossbar.pulse_counts().any()
    with pytest.raises(LimitError, match="outside the device's range"):
        Fine(lab.model, TOLERANCE, PRECISION).program(lab.crossbar, np.full((2, 2), presets.get("neurram").g_max * 1.1))
    assert not lab.crossbar.pulse_counts().any()
