"""Unmodified pynq, which believes in a board at the other end of its gRPC: PYNQ.remote with the simulated Zynq."""

import fcntl
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from environment import alone

from firmware.simulation.options import OPTIONS
from firmware.zynq.design import DESIGNS
from firmware.zynq.hwh import hwh

CHECKOUT = Path(__file__).parents[2]
TIMEOUT = 1200  # s


def header_only():
    """Return a .bit with nothing in it but what pynq's parser asks for."""

    def field(key, text):
        raw = text.encode() + b"\0"
        return key + struct.pack(">H", len(raw)) + raw

    named = zip(b"abcd", ("crossbar;simulated", "7z020clg400", "2024/01/01", "00:00:00"), strict=True)
    content = bytes(64)
    preamble = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 00 0001")
    return (
        preamble + b"".join(field(bytes([key]), text) for key, text in named) + struct.pack(">cI", b"e", 64) + content
    )


@pytest.fixture
def bitfile(tmp_path):
    path = tmp_path / "crossbar.bit"
    path.write_bytes(header_only())
    path.with_suffix(".hwh").write_text(hwh(DESIGNS["pynq-z2"]))
    return path


@pytest.fixture
def port(tmp_path_factory):
    """Have the one port that pynq's client knows for oneself, whatever other workers do."""
    with (tmp_path_factory.getbasetemp().parent / "port-of-pynq-remote").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def remote(port):
    """Start a board that can be reached, and return the environment of programs that reach it."""
    environment = {**alone(), "PYTHONPATH": str(CHECKOUT), OPTIONS: "rows=9&cols=8&seed=2&lanes=2"}
    with subprocess.Popen(
        [sys.executable, "-m", "firmware.simulation.remote"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=CHECKOUT, text=True,
    ) as server:  # fmt: skip
        name, _, address = server.stdout.readline().strip().partition("=")
        yield {**environment, name: address}
        server.stdin.close()
        server.wait(timeout=30)


def run(environment, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT,
        check=False,
    )  # fmt: skip


def test_an_overlay_on_a_remote_device_is_a_crossbar(remote, bitfile):
    program = (
        "import hwctl.crossbar.overlay, pynq\n"
        f"overlay = pynq.Overlay({str(bitfile)!r})\n"
        "core = overlay.crossbar_ctrl\n"
        "print(type(overlay.device).__name__, core, core.register_map.GEOMETRY.rows, pynq.Clocks.fclk0_mhz)"
    )
    done = run(remote, bitfile.parent, "-W", "ignore", "-c", program)
    assert done.stdout.split("\n")[0] == "RemoteDevice <crossbar of 9 x 8 cells, reram-es, at 0x43c00000> 9 50.0", (
        done.stderr
    )


def test_the_board_behind_a_remote_device_conforms(remote, bitfile):
    done = run(
        remote, bitfile.parent, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "--pyargs", "hwctl.testing.conformance", "--hwctl-target", f"pynq:{bitfile}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) >= 400
