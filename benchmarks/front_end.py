"""Clocks of a physical front end: what its gateware adds to pulses, settle times and conversions. Exact, no noise.

    python -m benchmarks.front_end [--board FILE.toml] [--without-readback]

The gateware of a board file runs in Verilator between real commands and models of its parts. A pulse, a reading of a
row and a product are counted as the difference between commands of few and of many: what a command takes once is not in
it.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.board_files import EXAMPLE, without_readback
from firmware.analog.boardfile import BoardFile
from firmware.analog.sequence import Times
from firmware.analog.transfer import ticks_up
from firmware.simulation.analogboard import AnalogSimulation, ModelPort
from hwctl.crossbar.driver import Crossbar
from hwctl.links.bytelink import ByteLink
from hwctl.protocol.codes import Polarity


@dataclass(frozen=True)
class Row:
    """One line of the result, in clocks."""

    what: str
    needed: int
    """What the board asks for: the pulse, settle and conversion times, words to its converters and switches, and those
    that read codes back where settle times do not cover them."""
    taken: float

    @property
    def overhead(self) -> float:
        """Share of what is needed that comes on top."""
        return self.taken / self.needed - 1.0


class Bench:
    """A board in this process, and the clocks that its commands take."""

    def __init__(self, file: Path) -> None:
        """Power up."""
        self.board = BoardFile.load(file)
        self.simulation = AnalogSimulation(self.board, 1)
        self.crossbar = Crossbar(ByteLink.connect(ModelPort(self.simulation), "model"))
        self.clock = self.board.clock

    def clocks(self, call: object) -> int:
        """Return the clocks in which what is called executes commands."""
        before = self.simulation.model.executed
        call()  # type: ignore[operator]
        return self.simulation.model.executed - before

    def slope(self, few: int, many: int, call: object) -> float:
        """Return the clocks of one more of what `call(n)` does n times."""
        took = [self.clocks(lambda n=n: call(n)) for n in (few, many)]  # type: ignore[misc, operator]
        return (took[1] - took[0]) / (many - few)


class Needs:
    """Clocks that a board file asks for."""

    def __init__(self, bench: Bench) -> None:
        """Look them up."""
        board, codes = bench.board, bench.board.codes
        self.codes, self.board = codes, board
        dac, adc = next(iter(board.dacs.values())), next(iter(board.adcs.values()))
        self.word = _word(dac.half_period, dac.part.word_bits)
        self.frame = _word(adc.half_period, adc.part.word_bits)
        self.latency = adc.part.latency
        self.channels = len({line.adc.number for line in board.cols if line.adc is not None})
        between = ticks_up(dac.part.read_sync_high, board.clock)
        self.asking = self.word + between if board.readback else 0
        self.shift = max(chain.shift_ticks for chain in board.chains.values())
        settle = codes.switch_settle
        self.times = Times(settle, codes.dac_settle, max(codes.gate_settle, 1), settle, codes.discharge)

    @property
    def selecting(self) -> int:
        """Clocks until another line has its codes and its switches stand, and of its way back to rest."""
        words = 2 if self.board.gates else 1
        return max(words * self.word, self.shift) + self.times.switch + self.word

    def pulse(self, polarity: Polarity) -> int:
        """Return those of one pulse of a cell that has none before it."""
        width = self.board.levels(polarity)[-1].width_ticks
        return self.selecting + self.times.around_pulse + width

    def again(self, polarity: Polarity) -> int:
        """Return those of one more pulse of a cell, whose switches stand; pulses a second are limited."""
        width = self.board.levels(polarity)[-1].width_ticks
        return max(self.times.around_pulse + width, self.codes.pulse_interval)

    def _sensing(self, settle: int) -> int:
        return self.times.around_pulse + settle + (self.channels + self.latency) * self.frame

    def row(self) -> int:
        """Return those of a row of READ, all columns on all ADCs at once."""
        settle = next(s for s, one in zip(self.codes.sense_settle, self.codes.ranges, strict=True) if one.number == 4)
        return self.selecting + self._sensing(max(settle, round(1e-6 * self.board.clock)))

    def product(self, tia_range: int) -> int:
        """Return those of a vector of VMM: a code for each row, gates stand."""
        settle = next(
            s for s, one in zip(self.codes.sense_settle, self.codes.ranges, strict=True) if one.number == tia_range
        )
        rows = len(self.board.rows)
        covered = self.times.switch + self.times.gate + self.times.converter
        return (
            self.word * rows
            + max((rows + 1) * self.asking - covered, 0)  # each word but the last asks, and all but the first bring
            + self.times.switch
            + self._sensing(max(settle, round(1e-6 * self.board.clock)))
        )


def _word(half: int, bits: int) -> int:
    """Return the clocks of a word: its bits, half a bit of select before them and as long between two words."""
    return (2 * bits + 2) * half


def measure(file: Path) -> list[Row]:
    """Return all rows."""
    bench = Bench(file)
    needs, crossbar, rows = Needs(bench), bench.crossbar, []
    crossbar.configure_read(bench.board.sense.read)
    shape = (len(bench.board.rows), len(bench.board.cols))
    shapes = [crossbar.drive_levels(polarity)[-1] for polarity in (Polarity.SET, Polarity.RESET)]
    for polarity, sign in ((Polarity.SET, 1), (Polarity.RESET, -1)):

        def pulse(n: int, count: int = 1, sign: int = sign) -> None:
            counts = np.zeros(shape, np.int8)
            counts.flat[:n] = sign * count
            crossbar.pulse(counts, *shapes)

        def train(n: int, pulse: object = pulse) -> None:
            pulse(8, n)  # type: ignore[operator]

        name = polarity.name
        rows.append(Row(f"{name}, one pulse a cell", needs.pulse(polarity), bench.slope(16, 48, pulse)))
        further = bench.slope(4, 12, train) / 8
        rows.append(Row(f"{name}, each further pulse of a cell", needs.again(polarity), further))
    rows.append(
        Row("READ, a row of all columns", needs.row(), bench.slope(4, 12, lambda n: crossbar.read(slice(0, n))))
    )
    vectors = np.random.default_rng(0).uniform(-0.15, 0.15, (24, shape[0]))
    crossbar.vmm(vectors[:1])
    product = bench.slope(8, 24, lambda n: crossbar.vmm(vectors[:n]))
    rows.append(Row("VMM, a vector of all rows", needs.product(8), product))
    bench.simulation.close()
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", type=Path, default=EXAMPLE, metavar="FILE.toml")
    parser.add_argument("--without-readback", action="store_true", help="as if no SDO of a DAC were wired")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.board
        if given.without_readback:
            file = without_readback(file, Path(folder) / file.name)
        print(f"{file.name}, clocks: asked for by the board, taken, on top")
        for row in measure(file):
            print(f"{row.what:36} {row.needed:7} {row.taken:9.1f} {row.overhead:7.1%}")


if __name__ == "__main__":
    main()
