"""A data set that is ready for row voltages: split, scaled, and with a line that says how."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import TaskError

Features = NDArray[np.float64]
Labels = NDArray[np.int64]

TEST_SHARE = 0.2
VALIDATION = 7  # stream of draws


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold the training and the test part of one task.

    Features are (n, features) float64 from 0 to 1, where 1 is the full-scale row voltage; labels are (n,)
    int64 from 0 to classes - 1. `provenance` tells rows, split, seed and scaling in one line, for people.
    """

    name: str
    train_x: Features
    train_y: Labels
    test_x: Features
    test_y: Labels
    classes: int
    provenance: str
    validation_x: Features | None = None
    """Rows of the training part that are kept back; None where none are."""
    validation_y: Labels | None = None

    def keeping_back(self, share: float, seed: int) -> "Dataset":
        """Return the data set with a share of its training rows, drawn by `seed` class by class, kept for validation.

        Raise TaskError where the share is not between 0 and 1.
        """
        drawn = np.random.default_rng([seed, VALIDATION])
        train_x, train_y, kept_x, kept_y = stratified_split(self.train_x, self.train_y, share, drawn)
        return replace(
            self,
            train_x=train_x,
            train_y=train_y,
            validation_x=kept_x,
            validation_y=kept_y,
            provenance=f"{self.provenance}; {len(kept_y)} of the training rows kept back for validation",
        )


def stratified_split(
    x: Features, y: Labels, test_share: float, rng: np.random.Generator
) -> tuple[Features, Labels, Features, Labels]:
    """Split rows so that each class has the same share in both parts.

    `x` is (n, features), `y` is (n,), `test_share` is between 0 and 1. Each class gives round(share * rows)
    test rows, but at least one to each part. Both parts come back shuffled: train_x, train_y, test_x,
    test_y. Raise TaskError where the share is not between 0 and 1 or a class has a single row.
    """
    if not 0 < test_share < 1:
        raise TaskError(f"test share {test_share} is not between 0 and 1; choose for example 0.2")
    train: list[NDArray[np.intp]] = []
    test: list[NDArray[np.intp]] = []
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) < 2:
            raise TaskError(f"class {label} has a single row and cannot be split; remove the class or add rows")
        held_out = min(max(round(test_share * len(rows)), 1), len(rows) - 1)
        test.append(rows[:held_out])
        train.append(rows[held_out:])
    if not train:
        raise TaskError("the data set has no rows; check the file")
    # Rows in order of class would bias training that takes them one after another.
    train_rows = rng.permutation(np.concatenate(train))
    test_rows = rng.permutation(np.concatenate(test))
    return x[train_rows], y[train_rows], x[test_rows], y[test_rows]


def scale_by_training_part(train_x: Features, test_x: Features) -> tuple[Features, Features]:
    """Scale every feature to 0..1 by the minimum and maximum of the training part alone.

    Both are (n, features). Test values that fall outside the training range are clipped to 0..1: features
    become row voltages, and the converter has no code above full scale or below zero. A feature that is
    constant in the training part becomes 0 there.
    """
    low = train_x.min(axis=0)
    span = train_x.max(axis=0) - low
    span = np.where(span > 0, span, 1.0)
    return (train_x - low) / span, np.clip((test_x - low) / span, 0.0, 1.0)


def split_and_scale(name: str, x: Features, y: Labels, classes: int, seed: int) -> Dataset:
    """Make a Dataset from all rows: 20% test rows drawn by `seed`, then scaling by the training part.

    `x` is (n, features) in any unit, `y` is (n,) from 0 to classes - 1. Raise TaskError as stratified_split
    does.
    """
    train_x, train_y, test_x, test_y = stratified_split(x, y, TEST_SHARE, np.random.default_rng(seed))
    train_x, test_x = scale_by_training_part(train_x, test_x)
    provenance = (
        f"{len(train_y)} train / {len(test_y)} test rows, stratified split by seed {seed}, "
        "features scaled to 0..1 by the training part, test features clipped to 0..1"
    )
    return Dataset(name, train_x, train_y, test_x, test_y, classes, provenance)
