"""One run of a sweep, from its configuration to a flat result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwctl.links.watched import Wrap
from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

CURVES = ("train_loss", "validation_loss", "validation_accuracy", "pulses_set", "pulses_reset", "array_seconds")
"""Columns of the metrics that a result keeps for every epoch, as far as the run has them."""


TRACED = (
    "epochs", "validation_loss", "validation_accuracy", "pulses", "pulses_max_cell", "array_seconds", "link_bytes",
)  # fmt: skip
"""Columns of `Evaluation.trace`."""


@dataclass(frozen=True)
class Point:
    """A run and what sets it apart from the others of its sweep."""

    config: TrainConfig
    labels: Mapping[str, Any]
    """What was varied, by name: numbers and texts."""

    @property
    def key(self) -> str:
        """Return what the run is known by: a digest of all that it sets.

        What is left at its default does not count, so that a run is known again by a version with more options.
        """
        default = asdict(TrainConfig())
        own = {name: value for name, value in asdict(self.config).items() if value != default[name]}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:20]


def _columns(rows: Sequence[Mapping[str, float]], names: Sequence[str] = CURVES) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in names if rows and name in rows[0]}


def measure(config: TrainConfig, wraps: Sequence[Wrap] = ()) -> dict[str, Any]:
    """Train once and return the summary of `hwctl train --json` with `curves` (CURVES, a value an epoch) and `trace`.

    The latter holds TRACED, a value an evaluation, where there are several in an epoch. wraps: around each link.
    """
    resolved = setup.resolve(config)
    crossbars = setup.open_crossbars(resolved, wraps)
    try:
        model = setup.step_model(crossbars, resolved.device)
        trainer = Trainer(resolved, crossbars, model, setup.load_data(resolved))
        trainer.start()
        trainer.run()
        return trainer.summary() | {
            "curves": _columns(trainer.history),
            "trace": _columns(trainer.evaluation.trace, TRACED),
        }
    finally:
        for crossbar in crossbars:
            crossbar.close()
