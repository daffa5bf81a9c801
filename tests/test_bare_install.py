"""hwctl as 32-bit Arm gets it: installed with what pyproject.toml asks for there, into an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hwctl.crossbar import Crossbar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LACKING = ("h5py", "matplotlib", "numba", "scipy")
NOWHERE = "socket://127.0.0.1:9"
BOARD = "emulator:?device=linear&rows=6&cols=4&seed=2"


def requirements(machine):
    """Return name and version of each package that pyproject.toml asks for on a machine.

    The versions are those that run this test: with the oldest here, the oldest there.
    """
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found = map(Requirement, named)
    return [
        f"{one.name}=={version(one.name)}"
        for one in found
        if one.marker is None or one.marker.evaluate({"platform_machine": machine})
    ]


class Environment:
    """A virtual environment, with nothing of this one to be seen in it."""

    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.variables["COLUMNS"] = "200"

    def run(self, program, *arguments, cwd):
        """Return exit code, stdout and stderr."""
        done = subprocess.run(
            [self.bin / program, *map(str, arguments)],
            cwd=cwd, env=self.variables, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    # pip builds where the sources lie, and a checkout stays as it is.
    shutil.copytree(ROOT / "hwctl", folder / "sources" / "hwctl", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "sources")
    made = Environment(folder / "environment")
    for what in (requirements("armv7l"), ["--no-deps", folder / "sources"]):
        code, _, said = made.run("python", "-m", "pip", "install", "--quiet", *what, cwd=folder)
        assert code == 0, said
    return made


@pytest.fixture
def bare(environment, tmp_path):
    """Run `hwctl` of the bare environment in an empty folder. Returns its stdout; an error of it is the test's."""

    def call(*arguments):
        code, out, said = environment.run("hwctl", *arguments, cwd=tmp_path)
        assert code == 0, said
        return out

    return call


@pytest.fixture
def python(environment, tmp_path):
    """Run a program in the bare environment. Returns what it prints."""

    def call(text):
        code, out, said = environment.run("python", "-c", text, cwd=tmp_path)
        assert code == 0, said
        return out.split()

    return call


def test_arm_gets_all_but_what_has_no_wheel_there(python):
    left_out = set(requirements("x86_64")) - set(requirements("armv7l"))
    assert sorted(left_out) == [f"{name}=={version(name)}" for name in LACKING]
    place, *found = python(
        "import hwctl\n"
        "from importlib.util import find_spec\n"
        f"print(hwctl.__file__, *(find_spec(name) for name in {LACKING}))"
    )
    assert "site-packages" in place
    assert found == ["None"] * len(LACKING)


def test_a_board_is_asked_read_programmed_recorded_and_replayed(bare, served, tmp_path):
    url, _ = served(BOARD, "--tcp", 0)
    found = json.loads(bare("info", "--target", url, "--record", "asked", "--json", "-"))
    assert (found["device"], found["rows"], found["cols"]) == ("linear", 6, 4)
    assert json.loads(bare("info", "--target", "replay:asked", "--json", "-")) == {**found, "target": "replay:asked"}
    (tmp_path / "wanted.csv").write_text("30,40\n")
    bare("program", "wanted.csv", "--target", url)
    bare("read", "--target", f"faulty:drop=0.05,seed=1:{url}", "--rows", "0", "--cols", "0:2", "--csv", "read.csv")
    assert [float(g) for g in (tmp_path / "read.csv").read_text().split(",")] == pytest.approx([30, 40], abs=0.5)


def test_products_need_no_compiled_loop(python, served):
    url, _ = served(BOARD, "--tcp", 0)
    found = python(
        "from hwctl.crossbar import Crossbar\n"
        f"with Crossbar.open('{url}') as crossbar:\n"
        "    print(*crossbar.vmm([[0.1, -0.05, 0, 0, 0, 0.02]])[0])"
    )
    with Crossbar.open(BOARD) as crossbar:
        expected = crossbar.vmm([[0.1, -0.05, 0, 0, 0, 0.02]])[0]
    assert [float(current) for current in found] == expected.tolist()


PACKAGE = """
from hwctl.links import open_link

def opened(target):
    return open_link(f"socket://{target.path}")
"""


@pytest.mark.parametrize("scheme", ["socket", "far"])
def test_a_board_is_served(environment, served, tmp_path, scheme):
    # far: has no byte line as `serve` sees it, like pynq:.
    (tmp_path / "far_board.py").write_text(PACKAGE)
    info = tmp_path / "far_board-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far-board\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hwctl.boards]\nfar = far_board:opened\n")
    url, _ = served(BOARD, "--tcp", 0)
    target = url if scheme == "socket" else url.replace("socket://", "far:")
    variables = environment.variables | {"PYTHONPATH": str(tmp_path)}
    again, _ = served(target, "--tcp", 0, hwctl=[environment.bin / "hwctl"], env=variables)
    assert again != url
    with Crossbar.open(again) as crossbar, Crossbar.open(BOARD) as here:
        assert crossbar.identity.device == "linear"
        assert crossbar.read().tolist() == here.read().tolist()


@pytest.mark.parametrize("arguments", ["--help", "--version", "devices", "tasks", "train --help"])
def test_what_needs_no_board_works(bare, arguments):
    assert bare(*arguments.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("info", "target 'emulator:' needs numba, which is not installed; 'pip install numba', or name another board"),
        ("serve emulator:?rows=4 --tcp 0", "target 'emulator:?rows=4' needs numba"),
        ("read --target faulty:drop=0.1,seed=1:emulator:", "target 'emulator:' needs numba"),
        ("train wbc", "training needs numba, which is not installed; 'pip install numba', or run hwctl on a PC and"),
        (f"train wbc --target {NOWHERE}", "reach this board with 'hwctl serve' on it and socket://"),
        ("train --resume wbc-1", "training needs numba"),
        (f"program wanted.csv --target {NOWHERE} --pulse-log log.h5", "the pulse log needs h5py, which is not instal"),
        ("devices --plot response.png", "--plot needs matplotlib, which is not installed; 'pip install matplotlib', "),
    ],
)
def test_what_lacks_a_package_says_so_in_one_line(environment, tmp_path, arguments, says):
    (tmp_path / "wanted.csv").write_text("30,40\n")
    code, out, said = environment.run("hwctl", *arguments.split(), cwd=tmp_path)
    assert code == 1
    assert says in said
    assert said.startswith("hwctl: ")
    assert said.count("\n") == 1
    assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["wanted.csv"]  # nothing is half written


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("import hwctl.emulator.board", "the software board needs numba"),
        ("import hwctl.training.trainer", "training needs numba"),
        ("from hwctl.training.checkpoint import Checkpoint; Checkpoint({}).save(Path())", "a checkpoint needs h5py"),
        ("from hwctl.training.checkpoint import Checkpoint; Checkpoint.load(Path())", "a checkpoint needs h5py"),
        ("from hwctl.report import write_report", "a plot or a report needs matplotlib"),
        ("from hwctl.report import LayerSnapshot", ""),
    ],
)
def test_in_python_it_is_an_error_of_ours(python, statement, says):
    found = python(
        "from pathlib import Path\n"
        "from hwctl.errors import MissingPackage\n"
        f"try:\n    {statement}\nexcept MissingPackage as error:\n    print(error)"
    )
    assert " ".join(found).partition(",")[0] == says
