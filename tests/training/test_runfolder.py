"""A run's folder is made once, comes back as it was, and loses nothing where a write fails."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from hwctl.errors import RunError
from hwctl.training.checkpoint import NAME, Checkpoint
from hwctl.training.config import TrainConfig
from hwctl.training.runfolder import CONFIG, METRICS, RunFolder

RUN = TrainConfig(task="iris", seed=3, hidden=(4, 5))
HISTORY = [{"epoch": n, "train_loss": 0.7 / n, "pulses_set": 10**9 * n} for n in (1, 2, 3)]
SAVED = Checkpoint({"progress": 3}, {"layer0/mean": np.arange(4.0)})


def test_a_new_folder_holds_its_configuration(tmp_path):
    path = tmp_path / "runs" / "iris-1"
    folder = RunFolder.create(path, RUN)
    assert folder.config() == RUN
    assert [file.name for file in path.iterdir()] == [CONFIG]


def test_a_folder_with_a_run_is_not_taken_again(tmp_path):
    RunFolder.create(tmp_path, RUN)
    with pytest.raises(RunError, match=r"go on with '--resume .*', or choose another"):
        RunFolder.create(tmp_path, TrainConfig())
    assert RunFolder(tmp_path).config() == RUN


def test_the_next_free_folder_is_counted_up(tmp_path):
    assert RunFolder.next_free(tmp_path, "wbc") == tmp_path / "wbc-1"
    RunFolder.create(tmp_path / "wbc-1", RUN)
    (tmp_path / "wbc-2").write_text("a file in the way")
    assert RunFolder.next_free(tmp_path, "wbc") == tmp_path / "wbc-3"
    assert RunFolder.next_free(tmp_path, "iris") == tmp_path / "iris-1"


def test_what_was_saved_is_loaded(tmp_path):
    folder = RunFolder.create(tmp_path, RUN)
    folder.save(SAVED, HISTORY)
    loaded = folder.load()
    assert loaded.values == SAVED.values
    np.testing.assert_array_equal(loaded.arrays["layer0/mean"], SAVED.arrays["layer0/mean"])
    with (tmp_path / METRICS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == HISTORY
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([CONFIG, METRICS, NAME])


def test_a_run_without_an_epoch_has_empty_metrics(tmp_path):
    folder = RunFolder.create(tmp_path, RUN)
    folder.save(SAVED, [])
    assert (tmp_path / METRICS).read_text() == ""
    assert folder.load().values == SAVED.values


def one_line(call):
    with pytest.raises(RunError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_without_a_run_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        assert str(path) in one_line(RunFolder(path).config)
        assert "does not exist" in one_line(RunFolder(path).load)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"seed = ", b"seed = -1", b"colour = 3"])
def test_a_damaged_configuration_names_its_file(tmp_path, content):
    (tmp_path / CONFIG).write_bytes(content)
    assert str(tmp_path / CONFIG) in one_line(RunFolder(tmp_path).config)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write" in one_line(lambda: RunFolder.create(tmp_path / "file" / "run", RUN))


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_leaves_the_old_one(tmp_path):
    folder = RunFolder.create(tmp_path, RUN)
    folder.save(SAVED, HISTORY)
    before = (tmp_path / NAME).read_bytes()
    (tmp_path / f".{NAME}.partial").mkdir()
    assert "cannot write the checkpoint" in one_line(lambda: folder.save(Checkpoint({"progress": 4}), HISTORY))
    assert (tmp_path / NAME).read_bytes() == before


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from hwctl.errors import RunError
from hwctl.training.checkpoint import Checkpoint
from hwctl.training.runfolder import RunFolder

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    RunFolder(Path(sys.argv[1])).save(Checkpoint({}, {"x": np.zeros(300_000)}), [])
except Exception as error:
    print(type(error).__name__)
"""


def save_on_a_full_disk(path):
    """Save a checkpoint that is larger than what may be written; return the name of the error.

    In a process of its own: HDF5 keeps a file that it could not write open until the process ends.
    """
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path):
    folder = RunFolder.create(tmp_path, RUN)
    folder.save(SAVED, HISTORY)
    before = (tmp_path / NAME).read_bytes()
    assert save_on_a_full_disk(tmp_path).endswith("Error")
    assert (tmp_path / NAME).read_bytes() == before
    folder.save(Checkpoint({"progress": 4}), HISTORY)
    assert folder.load().values == {"progress": 4}


def test_a_full_disk_is_a_run_error(tmp_path):
    assert save_on_a_full_disk(tmp_path) == "RunError"
