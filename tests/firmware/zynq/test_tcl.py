"""The script for Vivado, run by a real Tcl interpreter in which Vivado's commands only write down what was asked.

There is no Vivado here: what it answers is scripted, and what it would make of the calls is not tested.
"""

import shutil
import subprocess

import pytest

from firmware.mailbox.top import TOP
from firmware.zynq.design import DESIGNS
from firmware.zynq.tcl import tcl
from hwctl.protocol.registers import REGISTERS

VIVADO = """
set calls [open {log} w]
proc unknown args {{ puts $::calls $args; return [lindex $args 0] }}
proc version args {{ return {version} }}
proc get_board_parts args {{ return {found} }}
proc get_property {{name run}} {{
    return [dict get {{PROGRESS {progress} STATS.WNS {slack} STATUS {{route failed}}}} $name]
}}
proc wait_on_run run {{
    foreach path {{{results}}} {{ file mkdir [file dirname $path]; close [open $path w] }}
}}
"""


@pytest.fixture
def vivado(tmp_path):
    """Return a function that runs the script of a board and gives its output, its errors, and the calls."""
    assert shutil.which("tclsh"), "these tests need tclsh (Debian: apt install tcl)"
    made = (
        "crossbar.runs/impl_1/crossbar_wrapper.bit",
        "crossbar.gen/sources_1/bd/crossbar/hw_handoff/crossbar.hwh",
    )

    def run(board="pynq-z2", version="2022.1", found="{}", progress="100%", slack="0.3"):
        log = tmp_path / "calls"
        results = " ".join(str(tmp_path / "vivado" / "crossbar" / path) for path in made)
        (tmp_path / "crossbar.tcl").write_text(tcl(board, DESIGNS[board]))
        shell = VIVADO.format(log=log, version=version, found=found, progress=progress, slack=slack, results=results)
        shell += f"source {tmp_path / 'crossbar.tcl'}\n"
        done = subprocess.run(["tclsh"], input=shell, capture_output=True, text=True, check=False)
        return done, log.read_text().splitlines()

    return run


def place(calls, *words):
    """Return where the first call stands that holds all words."""
    return next(n for n, call in enumerate(calls) if all(word in call for word in words))


@pytest.mark.parametrize("board", DESIGNS)
def test_the_script_packs_the_core_before_it_draws_with_it(vivado, board, tmp_path):
    done, calls = vivado(board)
    assert done.stderr == ""
    order = [
        place(calls, "ipx::package_project", "-vendor hwctl", "-library ip"),
        place(calls, "set_property", "name crossbar version 1.0"),
        place(calls, "ipx::save_core"),
        place(calls, "create_bd_cell", "hwctl:ip:crossbar:1.0 crossbar_ctrl"),
        place(calls, "assign_bd_address", "-offset 0x43C00000 -range 262144"),
        place(calls, "validate_bd_design"),
        place(calls, "launch_runs impl_1 -to_step write_bitstream"),
    ]
    assert order == sorted(order)
    place(calls, f"set_property top {TOP} current_fileset")
    place(calls, "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ 50 ")
    assert (tmp_path / "crossbar.bit").exists()
    assert (tmp_path / "crossbar.hwh").exists()


def test_every_register_is_described(vivado):
    _, calls = vivado()
    for register in REGISTERS:
        at = place(calls, f"ipx::add_register {register.name} ")
        assert f"address_offset {register.offset} " in calls[at + 1]
        assert register.access.value in calls[at + 1]


@pytest.mark.parametrize(("found", "preset"), [("{}", 0), ("tul.com.tw:pynq-z2:part0:1.0", 1)])
def test_the_boards_own_settings_are_taken_where_its_files_are(vivado, found, preset):
    _, calls = vivado(found=found)
    place(calls, "bd_rule:processing_system7", f"apply_board_preset {preset}")
    assert any("board_part" in call for call in calls) == bool(preset)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "2021.2"}, "Vivado 2021.2 is too old"),
        ({"progress": "42%"}, "no bitstream: route failed"),
        ({"slack": "-0.2"}, "too slow for 50 MHz by -0.2 ns"),
    ],
    ids=["too-old", "failed", "too-slow"],
)
def test_a_build_that_failed_leaves_no_bitstream(vivado, tmp_path, change, said):
    done, _ = vivado(**change)
    assert said in done.stderr
    assert not (tmp_path / "crossbar.bit").exists()
