"""A board file and what follows from it in plain types, for machines."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from firmware.analog.boardfile import BoardFile
from firmware.analog.fpga import Fpga, bits_of
from firmware.analog.pulses import Pulse
from firmware.analog.sheet import limit_codes, sequence
from firmware.analog.wiring import Line
from hwctl.protocol.codes import HalfSelect


def document(board: BoardFile) -> dict[str, Any]:
    """Return all of it as JSON can hold it; amounts in SI units, codes and clock ticks as integers."""
    codes = board.codes
    return {
        "name": board.name,
        "about": board.about,
        "device": board.device.reference,
        "cell": board.cell,
        "rows": len(board.rows),
        "cols": len(board.cols),
        "gate_per": board.gate_per,
        "clock_hz": board.clock,
        "half_select": [HalfSelect(scheme).name for scheme in board.half_select],
        "scales": {**asdict(codes.scales), "amperes": codes.amperes},
        "lines": [_line_document(board, line) for line in board.lines],
        "limits": {
            key: {"value": value, "code": limit_codes(board)[key], "absolute": dict(board.absolute.items())[key]}
            for key, value in board.limits.items()
        },
        "levels": {pulse.polarity.name: _pulse_document(board, pulse) for pulse in board.pulses.values()},
        "forms": board.forms,
        "limiter": None if board.limiter is None else asdict(board.limiter),
        "ranges": [
            {
                "number": found.number,
                "ohm": found.ohm,
                "pins": found.pins,
                "factor": float(found.factor),
                "settle": ticks,
            }
            for found, ticks in zip(board.sense.ranges, codes.sense_settle, strict=True)
        ],
        "sequence_ticks": dict(sequence(board)),
        "watchdog": {**asdict(board.watchdog), "silence_ticks": codes.silence},
        "rest": {name: board.rest_pattern(name) for name in board.chains},
        "power_up": _plain(asdict(board.power_up)),
        "assignments": {str(channel): key for channel, key in board.assignments.items()},
        "fpga": None if board.fpga is None else _fpga_document(board, board.fpga),
    }


def _line_document(board: BoardFile, line: Line) -> dict[str, Any]:
    guard = board.codes.guard(line)
    return {
        "line": f"{line.side} {line.index}",
        **{key: str(channel) for key, channel in line.channels.items()},
        "polarity": line.transfer.polarity,
        "volts_per_code": float(line.transfer.step),
        "rest": guard.rest,
        "read": guard.read,
        "pulse": guard.pulse,
        "form": guard.form,
    }


def _pulse_document(board: BoardFile, pulse: Pulse) -> dict[str, Any]:
    levels = [
        {
            **asdict(level),
            "dac": board.driven_codes(pulse, level),
            "gate_dac": [line.transfer.code_at(level.gate_steps) for line in board.gates],
            "unselected": {HalfSelect(scheme).name: level.unselected(scheme) for scheme in board.half_select},
        }
        for level in pulse.levels
    ]
    return {"side": pulse.side, "levels": levels}


def _fpga_document(board: BoardFile, fpga: Fpga) -> dict[str, Any]:
    bits = bits_of(board)
    pins = {
        signal: [{"of": goes_to, "pin": str(pin)} for goes_to, pin in zip(bits[signal], several, strict=True)]
        for signal, several in fpga.pins.items()
    }
    return {"platform": fpga.platform, "standard": fpga.standard, "pins": pins}


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in found.items()}
