"""docs/your-board.md: its Python, its commands, the suite on its example, the scripted pyarc2 against the real one."""

import importlib
import importlib.util
import inspect
import os
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hwctl.cli import main
from hwctl.crossbar import Crossbar
from hwctl.errors import LimitError, TargetError
from hwctl.links import Target
from hwctl.protocol.codes import Polarity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "your-board.md"
MODULE = ROOT / "docs" / "examples" / "hwctl-arc2" / "hwctl_arc2.py"
SCRIPTED = Path(__file__).parent / "scripted" / "pyarc2.py"
REAL = importlib.util.find_spec("pyarc2") is not None


class Lab(ModuleType):
    """What section 2 takes for an instrument's library: it writes down what it is told."""

    class Error(Exception):
        pass

    def __init__(self):
        super().__init__("lab")
        self.told = []

    def connect(self, address):
        if address != "0":
            raise Lab.Error(f"nothing at {address}")
        return self

    def current(self, row, col, voltage, conversions):
        return (row + 1) * (col + 2) * 1e-6 * voltage

    def pulse(self, row, col, volts, seconds):
        self.told.append((row, col, round(volts, 6), round(seconds, 12)))

    def ground_all(self):
        self.told.append("rest")


def test_the_instrument_in_three_methods_is_a_board(monkeypatch):
    lab = Lab()
    monkeypatch.setitem(sys.modules, "lab", lab)
    names = {}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(code, "your-board.md", "exec"), names)
    with Crossbar(names["open_lab"](Target.parse("lab:"))) as crossbar:
        expected = np.outer(np.arange(1, 4), np.arange(3, 6)) * 1e-6
        np.testing.assert_allclose(crossbar.read(slice(0, 3), slice(1, 4)), expected, atol=3e-9)
        both = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
        crossbar.pulse([[2, -1]], *both, 5, slice(6, 8))
        with pytest.raises(LimitError):
            crossbar.shape(Polarity.SET, 1.5, 1e-6)
    sets = (5, 6, 1.2, 1e-6)
    assert lab.told == ["rest", sets, sets, (5, 7, -1.4, 1e-6), "rest"]
    with pytest.raises(TargetError, match="nothing at 7; see that it is on"):
        names["open_lab"](Target.parse("lab:?address=7"))


# -- the package ---------------------------------------------------------------------------------------------------


def test_the_module_has_fewer_than_200_lines():
    assert len(MODULE.read_text().splitlines()) < 200


def test_page_and_module_say_that_no_instrument_was_at_hand():
    for text in (PAGE.read_text(), MODULE.read_text()):
        assert "not run on an ArC TWO" in text


# -- the whole of it -----------------------------------------------------------------------------------------------


def page_commands():
    return [line for line in re.findall(r"^    (hwctl .*)$", PAGE.read_text(), re.MULTILINE) if "arc2:" in line]


def test_the_commands_of_the_page_run_on_it(chip, tmp_path, capsys):
    (tmp_path / "targets.csv").write_text("30,40,50\n45,35,25\n")
    (tmp_path / "efm03_20240918.bin").write_bytes(b"firmware")
    lines = page_commands()
    assert [shlex.split(line)[1] for line in lines] == ["info", "read", "calibrate", "program"]
    for line in lines:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line.split("#")[0])[1:])
        assert not end.value.code, capsys.readouterr()
    assert "ArC TWO" in capsys.readouterr().out
    np.testing.assert_allclose(chip.cells[:2, :3], [[30e-6, 40e-6, 50e-6], [45e-6, 35e-6, 25e-6]], atol=2.2e-6)
    np.testing.assert_array_equal(chip.cells[4:], 50e-6)
    np.testing.assert_array_equal(chip.cells[:, 6:], 50e-6)


def test_it_passes_the_suite_for_every_board(run_as_user, paths):
    # -p: imported before pytest puts the folder of installed packages first, where the real one may be.
    suite = "-p", "pyarc2", "--pyargs", "hwctl.testing.conformance", "--hwctl-target", "arc2:efm03.bin"
    code, output = run_as_user(*suite, path=os.pathsep.join(paths))
    assert code == 0, output[-3000:]
    found = re.search(r"(\d+) passed", output)
    assert found
    assert int(found.group(1)) > 140, output[-3000:]


# -- the real pyarc2, without an instrument --------------------------------------------------------------------------


@pytest.mark.skipif(not REAL, reason="pyarc2 is not installed: pip install pyarc2")
def test_the_scripted_calls_are_those_of_the_real_one():
    sys.modules.pop("pyarc2", None)
    real = importlib.import_module("pyarc2")
    found = importlib.util.spec_from_file_location("scripted_pyarc2", SCRIPTED)
    scripted = importlib.util.module_from_spec(found)
    found.loader.exec_module(scripted)
    assert Path(real.__file__).parent != SCRIPTED.parent
    methods = [name for name in vars(scripted.Instrument) if not name.startswith("_")]
    assert "pulse_one" in methods
    for name in ["__init__", *methods]:
        ours, theirs = (inspect.signature(getattr(module.Instrument, name)) for module in (scripted, real))
        assert [(p.name, p.default) for p in ours.parameters.values()] == [
            (p.name, p.default) for p in theirs.parameters.values()
        ], name
    assert [(mode.name, mode.value) for mode in scripted.IdleMode] == [(m.name, m.value) for m in real.IdleMode]
    assert issubclass(real.ArC2Error, Exception)
    for name in ("Header", "Internal"):
        assert hasattr(real.ControlMode, name)
    sys.modules.pop("pyarc2", None)
