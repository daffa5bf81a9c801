"""What a whole calibration finds of analog effects, how it goes on when cut off, and what it promised."""

import numpy as np
import pytest

from hwctl.calibration.effects import FIGURES, LABELS
from hwctl.calibration.outlook import Chip, expected
from hwctl.calibration.plan import FULL, Effect, Plan
from hwctl.calibration.procedure import calibrate
from hwctl.errors import LimitError

EFFECTS = {"alpha": 0.5, "row_ohm": 2.0, "col_ohm": 1.0, "half_select": 2e-5, "relaxation": 0.02, "drift": 0.01}


def measured(probe, **options):
    return calibrate(probe, Plan.of(probe.budget, **options), np.random.default_rng(0), lambda stage: None)


@pytest.mark.slow  # up to half a minute and more
def test_a_full_calibration_finds_every_effect_and_names_it_for_the_twin(bench):
    found = measured(bench("neurram", 24, 24, **EFFECTS).probe()).effects
    emulated = found.emulated()
    assert set(emulated) == {name.replace("_", "-") for name in EFFECTS}
    for name, true in EFFECTS.items():
        assert emulated[name.replace("_", "-")] == pytest.approx(true, rel=0.15), name
    assert {name for name, _ in found.figures()} == set(FIGURES) == set(LABELS)


def test_a_chip_without_effects_shows_none(bench):
    assert measured(bench("neurram", 24, 24).probe()).effects.emulated() == {}


def test_little_budget_leaves_out_what_takes_pulses(bench):
    probe = bench("neurram").probe(budget=60)
    found = measured(probe).effects
    assert found.path is not None
    assert found.loads is found.symmetry is found.relaxation is found.disturb is None
    assert probe.spent.max() == 60


def test_what_is_skipped_is_not_measured_and_leaves_its_pulses_to_the_curves():
    every, fewer = Plan.of(400), Plan.of(400, frozenset({Effect.SYMMETRY, Effect.LOADS}))
    assert every.reserve == 81
    assert fewer.reserve == 1
    assert Effect.RELAXATION in fewer.effects
    assert Plan.of(FULL - 1).effects == {Effect.READ_PATH}


def test_a_full_calibration_that_was_cut_off_goes_on_with_the_same_figures(bench):
    chip = bench("neurram", 8, 8, **EFFECTS)
    whole = chip.probe(budget=FULL)
    before = measured(whole)
    again = chip.probe(budget=FULL, before=whole.known)
    after = measured(again)
    assert again.waiting == 0
    for (name, one), (_, other) in zip(before.effects.figures(), after.effects.figures(), strict=True):
        np.testing.assert_array_equal(one, other, name)
    np.testing.assert_array_equal(before.trace, after.trace)
    assert (again.lifetime() == whole.spent).all()


def test_more_pulses_buy_smaller_errors():
    chip = Chip(128, 64, (29, 29), 1e-8, 2e-5, 0.2)
    fast, full = ({e.name: e for e in expected(Plan.of(budget), chip)} for budget in (60, 400))
    assert set(fast) < set(full)
    for name in ("a pooled step", "c2c of a step", "a cell's gain"):
        assert full[name].error < 0.6 * fast[name].error
        halved = {e.name: e for e in expected(Plan.of(fast[name].pulses_for_half), chip)}
        assert halved[name].error <= 0.501 * fast[name].error
    assert all(np.isfinite(e.error) and e.error > 0 for e in full.values())


def test_a_budget_that_finds_no_range_is_refused():
    with pytest.raises(LimitError, match="give at least 40"):
        Plan.of(39)
