"""A simulated board as a process: started, loaded with a chip, ended."""

import subprocess
from pathlib import Path
from types import TracebackType

from firmware.errors import BuildError
from hwctl.crossbar.emulated import load_chip
from hwctl.crossbar.port import Port
from hwctl.devices.chip import Chip
from hwctl.links import open_link

STOP_TIMEOUT = 5.0  # s until a board that is told to end must have ended


class SimulatedBoard:
    """The real gateware with a chip in it, behind a pseudo-terminal."""

    def __init__(
        self, program: Path, chip: Chip, key: int, *, vcd: Path | None = None, cycles: Path | None = None
    ) -> None:
        """Start a program that `program_of` has returned, and load the chip. Raises BuildError.

        key: 64 bits, of all noise. vcd: file for the waveforms. cycles: file for the clock cycles of each command.
        """
        options = [(name, file) for name, file in (("--vcd", vcd), ("--cycles", cycles)) if file is not None]
        self._process = subprocess.Popen(
            [str(program), *(str(part) for option in options for part in option)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.path = self._process.stdout.readline().decode().strip()
        """Of the pseudo-terminal."""
        try:
            self._load(chip, key)
        except BaseException:
            self.close()
            raise

    def _load(self, chip: Chip, key: int) -> None:
        if not self.path:
            raise BuildError("the simulation said no pseudo-terminal's path; is /dev/pts mounted?")
        link = open_link(self.path)
        try:
            load_chip(Port(link), chip, key)
        finally:
            link.close()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the simulation."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
