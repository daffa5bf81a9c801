"""The hardware handoff file: what pynq looks for is there. That pynq finds it is seen in tests/zynq."""

from xml.etree import ElementTree as Xml

import pytest

from firmware.zynq.design import DESIGNS
from firmware.zynq.hwh import IO_PLL, hwh
from hwctl.protocol.registers import CORE_VERSION, RANGE, REGISTERS, VLNV


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def module(design, name):
    return Xml.fromstring(hwh(design).partition("\n")[2]).find(f".//MODULE[@INSTANCE='{name}']")


def test_the_core_lies_where_the_design_says(design):
    memory = module(design, design.ps).find(".//MEMRANGE")
    low, high = (int(memory.get(name), 16) for name in ("BASEVALUE", "HIGHVALUE"))
    assert (low, high - low + 1) == (design.base, RANGE)
    assert memory.get("INSTANCE") == design.core
    assert module(design, design.core).get("VLNV") == f"{VLNV}:{CORE_VERSION}"


def test_the_clock_is_that_of_the_design(design):
    values = {p.get("NAME"): p.get("VALUE") for p in module(design, design.ps).iter("PARAMETER")}
    divisors = [int(values[f"PCW_FCLK0_PERIPHERAL_DIVISOR{n}"]) for n in (0, 1)]
    assert IO_PLL / divisors[0] / divisors[1] == design.clock


def test_every_register_and_field_is_named(design):
    found = {r.get("NAME"): r for r in module(design, design.core).iter("REGISTER")}
    assert list(found) == [register.name for register in REGISTERS]
    for register in REGISTERS:
        offset = found[register.name].find("./PROPERTY[@NAME='ADDRESS_OFFSET']").get("VALUE")
        assert int(offset) == register.offset
        assert [f.get("NAME") for f in found[register.name].iter("FIELD")] == [f.name for f in register.fields]
