"""A whole board: front end, command engine, array port, emulated array."""

import hashlib
from collections.abc import Callable

from amaranth.back import rtlil
from amaranth.hdl import DomainRenamer, Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from firmware.array.array import EmulatedArray
from firmware.array.constants import constants_of
from firmware.compact.array.array import CompactArray
from firmware.compact.engine.engine import CompactEngine
from firmware.engine.engine import Engine
from firmware.engine.replies import fixed_replies, identity_of_build
from firmware.front.front import Front
from firmware.parameters import Parameters
from hwctl.devices.chip import Chip
from hwctl.devices.identity import BoardCodes

TOP = "hwctl_board"
UNNAMED = "0" * 32  # in the place of the build's id while that is computed


class Board(wiring.Component):
    """The gateware between the pins of a UART.

    `executing` is high while a command is in execution, `driving` while the array is busy with one: for lamps and
    measurements. `awake` is low while engine and array have nothing to do.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    executing: Out(1)
    driving: Out(1)
    awake: Out(1)

    def __init__(
        self, parameters: Parameters, chip: Chip, key: int, *, build: str, initial: bool, core: str = "sync"
    ) -> None:
        """Hold an emulated chip.

        key: 64 bits, of all noise until SEED. build: what IDENTIFY answers, at most 64 bytes. initial: the memories
        hold the chip's cells and curves from power-up; else they are zeros, to be loaded. core: clock domain of engine
        and array, which may stand still while `awake` is low.
        """
        super().__init__()
        self._core = core
        self.parameters = parameters
        self.front = Front(parameters)
        self.engine, self.array = core_of(parameters, chip, key, build=build, initial=initial)

    def elaborate(self, _: object) -> Module:
        """Connect the blocks."""
        m = Module()
        rename = DomainRenamer(self._core)
        m.submodules.front, m.submodules.engine = self.front, rename(self.engine)
        m.submodules.array = rename(self.array)
        connect(m, self.front.command, self.engine.session)
        connect(m, self.engine.array, self.array.port)
        m.d.comb += [
            self.front.rx.eq(self.rx),
            self.tx.eq(self.front.tx),
            self.executing.eq(self.engine.executing),
            self.driving.eq(self.array.port.busy),
            self.awake.eq(self.front.command.valid | self.front.command.safe | self.engine.executing),
        ]
        return m


def core_of(
    parameters: Parameters, chip: Chip, key: int, *, build: str, initial: bool
) -> tuple[Engine | CompactEngine, EmulatedArray | CompactArray]:
    """Return the engine and the array of a build; parameters as in `Board`."""
    engine = CompactEngine if parameters.compact else Engine
    constants = constants_of(chip, initial=initial)
    return engine(parameters, BoardCodes.of(chip), fixed_replies(identity_of_build(parameters, chip, build)), key), (
        CompactArray(parameters, constants, steady=True) if parameters.compact else EmulatedArray(parameters, constants)
    )


def build_id(parameters: Parameters, chip: Chip, key: int, *, initial: bool) -> str:
    """Return the name of a build behind a UART: a hash of everything that is in it, but for the name itself."""
    return name_of(lambda build: Board(parameters, chip, key, build=build, initial=initial), TOP)


def name_of(design: Callable[[str], Elaboratable], top: str) -> str:
    """Return the name of a build: the hash of what `design` returns for a name of the same length."""
    text = rtlil.convert(design(_name(UNNAMED)), name=top, emit_src=False)
    return _name(hashlib.sha256(text.encode()).hexdigest()[: len(UNNAMED)])


def _name(digest: str) -> str:
    return f"gateware {digest}"
