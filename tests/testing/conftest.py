import subprocess
import sys

import pytest

START = "from hwctl.cli import main; main()"


@pytest.fixture
def served():
    """Serve a target by `hwctl serve`. Returns its URL."""
    started = []

    def call(target, *where):
        command = [sys.executable, "-c", START, "serve", target, *where]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        url = process.stdout.readline().strip()
        assert url, process.communicate()
        return url

    yield call
    for process in started:
        process.terminate()
        process.communicate(timeout=30)
