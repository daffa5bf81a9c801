import os
import subprocess
import sys

import pytest

START = "from hwctl.cli import main; main()"


@pytest.fixture(autouse=True)
def hwctl_leak_check():
    """Leave out the plugin's check: emulators in this process hold nothing, and an open port is a ResourceWarning."""


@pytest.fixture
def run_as_user(tmp_path):
    """Run pytest in a folder of its own, as a user would. Returns exit code and output."""

    def call(*arguments, path=None, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        if path is not None:
            environment["PYTHONPATH"] = os.pathsep.join([str(path), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments)],
            cwd=tmp_path, env=kept | environment, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture
def served():
    """Serve a target by `hwctl serve` in a process of its own. Returns its URL and the process.

    hwctl: the command, where it is another than that of this environment.
    """
    started = []

    def call(target, *where, hwctl=(sys.executable, "-c", START), **options):
        command = [*map(str, hwctl), "serve", target, *map(str, where)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        started.append(process)
        url = process.stdout.readline().strip()
        assert url, process.communicate()
        return url, process

    yield call
    for process in reversed(started):  # one may serve a board that an earlier one serves
        process.terminate()
        process.communicate(timeout=30)
