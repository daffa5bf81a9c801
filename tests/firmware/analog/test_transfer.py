"""Voltages at a line and codes of its DAC: laws of the conversion, with either polarity."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.analog.transfer import Transfer, exact, ticks_down, ticks_near, ticks_up
from hwctl.errors import LimitError


@st.composite
def transfers(draw):
    top = draw(st.sampled_from([255, 4095, 16383]))
    step = Fraction(draw(st.integers(1, 10**6)), draw(st.sampled_from([4096, 10**6, 10**9, 3 * 10**7])))
    return Transfer(step, draw(st.integers(0, top)), draw(st.sampled_from([1, -1])), top)


@st.composite
def reached(draw, count):
    """A transfer, and voltages that its DAC reaches."""
    transfer = draw(transfers())
    low, high = (float(end) for end in transfer.volts)
    return transfer, [draw(st.floats(low, high)) for _ in range(count)]


@given(reached(1))
def test_a_code_is_within_half_a_step_of_its_voltage(case):
    transfer, (volts,) = case
    code = transfer.code_of(volts)
    assert 0 <= code <= transfer.top
    assert abs(transfer.volts_of(code) - exact(volts)) <= transfer.step / 2


@given(reached(2))
def test_codes_are_monotone_in_the_direction_of_the_polarity(case):
    transfer, volts = case
    low, high = (transfer.code_of(value) for value in sorted(volts))
    assert low <= high if transfer.polarity > 0 else low >= high


@given(transfers(), st.data())
def test_every_code_has_one_number_of_steps(transfer, data):
    code = data.draw(st.integers(0, transfer.top))
    volts = transfer.volts_of(code)
    steps = volts / transfer.step
    assert steps.denominator == 1
    assert transfer.code_at(int(steps)) == code
    low, high = transfer.steps
    assert low <= steps <= high
    for beyond in (low - 1, high + 1):
        with pytest.raises(LimitError, match="the DAC puts"):
            transfer.code_at(beyond)


@given(transfers(), st.floats(0, 100))
def test_a_limit_is_rounded_down(transfer, volts):
    steps = transfer.steps_within(volts)
    assert steps * transfer.step <= exact(volts) < (steps + 1) * transfer.step


@given(transfers(), st.integers(-20000, 0), st.integers(0, 20000), st.data())
def test_a_guard_lets_those_codes_by_that_are_within(transfer, low, high, data):
    first, last = transfer.span(low, high)
    code = data.draw(st.integers(0, transfer.top))
    inside = low * transfer.step <= transfer.volts_of(code) <= high * transfer.step
    assert (first <= code <= last) == inside
    assert first <= transfer.zero <= last


@given(st.floats(1e-9, 1.0), st.sampled_from([12e6, 25e6, 48e6, 100e6, 33333333.0]))
def test_waits_are_rounded_up_and_limits_down(seconds, clock):
    up, down, near = (rounded(seconds, clock) for rounded in (ticks_up, ticks_down, ticks_near))
    ticks = exact(seconds) * exact(clock)
    assert down <= ticks <= up
    assert up - down <= 1
    assert near in (up, down)
    assert abs(near - ticks) <= Fraction(1, 2)


def test_decimals_are_exact():
    assert exact(0.1) == Fraction(1, 10)
    assert ticks_up(1e-6, 48e6) == ticks_down(1e-6, 48e6) == 48
    assert ticks_up(0.3, 10.0) == ticks_down(0.3, 10.0) == 3  # 0.1 + 0.2 of floats would be 4 and 3
