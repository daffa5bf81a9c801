"""Schedules that pulse each weight by what is due on it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.steps import StepModel
from hwctl.training.schedules.base import Dense

Floats = NDArray[np.float64]

FIRE_QUANTA = 10.0  # that fire where nothing is set,
FIRE_SHARE = 0.1  # but no more than this share of a cell's range: on a coarse device a weight would jump


class Accumulate(Dense):
    """The host adds up changes, and fires where a set number of pulse quanta is due."""

    name = "accumulate"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Add the changes and fire what is due."""
        for n, mover in enumerate(self.movers):
            remainder = self.remainders[n]
            np.add(remainder, wishes[n] * mover.layer.k, out=remainder)
            due = np.abs(remainder) >= self.threshold(mover.layer.model)
            rows, outputs = np.nonzero(due)
            if rows.size:
                self.fire(n, rows, outputs)

    def threshold(self, model: StepModel) -> float:
        """Return the change in S that is due before a weight is touched."""
        if self.config.fire_threshold is not None:
            return self.config.fire_threshold * model.quantum
        return max(model.quantum, min(FIRE_QUANTA * model.quantum, FIRE_SHARE * (model.g_max - model.g_min)))


class Cell(Dense):
    """Every update is carried out at once, in whole pulses for every cell, rounded at random without bias."""

    name = "cell"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Round each change to whole pulse quanta, up or down with the fraction as probability."""
        for mover, wish in zip(self.movers, wishes, strict=True):
            quantum = mover.layer.model.quantum
            wanted = wish * (mover.layer.k / quantum)
            whole = np.floor(wanted + self.rng.random(wanted.shape))
            rows, outputs = np.nonzero(whole)
            if rows.size:
                mover.move_weights(rows, outputs, whole[rows, outputs] * quantum, self.rng)


class Sign(Dense):
    """Manhattan rule: one pulse in the direction of every change that stands out of its layer's."""

    name = "sign"

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Pulse each weight whose change exceeds the layer's root mean square."""
        for mover, wish in zip(self.movers, wishes, strict=True):
            loudest = float(np.sqrt((wish**2).mean()))
            rows, outputs = np.nonzero(np.abs(wish) > loudest)
            if rows.size:
                mover.move_weights(rows, outputs, np.sign(wish[rows, outputs]) * mover.layer.model.quantum)
