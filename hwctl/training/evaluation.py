"""What rows that were not trained on say of a network, and what it takes the arrays to say so."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from hwctl.training.counts import Counter
from hwctl.training.network import Network, with_bias
from hwctl.training.tasks.dataset import Dataset

Floats = NDArray[np.float64]
Metrics = dict[str, float]

BATCH = 256


class Evaluation:
    """Measures a network on its arrays. Where rows are kept back for validation, the test part is read once, last."""

    def __init__(self, network: Network, data: Dataset) -> None:
        """Take a network and the rows that it is to be measured on."""
        self._network, self._data = network, data
        self._test_x = with_bias(data.test_x)
        kept = data.validation_x, data.validation_y
        self._validation = None if kept[0] is None or kept[1] is None else (with_bias(kept[0]), kept[1])
        self._wanted = np.eye(data.classes)
        self.trace: list[Metrics] = []
        """Rows of `record`."""
        self.array_seconds = 0.0
        """s that the arrays were driven for readings of validation rows, and of the test part beside them,"""
        self.link_bytes = 0
        """and the bytes on the link."""

    def at_epoch(self, counter: Counter, *, last: bool) -> Metrics:
        """Return the metrics of an epoch's end; `last`: of the run."""
        if self._validation is None:
            return {"test_accuracy": self.test_accuracy()}
        with self._apart(counter):
            loss, accuracy = self.measure(*self._validation)
            tested = self.test_accuracy() if last else float("nan")
        return {"validation_loss": loss, "validation_accuracy": accuracy, "test_accuracy": tested}

    def record(self, counter: Counter, epochs: float) -> None:
        """Add to the trace what the rows kept back say after so many epochs, and what training took until then.

        pulses, pulses_max_cell, array_seconds and link_bytes are those of training: evaluations are not counted.
        """
        if self._validation is None:
            return
        before, apart = counter.totals(0.0), (self.array_seconds, self.link_bytes)
        with self._apart(counter):
            worst = counter.worst_cell()
            loss, accuracy = self.measure(*self._validation)
        self.trace.append(
            {
                "epochs": epochs,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
                "pulses": before.pulses_set + before.pulses_reset,
                "pulses_max_cell": worst,
                "array_seconds": before.array_seconds - apart[0],
                "link_bytes": before.link_bytes - apart[1],
            }
        )

    def test_accuracy(self) -> float:
        """Return the share of test rows that the network on the array classifies rightly."""
        return self.measure(self._test_x, self._data.test_y)[1]

    def measure(self, x: Floats, labels: NDArray[np.int64]) -> tuple[float, float]:
        """Return mean loss and accuracy of rows x (rows, features + 1)."""
        parts = [slice(first, first + BATCH) for first in range(0, len(x), BATCH)]
        output = np.concatenate([self._network.forward(x[part]).output for part in parts])
        losses = self._network.loss.value(output, self._wanted[labels])
        return float(losses.mean()), float((output.argmax(axis=1) == labels).mean())

    @contextmanager
    def _apart(self, counter: Counter) -> Iterator[None]:
        begun = counter.totals(0.0)
        yield
        done = counter.totals(0.0)
        self.array_seconds += done.array_seconds - begun.array_seconds
        self.link_bytes += done.link_bytes - begun.link_bytes
