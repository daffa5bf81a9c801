import subprocess
import sys

import pytest

from hwctl import __version__


def test_without_a_command_the_commands_are_listed(run):
    _, out, err = run()
    for name in ("train", "read", "program", "info", "devices", "tasks"):
        assert name in out + err


def test_help_and_version_need_no_heavy_import():
    script = (
        "import sys\n"
        "from hwctl.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numba', 'matplotlib', 'h5py', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"hwctl {__version__}\n", "")


@pytest.mark.parametrize("arguments", [("nothing",), ("train", "--nothing"), ("program",), ("read", "--averages", "x")])
def test_wrong_usage_exits_with_2(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("info", "--target", "emulator:?device=reram-s"), "no device 'reram-s'; did you mean reram-es?"),
        (("info", "--target", "moon:"), "no scheme 'moon:'"),
        (("info", "--target", "emulator"), "has no scheme"),
        (("info", "--target", "emulator:?rows=0"), "rows=0; give an integer from 1"),
        (("info", "--target", "emulator:?color=red"), "no option 'color'"),
        (("read", "--rows", "60:70"), "rows 60:70 of an array with 64"),
        (("read", "--cols", "a:b"), "--cols 'a:b'"),
        (("read", "--averages", "3"), "3 averages; give a power of two"),
        (("devices", "hfox"), "no device 'hfox'"),
        (("train",), "name a task to train"),
        (("train", "wbcc"), "did you mean wbc?"),
        (("train", "wbc", "--optimizer", "sdg"), "no optimizer 'sdg'"),
        (("train", "wbc", "--schedule", "celll"), "no schedule 'celll'"),
        (("train", "wbc", "--epochs", "0"), "epochs 0"),
        (("train", "wbc", "--rate", "nan"), "rate nan"),
        (("train", "wbc", "--hidden", "10,x"), "hidden layers '10,x'"),
        (("train", "wbc", "--policy", "both"), "no pair policy 'both'"),
        (("train", "wbc", "--device", "pcm", "--policy", "bidirectional"), "use set-only"),
        (("train", "wbc", "--schedule", "outer", "--optimizer", "adam"), "add --optimizer sgd or momentum"),
        (("train", "wbc", "--target", "emulator:?rows=5&cols=5"), "give --target"),
        (("train", "--resume", "nowhere"), "holds no run"),
        (("train", "mnist", "--data-dir", "nowhere"), "no train-images-idx3-ubyte"),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_exits_with_1(run, tmp_path, arguments, says):
    code, _, err = run(*arguments)
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())  # nothing is half written


def test_debug_shows_the_traceback_before_or_behind_the_command(capsys):
    for arguments in (["--debug", "info", "--target", "moon:"], ["info", "--target", "moon:", "--debug"]):
        script = f"from hwctl.cli import main; main({arguments!r})"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert "Traceback" in done.stderr


def test_a_reader_that_leaves_is_no_error():
    script = "from hwctl.cli import main; main(['devices'])"
    piped = subprocess.run(
        f'{sys.executable} -c "{script}" | head -n 1',
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Traceback" not in piped.stderr
