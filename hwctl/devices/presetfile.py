"""Preset files: a device of tables as TOML that people read and edit. The header of a file says what each entry is."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hwctl.devices import chipfile
from hwctl.devices.chipfile import DIGEST_DIGITS
from hwctl.devices.device import DriveLevel
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice
from hwctl.errors import DeviceError
from hwctl.files import write_file
from hwctl.protocol.codes import CURVE_ENTRIES, Polarity

FORMAT = 1
SUFFIX = ".toml"
_PINNED = re.compile(rf"(.+)@([0-9a-f]{{{DIGEST_DIGITS}}})")
_ON_A_LINE = 8  # numbers of a table

# Entries of the file: name there, field of the object, and what it is. All but those in _NEEDED may be left out.
_TOP = (
    ("name", "name", "letters, digits, dots, dashes and underscores"),
    ("title", "title", ""),
    ("source", "source", ""),
    ("assumed", "assumed", "what was not measured"),
    ("g_min_siemens", "lowest", "nominal lower bound of the conductance"),
    ("g_max_siemens", "highest", "nominal upper bound"),
    ("write_noise_siemens", "write_sigma", "standard deviation of the visible conductance, drawn anew by each pulse"),
    ("read_noise_siemens", "read_sigma", "standard deviation of one conversion"),
    ("drift_exponent", "drift", "nu of G(t) = G0 (t/t0)^-nu"),
    ("start", "start", "position 0 to 1 of cells as fabricated"),
    ("one_way", "one_way", "true where a RESET goes to the bottom at once"),
    ("read_volts", "read_voltage", ""),
    ("max_read_volts", "max_read_voltage", ""),
    ("max_form_volts", "max_form_amplitude", ""),
)
_SPREAD = (
    ("set_step", "gain_set", "of the size of SET steps, relative"),
    ("reset_step", "gain_reset", "of the size of RESET steps, relative"),
    ("g_min_siemens", "low", "of the lower bound"),
    ("g_max_siemens", "high", "of the upper bound"),
    ("threshold_levels", "offset", "of the threshold, in drive levels"),
    ("stuck_on", "stuck_on", "share 0 to 1 of cells that stay at their upper bound"),
    ("stuck_off", "stuck_off", "share 0 to 1 of cells that stay at their lower bound"),
)
_LEVEL = ("polarity", "amplitude_volts", "width_seconds", "gate_volts", "mean_step", "sigma_step")
_NEEDED = ("format", "name", "g_min_siemens", "g_max_siemens", "level")
_NEEDED_OF_LEVEL = ("polarity", "amplitude_volts", "width_seconds", "mean_step", "sigma_step")
_HEADER = f"""\
# Device preset of hwctl: use it by its path, as in 'hwctl train wbc --device FILE'.
# A [[level]] is a combination of amplitude, width and gate voltage; those of one polarity stand from weak to strong.
# mean_step and sigma_step are mean and standard deviation of one pulse's step as fractions of the range, at the
# centres of {CURVE_ENTRIES} equal parts of it, from the lower bound up.
# A mean is positive where a pulse moves the cell its own way.
"""


def is_path(name: str) -> bool:
    """Return whether a device's name is the path of a preset file, pinned or not."""
    found = _PINNED.fullmatch(name)
    path = found[1] if found else name
    return path.endswith((SUFFIX, *chipfile.SUFFIXES)) or "/" in path or "\\" in path


def file_of(name: str) -> Path:
    """Return the file of PATH or PATH@DIGEST."""
    found = _PINNED.fullmatch(name)
    return Path(found[1] if found else name)


def pinned(name: str) -> str:
    """Return a path of a preset file as PATH@DIGEST, absolute, which is refused once the file has changed.

    Raises DeviceError where the file is no preset.
    """
    device = load_named(name)
    return f"{file_of(name).resolve()}@{device.digest}"


def load_named(name: str) -> TabulatedDevice:
    """Return the device of PATH or PATH@DIGEST. Raises DeviceError as `load_device`, and where the file has changed."""
    found = _PINNED.fullmatch(name)
    if found is None:
        return load_device(Path(name))
    device = load_device(Path(found[1]))
    if device.digest != found[2]:
        raise DeviceError(
            f"{found[1]} has changed: its digest is {device.digest}, not {found[2]}; restore it, or start anew with it"
        )
    return device


def load_device(path: Path) -> TabulatedDevice:
    """Return the device of a preset file, or that of the twin in a chip's record, with the file's digest.

    Raises DeviceError that names file and entry: unreadable, unknown or missing entries, wrong types and lengths, NaN,
    values out of range.
    """
    if path.suffix in chipfile.SUFFIXES:
        return chipfile.load_device(path)
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        raw = path.read_bytes()
        found = tomllib.loads(raw.decode())
    except OSError as error:
        raise DeviceError(f"{path} cannot be read ({error.strerror}); name a preset file") from None
    except UnicodeDecodeError:
        raise DeviceError(f"{path} is no text; name a preset file") from None
    except tomllib.TOMLDecodeError as error:
        raise DeviceError(f"{path}: {error}; correct it") from None
    try:
        return _device(found, sha256(raw).hexdigest()[:DIGEST_DIGITS])
    except DeviceError as error:
        raise DeviceError(f"{path}: {error}") from None


