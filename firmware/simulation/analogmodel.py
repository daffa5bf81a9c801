"""The Verilated gateware of a board file, called by ctypes: bytes on one side, words of the parts on the other."""

import ctypes
from collections.abc import Callable
from pathlib import Path

from amaranth.back import rtlil

from firmware import tools
from firmware.analog.board import TOP, AnalogBoard, build_id
from firmware.analog.boardfile import BoardFile
from firmware.parameters import Parameters
from firmware.simulation.analogtop import AnalogSimulationTop
from firmware.simulation.chips import ChipError
from firmware.simulation.model import digest_of
from firmware.simulation.physical import PhysicalBoard
from firmware.simulation.verilated import build_model

HARNESS = Path(__file__).with_name("analog.cpp")
LIBRARY = "board.so"
TAKEN = 1 << 16  # bytes of the board that are taken at once
LINES = ("dac_sdi", "dac_sclk", "dac_sync_n", "dac_sdo", "adc_sdi", "adc_sdo")
"""Lines that can be stuck."""
_WORD = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int, ctypes.c_uint32, ctypes.c_int)
_FRAME = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int, ctypes.c_uint32, ctypes.c_int)
_SAMPLE = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int)
_OUTPUTS = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(ctypes.c_uint8), ctypes.c_int)
_LEVELS = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64)


class _Parts(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_int)
            for name in ("dacs", "dac_rising", "dac_bits", "adcs", "adc_rising", "adc_bits", "chains")
        ),
        ("dac", _WORD), ("frame", _FRAME), ("sample", _SAMPLE), ("outputs", _OUTPUTS), ("levels", _LEVELS),
    ]  # fmt: skip


def library_of(board: BoardFile, parameters: Parameters, *, trace: bool = False) -> Path:
    """Return the library that simulates a board file's gateware, built where the cache has none.

    trace: it can write waveforms. Raises BuildError.
    """
    folder = tools.cache_folder() / f"analog-{digest_of(HARNESS, (parameters, board, trace))}"
    if not folder.exists():
        top = AnalogSimulationTop(AnalogBoard(board, parameters, build=build_id(board, parameters)))
        il = rtlil.convert(top, name=TOP, emit_src=False)
        defines = {"HWCTL_DIVISOR": parameters.divisor}
        build_model(il, TOP, HARNESS, folder, LIBRARY, defines=defines, trace=trace, shared=True)
    return folder / LIBRARY


class AnalogModel:
    """The gateware between a UART and a `PhysicalBoard`."""

    def __init__(self, library: Path, physical: PhysicalBoard, vcd: Path | None = None) -> None:
        """Power up. library: of `library_of`, for the board file of `physical`; vcd: file for waveforms."""
        self.physical = physical
        self.lenient = False
        """Whether parts pass over what they do not understand, as real ones do on a line that is stuck."""
        self._error: BaseException | None = None
        self._library = _typed(ctypes.CDLL(str(library)))
        self._parts = self._of(physical)  # ctypes does not keep what it is given
        counts = [chain.outputs for chain in physical.board.registers]
        path = None if vcd is None else str(vcd).encode()
        self._handle = self._library.analog_new(ctypes.byref(self._parts), (ctypes.c_int * len(counts))(*counts), path)
        self._buffer = (ctypes.c_uint8 * TAKEN)()

    def _of(self, physical: PhysicalBoard) -> _Parts:
        board = physical.board
        dac, adc = (next(iter(parts.values())).part for parts in (board.dacs, board.adcs))
        dacs, chains = list(physical.dacs), list(physical.chains)
        adcs = list(physical.adcs.values())

        def outputs(chain: int, shifted: "ctypes.Array[ctypes.c_uint8]", count: int) -> None:
            physical.switch(chains[chain], shifted[:count][::-1])

        def converted(chip: int, word: int, bits: int) -> int:
            return physical.convert(dacs[chip], _whole(word, bits, dac.word_bits))

        def framed(chip: int, word: int, bits: int) -> None:
            adcs[chip].take(_whole(word, bits, adc.word_bits))

        return _Parts(
            len(dacs), dac.samples_on == "rising", dac.word_bits,
            len(adcs), adc.samples_on == "rising", adc.word_bits, len(chains),
            _WORD(self._kept(converted)), _FRAME(self._kept(framed)),
            _SAMPLE(self._kept(lambda chip: adcs[chip].begin())), _OUTPUTS(self._kept(outputs)),
            _LEVELS(self._kept(physical.enable)),
        )  # fmt: skip

    def _kept(self, function: Callable[..., int | None]) -> Callable[..., int]:
        """Return a function that C++ may call: with the clock first, and without exceptions, which would be lost."""

        def called(now: int, *arguments: object) -> int:
            self.physical.clock = now
            try:
                return function(*arguments) or 0
            except ChipError as error:
                if not self.lenient:
                    self._error = self._error or error
                return 0
            except BaseException as error:  # noqa: BLE001  raised in `run`
                self._error = self._error or error
                return 0

        return called

    def run(self, cycles: int) -> bytes:
        """Let so many clocks pass, or fewer where bytes came; return them. Raises what the parts raise: ChipError."""
        self._library.analog_run(self._handle, cycles)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        count = self._library.analog_take(self._handle, self._buffer, TAKEN)
        return bytes(self._buffer[:count])

    def push(self, received: bytes) -> None:
        """Send bytes to the board, behind those that wait."""
        self._library.analog_push(self._handle, received, len(received))

    @property
    def waiting(self) -> int:
        """Bytes that the board has not got yet."""
        return int(self._library.analog_waiting(self._handle))

    @property
    def cycles(self) -> int:
        """Clocks since power-up."""
        return int(self._library.analog_cycles(self._handle))

    @property
    def executed(self) -> int:
        """Clocks in which a command was in execution."""
        return int(self._library.analog_executed(self._handle))

    @property
    def worst_rest(self) -> int:
        """Most clocks for which something was not at rest while a trip stood."""
        return int(self._library.analog_worst_rest(self._handle))

    def _state(self, bit: int) -> bool:
        return bool(self._library.analog_state(self._handle) >> bit & 1)

    @property
    def executing(self) -> bool:
        """Whether a command is in execution."""
        return self._state(0)

    @property
    def resting(self) -> bool:
        """Whether nothing is driven, and all lines are at ground."""
        return self._state(1)

    @property
    def tripped(self) -> bool:
        """Whether a trip waits to be acknowledged."""
        return self._state(2)

    @property
    def quiet(self) -> bool:
        """Whether nothing happens any more unless somebody says something."""
        return self._state(3)

    def stick(self, line: str | None, level: int = 0) -> None:
        """Let one of LINES be stuck at a level; None: let it go."""
        self._library.analog_stick(self._handle, 0 if line is None else LINES.index(line) + 1, level)

    def close(self) -> None:
        """End the simulation."""
        if self._handle:
            self._library.analog_delete(self._handle)
            self._handle = None


def _whole(word: int, bits: int, wanted: int) -> int:
    if bits < 0:
        raise ChipError("the clock was not idle as select fell")
    if bits != wanted:
        raise ChipError(f"{bits} bits of a word of {wanted}")
    return word


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    library.analog_new.restype = ctypes.c_void_p
    library.analog_new.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p]
    for name in ("cycles", "executed", "worst_rest"):
        getattr(library, f"analog_{name}").restype = ctypes.c_uint64
    for name in ("delete", "state", "waiting", "cycles", "executed", "worst_rest"):
        getattr(library, f"analog_{name}").argtypes = [ctypes.c_void_p]
    library.analog_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    library.analog_push.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.analog_take.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.analog_stick.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    return library
