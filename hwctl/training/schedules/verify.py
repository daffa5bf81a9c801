"""Write-verify as a schedule: what is due on a weight is read, pulsed and read again."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hwctl.programming.modelbased import GUARD, ModelBased
from hwctl.training.moves import Mover
from hwctl.training.schedules.base import Dense

Floats = NDArray[np.float64]

VERIFY_SHARE = 0.005  # of the range: tolerance
VERIFY_ROUNDS = 4  # moves of a cell in one update: the next update goes on


class Verify(Dense):
    """Write-verify: where a change of a weight is due, its cells are read and pulsed until they have made it.

    Due is a change of twice the tolerance, which is a share of the range, or what noise leaves.
    """

    name = "verify"

    @cached_property
    def _methods(self) -> list[ModelBased]:
        return [_method(mover) for mover in self.movers]

    def apply(self, wishes: Sequence[Floats]) -> None:
        """Add the changes and verify what is due."""
        for n, (mover, method) in enumerate(zip(self.movers, self._methods, strict=True)):
            remainder = self.remainders[n]
            np.add(remainder, wishes[n] * mover.layer.k, out=remainder)
            rows, outputs = np.nonzero(np.abs(remainder) >= 2.0 * method.tolerance)
            if rows.size:
                wanted = remainder[rows, outputs]
                change = mover.verify_weights(rows, outputs, wanted, method)
                # What was not reached in so many rounds is not asked for again: it would be due for ever.
                far = np.abs(wanted - change) >= 2.0 * method.tolerance
                remainder[rows, outputs] = np.where(far, 0.0, wanted - change)


def _method(mover: Mover) -> ModelBased:
    """Return the write-verify of a layer's device."""
    model = mover.layer.model
    noise = model.read_noise / np.sqrt(mover.averages)
    tolerance = max(VERIFY_SHARE * (model.g_max - model.g_min), 2.0 * GUARD * noise, model.write_noise)
    return ModelBased(model, float(tolerance), rounds=VERIFY_ROUNDS, averages=mover.averages, known=mover.layer.known)
