"""A sweep file: what every run shares, and lists of what is varied; all combinations are run."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from hwctl.errors import BadInput, SweepError
from hwctl.sweeps.point import Point
from hwctl.training.config import TrainConfig

TABLES = ("run", "vary", "target", "seeds")
DEVICE = "device"
"""Of `run`, `vary` and `target`: the emulator's device, as `hwctl train --device` takes it."""
OWN = frozenset(field.name for field in fields(TrainConfig)) - {"targets", "seed"}


@dataclass(frozen=True)
class Sweep:
    """What a sweep file holds.

    run: fields of `TrainConfig` that all runs share. vary: lists of values of such fields. target: options of
    `emulator:`, each a value or a list. seeds: what each combination is run with, so that runs are paired by seed.
    """

    run: Mapping[str, Any]
    vary: Mapping[str, tuple[Any, ...]]
    target: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...]

    @classmethod
    def load(cls, path: Path) -> "Sweep":
        """Read a TOML file. Raises SweepError that names what is wrong with it."""
        if sys.version_info >= (3, 11):
            import tomllib  # noqa: PLC0415
        else:
            import tomli as tomllib  # noqa: PLC0415
        try:
            found = tomllib.loads(path.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SweepError(
                f"{path} cannot be read ({error}); give a TOML file with the tables run and vary"
            ) from None
        try:
            return cls.of(found)
        except SweepError as error:
            raise SweepError(f"{path}: {error}") from None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Sweep":
        """Check the content of a sweep file. Raises SweepError."""
        _known("entry", found, TABLES)
        run, vary, target = (dict(found.get(name, {})) for name in ("run", "vary", "target"))
        _known("entry of run", run, OWN | {DEVICE})
        _known("entry of vary", vary, OWN | {DEVICE})
        for name, values in vary.items():
            if not isinstance(values, list) or not values:
                raise SweepError(f"vary.{name} is {values!r}; give a list of values")
            if name in run:
                raise SweepError(f"{name} is in run and in vary; leave one out")
        options = {name: tuple(v) if isinstance(v, list) else (v,) for name, v in target.items()}
        return cls(run, {name: tuple(v) for name, v in vary.items()}, options, _seeds(found.get("seeds", 1)))

    def points(self) -> Iterator[Point]:
        """Yield every run: all combinations, each with all seeds. Raises SweepError where one is no run."""
        names = [*self.vary, *(f"target.{name}" for name, values in self.target.items() if len(values) > 1)]
        values = [*self.vary.values(), *(values for values in self.target.values() if len(values) > 1)]
        for chosen in product(*values):
            labels = dict(zip(names, chosen, strict=True))
            for seed in self.seeds:
                yield Point(self._config(labels, seed), {**labels, "seed": seed})

    def _config(self, labels: Mapping[str, Any], seed: int) -> TrainConfig:
        own = {**self.run, **{n: v for n, v in labels.items() if not n.startswith("target.")}}
        device = own.pop(DEVICE, None)
        options = {n: v[0] for n, v in self.target.items()}
        options |= {n.removeprefix("target."): v for n, v in labels.items() if n.startswith("target.")}
        if device is not None:
            options = {DEVICE: device, **options}
        query = "&".join(f"{name}={value}" for name, value in options.items())
        own = {name: tuple(v) if isinstance(v, list) else v for name, v in own.items()}
        try:
            return TrainConfig(targets=(f"emulator:?{query}" if query else "emulator:",), seed=seed, **own)
        except (BadInput, TypeError) as error:
            raise SweepError(f"{labels}: {error}") from None


def _known(what: str, found: Mapping[str, Any], names: "tuple[str, ...] | frozenset[str]") -> None:
    for name in found:
        if name not in names:
            raise SweepError(f"unknown {what} '{name}'; known: {', '.join(sorted(names))}")


def _seeds(given: object) -> tuple[int, ...]:
    """Return seeds: a number n means 0 to n - 1."""
    if isinstance(given, int) and given > 0:
        return tuple(range(given))
    if isinstance(given, list) and given and all(isinstance(seed, int) for seed in given):
        return tuple(given)
    raise SweepError(f"seeds are {given!r}; give a number of seeds, or a list of them")
