# Makes crossbar.bit and crossbar.hwh for a pynq-z2 beside this file, with Vivado 2022.1 or newer:
#     vivado -mode batch -source crossbar.tcl
# Written by `python -m firmware build pynq-z2`. It was not run through Vivado where it was written.

set here [file normalize [file dirname [info script]]]
set work [file join $here vivado]
if {[package vcompare [version -short] 2022.1] < 0} {
    error "Vivado [version -short] is too old: take 2022.1 or newer"
}

# pynq finds the driver by the core's name, which only a packed core has.
create_project -force core [file join $work core] -part xc7z020clg400-1
add_files -norecurse [file join $here crossbar.v]
set_property top hwctl_crossbar [current_fileset]
ipx::package_project -force -import_files -root_dir [file join $work ip] \
    -vendor hwctl -library ip -taxonomy /UserIP
set core [ipx::current_core]
set_property -dict {name crossbar version 1.0 display_name {hwctl crossbar}} $core
ipx::associate_bus_interfaces -busif s_axi -clock aclk $core
ipx::infer_bus_interface irq xilinx.com:signal:interrupt_rtl:1.0 $core
set sensitivity [ipx::add_bus_parameter SENSITIVITY [ipx::get_bus_interfaces irq -of_objects $core]]
set_property value LEVEL_HIGH $sensitivity
set map [ipx::get_memory_maps s_axi -of_objects $core]
if {$map eq ""} {
    set map [ipx::add_memory_map s_axi $core]
    set_property slave_memory_map_ref s_axi [ipx::get_bus_interfaces s_axi -of_objects $core]
}
set block [ipx::get_address_blocks reg0 -of_objects $map]
if {$block eq ""} {
    set block [ipx::add_address_block reg0 $map]
}
set_property -dict {range 262144 width 32 usage register} $block
set register [ipx::add_register IDENTITY $block]
set_property -dict {address_offset 0 size 32 access read-only description {0x74637768: the bytes 'hwct'}} $register
set register [ipx::add_register VERSION $block]
set_property -dict {address_offset 4 size 32 access read-only description {Version of the protocol; this is 1}} $register
set register [ipx::add_register GEOMETRY $block]
set_property -dict {address_offset 8 size 32 access read-only description {Size of the array}} $register
set field [ipx::add_field rows $register]
set_property -dict {bit_offset 0 bit_width 16 access read-only description {Rows}} $field
set field [ipx::add_field cols $register]
set_property -dict {bit_offset 16 bit_width 16 access read-only description {Columns}} $field
set register [ipx::add_register COMMAND_BYTES $block]
set_property -dict {address_offset 12 size 32 access read-only description {Bytes of the ring COMMANDS, a power of two}} $register
set register [ipx::add_register REPLY_BYTES $block]
set_property -dict {address_offset 16 size 32 access read-only description {Bytes of the ring REPLIES, a power of two}} $register
set register [ipx::add_register CONTROL $block]
set_property -dict {address_offset 20 size 32 access read-write description {What the board shall do}} $register
set field [ipx::add_field safe $register]
set_property -dict {bit_offset 0 bit_width 1 access read-write description {Write 1: bring the array to rest; reads 0}} $field
set field [ipx::add_field interrupt $register]
set_property -dict {bit_offset 1 bit_width 1 access read-write description {Whether the pin `irq` is high while a reply waits}} $field
set register [ipx::add_register SESSION $block]
set_property -dict {address_offset 24 size 32 access read-write description {A host's number, not 0. Writing it empties both rings and sets the counts to 0, where no command is in execution; else it stays}} $register
set register [ipx::add_register COMMAND_TAIL $block]
set_property -dict {address_offset 28 size 32 access read-write description {Bytes that the host has put into COMMANDS in this session, modulo 2^32}} $register
set register [ipx::add_register REPLY_HEAD $block]
set_property -dict {address_offset 32 size 32 access read-write description {Bytes that the host has taken from it}} $register
set register [ipx::add_register STATUS $block]
set_property -dict {address_offset 36 size 32 access read-only description {What the board does}} $register
set field [ipx::add_field executing $register]
set_property -dict {bit_offset 0 bit_width 1 access read-only description {A command is in execution}} $field
set field [ipx::add_field safe_pending $register]
set_property -dict {bit_offset 1 bit_width 1 access read-only description {A SAFE waits for the array to come to rest}} $field
set field [ipx::add_field reply $register]
set_property -dict {bit_offset 2 bit_width 1 access read-only description {A reply waits: REPLY_TAIL is not REPLY_HEAD}} $field
set field [ipx::add_field driving $register]
set_property -dict {bit_offset 3 bit_width 1 access read-only description {The array is busy}} $field
set field [ipx::add_field bad_record $register]
set_property -dict {bit_offset 4 bit_width 1 access read-only description {A record's length cannot be; nothing more is taken until SESSION}} $field
set register [ipx::add_register COMMAND_HEAD $block]
set_property -dict {address_offset 40 size 32 access read-only description {Bytes that the board has taken from it}} $register
set register [ipx::add_register REPLY_TAIL $block]
set_property -dict {address_offset 44 size 32 access read-only description {Bytes that the board has put into REPLIES in this session, modulo 2^32}} $register
set register [ipx::add_register PROGRESS $block]
set_property -dict {address_offset 48 size 32 access read-only description {How far the last command that began has come, as in PONG}} $register
set register [ipx::add_register STARTED $block]
set_property -dict {address_offset 52 size 32 access read-only description {Commands of this session that have begun}} $register
set register [ipx::add_register EXECUTED $block]
set_property -dict {address_offset 56 size 32 access read-only description {Commands of this session that have ended, aborted ones included}} $register
set register [ipx::add_register SAFES $block]
set_property -dict {address_offset 60 size 32 access read-only description {Times that the array came to rest because CONTROL.safe was written}} $register
set register [ipx::add_register STOPPED $block]
set_property -dict {address_offset 64 size 32 access read-only description {Number of the command that the last SAFE stopped in execution; 0: none}} $register
set register [ipx::add_register STOPPED_PROGRESS $block]
set_property -dict {address_offset 68 size 32 access read-only description {How far that command had come, as in SAFE_DONE}} $register
ipx::update_checksums $core
ipx::save_core $core
close_project

create_project -force crossbar [file join $work crossbar] -part xc7z020clg400-1
# The board's own settings where its files are installed. PYNQ's image has set up memory and pins before anyway.
set found [get_board_parts -quiet tul.com.tw:pynq-z2:part0:1.0]
set preset [expr {$found ne ""}]
if {$preset} {
    set_property board_part tul.com.tw:pynq-z2:part0:1.0 [current_project]
}
set_property ip_repo_paths [file join $work ip] [current_project]
update_ip_catalog
create_bd_design crossbar
set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 processing_system7_0]
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config [list make_external "FIXED_IO, DDR" apply_board_preset $preset] $ps
set_property -dict [list CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ 50 \
    CONFIG.PCW_USE_M_AXI_GP0 1 CONFIG.PCW_USE_FABRIC_INTERRUPT 1 CONFIG.PCW_IRQ_F2P_INTR 1] $ps
create_bd_cell -type ip -vlnv hwctl:ip:crossbar:1.0 crossbar_ctrl
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \
    -config {Master /processing_system7_0/M_AXI_GP0 Slave /crossbar_ctrl/s_axi Clk_master Auto Clk_slave Auto Clk_xbar Auto} \
    [get_bd_intf_pins crossbar_ctrl/s_axi]
connect_bd_net [get_bd_pins crossbar_ctrl/irq] [get_bd_pins processing_system7_0/IRQ_F2P]
assign_bd_address -force -offset 0x43C00000 -range 262144 -target_address_space [get_bd_addr_spaces processing_system7_0/Data] \
    [get_bd_addr_segs crossbar_ctrl/s_axi/reg0]
validate_bd_design
save_bd_design
make_wrapper -top -import -files [get_files crossbar.bd]
set_property top crossbar_wrapper [current_fileset]

launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
set run [get_runs impl_1]
if {[get_property PROGRESS $run] ne "100%"} {
    error "no bitstream: [get_property STATUS $run]; see the logs in $work"
}
if {[get_property STATS.WNS $run] < 0} {
    error "too slow for 50 MHz by [get_property STATS.WNS $run] ns; build it with fewer lanes"
}
set project [file join $work crossbar]
file copy -force [file join $project crossbar.runs impl_1 crossbar_wrapper.bit] [file join $here crossbar.bit]
file copy -force [file join $project crossbar.gen sources_1 bd crossbar hw_handoff crossbar.hwh] [file join $here crossbar.hwh]
puts "[file join $here crossbar.bit]: ready for pynq"
