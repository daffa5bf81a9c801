"""`pynq.Overlay` as PYNQ users know it, on a simulated Zynq: the core is a crossbar, and a target of hwctl."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pynq
import pytest
from environment import alone
from trained import trained

import hwctl.crossbar.overlay
from firmware.simulation.options import OPTIONS
from firmware.simulation.zynq import SimulatedZynq
from firmware.zynq.design import DESIGNS
from firmware.zynq.hwh import hwh
from hwctl.crossbar import Crossbar
from hwctl.errors import TargetError
from hwctl.protocol import registers
from hwctl.protocol.codes import Polarity

CHIP = "device=reram-es&rows=21&cols=20&seed=0"
HANDOFF = hwh(DESIGNS["pynq-z2"])


@pytest.fixture
def bitfile(tmp_path):
    """Return the path of a bitstream that holds nothing: the simulated Zynq looks at its HWH alone."""
    path = tmp_path / "crossbar.bit"
    path.write_bytes(b"")
    path.with_suffix(".hwh").write_text(HANDOFF)
    return path


@pytest.fixture(autouse=True)
def device(monkeypatch):
    monkeypatch.setenv(OPTIONS, CHIP + "&lanes=4")
    active = pynq.Device.active_device
    assert isinstance(active, SimulatedZynq)
    active.bitfile_name = None
    return active


def test_the_core_of_an_overlay_is_a_crossbar(bitfile):
    overlay = pynq.Overlay(str(bitfile))
    core = overlay.crossbar_ctrl
    assert isinstance(core, hwctl.crossbar.overlay.CrossbarDriver)
    assert repr(core) == "<crossbar of 21 x 20 cells, reram-es, at 0x43c00000>"
    with Crossbar.open(f"emulator:?{CHIP}") as other:
        np.testing.assert_array_equal(core.read(slice(0, 3)), other.read(slice(0, 3)))
        assert core.status().reads == other.status().reads == 60
    assert int(core.register_map.IDENTITY) == registers.IDENTITY
    assert core.register_map.GEOMETRY.rows == 21
    assert core.mmio.read(registers.offset_of("GEOMETRY")) == 21 | 20 << 16


def test_an_overlay_that_is_loaded_needs_no_name(bitfile):
    pynq.Overlay(str(bitfile))
    with Crossbar.open("pynq:") as crossbar:
        assert (crossbar.rows, crossbar.cols) == (21, 20)


def test_wbc_through_an_overlay_ends_with_the_bits_of_the_software_board(bitfile):
    options = {"batch": 32, "epochs": 1}
    assert trained(f"pynq:{bitfile}", **options)[:2] == trained(f"emulator:?{CHIP}", **options)[:2]


def pulse(crossbar):
    (weak_set, *_), (weak_reset, *_) = (crossbar.drive_levels(polarity) for polarity in (Polarity.SET, Polarity.RESET))
    crossbar.pulse(np.ones((64, 64), int), weak_set, weak_reset)


@pytest.mark.parametrize("job", [Crossbar.dump, Crossbar.read, pulse])
def test_bulk_pulses_and_reads_take_few_calls_of_pynq(bitfile, device, monkeypatch, job):
    monkeypatch.setenv(OPTIONS, "rows=64&cols=64&lanes=2&seed=1")
    with Crossbar.open(f"pynq:{bitfile}") as crossbar:
        before = device.calls, device.words
        job(crossbar)
        calls, words = device.calls - before[0], device.words - before[1]
    assert words > 1000
    assert words > 20 * calls


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "there is no bitstream"),
        (lambda path: path.with_suffix(".hwh").unlink(), "there is no HWH"),
        (
            lambda path: path.with_suffix(".hwh").write_text(HANDOFF.replace("hwctl:ip:crossbar", "other:ip:core")),
            "the HWH has no core hwctl:ip:crossbar; found: crossbar_ctrl",
        ),
        (
            lambda path: path.with_suffix(".hwh").write_text(HANDOFF.replace("0x43C3FFFF", "0x43C0FFFF")),
            "has 0x10000 bytes of 0x40000",
        ),
        (lambda path: path.with_suffix(".hwh").write_text("<EDK"), "pynq cannot load it"),
    ],
    ids=["no-bitstream", "no-hwh", "another-core", "too-small", "damaged-hwh"],
)
def test_an_overlay_that_cannot_be_is_named(bitfile, change, said):
    change(bitfile)
    with pytest.raises(TargetError, match=re.escape(said)):
        Crossbar.open(f"pynq:{bitfile}")


def test_a_wrong_name_of_a_core_lists_what_is_there(bitfile):
    with pytest.raises(TargetError, match="one of crossbar_ctrl"):
        Crossbar.open(f"pynq:{bitfile}?core=other")


def test_no_overlay_at_all_is_named():
    with pytest.raises(TargetError, match=r"no overlay is loaded; name one: 'pynq:crossbar\.bit'"):
        Crossbar.open("pynq:")


def test_the_board_behind_pynq_conforms(bitfile):
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "firmware.simulation.zynq", "-p", "no:cacheprovider",
            "--pyargs", "hwctl.testing.conformance", "--hwctl-target", f"pynq:{bitfile}",
        ],
        cwd=bitfile.parent, capture_output=True, text=True, check=False,
        env={**alone(), OPTIONS: "rows=9&cols=8&seed=2&lanes=2", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) >= 400
