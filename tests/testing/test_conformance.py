"""The one suite for every kind of board, on those that are here; and that a wrong board does not pass it."""

import re
import textwrap

import pytest

SUITE = ("--pyargs", "hwctl.testing.conformance")
QUICK = "emulator:?device=reram-es&rows=16&cols=12&seed=1"
FURTHER = (
    "emulator:?device=hfox-1t1r&rows=5&cols=7",
    "emulator:?device=linear&rows=2&cols=2",
    "emulator:?device=neurram&rows=6&cols=4&lacks=vmm,vmm_t,measure,outer_count,outer_coincidence",
    "emulator:?device=ecram&rows=4&cols=6&lacks=write_verify,form,counters,restore,virtual_time",
)


def passed(output):
    found = re.search(r"(\d+) passed", output)
    return int(found.group(1)) if found else 0


@pytest.mark.parametrize("target", [QUICK, *(pytest.param(target, marks=pytest.mark.slow) for target in FURTHER)])
def test_the_emulator_conforms_in_this_process(run_as_user, target):
    code, output = run_as_user(*SUITE, "--hwctl-target", target)
    assert code == 0, output[-3000:]
    assert passed(output) > 200


@pytest.mark.slow
@pytest.mark.parametrize("where", [("--pty",), ("--tcp", "0")], ids=["pty", "tcp"])
def test_the_emulator_conforms_behind_a_line(run_as_user, served, where):
    url = served("emulator:?device=reram-es&rows=9&cols=7&seed=2", *where)
    code, output = run_as_user(*SUITE, "--hwctl-target", url)
    assert code == 0, output[-3000:]
    assert passed(output) > 400


#: What a wrong board does, and a test of the suite that must see it.
WRONG = {
    "transposes": (
        "if isinstance(c, commands.Read) and isinstance(r, replies.Readings):\n"
        "    r = replace(r, readings=np.ascontiguousarray(r.readings[::-1, ::-1]))",
        "test_every_cell_is_read_at_its_own_place",
    ),
    "reads other cells than it pulses": (
        "if isinstance(r, replies.Readings):\n    r = replace(r, readings=np.ascontiguousarray(r.readings[::-1]))",
        "test_a_cell_is_read_where_it_is_pulsed",
    ),
    "pulses twice": (
        "if isinstance(c, commands.Pulse) and isinstance(r, replies.Pulsed):\n    self.link.execute(c)",
        "test_pulse",
    ),
    "executes in part": (
        "if isinstance(r, replies.Refused) and isinstance(c, commands.PulseSparse):\n"
        "    self.link.execute(replace(c, rows=c.rows[:1], cols=c.cols[:1], counts=c.counts[:1]))",
        "test_a_list_with_one_cell_outside_is_refused_whole",
    ),
    "does not flag": (
        "if isinstance(r, replies.Readings):\n"
        "    r = replace(r, readings=np.minimum(r.readings, 65520).astype(np.uint16))",
        "test_a_reading_beyond_the_range_is_flagged_and_no_other",
    ),
    "does not count": (
        "if isinstance(r, replies.Counts):\n    r = replace(r, counts=np.zeros_like(r.counts))",
        "test_pulses_of_a_region_are_counted",
    ),
    "narrows in part": (
        "if isinstance(r, replies.Refused) and isinstance(c, commands.ConfigureLimits):\n"
        "    self.link.execute(replace(c, max_read=0))",
        "test_a_limit_is_not_widened_and_then_no_other_is_narrowed",
    ),
    "stays driven": (
        "if isinstance(r, replies.BoardStatus):\n    r = replace(r, safe=0)",
        "test_safe_twice_is_safe_and_changes_nothing_else",
    ),
}
BOARD = """
from dataclasses import replace

import numpy as np

from hwctl.links import open_link
from hwctl.protocol import commands, replies


class Wrong:
    def __init__(self, url):
        self.url, self.link = url, open_link("emulator:?device=reram-es&rows=6&cols=5")

    bytes_moved = 0

    def execute(self, c):
        r = self.link.execute(c)
{fault}
        return r

    def execute_all(self, several):
        return [self.execute(c) for c in several]

    post = execute

    def close(self):
        self.link.close()


def opened(target):
    return Wrong(target.url)
"""


#: What a wrong board does when SAFE comes in the middle of a command, and a test of the suite that must see it.
WRONG_AT_SAFE = {
    "says too much": (
        "self.session.progress *= 2",
        "test_safe_stops_readings_that_are_under_way_where_its_progress_says",
    ),
    "says too little": (
        "self.session.progress = min(self.session.progress, 1)",
        "test_cells_of_a_stopped_command_are_pulsed_where_its_progress_says",
    ),
    "goes on": (
        "for part in self._left:\n    self.link.execute(part.command)",
        "test_cells_of_a_stopped_command_are_pulsed_where_its_progress_says",
    ),
}
SERVED = """
from hwctl.links import open_link
from hwctl.links.bytelink import ByteLink
from hwctl.links.server import BoardServer, LoopPort


class Wrong(BoardServer):
    def make_safe(self):
        super().make_safe()
{fault}


def opened(target):
    link = open_link("emulator:?device=reram-es&rows=32&cols=20")
    return ByteLink.connect(LoopPort(Wrong(link), target.url), target.url)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG | WRONG_AT_SAFE)
def test_a_wrong_board_does_not_pass(run_as_user, tmp_path, name):
    board, (fault, seen_by) = (BOARD, WRONG[name]) if name in WRONG else (SERVED, WRONG_AT_SAFE[name])
    package = tmp_path / "site"
    info = package / "wrong_board-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong-board\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hwctl.boards]\nwrong = wrong_board:opened\n")
    (package / "wrong_board.py").write_text(board.format(fault=textwrap.indent(fault, " " * 8)))
    code, output = run_as_user(*SUITE, "--hwctl-target", "wrong:", "-k", seen_by, path=package)
    assert code == 1, output[-3000:]
    assert re.search(rf"FAILED .*{seen_by}", output), output[-3000:]
