"""What a training run is: everything that decides its result, kept in the run folder as config.toml."""

import sys
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

from hwctl.errors import BadInput, RunError


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    task: str = "wbc"
    targets: tuple[str, ...] = ("emulator:",)
    """Target URLs of the arrays that hold the network."""
    records: tuple[str, ...] = ()
    """Record of each target's chip as 'DEVICE sha256:DIGEST', "" where it is no digital twin; none: not known."""
    device: str | None = None
    """Preset or preset file with the step curves of the arrays' cells; None: what the arrays name."""
    chip: str | None = None
    """Record of the array's chip: training uses what it says of each cell, and its step curves; None: cells are any of
    the device's."""
    hidden: tuple[int, ...] | None = None
    """Sizes of the hidden layers; None: the task's own."""
    activation: str | None = None
    """sigmoid, tanh or relu; None: the task's own."""
    loss: str = "cross-entropy"
    """cross-entropy or mse."""
    optimizer: str = "momentum"
    rate: float | None = None
    """Learning rate; None: the task's for momentum, the optimizer's own for others."""
    final_rate: float = 0.05
    """Share of the rate that is left at the end of the last epoch; it falls linearly. 1: constant."""
    momentum: float = 0.9
    decay: float = 0.999
    schedule: str = "accumulate"
    fire_threshold: float | None = None
    """Pulse quanta that are due before schedule `accumulate` touches a weight; None: 10, but fewer on a device where
    that is more than a tenth of a cell's range, and at least 1."""
    replay: int = 8
    """Updates that schedule `outer` sends again with momentum: what is older weighs momentum**replay and less."""
    replay_draws: float = 0.0
    """Events of a layer that are sent an update on average, at most: once each, late, the larger the likelier; 0: all,
    each with each of those updates."""
    rank: int = 1
    """Events of a layer that schedule `low-rank` sends at a time,"""
    hold: int = 8
    """and the updates that it adds up before."""
    transfer_every: int = 1
    """Updates between two rows that schedule `tiki-taka` reads of its second array,"""
    transfer_rate: float = 0.1
    """the share of a reading that is added to what is due,"""
    zero_shift: int = 500
    """and the pairs of SET and RESET with which each of its cells begins."""
    policy: str | None = None
    """bidirectional, set-only or fixed-reference; None: what suits the device."""
    epochs: int | None = None
    """None: the task's own."""
    batch: int | None = None
    """Samples of one update; None: the task's own."""
    seed: int = 0
    """Draws the split, the initial weights, the sample order and, on an emulator, the chip."""
    siemens_per_weight: float | None = None
    """k of W = (G+ - G-) / k, in S; None: so that the largest weight is `largest_weight`."""
    largest_weight: float | None = None
    """None: the task's own."""
    replicas: int = 1
    """Copies of every layer on the arrays: signals are averaged over them."""
    remap: bool = False
    """Assign rows and outputs to lines around the cells that programming the starting weights finds stuck."""
    spare: int = 0
    """Rows and pairs of columns of every layer beyond its own, for `remap`."""
    start: str = "programmed"
    """programmed: to drawn weights; fabricated: as the cells are."""
    reread_share: float = 10.0
    """A cell is read again where its standard deviation exceeds this multiple of the wished change."""
    averages: int = 1
    """Conversions of one reading, a power of two."""
    pulse_budget: int | None = None
    """Pulses that one cell may take in the run; None: no limit."""
    validation: float = 0.0
    """Share of the training rows that are kept back, 0 to below 1: each epoch is measured on them then, and
    the test part is read once, after the last epoch."""
    evaluations: int = 1
    """Times an epoch that rows kept back are measured; with more than one, `Evaluation.trace` has what came of it."""
    data_dir: str | None = None

    def __post_init__(self) -> None:
        """Raise BadInput on a value that makes no run."""
        self._check_counts()
        for name, size in (
            ("fire threshold", self.fire_threshold),
            ("reread share", self.reread_share),
            ("largest weight", self.largest_weight),
            ("transfer rate", self.transfer_rate),
            ("siemens per weight", self.siemens_per_weight),
        ):
            if size is not None and not 0 < size < inf:
                raise BadInput(f"{name} {size}; give a finite number above 0")
        for name, count in (("replay draws", self.replay_draws), ("spare lines", self.spare)):
            if not 0 <= count < inf:
                raise BadInput(f"{name} {count}; give 0 or more")
        if not 0 <= self.validation < 1:
            raise BadInput(f"validation {self.validation}; give a share of the training rows from 0 to below 1")
        if self.evaluations > 1 and not self.validation:
            raise BadInput(f"{self.evaluations} evaluations an epoch of no rows; keep some back with --validation")
        if not 0 <= self.final_rate <= 1:
            raise BadInput(f"final rate {self.final_rate}; give a share from 0 to 1")
        if self.start not in ("programmed", "fabricated"):
            raise BadInput(f"start '{self.start}'; give programmed or fabricated")
        if self.remap and self.start != "programmed":
            raise BadInput(f"stuck cells are found by programming, start is '{self.start}'; leave --remap out")
        if self.spare and not self.remap:
            raise BadInput(f"{self.spare} spare lines that nothing is put on; give --remap, too")
        if not self.targets:
            raise BadInput("no target; give at least one URL")

    def _check_counts(self) -> None:
        positive = {"epochs": self.epochs, "batch": self.batch, "averages": self.averages, "replay": self.replay,
                    "replicas": self.replicas, "evaluations": self.evaluations, "rank": self.rank, "hold": self.hold,
                    "transfer every": self.transfer_every, "zero shift": self.zero_shift}  # fmt: skip
        for name, value in positive.items():
            if value is not None and value < 1:
                raise BadInput(f"{name} {value}; give 1 or more")
        if any(size < 1 for size in self.hidden or ()):
            raise BadInput(f"hidden layers {self.hidden}; give sizes of 1 or more")
        if self.pulse_budget is not None and self.pulse_budget < 1:
            raise BadInput(f"pulse budget {self.pulse_budget}; give 1 or more")
        if not 0 <= self.seed < 1 << 31:
            raise BadInput(f"seed {self.seed}; give 0 to {(1 << 31) - 1}")

    def moved(self, targets: tuple[str, ...]) -> "TrainConfig":
        """Return the run on the same boards at other URLs; none: where they were. Raises BadInput."""
        if targets and len(targets) != len(self.targets):
            raise BadInput(f"{len(targets)} targets for a run on {len(self.targets)}; give each of its boards in order")
        return replace(self, targets=targets or self.targets)

    def to_toml(self) -> str:
        """Return the run as TOML; what is None is left out."""
        import tomli_w  # noqa: PLC0415  only where a run is written

        return tomli_w.dumps(
            {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v is not None}
        )

    @classmethod
    def from_toml(cls, text: str, where: Path) -> "TrainConfig":
        """Return the run that `to_toml` wrote. Raises RunError that names the file."""
        if sys.version_info >= (3, 11):
            import tomllib  # noqa: PLC0415
        else:
            import tomli as tomllib  # noqa: PLC0415
        advice = "delete it, or restore it from a copy"
        try:
            found: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RunError(f"{where}: {error}; {advice}") from None
        unknown = set(found) - {field.name for field in fields(cls)}
        if unknown:
            raise RunError(f"{where}: unknown entries {', '.join(sorted(unknown))}; was it written by a newer hwctl?")
        try:
            return cls(**{name: _typed(name, value) for name, value in found.items()})
        except BadInput as error:
            raise RunError(f"{where}: {error}; {advice}") from None


def _typed(name: str, value: Any) -> Any:
    """Return an entry of config.toml as its field's type. Raises BadInput where it is of another."""
    wanted = get_type_hints(TrainConfig)[name]
    kinds = set(get_args(wanted)) if isinstance(wanted, UnionType) else {wanted}
    for kind in kinds:
        inner = get_args(kind)
        if inner and isinstance(value, list) and all(type(item) is inner[0] for item in value):
            return tuple(value)
        if type(value) is kind or (kind is float and type(value) is int):
            return value
    raise BadInput(f"{name} = {value!r} is of a wrong type")
