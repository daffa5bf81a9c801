"""What a tripped board is said to have done: the trips by name, what they mean, and what to do next."""

import numpy as np
import pytest

from hwctl.cli import main
from hwctl.crossbar import Crossbar
from hwctl.crossbar.trips import MEANINGS, said, trips_of
from hwctl.errors import BoardError
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Polarity, Refusal, Trip

DRIVING = commands.Pulse | commands.PulseSparse | commands.Read


class Tripping:
    """A board whose interlock trips at a command: no such board is at hand here, so its answers are made."""

    def __init__(self, link, refusal=Refusal.INTERLOCK):
        self._link, self._refusal, self.trips, self.url = link, refusal, Trip(0), link.url

    def __getattr__(self, name):
        return getattr(self._link, name)

    def execute(self, command):
        if self.trips and isinstance(command, DRIVING):
            return replies.Refused(self._refusal, "an interlock has tripped")
        if isinstance(command, commands.Safe):
            self.trips = Trip(0)
        reply = self._link.execute(command)
        if isinstance(command, commands.Status):
            object.__setattr__(reply, "faults", 7 << 16 | self.trips)
        return reply

    def execute_all(self, several):
        return [self.execute(command) for command in several]

    def post(self, command):
        return self.execute(command)


@pytest.fixture
def tripping():
    opened = []

    def call(refusal=Refusal.INTERLOCK):
        link = Tripping(open_link("emulator:?rows=3&cols=4&lacks=emulated"), refusal)
        opened.append(link)
        return Crossbar(link), link

    yield call
    for link in opened:
        link.close()


@pytest.mark.parametrize(
    ("refusal", "told"), [(Refusal.INTERLOCK, "nothing was executed"), (Refusal.ABORTED, "read its cells back")]
)
def test_an_error_names_what_tripped_and_how_to_go_on(tripping, refusal, told):
    crossbar, link = tripping(refusal)
    shapes = crossbar.drive_levels(Polarity.SET)[0], crossbar.drive_levels(Polarity.RESET)[0]
    link.trips = Trip.BUDGET | Trip.SILENCE
    for ask in (lambda: crossbar.pulse(np.ones((3, 4), int), *shapes), crossbar.read):
        with pytest.raises(
            BoardError, match=r"tripped by SILENCE \(no frame.*\), BUDGET \(a cell.*'hwctl safe'"
        ) as caught:
            ask()
        assert str(caught.value).endswith(told)
        assert "\n" not in str(caught.value)
    assert crossbar.status().trips == Trip.BUDGET | Trip.SILENCE
    crossbar.safe()
    assert crossbar.status().trips == Trip(0)
    crossbar.read()


def test_a_refusal_without_a_trip_says_what_the_board_said(tripping):
    crossbar, link = tripping(Refusal.INTERLOCK)
    shapes = crossbar.drive_levels(Polarity.SET)[0], crossbar.drive_levels(Polarity.RESET)[0]
    link.execute = lambda command: (
        replies.Refused(Refusal.INTERLOCK, "the door is open")
        if isinstance(command, DRIVING)
        else Tripping.execute(link, command)
    )
    with pytest.raises(BoardError, match=r"refused PULSE: the door is open; nothing was executed"):
        crossbar.pulse(np.ones((3, 4), int), *shapes)


def test_every_trip_has_a_meaning_and_unknown_bits_are_left_out():
    assert set(MEANINGS) == set(Trip)
    assert trips_of(0x8000 | 0xFFFF0000 | Trip.WIDTH) == Trip.WIDTH
    assert said(Trip.WIDTH) == "WIDTH (a pulse was cut at its limit)"
    assert said(Trip(0)) == ""


def test_safe_leaves_a_board_at_rest_and_says_so(capsys):
    with pytest.raises(SystemExit) as end:
        main(["safe", "--target", "emulator:?rows=3&cols=4"])
    assert not end.value.code
    assert capsys.readouterr().out == "emulator:?rows=3&cols=4: at rest\n"
