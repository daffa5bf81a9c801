"""`hwctl load`: the twin of a chip on a board of its kind behind a line."""

import pytest

from hwctl.cli import main
from hwctl.crossbar import Crossbar

CHIP = "emulator:?device=neurram&rows=6&cols=5&seed=1"


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "chip.h5"
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "-t", CHIP, "-o", str(path)])
    assert not end.value.code
    return path


def cells(target):
    with Crossbar.open(target) as crossbar:
        return crossbar.dump().words.tolist()


def test_a_twin_is_loaded_into_a_board_behind_a_line(run, record, served):
    url, _ = served("emulator:?device=neurram&rows=6&cols=5&seed=8", "--tcp", 0)
    code, said, _ = run("load", record, "--target", url)
    assert code == 0
    assert "6 x 5 cells" in said
    assert "read and write noise stay those of the board's neurram" in said
    assert cells(url) == cells(f"emulator:{record}")


def test_a_board_of_another_geometry_is_one_line(run, record, served):
    url, _ = served("emulator:?device=neurram&rows=6&cols=6", "--tcp", 0)
    code, _, said = run("load", record, "--target", url)
    assert code == 1
    assert "has 6 x 6 cells, neurram-twin has 6 x 5" in said


def test_what_is_no_record_is_one_line_and_no_board_is_opened(run, tmp_path):
    code, _, said = run("load", tmp_path / "none.h5", "--target", "emulator:?rows=0")
    assert code == 1
    assert "none.h5 does not exist" in said
