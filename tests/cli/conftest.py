import subprocess
import sys

import pytest

from hwctl.cli import main

START = "from hwctl.cli import main; main()"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder. Returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


@pytest.fixture
def spawn(tmp_path):
    """Start a command line as a process of its own in an empty folder; before: Python to run first."""
    started = []

    def call(*arguments, before="", **options):
        command = [sys.executable, "-c", f"{before}\n{START}", *map(str, arguments)]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()
