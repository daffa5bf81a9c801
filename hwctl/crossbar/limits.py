"""Limits of one board as its host keeps them: what the board said, or what they were narrowed to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hwctl.crossbar.results import ArrayLimits
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp
from hwctl.protocol.replies import FLOORS, LIMITS, Identity, Limits

if TYPE_CHECKING:
    from hwctl.crossbar.shapes import Shapes

UNBOUNDED = 0xFFFFFFFF
UNSAID = 0xFFFF  # of a voltage or a current: the board has not said
FIELDS = tuple(field.name for field in fields(ArrayLimits))
NO_LIMITS = Limits(UNSAID, UNSAID, UNBOUNDED, UNSAID, UNBOUNDED, UNBOUNDED, UNSAID, UNSAID, UNSAID, 0, 0)
READING = (commands.Read, commands.Vmm, commands.WriteVerify, commands.Form)
"""Commands that put the configured read voltage on lines."""


def limits_said(identity: Identity) -> Limits:
    """Return the limits that IDENTIFY tells; of pulses a cell, gates and currents it tells none."""
    return replace(
        NO_LIMITS,
        max_read=identity.max_read,
        max_amplitude=identity.max_amplitude,
        max_width=identity.max_width,
        max_form_amplitude=identity.max_form_amplitude,
        max_form_width=identity.max_width,
    )


def narrower_of(one: Limits, other: Limits) -> Limits:
    """Return the narrower of each limit."""
    narrower: dict[str, Any] = {
        name: (max if name in FLOORS else min)(one.codes[name], other.codes[name]) for name in LIMITS
    }
    return replace(one, **narrower, limiter=max(one.limiter, other.limiter))


def in_units(holds: Limits, identity: Identity) -> ArrayLimits:
    """Return limits in V, s, A and pulses."""
    volts, seconds = identity.volts_per_code, identity.seconds_per_code
    return ArrayLimits(
        read_voltage=holds.max_read * volts,
        amplitude=holds.max_amplitude * volts,
        width=holds.max_width * seconds,
        form_amplitude=holds.max_form_amplitude * volts,
        form_width=holds.max_form_width * seconds,
        pulses=None if holds.max_pulses == UNBOUNDED else holds.max_pulses,
        gate=None if holds.max_gate == UNSAID else holds.max_gate * volts,
        form_gate=None if holds.max_form_gate == UNSAID else holds.max_form_gate * volts,
        compliance=None if holds.max_compliance == UNSAID else holds.max_compliance * identity.compliance_per_code,
        pulse_rate=1.0 / (holds.min_interval * seconds) if holds.min_interval else None,
    )


def narrowing(wanted: Sequence[float | None], holds: Limits, identity: Identity, url: str) -> commands.ConfigureLimits:
    """Return limits in the order of ArrayLimits as codes, rounded to the narrower side; None leaves one as it is.

    Raises LimitError, also on NaN, where one is wider than what holds or below one code.
    """
    found = []
    for name, value, held, scale in zip(FIELDS, wanted, holds.codes.values(), _scales(identity), strict=True):
        if value is None:
            found.append(0)
        elif name == "pulse_rate":
            found.append(_least(value, held, scale, url))
        else:
            found.append(_most(name, value, held, scale, url))
    return commands.ConfigureLimits(*found)


def _most(name: str, value: float, highest: int, scale: float, url: str) -> int:
    """Return a limit as a code; highest: that of the one that holds."""
    code = _whole(value / scale, math.floor)
    if not 1 <= code <= highest:
        has = f"{highest * scale:.6g} holds" if highest else "it has none"
        raise LimitError(
            f"{name} {value:.6g}; of {url}, {has}, and limits can only be narrowed"
            + (f": give {scale:.6g} to {highest * scale:.6g}" if highest else "")
        )
    return code


def _least(rate: float, holds: int, seconds: float, url: str) -> int:
    """Return the time code between pulses of a cell at a rate in pulses a second."""
    code = _whole(1 / (rate * seconds), math.ceil) if rate > 0 else 0
    if not max(holds, 1) <= code <= UNBOUNDED:
        fastest = 1 / (max(holds, 1) * seconds)
        raise LimitError(
            f"pulse_rate {rate:.6g}; of {url}, {fastest:.6g} a second holds, and limits can only be narrowed: give "
            f"{1 / (UNBOUNDED * seconds):.3g} to {fastest:.6g}"
        )
    return code


def _whole(code: float, to: Callable[[float], int]) -> int:
    """Return a code as an integer: the nearest where rounding of floats alone parts them; 0 for what is none."""
    if not abs(code) < 1e15:  # NaN too
        return 0
    nearest = round(code)
    return nearest if abs(code - nearest) < 1e-6 + 1e-14 * abs(code) else to(code)


def _scales(identity: Identity) -> tuple[float, ...]:
    """Return what one code of each limit is in V, s, pulses or A."""
    volts, seconds = identity.volts_per_code, identity.seconds_per_code
    return volts, volts, seconds, volts, seconds, 1.0, volts, volts, identity.compliance_per_code, seconds


class HostLimits:
    """Keeps commands beyond limits from being sent, whatever the board itself does."""

    def __init__(self, holds: Limits) -> None:
        """Start with limits in codes."""
        self.holds = holds
        self.exceeded = False
        """Whether something that is configured is beyond what holds; else no command has to be looked at."""
        self._read = 0  # voltage code that is configured
        self._beyond = np.zeros(codes.PULSE_SHAPES, np.bool_)

    def configured_read(self, voltage: int) -> None:
        """Take note of the voltage code of readings."""
        self._read = voltage
        self._look()

    def _look(self) -> None:
        self.exceeded = self._read > self.holds.max_read or bool(self._beyond.any())

    def narrow(self, holds: Limits, shapes: "Shapes") -> None:
        """Take narrower limits. shapes: those that are defined, by polarity, amplitude, width, gate and compliance."""
        self.holds = holds
        for key, shape in shapes.items():
            try:
                holds.check_shape(*key)
            except LimitError:
                self._beyond[shape.number] = True
        self._look()

    def check(self, command: Command) -> None:
        """Raise LimitError on a command that uses what is beyond limits, though it was within when it was set."""
        if isinstance(command, READING) and self._read > self.holds.max_read:
            raise LimitError(
                f"{command.op.name}: read voltage of {self._read} codes is above the narrowed limit of "
                f"{self.holds.max_read}; lower it with configure_read"
            )
        numbers = np.array(_shapes_of(command), np.int64)
        if self._beyond[numbers].any():
            raise LimitError(f"{command.op.name}: a pulse shape is beyond narrowed limits; define a weaker one")


def _shapes_of(command: Command) -> list[int]:
    """Return the numbers of the shapes that a command names."""
    if isinstance(command, commands.Pulse):
        return [*command.set_shapes.tolist(), *command.reset_shapes.tolist()]
    if isinstance(command, commands.PulseSparse | commands.Outer):
        return [command.set_shape, command.reset_shape]
    if isinstance(command, commands.WriteVerify):
        return [*_of_ramp(command.set_ramp), *_of_ramp(command.reset_ramp)]
    return _of_ramp(command.ramp) if isinstance(command, commands.Form) else []


def _of_ramp(ramp: Ramp) -> list[int]:
    return [*range(ramp.first, ramp.last, max(ramp.step, 1)), ramp.last]
