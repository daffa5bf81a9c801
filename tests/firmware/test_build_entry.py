"""A build keeps what the tools made, and says what came out; here the tools are played."""

import hashlib
from pathlib import Path

import pytest

from firmware.build import made
from firmware.errors import BuildError
from firmware.parameters import Parameters

REPORT = """Info: Device utilisation:
Info:        TRELLIS_FF:     4233/  83640     5%
Info:              DCUA:        0/      2     0%
Info: Max frequency for clock '$glbnet$clk': 40.16 MHz (FAIL at 48.00 MHz)
Info: Max frequency for clock '$glbnet$clk': {reached} MHz (PASS at 48.00 MHz)
"""


class Tools:
    family = "ECP5"

    def __init__(self, reached):
        self._report = REPORT.format(reached=reached)

    def prepare(self, top, name, **options):
        self.options = options
        return self

    def execute_local(self, folder, *, env):
        (Path(folder) / "top.bit").write_bytes(b"bits")
        (Path(folder) / "top.tim").write_text(self._report)


def test_the_clock_after_routing_counts():
    built = made("mine", Tools("49.03"), None, Parameters(), {"build": "x"})
    assert built.bitstream == b"bits"
    assert built.entry["file"] == "mine.bit"
    assert built.entry["sha256"] == hashlib.sha256(b"bits").hexdigest()
    assert (built.entry["build"], built.entry["fmax_hz"]) == ("x", 49_030_000)
    assert built.entry["resources"] == {"TRELLIS_FF": "4233 / 83640"}


def test_a_build_may_place_in_a_way_of_its_own():
    tools = Tools("49.03")
    made("mine", tools, None, Parameters(), {}, placing="--seed 5")
    assert tools.options["nextpnr_opts"] == "--seed 5"


def test_one_that_is_too_slow_is_refused():
    with pytest.raises(BuildError, match=r"mine: 47.9 MHz reached, 48 MHz are wanted; do that"):
        made("mine", Tools("47.90"), None, Parameters(), {}, way_out="do that")
