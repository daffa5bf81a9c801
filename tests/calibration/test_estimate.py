"""A bootstrap's errors are those of a mean, and shrinking leaves what is sure."""

import numpy as np
import pytest

from hwctl.calibration.estimate import UNKNOWN, Estimate, bootstrap, shrunk


def test_a_bootstrap_finds_the_error_of_a_mean():
    values = np.random.default_rng(0).normal(3.0, 2.0, 4000)
    found, error = bootstrap(lambda n: np.array([n @ values / n.sum()]), values.size, np.random.default_rng(1))
    assert found[0] == pytest.approx(values.mean())
    assert error[0] == pytest.approx(2.0 / np.sqrt(4000), rel=0.25)


def test_what_differs_by_chance_alone_shrinks_to_nothing():
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 1.0, 1000)
    assert np.abs(shrunk(noise, np.full(1000, 1.5))).max() == 0.0
    true = rng.normal(0.0, 10.0, 1000)
    assert np.abs(shrunk(true + noise, np.ones(1000)) - true).std() < 1.0
    assert shrunk(np.array([np.nan, 5.0]), np.array([np.nan, 0.1]))[0] == 0.0


def test_a_figure_is_found_where_it_is_beyond_three_errors():
    assert Estimate(-3.1, 1.0).found
    assert not Estimate(2.9, 1.0).found
    assert not UNKNOWN.found
