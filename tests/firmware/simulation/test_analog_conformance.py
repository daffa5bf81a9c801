"""The one suite for every kind of board, on the gateware of board files with models of their parts."""

import re
from pathlib import Path

import pytest

from hwctl.testing import conformance
from tests.firmware.simulation.analog_boards import board_file

pytestmark = pytest.mark.slow  # models are compiled

FILES = sorted(path.name for path in Path(conformance.__path__[0]).glob("test_*.py"))
LONG = ["test_bytes.py", "test_safe.py", "test_pulse.py", "test_products.py", "test_refusals.py", "test_configure.py"]
PARTS = [*([name] for name in LONG), sorted(set(FILES) - set(LONG))]
PASSIVE = [["test_configure.py"], ["test_pulse.py"], ["test_read.py", "test_identity.py", "test_loops.py"]]
CASES = [("1t1r", part) for part in PARTS] + [("passive", part) for part in PASSIVE]


@pytest.mark.parametrize(("name", "files"), CASES, ids=[f"{name}-{files[0][5:-3]}" for name, files in CASES])
def test_the_gateware_of_a_board_file_conforms(run_as_user, tmp_path, name, files):
    target = f"sim:?board={board_file(name, tmp_path)}&seed=1"
    suite = Path(conformance.__path__[0])
    code, output = run_as_user(*(suite / file for file in files), "--hwctl-target", target)
    assert code == 0, output[-3000:]
    assert int(re.search(r"(\d+) passed", output).group(1)) >= 3
