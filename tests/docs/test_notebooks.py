"""The notebooks are run as a user runs them: a kernel of their own, cell after cell, in an empty folder."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.steps import StepModel
from hwctl.protocol.cells import from_words

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_notebook.py")
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))}
CELL_SECONDS = 300  # a cell takes seconds; the first that uses a compiled loop compiles it
NOTEBOOK_SECONDS = 600
OTHER_BOARDS = {  # they lack what a physical array may lack
    "train": "emulator:?device=reram-es&rows=16&cols=16&seed=1&lacks=restore,counters,vmm,vmm-t,virtual-time,emulated",
    "calibrate": "emulator:?device=hfox-1t1r&rows=12&cols=20&seed=2&lacks=restore,counters,virtual-time,emulated",
}


def read(path):
    return nbformat.read(path, nbformat.NO_CONVERT)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def target_of(cell):
    (assignment,) = ast.parse(cell.source).body
    assert [name.id for name in assignment.targets] == ["TARGET"]
    return ast.literal_eval(assignment.value)


def execute(notebook, folder):
    """Run every cell, in an empty folder. Returns what they printed; fails with the cell and its error."""
    work = folder / "work"
    work.mkdir()
    source, executed = folder / "notebook.ipynb", folder / "executed.ipynb"
    nbformat.write(notebook, source)
    done = subprocess.run(
        [sys.executable, RUNNER, source, executed, str(CELL_SECONDS)],
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=NOTEBOOK_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    outputs = [output for cell in code_cells(read(executed)) for output in cell.outputs]
    printed = {"stdout": "", "stderr": ""}
    for output in outputs:
        if output.output_type == "stream":
            printed[output.name] += output.text
    assert not printed["stderr"]  # a warning would be what a user sees first
    assert any("image/png" in output.get("data", {}) for output in outputs)
    return printed["stdout"]


@pytest.fixture(params=["as it is", pytest.param("other board", marks=pytest.mark.slow)])
def opened(request):
    """Return a function that reads a notebook, as it is stored or with another target, and what its target is."""

    def call(name):
        notebook = read(NOTEBOOKS[name])
        cell = code_cells(notebook)[0]
        if request.param == "other board":
            cell.source = f"TARGET = {OTHER_BOARDS[name]!r}"
        return notebook, target_of(cell)

    return call


def test_a_network_is_trained(opened, tmp_path):
    notebook, _ = opened("train")
    printed = execute(notebook, tmp_path)
    (accuracy,) = re.findall(r"finished: True; test accuracy ([\d.]+)%", printed)
    assert float(accuracy) > 90.0
    assert (tmp_path / "work/runs/wbc-1/report.html").stat().st_size > 10_000


def test_a_chip_is_measured(opened, tmp_path):
    notebook, target = opened("calibrate")
    printed = execute(notebook, tmp_path)
    (line,) = re.findall(r"\d+ of \d+ cells do not move:(.*)", printed)
    with Crossbar.open(target.partition("&lacks")[0]) as chip:
        cells = from_words(chip.dump().words).reshape(chip.rows, chip.cols)
    region = cells[:16, :16]
    assert {*re.findall(r"\((\d+), (\d+)\)", line)} == {(str(r), str(c)) for r, c in np.argwhere(region["flags"])}
    if "tiox" in target:
        (point,) = re.findall(r"symmetry point: ([\d.]+) ±", printed)
        model = StepModel.of(presets.get("tiox-passive"))
        assert float(point) * 1e-6 == pytest.approx(model.symmetry_point, rel=0.05)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("volts = 1.0\nvolts / 0", "ZeroDivisionError: float division by zero"),
        ("import os\nos._exit(3)", "Kernel died"),
    ],
)
def test_a_cell_that_fails_is_named(source, said, tmp_path):
    cells = [new_code_cell("TARGET = 'emulator:'", id="target"), new_code_cell(source, id="broken")]
    with pytest.raises(pytest.fail.Exception, match=f"(?s)cell 'broken': .*{said}"):
        execute(new_notebook(cells=cells), tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_stored_notebook_holds_no_outputs_and_one_target(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    target, *others = code_cells(notebook)
    assert target_of(target).startswith("emulator:")
    for cell in (target, *others):
        assert cell.outputs == []
        assert cell.execution_count is None
    for cell in others:
        assert "emulator:" not in cell.source
        assert not re.search(r"^\s*TARGET\s*=", cell.source, re.MULTILINE)
