import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from hwctl.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert "[" in capsys.readouterr().out


def command_lines():
    block = README.split("## A first look")[1].split("`--json FILE`")[0]
    lines = [line.split("#")[0].strip() for line in block.splitlines() if line.startswith("    hwctl ")]
    return [line for line in lines if "serve" not in line]  # it serves until it is stopped: tests/links/test_serve.py


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_of_the_first_look_are_right(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets.csv").write_text("50,51\n")
    np.save(tmp_path / "w.npy", [[0.5, -0.25], [1.0, 0.0]])
    (tmp_path / "sweep.toml").write_text('[run]\ntask = "iris"\nepochs = 1\n[vary]\nrate = [0.02]\n')
    (tmp_path / "steps.csv").write_text("pulse,conductance_uS\n0,10\n1,12\n2,13\n0,13\n1,11\n")
    arguments = shlex.split(line)[1:]
    if "--resume" in arguments:
        run("train", "wbc", "--epochs", "1", "--no-report")
    elif "emulator:chip7.h5" in arguments or (arguments[-1] == "chip7.h5" and "show" in arguments):
        run("calibrate", "--target", "emulator:?device=neurram&rows=21&cols=20", "-o", "chip7.h5")
    elif "compare" in arguments:
        for file in arguments[-2:]:
            run("calibrate", "--target", "emulator:?device=neurram&rows=21&cols=20", "-o", file)
    if arguments[0] == "train" and "--resume" not in arguments:
        arguments += ["--epochs", "1", "--no-report"]
    run(*arguments)


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code


def test_every_file_that_the_readme_names_is_there():
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).is_file(), link
