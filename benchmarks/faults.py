"""Faults at random moments of a training run on a physical array, simulated from the host's session to the pins.

    python -m benchmarks.faults [--moments N] [--seed S] [--without-readback]

A training run of wbc is recorded on the gateware of the 1T1R example, and its commands are sent again, over and over,
with a fault at each of N moments that clocks drawn by lot separate: the host is killed, the cable is pulled, bytes are
flipped, the board is reset, a line of the ADCs or of the DACs is stuck, an ADC saturates. Host and board share one
simulated clock, so that a watchdog's time passes as fast as everything else. A monitor looks at every voltage and every
pulse at the cells, at how long anything is not at rest once a trip stands, and after each fault at what counters and
host say of the pulses that the cells have really had. Bounded by --moments. A board whose DACs are not read back does
not pass: --without-readback shows it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.board_files import EXAMPLE, changed, without_readback
from benchmarks.fault_campaign import APART, FAULTS, Campaign, Found
from hwctl.links.recording import exchanges
from hwctl.protocol import commands
from hwctl.protocol.codec import decode_command

SILENCE = 2e-3  # s of the watchdog
MOST_PULSES = 300  # of one command: programming at the start has some that would take most of a campaign


def board_file(folder: Path) -> Path:
    """Write the 1T1R example with an ideal device, quick parts and a short watchdog."""

    def change(found: dict[str, Any]) -> None:
        found["board"]["device"] = "linear"
        found["pulse"]["set"]["gate_V"], found["pulse"]["reset"]["gate_V"] = 2.0, 3.0
        found["times"] |= {
            "discharge_s": 100e-9, "dac_settle_s": 7e-6, "gate_settle_s": 100e-9, "sense_settle_s": [1e-6] * 4,
        }  # fmt: skip
        found["watchdog"]["silence_s"] = SILENCE
        for table in ("limits", "absolute"):
            found[table]["pulses_per_cell_per_s"] = 1e6

    return changed(EXAMPLE, folder / "board.toml", change)


def recorded(file: Path, folder: Path) -> list[commands.Command]:
    """Return the commands of a training run on a board file's simulated gateware."""
    kept = folder / "run.rec"
    # Hosts ask again in their own time, which a simulation is slower than.
    slow = changed(file, folder / "slow.toml", lambda found: found["watchdog"].update(silence_s=0.5))
    options = {"target": f"sim:?board={slow}", "hidden": 6, "epochs": 1, "pulse-budget": 100_000,
               "run": folder / "run", "record": kept}  # fmt: skip
    listed = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-c", "from hwctl.cli import main; main()", "train", "wbc", *listed]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with kept.open("rb") as file_:
        every = [decode_command(raw) for _, raw, _ in exchanges(file_, str(kept))]
    configured = (commands.Identify, commands.ConfigureShape, commands.ConfigureRead, commands.ConfigureLimits)
    left_out = (*configured, commands.Safe, commands.LoadCounters)
    return [one for one in every if not isinstance(one, left_out) and _pulses(one) <= MOST_PULSES]


def _pulses(command: commands.Command) -> int:
    """Return how many pulses a command asks for."""
    several = isinstance(command, (commands.Pulse, commands.PulseSparse))
    return int(np.abs(command.counts.astype(np.int64)).sum()) if several else 0  # type: ignore[attr-defined]


def run(moments: int, seed: int, *, readback: bool = True, say: bool = True) -> Found:
    """Run a campaign and return what it has seen."""
    with tempfile.TemporaryDirectory() as folder:
        file = board_file(Path(folder))
        if not readback:
            file = without_readback(file, Path(folder) / "lacking.toml")
        script = recorded(file, Path(folder))
        if say:
            print(f"a training run of {len(script)} commands was recorded", flush=True)
        campaign, began = Campaign(file, script, seed), time.perf_counter()
        for n in range(moments):
            campaign.go_on(int(campaign.rng.integers(*APART)))
            campaign.fault(FAULTS[int(campaign.rng.integers(len(FAULTS)))])
            if say and (n + 1) % 500 == 0:
                took = time.perf_counter() - began
                print(f"{n + 1} of {moments} moments, {took:.0f} s, {len(campaign.found.wrong)} wrong", flush=True)
        found = campaign.found
        campaign.simulation.close()
    return found


def main() -> None:
    """Print what happened; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-readback", action="store_true", help="as if no SDO of a DAC were wired")
    options = parser.parse_args()
    found = run(options.moments, options.seed, readback=not options.without_readback)
    for name, count in sorted(found.faults.items()):
        print(f"{name:16} {count}")
    print(f"trips (STATUS):  {dict(found.trips)}")
    print(f"commands answered {found.answered}, pulses counted that were not executed {found.doubt}")
    for one in found.wrong[:20]:
        print(f"WRONG: {one}")
    print(f"{len(found.wrong)} wrong")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
