"""Commands to a physical array: through the engine, the front end and its parts, to single cells, and back."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from board_files import FAST, PASSIVE, TRANSISTORS, UNGATED, loaded, smaller

from firmware.analog.array import AnalogArray
from firmware.analog.identity import identity_of_board
from firmware.analog.pins import driven_pins
from firmware.engine.engine import Engine
from firmware.engine.replies import fixed_replies
from firmware.front.port import receive_bytes
from firmware.parameters import Parameters
from firmware.simulation.physical import PhysicalBoard
from hwctl.protocol import commands, replies
from hwctl.protocol.codec import decode_reply, encode_command
from hwctl.protocol.codes import Feature, HalfSelect, Polarity, Refusal, ShapePer, Trip
from hwctl.protocol.packing import Ramp, Region

SMALL = {**FAST, **smaller(5, 8), "limits.pulses_per_cell": 6}
MOST_CLOCKS = 400_000
SET_SHAPE, RESET_SHAPE, FORM_SHAPE = 0, 1, 2


class Bench:
    """An engine whose session is by hand, and a physical board around its front end."""

    def __init__(self, board, step=2e-6):
        self.board = board
        self.parameters = Parameters(
            rows=len(board.rows), cols=len(board.cols), physical=True, transposed=False, outer=False,
            receive_budget=2048, reply_budget=2048, largest_frame=2048,
        )  # fmt: skip
        self.identity = identity_of_board(board, self.parameters, "a test")
        self.engine = Engine(self.parameters, board.codes.board_codes, fixed_replies(self.identity), 0)
        self.array = AnalogArray(board, self.parameters)
        self.g = np.full((len(board.rows), len(board.cols)), 10e-6)
        self.physical = PhysicalBoard(board, self.g, self._respond)
        self.step, self.pulsed = step, np.zeros(self.g.shape, int)
        self.ends = []  # clocks at which pulses were over

    def _respond(self, applied):
        """Let a pulse of either polarity move its cell by a step; readings move nothing."""
        self.physical.applied.append(applied)
        if abs(applied.volts) > self.board.sense.read + 1e-9:
            rising = (applied.volts > 0) == (self.board.pulses[Polarity.SET].side == "row")
            self.pulsed[applied.row, applied.col] += 1
            self.ends.append(self.physical.clock)
            self.g[applied.row, applied.col] += self.step if rising else -self.step

    def _module(self):
        m = Module()
        m.submodules.engine, m.submodules.array = engine, array = self.engine, self.array
        port = engine.session
        m.submodules.receive = self.receive = Memory(shape=8, depth=receive_bytes(self.parameters), init=[])
        m.submodules.reply = self.reply = Memory(shape=8, depth=self.parameters.reply_budget, init=[])
        read, write = self.receive.read_port(), self.reply.write_port()
        m.d.comb += [
            read.addr.eq(port.read_address), port.read_data.eq(read.data), port.read_valid.eq(1),
            write.addr.eq(port.write_address), write.data.eq(port.write_data), write.en.eq(port.write_en),
            array.heard.eq(1), array.executing.eq(engine.executing), array.safe.eq(port.safe),
        ]  # fmt: skip
        connect(m, engine.array, array.port)
        return m

    def run(self, script):
        async def look(ctx):
            while True:
                await ctx.tick()
                pins = {name: ctx.get(getattr(self.array, name)) for name in driven_pins(self.board)}
                for name, lines in self.physical.see(pins).items():
                    ctx.set(getattr(self.array, name), lines)

        async def power_up(ctx):
            self.ctx = ctx
            await ctx.tick().until(self.array.guard.running)
            await script(self)

        simulator = Simulator(self._module())
        simulator.add_clock(1 / self.board.clock)
        simulator.add_testbench(look, background=True)
        simulator.add_testbench(power_up)
        simulator.run()

    async def ask(self, command):
        """Execute a command and return its reply."""
        ctx, port, raw = self.ctx, self.engine.session, encode_command(command)
        for n, byte in enumerate(raw):
            ctx.set(self.receive.data[n], byte)
        ctx.set(port.length, len(raw))
        ctx.set(port.reserve, self.parameters.reply_budget - 1)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.taken)
        ctx.set(port.valid, 0)
        for _ in range(MOST_CLOCKS):
            _, _, over, length, first = await ctx.tick().sample(port.finish, port.reply_length, port.reply_start)
            if over:
                return decode_reply(bytes(ctx.get(self.reply.data[first + n]) for n in range(length)))
        raise AssertionError("the engine did not answer")

    async def shapes(self):
        """Configure the strongest level of each polarity."""
        for number, polarity in ((SET_SHAPE, Polarity.SET), (RESET_SHAPE, Polarity.RESET), (FORM_SHAPE, Polarity.FORM)):
            for level in self.board.levels(polarity)[-1:]:
                done = await self.ask(commands.ConfigureShape(number, polarity, *level.codes, 0))
                assert isinstance(done, replies.Done)

    async def bias(self, scheme):
        """Configure reads with a bias of unselected lines; return the reply."""
        return await self.ask(commands.ConfigureRead(self.board.codes.nominal_read, 4, 10, scheme))

    async def narrow(self, **limits):
        """Narrow some limits and return the answer."""
        return await self.ask(commands.ConfigureLimits(**{**dict.fromkeys(replies.LIMITS, 0), **limits}))

    async def pulse(self, row, col, counts):
        region = Region(row, row + len(counts), col, col + len(counts[0]))
        shapes = np.array([SET_SHAPE], np.uint8), np.array([RESET_SHAPE], np.uint8)
        return await self.ask(commands.Pulse(region, np.array(counts, np.int8), ShapePer.COMMAND, *shapes))


@pytest.fixture
def bench(tmp_path):
    short = {**SMALL, "pulse.set.width_s": 200e-9, "pulse.reset.width_s": 150e-9, "pulse.form.width_s": 300e-9}
    return Bench(loaded(TRANSISTORS, short, tmp_path))


def test_a_physical_board_says_that_it_cannot_be_loaded_and_what_it_may_drive(bench):
    async def script(b):
        found = await b.ask(commands.Identify())
        loops = Feature.WRITE_VERIFY | Feature.FORM
        assert found.features == Feature.COUNTERS | Feature.VMM | Feature.LIMITS | loops
        assert found.max_amplitude * found.volts_per_code <= b.board.limits.amplitude
        assert len(found.drive_levels) == len(b.board.levels(Polarity.SET)) + len(b.board.levels(Polarity.RESET))
        for command in (commands.Seed(1), commands.Wait(5), commands.Dump(Region(0, 1, 0, 1))):
            assert (await b.ask(command)).refusal == Refusal.UNSUPPORTED

    bench.run(script)


def test_pulses_reach_the_cells_that_a_command_names_and_readings_say_so(bench):
    counts = [[1, -2, 0], [0, 3, -1]]

    async def script(b):
        await b.shapes()
        found = await b.pulse(2, 5, counts)
        assert (found.set_pulses, found.reset_pulses) == (4, 3)
        np.testing.assert_array_equal(b.pulsed[2:4, 5:8], np.abs(counts))
        assert b.pulsed.sum() == 7
        read = await b.ask(commands.Read(Region(2, 4, 5, 8), 2, 4, 0))
        siemens = read.readings * b.identity.siemens_per_code
        np.testing.assert_allclose(siemens, b.g[2:4, 5:8], atol=0.3e-6)
        kept = await b.ask(commands.Counters(Region(1, 5, 5, 8)))
        np.testing.assert_array_equal(kept.counts[1:3], np.abs(counts))
        assert not kept.counts[[0, 3]].any()

    bench.run(script)


def test_write_verify_closes_its_loop_over_the_real_parts(bench):
    async def script(b):
        await b.shapes()
        code = b.identity.siemens_per_code
        targets = np.round(np.array([[14e-6, 10e-6], [6e-6, 16e-6]]) / code).astype(np.uint16)
        ramps = Ramp(SET_SHAPE, SET_SHAPE, 0), Ramp(RESET_SHAPE, RESET_SHAPE, 0)
        found = await b.ask(
            commands.WriteVerify(Region(0, 2, 0, 2), targets, round(1.2e-6 / code), 5, 0, *ramps, 0)
        )  # fmt: skip
        assert found.reached.all()
        np.testing.assert_array_equal(found.set_pulses, [[2, 0], [0, 3]])
        np.testing.assert_array_equal(found.reset_pulses, [[0, 0], [2, 0]])
        np.testing.assert_allclose(b.g[:2, :2], [[14e-6, 10e-6], [6e-6, 16e-6]])

    bench.run(script)


def test_a_trip_ends_the_command_is_named_in_status_and_stops_all_others_until_it_is_acknowledged(bench):
    async def script(b):
        await b.shapes()
        await b.pulse(3, 3, [[5]])
        assert (await b.pulse(3, 3, [[3]])).refusal == Refusal.ABORTED
        assert b.pulsed[3, 3] == 6
        assert (await b.ask(commands.Status())).faults == Trip.BUDGET
        for _ in range(2):
            refused = await b.pulse(4, 4, [[1]])
            assert refused.refusal == Refusal.INTERLOCK
            assert "STATUS names" in refused.detail
        assert (await b.ask(commands.Read(Region(0, 1, 0, 1), 0, 4, 0))).refusal == Refusal.INTERLOCK
        assert b.pulsed[4, 4] == 0
        assert isinstance(await b.ask(commands.Safe()), replies.Done)
        assert (await b.ask(commands.Status())).faults == 0
        await b.ctx.tick().until(b.array.guard.running)
        assert (await b.pulse(4, 4, [[1]])).set_pulses == 1
        assert b.pulsed[4, 4] == 1

    bench.run(script)


def test_forming_stops_where_a_reading_says_that_a_cell_is_formed(bench):
    bench.step = 8e-6

    async def script(b):
        await b.shapes()
        stop = round(25e-6 / b.identity.siemens_per_code)
        ramp = Ramp(FORM_SHAPE, FORM_SHAPE, 0)
        found = await b.ask(commands.Form(Region(1, 2, 1, 3), ramp, 5, stop, 0, 0))
        assert found.formed.all()
        np.testing.assert_array_equal(found.pulses, [[2, 2]])
        assert {abs(one.volts) > b.board.limits.amplitude for one in b.physical.applied} == {False, True}

    bench.run(script)


def test_transistors_select_and_no_bias_of_unselected_lines_is_taken(bench):
    async def script(b):
        for scheme in (HalfSelect.V_HALF, HalfSelect.V_THIRD):
            assert (await b.bias(scheme)).refusal == Refusal.OVER_LIMIT
        assert isinstance(await b.bias(HalfSelect.GROUNDED), replies.Done)

    bench.run(script)


@pytest.mark.parametrize("schemes", [["v/2", "v/3"], ["v/3"], ["v/2", "grounded"]], ids=str)
def test_a_passive_board_pulses_with_the_bias_that_is_configured_and_with_its_own_until_then(schemes, tmp_path):
    short = {**UNGATED, "limits.pulses_per_cell": 6, "pulse.set.width_s": 200e-9, "board.half_select": schemes}
    bench = Bench(loaded(PASSIVE, short, tmp_path))
    able = bench.board.half_select
    cells = {HalfSelect.GROUNDED: 1, HalfSelect.V_HALF: 15, HalfSelect.V_THIRD: 64}  # that get any voltage

    async def pulsed(b):
        b.physical.applied = []
        assert (await b.pulse(4, 6, [[1]])).set_pulses == 1
        (volts,) = (one.volts for one in b.physical.applied if (one.row, one.col) == (4, 6))
        assert volts == pytest.approx(b.board.levels(Polarity.SET)[-1].amplitude, abs=2e-3)
        return len(b.physical.applied)

    async def script(b):
        await b.shapes()
        used = able[0]
        assert await pulsed(b) == cells[used]
        for scheme in (HalfSelect.V_THIRD, HalfSelect.V_HALF, HalfSelect.GROUNDED):
            reply = await b.bias(scheme)
            if scheme in able or scheme == HalfSelect.GROUNDED:
                assert isinstance(reply, replies.Done)
                used = scheme if scheme in able else able[0]
            else:
                assert reply.refusal == Refusal.OVER_LIMIT
            assert await pulsed(b) == cells[used]

    bench.run(script)
