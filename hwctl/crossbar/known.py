"""Which device model a host knows for the cells of an array."""

from hwctl.crossbar.driver import Crossbar
from hwctl.devices import presets
from hwctl.devices.chipfile import SUFFIXES, board_of
from hwctl.devices.device import Device
from hwctl.devices.presetfile import file_of, is_path
from hwctl.errors import DeviceError, TargetError
from hwctl.links.target import Target
from hwctl.protocol.codes import Polarity


def device_of(crossbar: Crossbar, given: str | None = None) -> Device:
    """Return the device model of an array's cells.

    given: a preset or the path of a preset file or record; None: the preset that the board names, or the file that the
    target names. Raises DeviceError where there is none, where that file is not what the board has, and where what is
    given cannot be the board's: a record of another device, or other numbers of drive levels.
    """
    if given is not None:
        device = presets.get(given)
        file = file_of(given)
        check_fits(crossbar, device, given, board_of(file) if file.suffix in SUFFIXES else "")
        return device
    named = crossbar.identity.device
    opened = _file_of(crossbar.link.url)
    if opened is not None:
        device = presets.get(opened)
        if device.reference != named:
            raise DeviceError(f"the board has {named}, and {opened} holds {device.reference}; open the board again")
        return device
    try:
        return presets.get(named)
    except DeviceError as error:
        raise DeviceError(f"{error}; name the preset or preset file of the array's cells with --device") from None


def check_fits(crossbar: Crossbar, device: Device, name: str, measured: str) -> None:
    """Raise DeviceError where a device cannot be that of an array's cells.

    name: its preset's, or its file. measured: of a record, the device that the board named; "" where that is unknown.
    """
    url, named = crossbar.link.url, crossbar.identity.device
    if measured and named not in (measured, device.reference):
        raise DeviceError(f"{name} is the record of a chip of {measured}, {url} has {named}; name its own record")
    for polarity in (Polarity.SET, Polarity.RESET):
        its, mine = len(crossbar.drive_levels(polarity)), len(device.levels_of(polarity))
        if its != mine:
            raise DeviceError(
                f"{name} has {mine} {polarity.name} levels, {url} ({named}) has {its}; name the device of its cells"
            )


def _file_of(url: str) -> str | None:
    """Return the file that a target names, such as 'emulator:?device=my.toml' or 'sim:chip7.h5'."""
    try:
        target = Target.parse(url)
    except TargetError:
        return None
    name = target.options.get("device", "") if target.record is None else target.path
    return name if is_path(name) else None
