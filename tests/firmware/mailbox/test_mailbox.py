"""A board on a bus: rings, session, SAFE, and what is answered to accesses that cannot be."""

import numpy as np
import pytest

from firmware.parameters import Parameters
from firmware.simulation.bus import BusError, SimulatedBus, library_of
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.protocol import commands, registers, replies
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.codes import PROTOCOL_VERSION, Polarity, Refusal
from hwctl.protocol.packing import Region
from hwctl.protocol.registers import COMMANDS, REGISTERS, REPLIES, Access, offset_of
from tests.firmware.mailbox.rawbus import RawBus
from tests.firmware.simulation.geometry import COLS, LANES, ROWS

pytestmark = pytest.mark.slow  # a model is compiled

DEVICE, KEY, RESERVE = "reram-es", 77, 1000
WHOLE = Region(0, ROWS, 0, COLS)
PULSES = encode_command(
    commands.PulseSparse(*(np.zeros(200, np.uint16) for _ in range(2)), np.full(200, 9, np.int8), 0, 1)
)
STATUS, IDENTIFY = (encode_command(command) for command in (commands.Status(), commands.Identify()))


@pytest.fixture(scope="module")
def library():
    chip = fabricate(presets.get(DEVICE), ROWS, COLS, seed=1)
    return library_of(Parameters(rows=ROWS, cols=COLS, lanes=LANES[DEVICE]), chip, KEY, build="x")


@pytest.fixture
def bus(library):
    opened = SimulatedBus(library)
    yield opened
    opened.close()


@pytest.fixture
def host(bus):
    return RawBus(bus)


def shapes(host):
    """Define the pulse shapes that PULSES names."""
    chip = fabricate(presets.get(DEVICE), ROWS, COLS, seed=1)
    for number, polarity in enumerate((Polarity.SET, Polarity.RESET)):
        level, scales = chip.levels[polarity][0], chip.scales
        shape = commands.ConfigureShape(
            number, polarity, round(level.amplitude / scales.volts), round(level.width / scales.seconds), 0, 0
        )
        (raw,) = host.execute([encode_command(shape)], RESERVE)
        assert isinstance(decode_reply(raw), replies.Done)


def begin_pulses(host, count):
    """Send PULSES so many times. Returns how many commands were executed before."""
    shapes(host)
    executed = host.get("EXECUTED")
    for _ in range(count):
        host.put(PULSES, RESERVE)
    host.go()
    return executed


def test_a_board_says_what_it_is(bus):
    found = {register.name: bus.read(register.offset) for register in REGISTERS}
    assert found["IDENTITY"].to_bytes(4, "little") == b"hwct"
    assert found["VERSION"] == PROTOCOL_VERSION
    assert found["GEOMETRY"] == ROWS | COLS << 16
    assert all(found[name] == 0 for name in ("SESSION", "STARTED", "EXECUTED", "SAFES", "STOPPED"))


@pytest.mark.parametrize("address", [4 * len(REGISTERS), REPLIES.offset + REPLIES.most, COMMANDS.offset, 0x30000])
def test_a_read_of_nothing_is_an_error(bus, address):
    with pytest.raises(BusError, match="response 2"):
        bus.read(address)
    assert bus.read(0) == registers.IDENTITY


@pytest.mark.parametrize("register", [r.name for r in REGISTERS if r.access is Access.READ] + ["REPLIES"])
def test_what_is_read_only_cannot_be_written(bus, register):
    address = REPLIES.offset if register == "REPLIES" else offset_of(register)
    before = bus.read(address)
    with pytest.raises(BusError):
        bus.write(address, 0xFFFFFFFF)
    assert bus.read(address) == before


def test_rings_go_round(host):
    rounds = 3 * host.sizes["REPLY"] // 100
    found = host.execute([STATUS] * rounds, RESERVE)
    assert host.head > host.sizes["REPLY"]
    assert len(set(found)) == 1
    assert host.get("EXECUTED") == host.get("STARTED") == rounds


def test_records_wait_until_their_reply_has_room(host):
    reserve = host.sizes["REPLY"] - 4
    for _ in range(3):
        host.put(STATUS, reserve)
    host.go()
    host.wait("EXECUTED", 1)
    host.bus.run(10_000)
    assert host.get("EXECUTED") == 1
    assert [decode_reply(host.take()).safe for _ in range(3)] == [1] * 3


@pytest.mark.parametrize(
    ("length", "reserve"), [(2**32 - 1, RESERVE), (4097, RESERVE), (9, RESERVE), (8, 2**32 - 1), (8, 8189)]
)
def test_a_record_that_cannot_be_stops_the_session_and_nothing_is_executed(host, length, reserve):
    host.put(STATUS[:8], reserve, length)
    host.go()
    host.bus.run(1000)
    assert host.get("STATUS") >> registers.BAD_RECORD_BIT & 1
    assert host.get("STARTED") == 0
    again = RawBus(host.bus, 2)
    assert decode_reply(again.execute([STATUS], RESERVE)[0]).set_pulses == 0


@pytest.mark.parametrize("tail", [4, 2**32 - 4, 0x4004])
def test_a_tail_that_cannot_be_stops_the_session(host, tail):
    host.set("COMMAND_TAIL", tail)
    host.bus.run(1000)
    assert host.get("STATUS") >> registers.BAD_RECORD_BIT & 1


def test_safe_stops_what_runs_and_aborts_what_waits(host):
    executed = begin_pulses(host, 3)
    host.wait("STARTED", executed + 1)
    host.bus.run(20_000)
    host.set("CONTROL", 1 << registers.SAFE_BIT)
    host.wait("SAFES", 1)
    host.put(STATUS, RESERVE)
    host.go()
    found = [decode_reply(host.take()) for _ in range(4)]
    assert [getattr(reply, "refusal", None) for reply in found] == [Refusal.ABORTED] * 3 + [None]
    assert host.get("STOPPED") == executed + 1
    done = host.get("STOPPED_PROGRESS")
    assert 0 < done < 200
    assert found[3].set_pulses == 9 * done


def test_safe_at_rest_stops_nothing(host):
    host.set("CONTROL", 1 << registers.SAFE_BIT)
    host.wait("SAFES", 1)
    assert host.get("STOPPED") == 0
    host.execute([STATUS], RESERVE)


def test_a_new_host_finds_what_was_executed_and_takes_over(host):
    executed = begin_pulses(host, 4)
    host.wait("EXECUTED", executed + 2)
    host.wait("STARTED", executed + 3)
    host.set("SESSION", 99)  # too early: a command is in execution
    assert host.get("SESSION") == 1
    host.set("CONTROL", 1 << registers.SAFE_BIT)
    host.wait("SAFES", 1)
    host.wait("EXECUTED", executed + 4)
    other = RawBus(host.bus, 99)
    assert (other.get("STARTED"), other.get("EXECUTED"), other.get("COMMAND_HEAD")) == (0, 0, 0)
    assert 2 * 1800 <= decode_reply(other.execute([STATUS], RESERVE)[0]).set_pulses < 3 * 1800


def test_the_interrupt_is_high_while_a_reply_waits(host):
    bus = host.bus
    host.put(STATUS, RESERVE)
    host.go()
    bus.run(1000)
    assert not bus.interrupt
    host.set("CONTROL", 1 << registers.INTERRUPT_BIT)
    assert bus.interrupt
    host.take()
    assert not bus.interrupt
