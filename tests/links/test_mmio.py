"""`pynq:` where there is no pynq; with it, see tests/zynq."""

import subprocess
import sys

import pytest

from hwctl.errors import TargetError
from hwctl.links import open_link


def test_without_pynq_a_target_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(TargetError, match=r"pynq is not installed; install it with pip install 'pynq==3\.1\.2', or"):
        open_link("pynq:crossbar.bit")


def test_pynq_is_imported_for_its_targets_alone():
    script = (
        "import sys; sys.modules['pynq'] = None; import hwctl.links.mmio, hwctl.cli.app, hwctl.crossbar; "
        "from hwctl.crossbar import Crossbar; Crossbar.open('emulator:?rows=2&cols=2').close()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