def _device(found: Mapping[str, Any], digest: str) -> TabulatedDevice:
    version = found.get("format")
    if version != FORMAT:
        raise DeviceError(f"format {version!r}; this hwctl reads 'format = {FORMAT}'")
    _only(found, "", ("format", "spread", "level", *(key for key, _, _ in _TOP)), _NEEDED)
    spread, levels = found.get("spread", {}), found["level"]
    if not isinstance(spread, dict) or not isinstance(levels, list):
        raise DeviceError("write 'spread' as a table [spread], and each level as [[level]]")
    _only(spread, "spread.", [key for key, _, _ in _SPREAD])
    return TabulatedDevice(
        tables=tuple(_table(level, f"level {n}: ") for n, level in enumerate(levels, 1)),
        spread=Spread(**{name: _number(spread[key], f"spread.{key}") for key, name, _ in _SPREAD if key in spread}),
        digest=digest,
        **{name: _typed(found[key], key, _KINDS[name]) for key, name, _ in _TOP if key in found},
    )


_KINDS: Mapping[str, Any] = {item.name: item.type for item in fields(TabulatedDevice)}


def _table(found: Any, where: str) -> StepTable:
    if not isinstance(found, dict):
        raise DeviceError(f"{where}no table; write each level as [[level]]")
    _only(found, where, _LEVEL, _NEEDED_OF_LEVEL)
    polarity = found["polarity"]
    if polarity not in ("SET", "RESET"):
        raise DeviceError(f'{where}polarity {polarity!r}; give "SET" or "RESET"')
    amplitude, width, gate = (
        _number(found.get(key, 0.0), where + key) for key in ("amplitude_volts", "width_seconds", "gate_volts")
    )
    mean, sigma = (_numbers(found[key], where + key) for key in ("mean_step", "sigma_step"))
    return StepTable(DriveLevel(Polarity[polarity], amplitude, width, gate), np.array(mean), np.array(sigma))


def _only(found: Mapping[str, Any], where: str, known: Sequence[str], needed: Sequence[str] = ()) -> None:
    for key in found:
        if key not in known:
            raise DeviceError(f"{where}{key}: no such entry; known: {', '.join(known)}")
    for key in needed:
        if key not in found:
            raise DeviceError(f"{where}{key} is missing; give it")


def _typed(value: Any, key: str, kind: Any) -> Any:
    if kind is float:
        return _number(value, key)
    if kind in (str, bool):
        if type(value) is not kind:
            raise DeviceError(f"{key} = {value!r}; give {'a text' if kind is str else 'true or false'}")
        return value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DeviceError(f"{key} = {value!r}; give a list of texts")
    return tuple(value)


def _number(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not np.isfinite(value):
        raise DeviceError(f"{key} = {value!r}; give a finite number")
    return float(value)


def _numbers(values: Any, key: str) -> list[float]:
    if not isinstance(values, list) or len(values) != CURVE_ENTRIES:
        count = len(values) if isinstance(values, list) else "no list of"
        raise DeviceError(f"{key}: {count} numbers; give {CURVE_ENTRIES}")
    return [_number(value, f"{key}[{n}]") for n, value in enumerate(values)]


def save_device(device: TabulatedDevice, path: Path) -> None:
    """Write a device as a preset file, whole or not at all. Raises RunError where it cannot be written."""
    write_file(path, to_toml(device).encode())


def to_toml(device: TabulatedDevice) -> str:
    """Return the text of a preset file."""
    parts = [
        _HEADER,
        _entry("format", FORMAT),
        *_entries(device, _TOP),
        "\n[spread]  # between cells (d2d), standard deviations",
        *_entries(device.spread, _SPREAD),
    ]
    for table in device.tables:
        level = table.level
        parts += [
            "\n[[level]]",
            _entry("polarity", level.polarity.name),
            _entry("amplitude_volts", float(level.amplitude)),
            _entry("width_seconds", float(level.width)),
            _entry("gate_volts", float(level.gate)),
            *_steps("mean_step", table.mean.tolist()),
            *_steps("sigma_step", table.sigma.tolist()),
        ]
    return "\n".join(parts) + "\n"


def _entries(item: object, entries: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for key, name, what in entries:
        value = getattr(item, name)
        line = _entry(key, float(value) if isinstance(value, float) else value)
        # A comment behind a list would stand behind its closing bracket.
        yield f"# {key}: {what}\n{line}" if isinstance(value, tuple) else f"{line}  # {what}" if what else line


def _entry(key: str, value: Any) -> str:
    import tomli_w  # noqa: PLC0415  only where a file is written

    return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value}).rstrip("\n")


def _steps(key: str, values: Sequence[float]) -> Iterator[str]:
    yield f"{key} = ["
    for n in range(0, len(values), _ON_A_LINE):
        yield "    " + ", ".join(repr(value) for value in values[n : n + _ON_A_LINE]) + ","
    yield "]"
