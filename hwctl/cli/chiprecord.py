"""The record of a chip that `hwctl program --chip` is given."""

from pathlib import Path
from typing import TYPE_CHECKING

from hwctl.errors import BadInput

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.devices.knownchip import KnownChip
    from hwctl.devices.steps import StepModel


def refuse_contradicted(chip: Path | None, device: str | None, allow_unreachable: bool, weights: Path | None) -> None:
    """Raise BadInput where options say other things than the record, or need one."""
    if chip is not None and device is not None:
        raise BadInput("--chip says what its cells are; leave --device out")
    if allow_unreachable and weights is not None:
        raise BadInput("--allow-unreachable is of conductances; --nearest sets weights as near as they come")
    if allow_unreachable and chip is None:
        raise BadInput("what cannot be reached is known from a record; add --chip FILE.h5")


def known_of(chip: Path | None) -> "KnownChip | None":
    """Return what a record says, if there is one. Raises DeviceError where it is none."""
    if chip is None:
        return None
    from hwctl.devices.knownchip import load_known  # noqa: PLC0415  needs h5py

    return load_known(chip)


def model_of(crossbar: "Crossbar", device: str | None, known: "KnownChip | None" = None) -> "StepModel":
    """Return the step curves of the array's cells: of a record, a named device, or the one that the board names.

    Raises DeviceError where they cannot be the board's.
    """
    from hwctl.crossbar.known import check_fits, device_of  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.devices.steps import StepModel  # noqa: PLC0415

    if known is None:
        return StepModel.of(device_of(crossbar, device))
    check_fits(crossbar, known.device, known.source, known.measured_on)
    return known.model
