"""The hardware handoff file that pynq reads beside a bitstream, as Vivado 2022.1 writes it for this design.

What is in it is what pynq 3.1 looks for: address, type and registers of the core, clocks of the processing system.
"""

from xml.etree import ElementTree as Xml

from firmware.zynq.design import ZynqDesign
from hwctl.protocol.registers import CORE_VERSION, REGISTERS, VLNV, WORD_BYTES, Access, Register

IO_PLL = 1_000_000_000  # Hz: 20 times the 50 MHz at which both boards clock their processing system
CLOCKS = 4
PORT, SLAVE = "M_AXI_GP0", "S_AXI"


def hwh(design: ZynqDesign) -> str:
    """Return the text of the file."""
    root = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="", VIVADOVERSION="2022.1")
    part = design.part.removeprefix("xc")
    Xml.SubElement(
        root, "SYSTEMINFO", ARCH="zynq", BOARD=design.board, DEVICE=part[:4], NAME=design.name,
        PACKAGE=part[4:].partition("-")[0], SPEEDGRADE="-" + part.partition("-")[2],
    )  # fmt: skip
    for empty in ("EXTERNALPORTS", "EXTERNALINTERFACES"):
        Xml.SubElement(root, empty)
    modules = Xml.SubElement(root, "MODULES")
    _processing_system(modules, design)
    _core(modules, design)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _module(modules: Xml.Element, instance: str, kind: str, vlnv: str) -> Xml.Element:
    return Xml.SubElement(
        modules, "MODULE", FULLNAME=f"/{instance}", HWVERSION=vlnv.rpartition(":")[2], INSTANCE=instance,
        IPTYPE="PERIPHERAL", IS_ENABLE="1", MODCLASS="PERIPHERAL", MODTYPE=kind, VLNV=vlnv,
    )  # fmt: skip


def _processing_system(modules: Xml.Element, design: ZynqDesign) -> None:
    """Add the clocks, the port, and what lies behind it."""
    module = _module(modules, design.ps, "processing_system7", "xilinx.com:ip:processing_system7:5.5")
    parameters = Xml.SubElement(module, "PARAMETERS")
    divisor = IO_PLL // design.clock
    first = next(n for n in range(2, 64) if divisor % n == 0)
    for clock in range(CLOCKS):
        values = {
            f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR0": first if clock == 0 else 1,
            f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR1": divisor // first if clock == 0 else 1,
            f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC": "IO PLL",
            f"PCW_FPGA_FCLK{clock}_ENABLE": int(clock == 0),
        }
        for name, value in values.items():
            Xml.SubElement(parameters, "PARAMETER", NAME=name, VALUE=str(value))
    ports = Xml.SubElement(module, "PORTS")
    clock_signal = f"{design.ps}_FCLK_CLK0"
    Xml.SubElement(
        ports, "PORT", CLKFREQUENCY=str(design.clock), DIR="O", NAME="FCLK_CLK0", SIGIS="clk", SIGNAME=clock_signal
    )
    _interface(module, design, PORT, "MASTER")
    Xml.SubElement(
        Xml.SubElement(module, "MEMORYMAP"), "MEMRANGE", ADDRESSBLOCK="reg0", BASENAME="C_BASEADDR",
        BASEVALUE=f"0x{design.base:08X}", HIGHNAME="C_HIGHADDR",
        HIGHVALUE=f"0x{design.base + design.range - 1:08X}", INSTANCE=design.core, IS_DATA="TRUE",
        IS_INSTRUCTION="TRUE", MASTERBUSINTERFACE=PORT, MEMTYPE="REGISTER", SLAVEBUSINTERFACE=SLAVE,
    )  # fmt: skip
    Xml.SubElement(Xml.SubElement(module, "PERIPHERALS"), "PERIPHERAL", INSTANCE=design.core)


def _core(modules: Xml.Element, design: ZynqDesign) -> None:
    """Name the registers: pynq makes its register_map of them."""
    module = _module(modules, design.core, VLNV.rpartition(":")[2], f"{VLNV}:{CORE_VERSION}")
    block = Xml.SubElement(
        Xml.SubElement(module, "ADDRESSBLOCKS"), "ADDRESSBLOCK", ACCESS="read-write", INTERFACE=SLAVE, NAME="reg0",
        RANGE=str(design.range), USAGE="register",
    )  # fmt: skip
    registers = Xml.SubElement(block, "REGISTERS")
    for register in REGISTERS:
        _register(registers, register)
    ports = Xml.SubElement(module, "PORTS")
    Xml.SubElement(ports, "PORT", DIR="I", NAME="aclk", SIGIS="clk", SIGNAME=f"{design.ps}_FCLK_CLK0")
    _interface(module, design, SLAVE, "SLAVE")


def _interface(module: Xml.Element, design: ZynqDesign, name: str, kind: str) -> None:
    Xml.SubElement(
        Xml.SubElement(module, "BUSINTERFACES"), "BUSINTERFACE", BUSNAME=f"{design.ps}_{PORT}", DATAWIDTH="32",
        NAME=name, TYPE=kind, VLNV="xilinx.com:interface:aximm:1.0",
    )  # fmt: skip


def _register(registers: Xml.Element, register: Register) -> None:
    element = Xml.SubElement(registers, "REGISTER", NAME=register.name)
    _properties(element, register.text, register.offset, 8 * WORD_BYTES, register.access)
    fields = Xml.SubElement(element, "FIELDS")
    for field in register.fields:
        inner = Xml.SubElement(fields, "FIELD", NAME=field.name)
        _properties(inner, field.text, field.low, field.width, register.access)


def _properties(element: Xml.Element, text: str, place: int, bits: int, access: Access) -> None:
    """place: byte offset of a register, first bit of a field."""
    names = ("BIT_OFFSET", "BIT_WIDTH") if element.tag == "FIELD" else ("ADDRESS_OFFSET", "SIZE")
    values = {"DESCRIPTION": text, names[0]: str(place), names[1]: str(bits), "ACCESS": access.value}
    for name, value in values.items():
        Xml.SubElement(element, "PROPERTY", NAME=name, VALUE=value)
