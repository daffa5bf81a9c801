"""Limits of a crossbar that are narrowed: by the board where it can, else by the host, with the same refusals."""

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.devices.chip import fabricate
from hwctl.emulator.board import EmulatedBoard
from hwctl.errors import LimitError
from hwctl.links.inprocess import InProcessLink
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Feature, OuterMode, Polarity

NONE = Feature(0)
ONES = np.ones((2, 3), int)


class Counted:
    """A link that keeps what was sent to the board."""

    def __init__(self, link):
        self._link, self.url, self.sent = link, link.url, []

    def __getattr__(self, name):
        return getattr(self._link, name)

    def execute(self, command):
        self.sent.append(command)
        return self._link.execute(command)

    def post(self, command):
        self.sent.append(command)
        return self._link.post(command)

    def execute_all(self, several):
        self.sent += several
        return self._link.execute_all(several)


def opened_with(lacks=NONE, board=None, device="neurram"):
    board = board or EmulatedBoard(fabricate(presets.get(device), 2, 3, seed=1), seed=2, lacks=lacks)
    return Crossbar(Counted(InProcessLink(board, "emulator:"))), board


@pytest.fixture(params=[NONE, Feature.LIMITS, Feature.LIMITS | Feature.COUNTERS], ids=["board", "host", "host counts"])
def lacks(request):
    return request.param


@pytest.fixture
def crossbar(lacks):
    return opened_with(lacks)[0]


def levels(crossbar):
    return crossbar.drive_levels(Polarity.SET), crossbar.drive_levels(Polarity.RESET)


def refused(crossbar, work, match="limit|takes"):
    """See that something is refused, and that no command for it was sent."""
    link = crossbar.link
    while not isinstance(link, Counted):
        link = link._link
    before, pulses = len(link.sent), crossbar.pulse_counts()
    before = len(link.sent)
    with pytest.raises(LimitError, match=match):
        work()
    assert not [c for c in link.sent[before:] if not isinstance(c, commands.ConfigureLimits)]
    np.testing.assert_array_equal(crossbar.pulse_counts(), pulses)


def test_the_limits_of_a_board_are_those_that_it_says(crossbar):
    identity, limits = crossbar.identity, crossbar.limits
    assert limits.read_voltage == identity.max_read * identity.volts_per_code
    assert limits.amplitude == identity.max_amplitude * identity.volts_per_code
    assert limits.width == limits.form_width == identity.max_width * identity.seconds_per_code
    assert limits.pulses is None


def test_a_narrowed_limit_is_rounded_down_and_the_others_stay(crossbar):
    before = vars(crossbar.limits)
    found = crossbar.narrow_limits(amplitude=2.00047, pulses=50)
    assert found.amplitude == pytest.approx(2.0)
    assert found.pulses == 50
    assert {**before, "amplitude": found.amplitude, "pulses": 50} == vars(found) == vars(crossbar.limits)
    assert crossbar.narrow_limits(amplitude=found.amplitude) == found
    assert crossbar.narrow_limits() == found


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("read_voltage", 9.0), ("amplitude", 9.0), ("width", 1.0), ("form_amplitude", 9.0), ("form_width", 1.0),
        ("pulses", 2**32), ("amplitude", 0.0), ("amplitude", -1.0), ("width", float("nan")), ("pulses", 0),
    ],
)  # fmt: skip
def test_a_limit_is_never_raised_nor_taken_to_nothing_and_then_none_is_narrowed(crossbar, limit, value):
    before = crossbar.limits
    refused(
        crossbar, lambda: crossbar.narrow_limits(**{"read_voltage": 0.1, limit: value}), f"{limit}.*only be narrowed"
    )
    assert crossbar.limits == before


def test_a_limit_that_was_narrowed_is_not_raised_again(crossbar):
    crossbar.narrow_limits(amplitude=2.0)
    refused(crossbar, lambda: crossbar.narrow_limits(amplitude=2.1, read_voltage=0.1), "amplitude 2.1; .* 2 holds")


def test_shapes_beyond_a_limit_are_neither_defined_nor_used(crossbar):
    sets, resets = levels(crossbar)
    strong, weak = sets[-1], sets[0]
    crossbar.narrow_limits(amplitude=strong.amplitude - 0.01)
    counts = np.zeros((2, 3), int)
    for work in (
        lambda: crossbar.shape(Polarity.SET, strong.amplitude, strong.width),
        lambda: crossbar.pulse(ONES, strong, resets[0]),
        lambda: crossbar.pulse_cells([0], [0], [1], weak, resets[-1]),
        lambda: crossbar.pulse_levels(ONES, counts + strong.number, counts + resets[0].number),
        lambda: crossbar.outer(ONES[:1, :2], ONES[:1], strong, resets[0], mode=OuterMode.COUNT),
        lambda: crossbar.write_verify(ONES * 1e-6, 1e-6, sets, resets),
    ):
        refused(crossbar, work)
    crossbar.pulse(ONES, weak, resets[0])
    assert weak in crossbar.drive_levels(Polarity.SET)
    assert strong not in crossbar.drive_levels(Polarity.SET)


