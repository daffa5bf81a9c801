"""Readings are averaged until each cell is known by its own scatter; what averaging does not quieten is said."""

import numpy as np
import pytest
from verify_lab import US, bench

from hwctl.crossbar import Crossbar, waiting
from hwctl.crossbar.scatter import beyond_chance
from hwctl.errors import LimitError
from hwctl.programming import precise
from hwctl.programming.precise import VISITS, read_precisely, resolution
from hwctl.protocol.cells import from_words

NOISE = 0.1 * US  # of the preset


def truth(lab):
    """Conductances without noise."""
    cells = from_words(lab.crossbar.dump().words)
    codes = cells["low"] + cells["state"].astype(np.float64) * cells["span"] / 65536
    return codes.reshape(lab.works.shape) * lab.crossbar.identity.siemens_per_code


def cells_of(lab):
    return (index.reshape(-1) for index in np.indices(lab.works.shape))


def test_every_cell_is_known_as_well_as_was_wished_with_about_as_many_conversions_as_that_takes():
    lab = bench(rows=32, cols=32)
    before = lab.crossbar.status().reads
    found = read_precisely(lab.crossbar, *cells_of(lab), NOISE / 16)
    assert not found.unquiet.any()
    assert (found.error <= NOISE / 16).all()
    assert lab.crossbar.status().reads - before == found.conversions.sum()
    assert 256 / 2 < found.conversions.mean() < 256 * 2
    off = (found.mean.reshape(32, 32) - truth(lab)) / found.error.reshape(32, 32)
    assert 0.8 < off.std() < 1.4  # errors that are stated are those that there are
    assert found.noisy.mean() < 0.005


def test_more_than_is_allowed_is_not_taken_and_the_cell_is_named():
    lab = bench(rows=4, cols=4)
    found = read_precisely(lab.crossbar, *cells_of(lab), NOISE / 100, most=200)
    assert found.unquiet.all()
    assert (found.conversions == 128).all()
    assert (found.error > NOISE / 100).all()


def test_cells_with_random_telegraph_noise_are_found_and_their_mean_is_over_both_states():
    lab = bench(rows=12, cols=12, rtn=0.05)
    found = read_precisely(lab.crossbar, *cells_of(lab), NOISE / 5, most=4096, pause=0.02)
    quiet = bench(rows=12, cols=12)
    usual = truth(quiet).reshape(-1)
    share = 1 - found.mean / usual  # 0.05 in the low state, in which a cell is half of the time
    np.testing.assert_array_equal(found.noisy, share > 0.006)
    assert 6 < found.noisy.sum() < 30
    assert abs(share[found.noisy].mean() - 0.025) < 0.004
    assert np.median(found.conversions[found.noisy]) > 2 * np.median(found.conversions[~found.noisy])


def test_what_lies_between_two_steps_of_a_converter_without_noise_is_not_claimed():
    with Crossbar.open("emulator:?device=linear&rows=8&cols=8&seed=1") as crossbar:
        assert crossbar.read(averages=1).std() >= 0  # `linear` has no read noise
        step = resolution(crossbar)
        rows, cols = (index.reshape(-1) for index in np.indices((8, 8)))
        found = read_precisely(crossbar, rows, cols, step / 10, most=256)
        assert found.unquiet.all()
        np.testing.assert_allclose(found.error, step / np.sqrt(12), rtol=0.01)
        assert not read_precisely(crossbar, rows, cols, step / 3, most=256).unquiet.any()
        assert (found.conversions == VISITS).all()  # more of them would tell no more


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.25, 0.4])  # of a step
def test_what_the_steps_leave_is_what_they_leave_of_many_readings(noise):
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 1, 400)
    shown = np.rint(places + noise * rng.standard_normal((20000, 400))).mean(axis=0)
    left = float(np.sqrt(((shown - places) ** 2).mean()))
    assert precise.steps_leave(1.0, noise) == pytest.approx(left, rel=0.15, abs=0.004)
    visits = np.rint(places + noise * rng.standard_normal((VISITS, 400)))
    assert precise._pooled_noise(visits, 1.0) <= noise + 0.02  # rather too little, so that too much is said to be left


def test_a_board_without_virtual_time_makes_the_host_wait(monkeypatch):
    waited = []
    monkeypatch.setattr(waiting.time, "sleep", waited.append)
    lab = bench(rows=2, cols=2, lacks="VIRTUAL_TIME")
    read_precisely(lab.crossbar, [0], [1], NOISE, pause=0.25)
    assert waited == [0.25] * len(waited)
    assert len(waited) >= VISITS


@pytest.mark.parametrize("options", [{"wish": 0.0}, {"wish": np.nan}, {"most": 8}, {"pause": -1.0}, {"pause": 60.0}])
def test_what_cannot_be_is_refused_before_a_reading(options):
    lab = bench(rows=2, cols=2)
    before = lab.crossbar.status().reads
    with pytest.raises(LimitError, match="give an error above 0, 16 conversions or more, and a pause of 0 to 10 s"):
        read_precisely(lab.crossbar, [0], [0], **{"wish": NOISE, **options})
    assert lab.crossbar.status().reads == before


def test_chance_flags_few_and_finds_what_scatters_twice_as_much():
    rng = np.random.default_rng(0)
    variances = rng.normal(0, 1, (16, 5000)).var(axis=0, ddof=1)
    assert beyond_chance(variances, 15).sum() <= 3
    variances[:50] *= 9
    assert beyond_chance(variances, 15)[:50].mean() > 0.9
    assert not beyond_chance(np.zeros(4), 15, 1.0).any()
