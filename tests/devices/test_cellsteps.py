"""Cells of which each is known: the pooled model where they are like it, and their own range, gain and offset else."""

from dataclasses import replace

import numpy as np
import pytest

from hwctl.devices import presets
from hwctl.devices.cellsteps import CellSteps
from hwctl.devices.steps import GRID, StepModel

MODELS = {name: StepModel.of(presets.get(name)) for name in ("reram-es", "hfox-1t1r", "neurram")}
CELLS = 40


def usual_cells(model, **own):
    """Return cells that are the pool's, but for what is given."""
    span, one = model.g_max - model.g_min, np.ones(CELLS)
    cells = CellSteps(
        model, g_min=model.g_min * one, g_max=model.g_max * one, low=model.g_min * one, stretch=one,
        gain=np.ones((2, CELLS)), gain_error=np.zeros((2, CELLS)), offset=np.zeros(CELLS, np.int64),
    )  # fmt: skip
    return replace(cells, **own), model.g_min + span * np.random.default_rng(0).random(CELLS)


@pytest.mark.parametrize("name", MODELS)
def test_cells_like_the_pool_step_as_the_pool(name):
    model = replace(MODELS[name], gain_spread=(0.0, 0.0))
    cells, g = usual_cells(model)
    at = model.index(g)
    np.testing.assert_allclose(cells.index(g), at, atol=0)
    levels, number = np.arange(CELLS) % len(model.levels[1]), np.arange(CELLS)
    for polarity in (0, 1):
        for mine, pooled in zip(cells.curves(polarity, at), model.curves(polarity, at), strict=True):
            np.testing.assert_array_equal(mine, pooled)
        usual = np.minimum(levels, len(model.levels[polarity]) - 1)
        for mine, pooled in zip(
            cells.trains(polarity, usual, at, number), model.trains(polarity, usual, at, number), strict=True
        ):
            np.testing.assert_allclose(mine, pooled, rtol=1e-12)


def test_steps_have_the_cells_gain_in_the_cells_own_range():
    model = MODELS["reram-es"]
    gain = np.stack([np.linspace(0.5, 2.0, CELLS), np.linspace(3.0, 0.2, CELLS)])
    low = np.linspace(model.g_min, model.g_min + 5e-6, CELLS)
    cells, _ = usual_cells(model, gain=gain, low=low, stretch=np.full(CELLS, 2.0))
    place = 0.25  # of a range that is half as wide
    g = low + place * (model.g_max - model.g_min) / 2
    at = cells.index(g)
    np.testing.assert_array_equal(at, round(place * (GRID - 1)))
    for polarity in (0, 1):
        steps, _ = cells.curves(polarity, at)
        np.testing.assert_allclose(steps[0], gain[polarity] * model.means[polarity][0, at] / 2)


def test_a_shifted_threshold_is_another_drive_level_within_those_there_are():
    model = MODELS["neurram"]
    last = len(model.levels[0]) - 1
    offset = np.resize([0, 3, -2, 100, -100], CELLS)
    cells, g = usual_cells(model, offset=offset)
    at, level = model.index(g), 10
    steps, _ = cells.curves(0, at)
    np.testing.assert_array_equal(steps[level], model.means[0][np.clip(level + offset, 0, last), at])


def test_what_is_not_known_of_a_gain_acts_on_the_whole_train():
    model = MODELS["reram-es"]
    cells, g = usual_cells(model, gain_error=np.full((2, CELLS), 0.1))
    at, levels, number = cells.index(g), np.zeros(CELLS, np.int64), np.full(CELLS, 9)
    moved, sigma = cells.trains(0, levels, at, number)
    alone = np.sqrt(9) * model.sigmas[0][0, at]
    np.testing.assert_allclose(sigma, np.hypot(alone, 0.1 * moved))


def test_no_wish_leads_beyond_a_cells_own_bounds():
    model = MODELS["reram-es"]
    cells, _ = usual_cells(model, g_min=np.full(CELLS, 40e-6), g_max=np.full(CELLS, 50e-6))
    for g, wish, left in ((45e-6, 9e-6, 5e-6), (45e-6, -9e-6, -5e-6), (45e-6, 1e-6, 1e-6), (51e-6, 1e-6, 0.0),
                          (39e-6, 2e-6, 2e-6), (39e-6, -2e-6, 0.0)):  # fmt: skip
        np.testing.assert_allclose(cells.within(np.full(CELLS, g), np.full(CELLS, wish)), left, atol=1e-15)


def test_some_of_the_cells_are_their_own():
    model = MODELS["reram-es"]
    gain = np.stack([np.arange(CELLS), -np.arange(CELLS)]).astype(float)
    cells, _ = usual_cells(model, gain=gain, offset=np.arange(CELLS))
    mask = np.arange(CELLS) % 7 == 2
    part = cells.at(mask).at(np.array([1, 0]))
    np.testing.assert_array_equal(part.gain, [[9, 2], [-9, -2]])
    np.testing.assert_array_equal(part.offset, [9, 2])
