"""The script with which Vivado packs the core, draws the block design and makes the bitstream.

Vivado Design Suite Tcl Command Reference, UG835; Creating and Packaging Custom IP, UG1118.
"""

from collections.abc import Iterator

from firmware.mailbox.top import PREFIX, TOP
from firmware.zynq.design import ZynqDesign
from hwctl.protocol.registers import CORE_VERSION, REGISTERS, VLNV, WORD_BYTES, Register

OLDEST = "2022.1"
BUS = PREFIX.rstrip("_")


def tcl(board: str, design: ZynqDesign) -> str:
    """Return the text of the script."""
    vendor, library, name = VLNV.split(":")
    return TEMPLATE.format(
        board=board, part=design.part, wanted=design.board, name=design.name, top=TOP, bus=BUS, vendor=vendor,
        library=library, core=name, version=CORE_VERSION, vlnv=f"{VLNV}:{CORE_VERSION}", instance=design.core,
        ps=design.ps, mhz=f"{design.clock / 1e6:g}", base=f"0x{design.base:08X}", range=design.range, oldest=OLDEST,
        registers="\n".join(line for register in REGISTERS for line in _register(register)),
    )  # fmt: skip


def _register(register: Register) -> Iterator[str]:
    """Describe a register: Vivado copies that into the HWH, and pynq makes its register_map of it."""
    yield f"set register [ipx::add_register {register.name} $block]"
    access = register.access.value
    yield from _properties("register", register.text, access, address_offset=register.offset, size=8 * WORD_BYTES)
    for field in register.fields:
        yield f"set field [ipx::add_field {field.name} $register]"
        yield from _properties("field", field.text, access, bit_offset=field.low, bit_width=field.width)


def _properties(variable: str, text: str, access: str, **numbers: int) -> Iterator[str]:
    pairs = " ".join(f"{name} {number}" for name, number in numbers.items())
    yield f"set_property -dict {{{pairs} access {access} description {{{text}}}}} ${variable}"


TEMPLATE = """\
# Makes {name}.bit and {name}.hwh for a {board} beside this file, with Vivado {oldest} or newer:
#     vivado -mode batch -source {name}.tcl
# Written by `python -m firmware build {board}`. It was not run through Vivado where it was written.

set here [file normalize [file dirname [info script]]]
set work [file join $here vivado]
if {{[package vcompare [version -short] {oldest}] < 0}} {{
    error "Vivado [version -short] is too old: take {oldest} or newer"
}}

# pynq finds the driver by the core's name, which only a packed core has.
create_project -force core [file join $work core] -part {part}
add_files -norecurse [file join $here {name}.v]
set_property top {top} [current_fileset]
ipx::package_project -force -import_files -root_dir [file join $work ip] \\
    -vendor {vendor} -library {library} -taxonomy /UserIP
set core [ipx::current_core]
set_property -dict {{name {core} version {version} display_name {{hwctl crossbar}}}} $core
ipx::associate_bus_interfaces -busif {bus} -clock aclk $core
ipx::infer_bus_interface irq xilinx.com:signal:interrupt_rtl:1.0 $core
set sensitivity [ipx::add_bus_parameter SENSITIVITY [ipx::get_bus_interfaces irq -of_objects $core]]
set_property value LEVEL_HIGH $sensitivity
set map [ipx::get_memory_maps {bus} -of_objects $core]
if {{$map eq ""}} {{
    set map [ipx::add_memory_map {bus} $core]
    set_property slave_memory_map_ref {bus} [ipx::get_bus_interfaces {bus} -of_objects $core]
}}
set block [ipx::get_address_blocks reg0 -of_objects $map]
if {{$block eq ""}} {{
    set block [ipx::add_address_block reg0 $map]
}}
set_property -dict {{range {range} width 32 usage register}} $block
{registers}
ipx::update_checksums $core
ipx::save_core $core
close_project

create_project -force {name} [file join $work {name}] -part {part}
# The board's own settings where its files are installed. PYNQ's image has set up memory and pins before anyway.
set found [get_board_parts -quiet {wanted}]
set preset [expr {{$found ne ""}}]
if {{$preset}} {{
    set_property board_part {wanted} [current_project]
}}
set_property ip_repo_paths [file join $work ip] [current_project]
update_ip_catalog
create_bd_design {name}
set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 {ps}]
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \\
    -config [list make_external "FIXED_IO, DDR" apply_board_preset $preset] $ps
set_property -dict [list CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ {mhz} \\
    CONFIG.PCW_USE_M_AXI_GP0 1 CONFIG.PCW_USE_FABRIC_INTERRUPT 1 CONFIG.PCW_IRQ_F2P_INTR 1] $ps
create_bd_cell -type ip -vlnv {vlnv} {instance}
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \\
    -config {{Master /{ps}/M_AXI_GP0 Slave /{instance}/{bus} Clk_master Auto Clk_slave Auto Clk_xbar Auto}} \\
    [get_bd_intf_pins {instance}/{bus}]
connect_bd_net [get_bd_pins {instance}/irq] [get_bd_pins {ps}/IRQ_F2P]
assign_bd_address -force -offset {base} -range {range} -target_address_space [get_bd_addr_spaces {ps}/Data] \\
    [get_bd_addr_segs {instance}/{bus}/reg0]
validate_bd_design
save_bd_design
make_wrapper -top -import -files [get_files {name}.bd]
set_property top {name}_wrapper [current_fileset]

launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
set run [get_runs impl_1]
if {{[get_property PROGRESS $run] ne "100%"}} {{
    error "no bitstream: [get_property STATUS $run]; see the logs in $work"
}}
if {{[get_property STATS.WNS $run] < 0}} {{
    error "too slow for {mhz} MHz by [get_property STATS.WNS $run] ns; build it with fewer lanes"
}}
set project [file join $work {name}]
file copy -force [file join $project {name}.runs impl_1 {name}_wrapper.bit] [file join $here {name}.bit]
file copy -force [file join $project {name}.gen sources_1 bd {name} hw_handoff {name}.hwh] [file join $here {name}.hwh]
puts "[file join $here {name}.bit]: ready for pynq"
"""
