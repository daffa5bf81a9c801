"""Pulse shapes that a board knows, each defined once."""

from typing import TypeAlias

from hwctl.crossbar.port import Port
from hwctl.crossbar.results import PulseShape
from hwctl.errors import LimitError
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Polarity
from hwctl.protocol.replies import Limits

Shapes: TypeAlias = dict[tuple[Polarity, int, int, int, int], PulseShape]
"""Shapes by polarity, amplitude, width, gate and compliance codes."""


class PulseShapes:
    """The numbered pulse shapes of one board."""

    def __init__(self, port: Port) -> None:
        """Start with none."""
        self._port = port
        self._defined: Shapes = {}

    def narrow(self, holds: Limits) -> None:
        """Take lower limits, with which some of the shapes cannot be used any more."""
        self._port.limits.narrow(holds, self._defined)

    def define(self, polarity: Polarity, amplitude: float, width: float, gate: float, compliance: float) -> PulseShape:
        """Return a shape, sent to the board where it is new; units and errors as in `Crossbar.shape`."""
        identity, code, holds = self._port.identity, self._port.units.code, self._port.limits.holds
        highest, longest, highest_gate = holds.of_pulse(polarity)
        key = (
            polarity,
            code("pulse amplitude", amplitude, identity.volts_per_code, highest, "V", lowest=1),
            code("pulse width", width, identity.seconds_per_code, longest, "s", lowest=1),
            code("gate voltage", gate, identity.volts_per_code, highest_gate, "V"),
            code("compliance", compliance, identity.compliance_per_code, 0xFFFF, "A"),
        )
        try:
            holds.check_shape(*key)
        except LimitError as error:
            raise LimitError(f"{error}; a code is {identity.compliance_per_code:.3g} A") from None
        if key not in self._defined:
            index = len(self._defined)
            if index >= codes.PULSE_SHAPES:
                raise LimitError(f"more than {codes.PULSE_SHAPES} pulse shapes; reuse those that are defined")
            self._port.ask(commands.ConfigureShape(index, *key), replies.Done)
            self._defined[key] = PulseShape(index, polarity, amplitude, width, gate)
        return self._defined[key]

    def levels(self, polarity: Polarity) -> list[PulseShape]:
        """Return a shape for every drive level that the board knows and allows for a polarity, weak to strong."""
        identity, most = self._port.identity, self._port.limits.holds.of_pulse(polarity)
        return [
            self.define(
                polarity,
                float(amplitude) * identity.volts_per_code,
                float(width) * identity.seconds_per_code,
                float(gate) * identity.volts_per_code,
                0.0,
            )
            for kind, amplitude, width, gate in identity.drive_levels.tolist()
            if kind == polarity
            and all(code <= limit for code, limit in zip((amplitude, width, gate), most, strict=True))
        ]
