"""`hwctl info`: what a board is."""

from typing import Any

from rich.console import Console
from rich.table import Table

from hwctl.cli.output import DEFAULT_TARGET, Json, Target, quantity, write_json
from hwctl.cli.watch import Record, watching


def info(target: Target = DEFAULT_TARGET, record: Record = None, json: Json = None) -> None:
    """Ask a board for geometry, features, limits and drive levels."""
    from hwctl.crossbar import Crossbar  # noqa: PLC0415  numpy is not needed for --help
    from hwctl.crossbar.trips import named  # noqa: PLC0415

    with watching(record) as wraps, Crossbar.open(target, wraps=wraps) as crossbar:
        identity, status = crossbar.identity, crossbar.status()
    volts, seconds = identity.volts_per_code, identity.seconds_per_code
    levels = [
        {
            "polarity": ("SET", "RESET")[kind],
            "amplitude_volts": a * volts,
            "width_seconds": w * seconds,
            "gate_volts": g * volts,
        }
        for kind, a, w, g in identity.drive_levels.tolist()
    ]
    found: dict[str, Any] = {
        "target": target,
        "device": identity.device,
        "build": identity.build,
        "protocol_version": identity.protocol_version,
        "rows": identity.rows,
        "cols": identity.cols,
        "features": [feature.name for feature in type(identity.features) if feature in identity.features],
        "full_scale_siemens": identity.siemens_per_code * 0xFFFF,
        "max_pulse_volts": identity.max_amplitude * volts,
        "max_form_volts": identity.max_form_amplitude * volts,
        "max_read_volts": identity.max_read * volts,
        "max_width_seconds": identity.max_width * seconds,
        "tia_ranges": identity.tia_ranges.tolist(),
        "drive_levels": levels,
        "pulses": status.set_pulses + status.reset_pulses,
        "reads": status.reads,
        "safe": status.safe,
        "trips": list(named(status.trips)),
    }
    if json is None:
        Console().print(_table(found))
    write_json(json, found)


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"{found['device']} at {found['target']}", show_header=False)
    units = {"siemens": "S", "volts": "V", "seconds": "s"}
    for name, value in found.items():
        label, _, unit = name.rpartition("_")
        if name == "drive_levels":
            for polarity in ("SET", "RESET"):
                table.add_row(f"{polarity} levels", _levels(value, polarity))
        elif unit in units and label:
            table.add_row(label.replace("_", " "), quantity(value, units[unit]))
        else:
            table.add_row(name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return table


def _levels(levels: list[dict[str, Any]], polarity: str) -> str:
    chosen = [level for level in levels if level["polarity"] == polarity]
    texts = [
        f"{level['amplitude_volts']:.3g} V, {quantity(level['width_seconds'], 's')}"
        + (f", gate {level['gate_volts']:.3g} V" if level["gate_volts"] else "")
        for level in chosen
    ]
    return texts[0] if len(texts) == 1 else f"{len(texts)}, from {texts[0]} to {texts[-1]}"
