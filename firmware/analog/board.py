"""A whole board with a physical array: front end, command engine, converters and switches."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from firmware.analog.array import AnalogArray
from firmware.analog.boardfile import BoardFile
from firmware.analog.buildable import check_buildable
from firmware.analog.identity import identity_of_board
from firmware.analog.pins import answering_pins, driven_pins, pins_of
from firmware.board import name_of
from firmware.engine.engine import Engine
from firmware.engine.replies import fixed_replies
from firmware.front.front import Front
from firmware.parameters import Parameters

TOP = "hwctl_analog_board"
NO_KEY = 0  # of noise, which no physical array draws


def parameters_of(board: BoardFile, divisor: int) -> Parameters:
    """Return what a build for a board file is made for. divisor: clocks of a bit on the UART.

    Raises BoardFileError where the gateware cannot drive the board.
    """
    check_buildable(board)
    return Parameters(
        rows=len(board.rows), cols=len(board.cols), clock=round(board.clock), divisor=divisor,
        physical=True, transposed=False, outer=False, vmm=board.codes.either_sign,
    )  # fmt: skip


class AnalogBoard(wiring.Component):
    """The gateware between the pins of a UART and those of a board file's parts.

    `executing` is high while a command is in execution, `resting` while nothing is driven, `tripped` until what has
    tripped is acknowledged: for lamps and measurements.
    """

    def __init__(self, board: BoardFile, parameters: Parameters, *, build: str) -> None:
        """parameters: of `parameters_of`. build: what IDENTIFY answers, at most 64 bytes."""
        super().__init__(
            {
                "rx": In(1, init=1), "tx": Out(1, init=1), "executing": Out(1), "resting": Out(1), "tripped": Out(1),
                **pins_of(board),
            }
        )  # fmt: skip
        self.board, self.parameters = board, parameters
        self.front, self.array = Front(parameters), AnalogArray(board, parameters)
        replies = fixed_replies(identity_of_board(board, parameters, build))
        self.engine = Engine(parameters, board.codes.board_codes, replies, NO_KEY)

    def elaborate(self, _: object) -> Module:
        """Connect the blocks."""
        m = Module()
        m.submodules.front, m.submodules.engine, m.submodules.array = front, engine, array = (
            self.front, self.engine, self.array,
        )  # fmt: skip
        connect(m, front.command, engine.session)
        connect(m, engine.array, array.port)
        m.d.comb += [
            front.rx.eq(self.rx), self.tx.eq(front.tx),
            array.heard.eq(front.heard), array.bad_frame.eq(front.bad_frame), array.safe.eq(front.command.safe),
            array.executing.eq(engine.executing), self.executing.eq(engine.executing),
            self.resting.eq(array.resting), self.tripped.eq(array.trips.any()),
            *(getattr(array, name).eq(getattr(self, name)) for name in answering_pins(self.board)),
            *(getattr(self, name).eq(getattr(array, name)) for name in driven_pins(self.board)),
        ]  # fmt: skip
        return m


def build_id(board: BoardFile, parameters: Parameters) -> str:
    """Return the name of a build: a hash of everything that is in it, but for the name itself."""
    return name_of(lambda build: AnalogBoard(board, parameters, build=build), TOP)
