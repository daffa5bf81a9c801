"""Clock cycles of the gateware, exact: what each command costs in the array, and around it.

The simulated board is the real gateware; its cycles do not depend on the machine. Array cycles are from the start of
the last request to its end. "bound" is what the array may take: cells visited, summed over rounds, divided by the
lanes, and 5% + 64 cycles more. Round trips at the end are of this machine. Run it as `python -m benchmarks.gateware`:
the gateware is not an installed package.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from firmware.platforms import BUILDS
from firmware.simulation.board import DIVISOR
from firmware.simulation.model import program_of
from firmware.simulation.process import SimulatedBoard
from hwctl.crossbar.port import Port
from hwctl.devices import presets
from hwctl.devices.chip import fabricate, noise_key
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OuterMode, Polarity, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Region

SLACK, EXTRA = 1.05, 64
ROUND_TRIPS = 3000


@dataclass(frozen=True)
class Row:
    """One command of the table."""

    name: str
    command: Command
    visits: int
    """Cells visited, summed over rounds; for products: multiply-accumulates; 0: no bound is set for it."""


def rows_of(lines: int, cols: int) -> list[Row]:
    """Return the commands for a full array of lines x cols cells."""
    region, n = Region(0, lines, 0, cols), lines * cols
    first = np.zeros(1, np.uint8)
    second = np.ones(1, np.uint8)

    def pulse(count: int) -> Command:
        counts = np.full((lines, cols), count, np.int8)
        return commands.Pulse(region, counts, ShapePer.COMMAND, first, second)

    def outer(x: int, mode: OuterMode, slots: int = 1) -> Command:
        return commands.Outer(
            region, np.full((1, lines), x, np.int8), np.full((1, cols), x, np.int8), mode, slots, 7, 0, 0, 1
        )

    ones = np.ones((1, lines), np.int8)
    return [
        Row("PULSE, 1 pulse a cell", pulse(1), n),
        Row("PULSE, 8 pulses a cell", pulse(8), 8 * n),
        Row("OUTER count, 1 pulse a cell", outer(1, OuterMode.COUNT), n),
        Row("OUTER count, 9 pulses a cell", outer(3, OuterMode.COUNT), 9 * n),
        Row("OUTER coincidence, 31 slots", outer(127, OuterMode.COINCIDENCE, 31), 0),
        Row("VMM, i8", commands.Vmm(region, ones, 8, 0), n),
        Row("VMM_T, i8", commands.VmmT(region, np.ones((1, cols), np.int8), 8, 0), n),
        Row("READ, 1 conversion", commands.Read(region, 0, 4, 0), 0),
        Row("STATUS", commands.Status(), 0),
    ]


@contextmanager
def board(lines: int, cols: int, lanes: int) -> Iterator[tuple[Port, Path]]:
    """Run a simulated board whose frames hold a command for the whole array, and a file of its cycles."""
    parameters = BUILDS["ulx3s-85f"].parameters
    frame = 1 << max(2048, 2 * lines * cols + 256).bit_length()
    sized = replace(
        parameters, rows=lines, cols=cols, lanes=lanes, divisor=DIVISOR, receive_budget=frame, reply_budget=frame,
        largest_frame=frame,
    )  # fmt: skip
    chip = fabricate(presets.get("reram-es"), lines, cols, 0)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cycles"
        with SimulatedBoard(program_of(sized, chip), chip, noise_key(0), cycles=log) as simulated:
            link = open_link(simulated.path)
            try:
                yield Port(link), log
            finally:
                link.close()


def configure(port: Port) -> None:
    """Configure shape 0 as SET, 1 as RESET."""
    for level in port.identity.drive_levels.tolist():
        polarity, amplitude, width, gate = level
        port.ask(commands.ConfigureShape(polarity, Polarity(polarity), amplitude, width, gate, 0), replies.Done)


def table(lines: int, cols: int, lanes: int, clock: int) -> None:
    """Print cycles of each command."""
    print(f"\n{lines} x {cols} cells, {lanes} lanes, {clock / 1e6:g} MHz")
    print(f"{'command':32s} {'array':>9s} {'bound':>9s}  {'a visit':>8s} {'command':>9s} {'before':>7s} {'after':>6s}")
    with board(lines, cols, lanes) as (port, log):
        configure(port)
        done = len(log.read_text().splitlines())
        for row in rows_of(lines, cols):
            reply = port.link.execute(row.command)
            assert not isinstance(reply, replies.Refused), (row.name, reply)
            before, execution, after, *stretches = map(int, log.read_text().splitlines()[done].split())
            done += 1
            # PULSE is staged by requests of its own before the last one; what has no bound counts whole.
            array = stretches[-1] if row.visits else sum(stretches)
            bound = f"{int(row.visits / lanes * SLACK) + EXTRA}" if row.visits else ""
            each = f"{array / row.visits:8.3f}" if row.visits else " " * 8
            print(f"{row.name:32s} {array:9d} {bound:>9s}  {each} {execution:9d} {before:7d} {after:6d}")
            if row.visits:
                kind = "MAC/s" if row.name.startswith("VMM") else "cell-updates/s"
                print(f"{'':32s} {row.visits / array * clock / 1e6:9.2f} million {kind} at {clock / 1e6:g} MHz")


def round_trips() -> None:
    """Print how many small round trips a second the simulated board answers on this machine."""
    print()
    with board(16, 32, 1) as (port, _):
        for name, command in (
            ("READ of a cell", commands.Read(Region(0, 1, 0, 1), 0, 4, 0)),
            ("STATUS", commands.Status()),
        ):
            took = []
            for _ in range(ROUND_TRIPS):
                started = time.perf_counter()
                port.link.execute(command)
                took.append(time.perf_counter() - started)
            print(
                f"{ROUND_TRIPS / sum(took):.0f} round trips/s ({name}) through the simulated board's pseudo-terminal; "
                f"median {1e3 * float(np.median(took)):.2f} ms"
            )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="rows and columns (default 128)")
    parser.add_argument("--lanes", type=int, nargs="*", default=[1, 2, 4], help="cells a clock")
    arguments = parser.parse_args()
    for lanes in arguments.lanes:
        table(arguments.size, arguments.size, lanes, BUILDS["ulx3s-85f"].parameters.clock)
    round_trips()


if __name__ == "__main__":
    main()
