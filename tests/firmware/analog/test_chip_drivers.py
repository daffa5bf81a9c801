"""Drivers of converters and switches against models of the parts, at their pins."""

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.analog.adc import Adcs
from firmware.analog.dac import BETWEEN, Dacs, Output
from firmware.analog.parts import ADCS, DACS
from firmware.analog.switches import Switches
from firmware.simulation.chips import AdcChip, ChipError, DacChip, SwitchChain

DAC = DACS["AD5391-5"]
OUTPUTS = [Output(0, 3, 512), Output(1, 15, 0), Output(0, 0, 100), Output(2, 7, 4095)]
INTERNAL = (True, False, True)


class DacBench:
    """Three DACs on one SPI. read_high: clocks behind a word that asks; None: nothing is read back."""

    def __init__(self, part=DAC, outputs=OUTPUTS, half=2, read_high=None):
        self.driver = Dacs(part, outputs, INTERNAL, half=half, high=2, read_high=read_high)
        self.chips = [DacChip(part, part.reference) for _ in INTERNAL]
        self.stuck = None  # level of the data line
        self.deaf = ()  # chips that do not answer
        self.words = self.faults = 0

    def run(self, script, *others):
        driver = self.driver

        async def look(ctx):
            while True:
                await ctx.tick()
                data = ctx.get(driver.sdi) if self.stuck is None else self.stuck
                for n, chip in enumerate(self.chips):
                    try:
                        self.words += chip.see(ctx.get(driver.sync_n) >> n & 1, ctx.get(driver.sclk), data)
                    except ChipError:
                        if self.stuck is None:
                            raise
                        self.words += 1
                if driver.reads:
                    lines = sum(chip.sdo << n for n, chip in enumerate(self.chips) if n not in self.deaf)
                    ctx.set(driver.sdo, lines)
                self.faults += ctx.get(driver.wrong)

        simulator = Simulator(driver)
        simulator.add_clock(1e-6)
        for one in (look, *others):
            simulator.add_testbench(one, background=True)
        simulator.add_testbench(script)
        simulator.run()

    async def write(self, ctx, number, code):
        ctx.set(self.driver.codes.payload, {"channel": number, "code": code})
        ctx.set(self.driver.codes.valid, 1)
        await ctx.tick().until(self.driver.codes.ready)
        ctx.set(self.driver.codes.valid, 0)
        await ctx.tick().until(~self.driver.busy)

    def codes(self):
        """Return what the chips hold of each output."""
        return [self.chips[output.chip].codes[output.channel] for output in self.driver.outputs]


