"""The software board in this process: command objects, no encoding."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwctl.devices import presets
from hwctl.devices.chip import Chip, fabricate, noise_key
from hwctl.devices.chipfile import load_chip
from hwctl.errors import DeviceError, TargetError
from hwctl.links.link import in_order
from hwctl.links.target import Target
from hwctl.packages import need
from hwctl.protocol.codes import Feature
from hwctl.protocol.commands import Command, Safe
from hwctl.protocol.replies import Reply

if TYPE_CHECKING:
    from hwctl.emulator.board import EmulatedBoard

DEFAULT_DEVICE = "reram-es"
DEFAULT_LINES = 64
TWIN = ("seed", "lacks")
GEOMETRY = ("device", "rows", "cols", "seed", "unformed", "stuck", "lacks")


class InProcessLink:
    """Hands commands to a software board as they are."""

    def __init__(self, board: "EmulatedBoard", url: str) -> None:
        """Take a board; url: with which it can be opened again."""
        self.url = url
        self._board = board

    @property
    def bytes_moved(self) -> int:
        """0: nothing is encoded."""
        return 0

    def execute(self, command: Command) -> Reply:
        """Execute a command and return the reply."""
        return self._board.execute(command)

    def execute_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Execute commands in order, up to the first that is refused, and return the replies."""
        return in_order(self.execute, commands)

    def post(self, command: Command) -> Reply:
        """Execute a command and return the reply."""
        return self.execute(command)

    def prepare(self) -> None:
        """Compile what commands need: a host behind a line would take that time for silence."""
        from hwctl.emulator.warm import compile_kernels  # noqa: PLC0415  numba

        compile_kernels(self._board)

    def close(self) -> None:
        """Leave the board SAFE."""
        self._board.execute(Safe())


def open_emulator(target: Target) -> InProcessLink:
    """Open `emulator:`; options: device, rows, cols, seed, unformed, stuck, lacks, and those of the analog layers.

    A path is that of a chip's record: its digital twin is emulated; seed is that of the noise, then.
    Raises TargetError on an unknown or impossible option, MissingPackage without numba.
    """
    need("numba", f"target '{target.url}'", "name another board, for example --target pynq:")
    # numba takes half a second to import: only where an emulator is opened
    from hwctl.emulator.board import EmulatedBoard  # noqa: PLC0415
    from hwctl.emulator.layers import LAYER_OPTIONS, OFF, Layers  # noqa: PLC0415

    target.only(*(TWIN if target.path else GEOMETRY), *LAYER_OPTIONS)
    seed = target.integer("seed", 0, 0, (1 << 63) - 1)
    layer_values = {name: target.number(name, OFF[name], low, high) for name, (low, high) in LAYER_OPTIONS.items()}
    try:
        chip = load_chip(target.record) if target.record else _fabricated(target, seed)
        layers = Layers.build(chip, **layer_values) if layer_values != OFF else None
    except DeviceError as error:
        raise TargetError(f"target '{target.url}': {error}") from None
    board = EmulatedBoard(chip, seed=noise_key(seed), lacks=_features(target), layers=layers)
    return InProcessLink(board, target.url)


def _fabricated(target: Target, seed: int) -> Chip:
    """Return a chip of the device that a target names. Raises DeviceError, TargetError."""
    rows = target.integer("rows", DEFAULT_LINES, 1, 4096)
    cols = target.integer("cols", DEFAULT_LINES, 1, 4096)
    device = presets.get(target.options.get("device", DEFAULT_DEVICE))
    shares = {name: target.number(name, 0.0, 0.0, 1.0) for name in ("unformed", "stuck")}
    return fabricate(device, rows, cols, seed, **shares)


def _features(target: Target) -> Feature:
    """Return the features that option `lacks` takes away: names joined by commas."""
    lacking = Feature(0)
    for name in filter(None, target.options.get("lacks", "").split(",")):
        try:
            lacking |= Feature[name.upper().replace("-", "_")]
        except KeyError:
            known = ", ".join(feature.name.lower() for feature in Feature if feature.name)
            raise TargetError(f"target '{target.url}': no feature '{name}'; known: {known}") from None
    return lacking
