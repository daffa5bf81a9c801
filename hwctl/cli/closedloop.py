"""Options that say how near a closed loop comes to its targets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwctl.errors import BadInput

if TYPE_CHECKING:
    from hwctl.devices.knownchip import KnownChip
    from hwctl.devices.steps import StepModel
    from hwctl.programming.fine import Fine
    from hwctl.programming.modelbased import ModelBased


@dataclass(frozen=True)
class ClosedLoop:
    """What is asked of a closed loop."""

    tolerance: float
    """uS"""
    rounds: int
    averages: int
    precision: float | None
    """uS: standard error of the readings of a fine stage; None for none."""
    pause: float
    """s"""
    denoise: int

    def __post_init__(self) -> None:
        """Raise BadInput where an option is of the fine stage, and there is none."""
        if self.precision is None and (self.pause or self.denoise):
            raise BadInput("--pause and --denoise are of the fine stage; add --precision, or leave them out")

    def method(self, model: "StepModel", known: "KnownChip | None" = None) -> "ModelBased | Fine":
        """Return the method that does it. known: of a record. Raises LimitError where noise leaves no band."""
        from hwctl.programming.fine import Fine  # noqa: PLC0415  numpy is not needed for --help
        from hwctl.programming.modelbased import ModelBased  # noqa: PLC0415

        if self.precision is None:
            return ModelBased(model, self.tolerance * 1e-6, rounds=self.rounds, averages=self.averages, known=known)
        return Fine(
            model, self.tolerance * 1e-6, self.precision * 1e-6, rounds=self.rounds, averages=self.averages,
            pause=self.pause, denoise=self.denoise, known=known,
        )  # fmt: skip
