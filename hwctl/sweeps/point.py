"""One run of a sweep, from its configuration to a flat result."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

CURVES = ("train_loss", "validation_loss", "validation_accuracy", "pulses_set", "pulses_reset", "array_seconds")
"""Columns of the metrics that a result keeps for every epoch, as far as the run has them."""


@dataclass(frozen=True)
class Point:
    """A run and what sets it apart from the others of its sweep."""

    config: TrainConfig
    labels: Mapping[str, Any]
    """What was varied, by name: numbers and texts."""

    @property
    def key(self) -> str:
        """Return what the run is known by: a digest of everything that decides its result."""
        return hashlib.sha256(self.config.to_toml().encode()).hexdigest()[:20]


def measure(config: TrainConfig) -> dict[str, Any]:
    """Train once and return the summary of `hwctl train --json`, and CURVES as lists over the epochs."""
    resolved = setup.resolve(config)
    crossbars = setup.open_crossbars(resolved)
    try:
        model = setup.step_model(crossbars, resolved.device)
        trainer = Trainer(resolved, crossbars, model, setup.load_data(resolved))
        trainer.start()
        trainer.run()
        history = trainer.history
        return trainer.summary() | {
            "curves": {name: [row[name] for row in history] for name in CURVES if name in history[0]}
        }
    finally:
        for crossbar in crossbars:
            crossbar.close()
