"""Simulated gateware, from a checkout: `sim:` runs `python -m firmware simulate --pty` as a process."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

from hwctl.devices.presetfile import is_path
from hwctl.errors import TargetError
from hwctl.links.bytelink import ByteLink
from hwctl.links.target import Target
from hwctl.links.uart import SerialPort

BUILD_TIMEOUT = 600.0  # s until a simulation must run: the first call for a size compiles it
STOP_TIMEOUT = 10.0  # s until one that is told to end must have ended
BAUD = 115_200  # for timeouts alone: a pseudo-terminal has no rate, and a busy machine is slow
FLAG = "compact"  # 0 or 1
OF_CHIP = ("device", "rows", "cols", "unformed")
OPTIONS = ("seed", "lanes", FLAG, "vcd", "board", "wires")


class SimulatedPort(SerialPort):
    """The pseudo-terminal of a simulation, which ends with it."""

    def __init__(self, process: "subprocess.Popen[bytes]", path: str) -> None:
        """Open the path that the process has said."""
        self._process = process
        super().__init__(path, BAUD)

    def reopen(self) -> None:
        """Open the pseudo-terminal again; the simulation goes on."""
        super().close()
        self._port = self._open()

    def close(self) -> None:
        """Release the line and end the simulation."""
        super().close()
        _end(self._process)


def port_of(target: Target) -> SimulatedPort:
    """Start `sim:`; options as of `emulator:`, and lanes (cells a clock), compact (0 or 1), vcd (a waveform file).

    board: a board file, for models of its parts around a physical array; wires: ohm of wire from cell to cell there.
    A path is that of a chip's record: the gateware holds its digital twin; seed is that of the noise, then.
    Raises TargetError where there is no checkout, a tool is missing, or the simulation cannot be built.
    """
    target.only(*(() if target.record else OF_CHIP), *OPTIONS)
    options = {name: value for name, value in target.options.items() if name != FLAG}
    for name in ("device", "board", "vcd"):
        if name in options and (name != "device" or is_path(options[name])):
            options[name] = str(Path(options[name]).resolve())  # the process runs in the checkout
    if target.record:
        options["chip"] = str(target.record.resolve())
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    if target.integer(FLAG, 0, 0, 1):
        arguments.append(f"--{FLAG}")
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware", "simulate", "--pty", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=_checkout(target),
    )  # fmt: skip
    try:
        return SimulatedPort(process, _first_line(process, target))
    except BaseException:
        _end(process)
        raise


def open_simulated(target: Target) -> ByteLink:
    """Open `sim:`. Raises TargetError as `port_of`, LinkTimeout where the simulation does not answer."""
    return ByteLink.connect(port_of(target), target.url)


def _checkout(target: Target) -> Path:
    """Return the folder that holds the gateware's sources."""
    for folder in (Path(__file__).parents[2], Path.cwd()):
        if (folder / "firmware" / "__main__.py").is_file():
            return folder
    raise TargetError(
        f"target '{target.url}': the gateware's sources are not in the installed package; "
        "run hwctl in a checkout of its repository"
    )


def _first_line(process: "subprocess.Popen[bytes]", target: Target) -> str:
    """Return the path that the simulation says, once it runs."""
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[bytes] = []
    listener = threading.Thread(target=lambda: said.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    listener.start()
    listener.join(BUILD_TIMEOUT)
    if said and said[0].strip():
        return said[0].decode().strip()
    if listener.is_alive():
        raise TargetError(f"target '{target.url}': no simulation within {BUILD_TIMEOUT:g} s; is the machine busy?")
    lines = process.stderr.read().decode(errors="replace").strip().splitlines()
    reason = lines[-1].removeprefix("firmware: ") if lines else "it ended without a word"
    raise TargetError(f"target '{target.url}': {reason}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a simulation by closing its standard input."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
