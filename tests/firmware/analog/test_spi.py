"""SPI from the part's side: bits at the edge where it takes them, select around each word, answers on all lines."""

from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.analog.spi import SpiMaster, SpiTiming


class Part:
    """What one part sees at its pins, clock by clock; it answers with what it was given, MSB first."""

    def __init__(self, samples_on, bits, answers=()):
        self.rising, self.bits, self.answers = samples_on == "rising", bits, list(answers)
        self.selected, self.sclk, self.words, self.taken, self.out = False, 0, [], [], 0

    def see(self, select_n, sclk, mosi):
        """Look at the pins in one clock; return the part's own data pin."""
        if not select_n and not self.selected:
            self.taken, self.answer = [], self.answers.pop(0) if self.answers else 0
            self.shift = self.bits - 1
            if self.rising:
                self.out = self.answer >> self.shift & 1
        if select_n and self.selected:
            self.words.append((len(self.taken), int("".join(map(str, self.taken)) or "0", 2)))
        edge = sclk != self.sclk and not select_n
        if edge and bool(sclk) == self.rising:
            self.taken.append(mosi)
        elif edge and (self.rising or self.selected or sclk):
            if self.rising:
                self.shift -= 1
            self.out = self.answer >> max(self.shift, 0) & 1
            if not self.rising:
                self.shift -= 1
        self.selected, self.sclk = not select_n, sclk
        return self.out


def run(timing, sent, answers=((),), shared=False):
    """Send (part, word); return what parts saw, and what came back, (words, lines). shared: one select for all."""
    master, came = SpiMaster(timing, 1 if shared else len(answers), len(answers)), []
    seen = [Part(timing.samples_on, timing.bits, mine) for mine in answers]

    async def look(ctx):
        while True:
            await ctx.tick()
            select, sclk, mosi = ctx.get(master.select_n), ctx.get(master.sclk), ctx.get(master.mosi)
            outs = [part.see(select >> (0 if shared else n) & 1, sclk, mosi) for n, part in enumerate(seen)]
            ctx.set(master.miso, sum(out << n for n, out in enumerate(outs)))
            if ctx.get(master.done):
                came.append([ctx.get(word) for word in master.received])

    async def send(ctx):
        for part, word in sent:
            ctx.set(master.words.payload, {"part": part, "bits": word})
            ctx.set(master.words.valid, 1)
            await ctx.tick().until(master.words.ready)
            ctx.set(master.words.valid, 0)
        await ctx.tick().repeat(timing.word_clocks + 3)

    simulator = Simulator(master)
    simulator.add_clock(1e-6)
    simulator.add_testbench(look, background=True)
    simulator.add_testbench(send)
    simulator.run()
    return seen, came


@settings(max_examples=25, deadline=None)
@given(
    edge=st.sampled_from(["rising", "falling"]), half=st.integers(2, 4), high=st.integers(2, 5),
    bits=st.integers(3, 24), data=st.data(),
)  # fmt: skip
def test_a_part_takes_the_bits_that_were_sent_and_no_others(edge, half, high, bits, data):
    words = data.draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=1, max_size=4))
    (part,), _ = run(SpiTiming(bits, half, high, edge), [(0, word) for word in words])
    assert part.words == [(bits, word) for word in words]


@pytest.mark.parametrize("edge", ["rising", "falling"])
def test_only_the_part_that_is_meant_is_selected(edge):
    sent = [(0, 0xA5), (2, 0x3C), (1, 0xFF), (2, 0x01)]
    parts, _ = run(SpiTiming(8, 2, 2, edge), sent, [()] * 3)
    assert [[word for _, word in part.words] for part in parts] == [[0xA5], [0xFF], [0x3C, 0x01]]


@pytest.mark.parametrize("edge", ["rising", "falling"])
def test_parts_that_share_a_select_answer_at_the_same_time(edge):
    answers = [[0xBEEF, 0x1234], [0x0001, 0x8000]]
    parts, came = run(SpiTiming(16, 3, 2, edge), [(0, 0xA5A5), (0, 1)], answers, shared=True)
    assert came == [[0xBEEF, 0x0001], [0x1234, 0x8000]]
    assert [part.words for part in parts] == [[(16, 0xA5A5), (16, 1)]] * 2


@pytest.mark.parametrize("timing", [SpiTiming(8, 1, 1), SpiTiming(24, 2, 5, "falling")])
def test_a_word_takes_as_many_clocks_as_its_timing_says(timing):
    master, starts = SpiMaster(timing, 1), []

    async def send(ctx):
        ctx.set(master.words.valid, 1)
        for clock in range(4 * timing.word_clocks):
            if ctx.get(master.words.ready):
                starts.append(clock)
            await ctx.tick()

    simulator = Simulator(master)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.run()
    assert {b - a for a, b in pairwise(starts)} == {timing.word_clocks}


@pytest.mark.parametrize("wrong", [{"bits": 0}, {"half": 0}, {"high": 0}, {"samples_on": "both"}])
def test_timing_that_no_part_has_is_refused(wrong):
    with pytest.raises(ValueError, match="give bits, half and high"):
        SpiTiming(**{"bits": 8, "half": 1, "high": 1, **wrong})
