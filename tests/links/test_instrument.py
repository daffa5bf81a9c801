"""`InstrumentLink`: an instrument hears of commands that can be done whole, in order, and no number is made up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.errors import LinkClosed, LinkError
from hwctl.links import Drive, InstrumentLink, Refuse
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import NO_READING, Feature, HalfSelect, Polarity, Refusal, ShapePer
from hwctl.protocol.packing import Ramp, Region

ROWS, COLS = 3, 4
SET, RESET, FORM = Polarity.SET, Polarity.RESET, Polarity.FORM
LEVELS = [(SET, 1000, 100, 0), (SET, 1200, 100, 50), (RESET, 1100, 200, 0), (FORM, 3000, 50, 0)]
WHOLE = Region(0, ROWS, 0, COLS)
STEP = 1e-9  # A a current code

IDENTITY = replies.Identity(
    codes.PROTOCOL_VERSION, ROWS, COLS, Feature(0), 1e-3, 5e-9, STEP, 1e-8, 1e-6,
    max_amplitude=1200, max_form_amplitude=3000, max_width=200, max_read=300,
    tia_ranges=np.array([2, 4, 7], np.uint8), drive_levels=np.array(LEVELS, np.uint32),
    receive_budget=1 << 20, reply_budget=1 << 20, largest_frame=1 << 20, device="recorded", build="1",
)  # fmt: skip


class Recorded(InstrumentLink):
    """Writes down what it is told, and reads the currents that it was given."""

    def __init__(self, currents=None, failing=()):
        self.told = []
        self.currents = np.zeros((ROWS, COLS)) if currents is None else currents
        self.failing = failing
        super().__init__("recorded:", IDENTITY)

    def _tell(self, name, *what):
        self.told.append((name, *what))
        if name in self.failing:
            raise LinkClosed("it is gone", "look for it")

    def read_currents(self, region, voltage, conversions):
        self._tell("read", region, voltage, conversions)
        return self.currents[region.row0 : region.row1, region.col0 : region.col1]

    def pulse_cell(self, row, col, drive, count):
        self._tell("pulse", row, col, drive, count)

    def rest(self):
        self._tell("rest")

    def release(self):
        self._tell("release")


def configured(link):
    for number, (polarity, amplitude, width, gate) in enumerate(LEVELS):
        reply = link.execute(commands.ConfigureShape(number, polarity, amplitude, width, gate, 0))
        assert isinstance(reply, replies.Done)
    link.told.clear()
    return link


def pulse(counts, per=ShapePer.COMMAND, sets=(0,), resets=(2,), region=WHOLE):
    shapes = (np.array(numbers, np.uint8) for numbers in (sets, resets))
    return commands.Pulse(region, np.array(counts, np.int8), per, *shapes)


def sparse(cells, counts, sets=0, resets=2):
    rows, cols = np.array(cells, np.uint16).reshape(-1, 2).T.copy()
    return commands.PulseSparse(rows, cols, np.array(counts, np.int8), sets, resets)


def drive(number):
    polarity, amplitude, width, gate = LEVELS[number]
    return Drive(polarity, pytest.approx(amplitude * 1e-3), pytest.approx(width * 1e-8), pytest.approx(gate * 1e-3))


# -- pulsing -------------------------------------------------------------------------------------------------------


@given(st.data())
def test_a_pulse_is_its_cells_in_row_major_order_each_with_its_shape(data):
    per = data.draw(st.sampled_from(ShapePer))
    row0, col0 = data.draw(st.integers(0, ROWS - 1)), data.draw(st.integers(0, COLS - 1))
    region = Region(row0, data.draw(st.integers(row0 + 1, ROWS)), col0, data.draw(st.integers(col0 + 1, COLS)))
    number = per.count(*region.shape)
    counts = np.array(data.draw(st.lists(st.integers(-127, 127), min_size=region.rows * region.cols,
                                         max_size=region.rows * region.cols))).reshape(region.shape)  # fmt: skip
    sets = data.draw(st.lists(st.sampled_from([0, 1]), min_size=number, max_size=number))
    link = configured(Recorded())
    reply = link.execute(pulse(counts, per, sets, [2] * number, region))
    expected = []
    for i, j in np.ndindex(region.shape):
        if counts[i, j]:
            place = {ShapePer.COMMAND: 0, ShapePer.ROW: i, ShapePer.COL: j, ShapePer.CELL: i * region.cols + j}[per]
            shape = sets[place] if counts[i, j] > 0 else 2
            expected.append(("pulse", row0 + i, col0 + j, drive(shape), abs(counts[i, j])))
    assert link.told == expected
    assert (reply.set_pulses, reply.reset_pulses) == (counts[counts > 0].sum(), -counts[counts < 0].sum())


def test_listed_cells_are_pulsed_in_the_order_of_the_list():
    link = configured(Recorded())
    reply = link.execute(sparse([(2, 3), (0, 0), (2, 3), (1, 1)], [3, -2, -1, 0]))
    assert link.told == [("pulse", 2, 3, drive(0), 3), ("pulse", 0, 0, drive(2), 2), ("pulse", 2, 3, drive(2), 1)]
    assert (reply.set_pulses, reply.reset_pulses) == (3, 3)


def test_totals_and_times_are_those_of_the_pulses_and_readings():
    link = configured(Recorded())
    link.execute(sparse([(0, 0), (0, 1)], [2, -3]))
    link.execute(commands.ConfigureRead(200, 4, 7, HalfSelect.GROUNDED))
    link.execute(commands.Read(Region(0, 2, 0, 3), 3, 4, 0))
    status = link.execute(commands.Status())
    assert (status.set_pulses, status.reset_pulses, status.reads) == (2, 3, 48)
    assert status.busy == status.clock == 2 * 100 + 3 * 200 + 2 * 8 * 7


# -- reading -------------------------------------------------------------------------------------------------------


def test_currents_are_codes_and_what_saturates_is_flagged():
    currents = np.array([[0.0, STEP, 2.4 * STEP, -200 * STEP], [4095 * 16 * STEP, 65521 * STEP, np.nan, np.inf],
                         [4095 * 4 * STEP, (4095 * 4 + 1) * STEP, STEP, STEP]])  # fmt: skip
    link = Recorded(currents)
    reply = link.execute(commands.Read(WHOLE, 0, 4, 0))
    assert reply.readings.dtype == np.uint16
    assert reply.readings.tolist() == [
        [0, 1, 2, 0], [65520, NO_READING, NO_READING, NO_READING], [16380, 16381, 1, 1],
    ]  # fmt: skip
    assert link.execute(commands.Read(WHOLE, 0, 2, 0)).readings[2].tolist() == [16380, NO_READING, 1, 1]


@pytest.mark.parametrize("current", [-5000 * STEP, -np.inf])
def test_a_current_of_the_wrong_sign_is_an_error_and_no_zero(current):
    currents = np.full((ROWS, COLS), 9 * STEP)
    currents[1, 2] = current
    link = Recorded(currents)
    with pytest.raises(LinkError, match="at a positive voltage"):
        link.execute(commands.Read(WHOLE, 0, 4, 0))


def test_a_reading_takes_the_voltage_and_the_range_that_are_configured():
    link = Recorded(np.full((ROWS, COLS), 20000 * STEP))
    link.execute(commands.ConfigureRead(150, 2, 0, HalfSelect.GROUNDED))
    link.told.clear()
    reply = link.execute(commands.Read(Region(1, 2, 2, 4), 5, codes.RANGE_AS_CONFIGURED, 0))
    assert link.told == [("read", Region(1, 2, 2, 4), pytest.approx(0.15), 32)]
    assert (reply.readings == NO_READING).all()


# -- refusals ------------------------------------------------------------------------------------------------------


def shape(polarity=SET, amplitude=1000, width=100, gate=0, compliance=0):
    return commands.ConfigureShape(9, polarity, amplitude, width, gate, compliance)


REFUSED = {
    "amplitude": (shape(amplitude=1201), Refusal.OVER_LIMIT),
    "forming amplitude": (shape(FORM, 3001), Refusal.OVER_LIMIT),
    "width": (shape(width=201), Refusal.OVER_LIMIT),
    "no width": (shape(width=0), Refusal.OVER_LIMIT),
    "level": (shape(amplitude=1001), Refusal.NOT_CHARACTERISED),
    "level of the other polarity": (shape(RESET), Refusal.NOT_CHARACTERISED),
    "compliance": (shape(compliance=5), Refusal.UNSUPPORTED),
    "read voltage": (commands.ConfigureRead(301, 4, 0, HalfSelect.GROUNDED), Refusal.OVER_LIMIT),
    "range": (commands.ConfigureRead(300, 3, 0, HalfSelect.GROUNDED), Refusal.OVER_LIMIT),
    "half-select": (commands.ConfigureRead(300, 4, 0, HalfSelect.V_THIRD), Refusal.UNSUPPORTED),
    "range of a read": (commands.Read(WHOLE, 0, 3, 0), Refusal.OVER_LIMIT),
    "region of a read": (commands.Read(Region(0, 4, 0, 4), 0, 4, 0), Refusal.OUT_OF_REGION),
    "region of a pulse": (pulse([[1] * 5], region=Region(0, 1, 0, 5)), Refusal.OUT_OF_REGION),
    "counts": (pulse([[1]]), Refusal.OVER_LIMIT),
    "one shape of many": (pulse([[1] * 4] * 3, ShapePer.ROW, (0, 1, 7), (2, 2, 2)), Refusal.NO_SHAPE),
    "a FORM shape": (pulse([[1] * 4] * 3, sets=(3,)), Refusal.NO_SHAPE),
    "the last of a list": (sparse([(0, 0), (0, 4)], [1, 1]), Refusal.OUT_OF_REGION),
    "no list": (sparse([], []), Refusal.OVER_LIMIT),
    "a shape of a list": (sparse([(0, 0)], [-1], resets=1), Refusal.NO_SHAPE),
    "FORM": (commands.Form(WHOLE, Ramp(3, 3, 0), 1, 1, 0, 0), Refusal.UNSUPPORTED),
    "WAIT": (commands.Wait(1), Refusal.UNSUPPORTED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_whole_is_refused_and_the_instrument_hears_nothing(name):
    command, refusal = REFUSED[name]
    link = configured(Recorded())
    reply = link.execute(command)
    assert isinstance(reply, replies.Refused)
    assert reply.refusal == refusal
    assert link.told == []
    assert link.execute(commands.Status()).safe == 1


def test_a_read_in_a_configured_range_that_no_reading_has_is_refused():
    link = Recorded()
    assert isinstance(link.execute(commands.ConfigureRead(300, 7, 0, HalfSelect.GROUNDED)), replies.Done)
    assert link.execute(commands.Read(WHOLE, 0, codes.RANGE_AS_CONFIGURED, 0)).refusal == Refusal.OVER_LIMIT


def test_a_check_of_the_instrument_refuses_too():
    class Slow(Recorded):
        def check_shape(self, command):
            if command.width < 200:
                raise Refuse(Refusal.OVER_LIMIT, "too short")

    reply = Slow().execute(shape())
    assert (reply.refusal, reply.detail) == (Refusal.OVER_LIMIT, "too short")


# -- rest, and what fails --------------------------------------------------------------------------------------------


def test_it_is_at_rest_from_the_start_after_safe_and_at_the_end():
    link = configured(Recorded())
    assert link.execute(commands.Status()).safe == 1
    link.execute(sparse([(0, 0)], [0]))
    assert link.execute(commands.Status()).safe == 1  # no line was driven
    link.execute(sparse([(0, 0)], [1]))
    assert link.execute(commands.Status()).safe == 0
    link.execute(commands.Safe())
    assert link.execute(commands.Status()).safe == 1
    link.close()
    link.close()
    assert [name for name, *_ in link.told] == ["pulse", "rest", "rest", "release"]
    with pytest.raises(LinkClosed, match="open it again"):
        link.execute(commands.Status())


def test_a_command_whose_instrument_fails_is_in_doubt_and_those_before_are_answered():
    link = configured(Recorded(failing={"pulse"}))
    several = [commands.Status(), sparse([(0, 0)], [1]), commands.Status()]
    with pytest.raises(LinkClosed) as lost:
        link.execute_all(several)
    assert lost.value.in_doubt == (several[1],)
    assert [command for command, _ in lost.value.answered] == several[:1]
    assert link.execute(commands.Status()).safe == 0


def test_commands_behind_a_refused_one_are_not_executed():
    link = configured(Recorded())
    found = link.execute_all([commands.Status(), commands.Wait(1), sparse([(0, 0)], [1])])
    assert len(found) == 2
    assert link.told == []


def test_a_failure_at_the_end_is_told_and_the_instrument_is_given_free():
    link = Recorded()
    link.failing = {"rest"}
    with pytest.raises(LinkError):
        link.close()
    assert link.told[-1] == ("release",)


def test_a_failure_that_is_known_is_not_told_again_at_the_end():
    link = Recorded()
    link.failing = {"rest", "read"}
    with pytest.raises(LinkClosed, match="gone"), Crossbar(link) as crossbar:
        crossbar.read()
    link.close()
    assert [name for name, *_ in link.told] == ["rest", "read", "rest", "release"]
