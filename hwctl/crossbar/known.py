"""Which device model a host knows for the cells of an array."""

from hwctl.crossbar.driver import Crossbar
from hwctl.devices import presets
from hwctl.devices.device import Device
from hwctl.devices.presetfile import is_path
from hwctl.errors import DeviceError, TargetError
from hwctl.links.target import Target

EMULATED = ("emulator", "sim")
"""Schemes whose path is that of a chip's record."""


def device_of(crossbar: Crossbar, given: str | None = None) -> Device:
    """Return the device model of an array's cells.

    given: a preset or the path of a preset file; None: the preset that the board names, or the preset file in the
    target's option `device`. Raises DeviceError where there is none, and where that file is not what the board has.
    """
    if given is not None:
        return presets.get(given)
    named = crossbar.identity.device
    file = _file_of(crossbar.link.url)
    if file is not None:
        device = presets.get(file)
        if device.reference != named:
            raise DeviceError(f"the board has {named}, and {file} holds {device.reference}; open the board again")
        return device
    try:
        return presets.get(named)
    except DeviceError as error:
        raise DeviceError(f"{error}; name the preset or preset file of the array's cells with --device") from None


def _file_of(url: str) -> str | None:
    """Return the file that a target names, such as 'emulator:?device=my.toml' or 'sim:chip7.h5'."""
    try:
        target = Target.parse(url)
    except TargetError:
        return None
    name = target.path if target.scheme in EMULATED and target.path else target.options.get("device", "")
    return name if is_path(name) else None
