import os
import subprocess
import sys

import numba

from hwctl import __version__
from hwctl.compiled import cache_folder, compiler


def test_the_cache_folder_follows_the_source(tmp_path, monkeypatch):
    monkeypatch.setenv("HWCTL_CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "loops.py"
    source.write_text("a = 1\n")
    first = cache_folder(source)
    assert first.parent == tmp_path / "cache"
    assert __version__ in first.name
    assert numba.__version__ in first.name
    source.write_text("a = 2\n")
    assert cache_folder(source) != first
    source.write_text("a = 1\n")
    assert cache_folder(source) == first


def test_without_the_variable_it_lies_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("HWCTL_CACHE_DIR", raising=False)
    source = tmp_path / "loops.py"
    source.write_text("")
    assert "hwctl" in cache_folder(source).parts


def test_decorating_leaves_numbas_own_cache_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HWCTL_CACHE_DIR", str(tmp_path))
    before = numba.config.CACHE_DIR
    source = tmp_path / "loops.py"
    source.write_text("")
    assert compiler(source)(lambda x: x + 1).py_func(1) == 2
    assert before == numba.config.CACHE_DIR


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from loops import total
print(total(4))
"""
SOURCE = """
from pathlib import Path
from hwctl.compiled import compiler

@compiler(Path(__file__))
def total(n):
    return n * {factor}
"""


def test_compiled_loops_are_kept_there_and_an_edit_takes_effect(tmp_path):
    environment = {**os.environ, "HWCTL_CACHE_DIR": str(tmp_path / "cache")}
    for factor in (3, 5):
        (tmp_path / "loops.py").write_text(SOURCE.format(factor=factor))
        run = subprocess.run(
            [sys.executable, "-B", "-c", PROGRAM.format(folder=str(tmp_path))],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert run.stdout.split() == [str(4 * factor)]
    folders = list((tmp_path / "cache").iterdir())
    assert len(folders) == 2
    assert all(list(folder.rglob("*.nbi")) for folder in folders)