def test_a_width_and_forming_have_limits_of_their_own(crossbar):
    sets, resets = levels(crossbar)
    shape = crossbar.shape(Polarity.FORM, 5.0, 1e-3)
    crossbar.narrow_limits(width=sets[0].width / 2)
    refused(crossbar, lambda: crossbar.pulse(ONES, sets[0], resets[0]))
    crossbar.form([shape], 1e-6, attempts=1)
    crossbar.narrow_limits(form_width=1e-4)
    refused(crossbar, lambda: crossbar.form([shape], 1e-6, attempts=1))
    refused(crossbar, lambda: crossbar.shape(Polarity.FORM, 5.0, 1e-3), "pulse width")


def test_readings_stop_until_their_voltage_is_within_the_limit(crossbar):
    crossbar.narrow_limits(read_voltage=0.1)
    for work in (
        crossbar.read, lambda: crossbar.vmm([[0.01, 0.01]]), lambda: crossbar.vmm_t([[0.01, 0.01, 0.01]]),
    ):  # fmt: skip
        refused(crossbar, work, "configure_read")
    refused(crossbar, lambda: crossbar.measure([0.11, 0.0], [0.0, 0.0, 0.0]), "across a cell")
    refused(crossbar, lambda: crossbar.configure_read(0.2), "read voltage")
    crossbar.configure_read(0.1)
    assert crossbar.read().shape == (2, 3)


def test_gates_have_limits_of_their_own(lacks):
    crossbar, _ = opened_with(lacks, device="hfox-1t1r")
    sets, resets = levels(crossbar)
    assert resets[-1].gate == 5.0
    crossbar.narrow_limits(gate=1.5)
    assert max(level.gate for level in crossbar.drive_levels(Polarity.SET)) <= 1.5
    assert not crossbar.drive_levels(Polarity.RESET)
    refused(crossbar, lambda: crossbar.shape(Polarity.SET, 2.5, 1e-6, gate=2.0), "gate voltage 2 V")
    for strong in (sets[-1], sets[0]):
        refused(crossbar, lambda strong=strong: crossbar.pulse(ONES, strong, resets[0]))
    assert crossbar.read().shape == (2, 3)


def test_forming_must_say_a_compliance_once_one_is_demanded(crossbar):
    amplitude = crossbar.limits.form_amplitude
    free = crossbar.shape(Polarity.FORM, amplitude, 1e-3)
    held = crossbar.shape(Polarity.FORM, amplitude, 1e-3, compliance=50e-6)
    crossbar.form([free], 1e-6, attempts=1)
    assert crossbar.narrow_limits(compliance=50e-6).compliance == pytest.approx(50e-6)
    refused(crossbar, lambda: crossbar.form([free], 1e-6, attempts=1))
    crossbar.form([held], 1e-6, attempts=1)
    for compliance in (0.0, 51e-6):
        shape = lambda amperes=compliance: crossbar.shape(Polarity.FORM, amplitude, 1e-3, compliance=amperes)  # noqa: E731
        refused(crossbar, shape, "at most 500; a code is 1e-07 A")
    refused(crossbar, lambda: crossbar.narrow_limits(compliance=51e-6), "compliance 5.1e-05; .* 5e-05 holds")


def test_no_cell_gets_more_pulses_than_its_budget_those_before_included(lacks):
    crossbar, _ = opened_with(lacks)
    sets, resets = levels(crossbar)
    crossbar.pulse(3 * ONES, sets[0], resets[0])
    crossbar.narrow_limits(pulses=9)
    crossbar.narrow_limits(pulses=5)
    over = Exception if lacks == NONE else LimitError  # of the board, or of the host
    with pytest.raises(over, match="pulses"):
        crossbar.pulse(3 * ONES, sets[0], resets[0])
    crossbar.pulse(2 * ONES, sets[0], resets[0])
    with pytest.raises(over, match="pulses"):
        crossbar.pulse(ONES, sets[0], resets[0])
    np.testing.assert_array_equal(crossbar.pulse_counts(), 5)


def test_a_host_that_opens_a_narrowed_board_knows_what_holds():
    first, board = opened_with()
    first.narrow_limits(read_voltage=0.1, amplitude=2.0)
    second, _ = opened_with(board=board)
    assert second.limits == first.limits
    assert second.read_voltage == pytest.approx(0.1)
    assert max(level.amplitude for level in second.drive_levels(Polarity.SET)) <= 2.0
    second.narrow_limits(amplitude=1.5)
    refused(first, lambda: first.narrow_limits(amplitude=1.8), "1.5 holds")


def test_a_board_without_the_command_is_never_asked_for_it():
    crossbar, board = opened_with(Feature.LIMITS)
    assert isinstance(board.execute(commands.ConfigureLimits()), replies.Refused)
    crossbar.narrow_limits(amplitude=2.0)
    assert not [c for c in crossbar.link.sent if isinstance(c, commands.ConfigureLimits)]