@pytest.mark.parametrize("name", DACS)
def test_each_code_stands_at_its_own_output_and_no_other(name):
    part, bench = DACS[name], DacBench(DACS[name])
    top = (1 << part.bits) - 1

    async def script(ctx):
        for number, code in ((0, 1), (1, top), (2, 0), (3, top // 3), (0, 77)):
            await bench.write(ctx, number, code)

    bench.run(script)
    assert bench.codes() == [77, top, 0, top // 3]
    assert sum(code is not None for chip in bench.chips for code in chip.codes) == len(OUTPUTS)
    assert bench.chips[0].volts(3) == pytest.approx(77 / (top + 1) * 2 * part.reference)


def test_references_that_the_parts_make_are_turned_on_before_anything_else():
    bench = DacBench()

    async def script(ctx):
        await bench.write(ctx, 1, 5)

    bench.run(script)
    assert [chip.internal_reference for chip in bench.chips] == list(INTERNAL)


def test_at_rest_every_output_has_its_own_code_and_it_is_said_once_it_has():
    bench, told = DacBench(), []

    async def script(ctx):
        await bench.write(ctx, 0, 9)
        ctx.set(bench.driver.to_rest, 1)
        await ctx.tick().until(bench.driver.rested)
        told.append(bench.codes())
        ctx.set(bench.driver.to_rest, 0)
        await bench.write(ctx, 2, 3)

    bench.run(script)
    rest = [output.rest for output in OUTPUTS]
    assert told == [rest]
    assert bench.codes() == [512, 0, 3, 4095]


def test_no_code_is_taken_while_outputs_go_to_rest():
    bench, taken = DacBench(), []

    async def script(ctx):
        await bench.write(ctx, 0, 9)
        ctx.set(bench.driver.to_rest, 1)
        ctx.set(bench.driver.codes.valid, 1)
        for _ in range(100):
            taken.append(ctx.get(bench.driver.codes.ready))
            await ctx.tick()

    bench.run(script)
    assert not any(taken)


# -- codes read back -------------------------------------------------------------------------------------------------


async def check(ctx, driver, clocks=5000):
    """Let the driver ask; return whether all stands."""
    ctx.set(driver.check, 1)
    for _ in range(clocks):
        if ctx.get(driver.stands):
            break
        await ctx.tick()
    ctx.set(driver.check, 0)
    return ctx.get(driver.stands)


@pytest.mark.parametrize("name", DACS)
@pytest.mark.parametrize("half", [1, 2, 3])
def test_codes_stand_once_every_part_has_told_its_own(name, half):
    part, bench, told = DACS[name], DacBench(DACS[name], half=half, read_high=7), []
    top = (1 << part.bits) - 1

    async def script(ctx):
        for number, code in ((0, 1), (1, top), (2, 0), (0, top // 3), (3, 5)):
            await bench.write(ctx, number, code)
            told.append(ctx.get(bench.driver.stands))
        told.append(await check(ctx, bench.driver))

    bench.run(script)
    assert told == [0] * 5 + [1]
    assert (bench.codes(), bench.faults) == ([top // 3, top, 0, 5], 0)


def test_nothing_is_asked_before_it_is_wanted_and_each_word_but_the_last_of_a_part_asks_for_the_next():
    bench, words = DacBench(read_high=7), []

    async def script(ctx):
        for number in (0, 2, 0, 1):  # two parts: three codes of one, one of the other
            await bench.write(ctx, number, 9)
        await ctx.tick().repeat(1000)
        words.append(bench.words)
        await check(ctx, bench.driver)
        words.append(bench.words)

    bench.run(script)
    references = sum(INTERNAL)
    assert words == [references + 4, references + 4 + (3 + 1) + (1 + 1)]


@settings(max_examples=10, deadline=None)
@given(
    level=st.integers(0, 1), after=st.integers(1, 400),
    writes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4095)), min_size=1, max_size=6),
)  # fmt: skip
def test_a_data_line_that_is_stuck_is_noticed_or_every_part_holds_its_code(level, after, writes):
    bench, seen = DacBench(read_high=7), []

    async def stick(ctx):
        await ctx.tick().repeat(after)
        bench.stuck = level

    async def script(ctx):
        for number, code in writes:
            await bench.write(ctx, number, code)
            await ctx.tick().repeat(3)
        for _ in range(100):
            if bench.stuck is not None:
                break
            await ctx.tick().repeat(10)
        stood = await check(ctx, bench.driver)
        seen.append((stood, bench.faults))

    bench.run(script, stick)
    wanted = dict(writes)
    held = {number: bench.codes()[number] for number in wanted}
    ((stood, faults),) = seen
    assert faults or (stood and held == wanted)


@pytest.mark.parametrize("chip", range(3))
def test_a_part_that_does_not_answer_never_comes_to_rest_until_it_does(chip):
    bench, told = DacBench(read_high=7), []

    async def script(ctx):
        bench.deaf = (chip,)
        ctx.set(bench.driver.to_rest, 1)
        for _ in range(4000):
            assert not ctx.get(bench.driver.rested)
            await ctx.tick()
        told.append(bench.faults)
        bench.deaf = ()
        await ctx.tick().until(bench.driver.rested)
        ctx.set(bench.driver.to_rest, 0)
        await ctx.tick().repeat(2)
        told.append(ctx.get(bench.driver.stands))

    bench.run(script)
    assert told[0] > 0
    assert told[1] == 1
    assert bench.codes() == [output.rest for output in OUTPUTS]


@pytest.mark.parametrize("read_high", [1, 5, 6, 9])
def test_a_part_has_its_time_behind_a_word_that_asks(read_high):
    bench, high = DacBench(read_high=read_high), []

    async def time(ctx):
        clocks = 0
        while True:
            selected = ctx.get(bench.driver.sync_n) != 0b111
            if selected and clocks:
                high.append(clocks)
            clocks = 0 if selected else clocks + 1
            await ctx.tick()

    async def script(ctx):
        for number in (0, 2, 0):
            await bench.write(ctx, number, 9)
        high.clear()
        await check(ctx, bench.driver)

    bench.run(script, time)
    assert high[-3:] == [max(read_high, BETWEEN)] * 3


def test_more_codes_than_can_be_kept_are_asked_for_in_between():
    bench, told = DacBench(read_high=7), []

    async def script(ctx):
        for n in range(40):
            await bench.write(ctx, n % 4, n)
        told.append(await check(ctx, bench.driver))

    bench.run(script)
    assert (told, bench.faults, bench.codes()) == ([1], 0, [36, 37, 38, 39])


# -- switches --------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(outputs=st.integers(1, 40), half=st.integers(1, 3), data=st.data())
def test_bit_n_of_a_pattern_is_output_n(outputs, half, data):
    patterns = data.draw(st.lists(st.integers(0, (1 << outputs) - 1), min_size=1, max_size=4))
    rest = data.draw(st.integers(0, (1 << outputs) - 1))
    driver, chain, seen = Switches(outputs, half, rest), SwitchChain(outputs), []

    async def look(ctx):
        while True:
            await ctx.tick()
            chain.see(ctx.get(driver.shcp), ctx.get(driver.ds), ctx.get(driver.stcp))

    async def script(ctx):
        for pattern in [rest, *patterns]:
            ctx.set(driver.pattern, pattern)
            await ctx.tick()
            await ctx.tick().until(~driver.busy)
            await ctx.tick()
            seen.append(sum(bit << n for n, bit in enumerate(chain.outputs)))

    simulator = Simulator(driver)
    simulator.add_clock(1e-6)
    simulator.add_testbench(look, background=True)
    simulator.add_testbench(script)
    simulator.run()
    assert seen == [rest, *patterns]


# -- ADCs ------------------------------------------------------------------------------------------------------------


def read(name, chips, channels, span=2, volts=lambda chip, channel: 0.1 * channel + 0.01 * chip, pause=0):
    """Convert channels; return (channel, values) of each reading, and the chips."""
    part = ADCS[name]
    driver = Adcs(part, chips, span, half=2, high=2)
    models = [AdcChip(part, 2.5, span, lambda channel, n=n: volts(n, channel)) for n in range(chips)]
    found = []

    async def look(ctx):
        while True:
            await ctx.tick()
            pins = ctx.get(driver.cs_n), ctx.get(driver.sclk), ctx.get(driver.sdi)
            ctx.set(driver.sdo, sum(model.see(*pins) << n for n, model in enumerate(models)))
            if ctx.get(driver.converted):
                found.append((ctx.get(driver.channel), [ctx.get(value) for value in driver.values]))

    async def script(ctx):
        for channel in channels:
            ctx.set(driver.channels.payload, channel)
            ctx.set(driver.channels.valid, 1)
            await ctx.tick().until(driver.channels.ready)
            ctx.set(driver.channels.valid, 0)
            await ctx.tick().repeat(1 + pause)
        await ctx.tick().until(driver.settled)
        await ctx.tick().repeat(2)

    simulator = Simulator(driver)
    simulator.add_clock(1e-6)
    simulator.add_testbench(look, background=True)
    simulator.add_testbench(script)
    simulator.run()
    return found, models


@pytest.mark.parametrize("name", ADCS)
@pytest.mark.parametrize("span", [1, 2])
def test_each_reading_is_of_the_channel_that_was_asked_for_on_every_chip(name, span):
    channels = [*range(ADCS[name].channels), 1, 1, 0]
    found, _ = read(name, 3, channels, span)
    codes = [[int((0.1 * channel + 0.01 * chip) / (span * 2.5) * 4096) for chip in range(3)] for channel in channels]
    assert found == list(zip(channels, codes, strict=True))


@pytest.mark.parametrize("pause", [3, 40, 400])
def test_readings_with_pauses_between_them_all_come(pause):
    found, _ = read("ADS7951", 1, [3, 0, 5], pause=pause)
    assert [channel for channel, _ in found] == [3, 0, 5]


def test_an_input_beyond_the_range_reads_as_the_highest_code():
    found, _ = read("ADS7950", 2, [1], volts=lambda chip, _: (-0.3, 9.0)[chip])
    assert found == [(1, [0, 4095])]


def test_readings_back_to_back_cost_one_frame_each_and_two_more():
    _, (chip,) = read("ADS7953", 1, range(16))
    assert chip.conversions == 16 + 2


# -- the models ------------------------------------------------------------------------------------------------------


def clocked(part, word, bits):
    """Return the pins clock by clock of one word at falling edges."""
    pins = [(1, 0, 0)]
    for n in range(bits):
        pins += [(0, 1, word >> (bits - 1 - n) & 1), (0, 0, word >> (bits - 1 - n) & 1)]
    return [*pins, (1, 0, 0)]


@pytest.mark.parametrize(("word", "bits", "says"), [
    (DAC.word(3, 9), 23, "23 bits of a word of 24"),
    (DAC.word(3, 9) | 1 << 23, 24, "no write to a channel"),
    (DAC.word(3, 9) & ~DAC.write, 24, "no write to a channel"),
])  # fmt: skip
def test_a_word_that_the_dac_would_not_take_as_meant_is_an_error(word, bits, says):
    chip = DacChip(DAC, 2.5)
    with pytest.raises(ChipError, match=says):
        for pins in clocked(DAC, word, bits):
            chip.see(*pins)


def test_a_dac_that_was_told_nothing_has_no_known_output():
    with pytest.raises(ChipError, match="never written"):
        DacChip(DAC, 2.5).volts(0)


def test_a_frame_for_another_range_is_an_error():
    part = ADCS["ADS7953"]
    chip = AdcChip(part, 2.5, 2, lambda _: 0.0)
    word = part.word(3, 1)
    pins = [(1, 0, 0), (0, 0, word >> 15)]
    for n in range(16):
        pins += [(0, 1, word >> (15 - n) & 1), (0, 0, word >> max(14 - n, 0) & 1)]
    with pytest.raises(ChipError, match="none of manual mode, range 2"):
        for one in [*pins, (1, 0, 0)]:
            chip.see(*one)
