"""A board that is reset in the middle: what it did not answer is named, counted as executed, and never sent again."""

import h5py
import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.crossbar.pulselog import COLUMNS, PulseLog
from hwctl.errors import LinkError, SessionLost
from hwctl.links import open_link
from hwctl.links.bytelink import ByteLink
from hwctl.links.server import BoardServer, LoopPort
from hwctl.protocol import commands
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import Polarity

TARGET = "emulator:?device=reram-es&rows=6&cols=5&seed=4"
BOARDS = {"counters": TARGET, "host counts": f"{TARGET}&lacks=counters"}


class Dying(LoopPort):
    """A board that executes `last` more commands and is reset before it says so of the last one."""

    last = None

    def read(self):
        if self.last is None:
            return super().read()
        self.last -= self._server.work()
        if self.last > 0:
            return self._server.session.outgoing()
        self._server.session.reset()
        self.last = None
        return b""


@pytest.fixture(params=BOARDS)
def dying(request):
    """A board about to die, the crossbar on it, and how the crossbar's link is made."""
    url = BOARDS[request.param]
    inner = open_link(url)
    port = Dying(BoardServer(inner), url)

    def opened(wrap=lambda link: link):
        link = ByteLink.connect(port, url)
        return Crossbar(wrap(link)), link

    yield port, inner, opened
    inner.close()


def shapes(crossbar):
    return tuple(crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))


def truth(inner):
    """Return the pulses that cells really got (rows, cols)."""
    return from_words(Crossbar(inner).dump().words)["count"].astype(np.int64).reshape(6, 5)


def test_a_pulse_in_doubt_is_named_and_counted_and_never_sent_again(dying):
    port, inner, opened = dying
    crossbar, link = opened()
    pair = shapes(crossbar)
    crossbar.pulse(np.full((6, 5), 2), *pair)
    port.last = 1
    with pytest.raises(SessionLost, match=r"in doubt.*PULSE rows 1-2, columns 0-4\); open it again and read") as lost:
        crossbar.pulse(np.full((2, 5), -3), *pair, rows=slice(1, 3))
    (command,) = lost.value.in_doubt
    assert isinstance(command, commands.Pulse)
    expected = np.zeros((6, 5), np.int64)
    expected[1:3] = 3
    np.testing.assert_array_equal(crossbar.pulses_in_doubt(lost.value), expected)
    with pytest.raises(SessionLost) as again:
        crossbar.pulse(np.ones((6, 5), np.int64), *pair)
    assert again.value.in_doubt == ()
    np.testing.assert_array_equal(truth(inner), 2 + expected)
    if crossbar._counted is not None:
        np.testing.assert_array_equal(crossbar.pulse_counts(), 2 + expected + 1)  # the last, too, may have been sent
    link.close()
    other, link = opened()  # the next session: nothing of the old one is sent
    other.read()
    np.testing.assert_array_equal(truth(inner), 2 + expected)
    link.close()


def test_posted_pulses_are_named_with_their_cells(dying):
    port, inner, opened = dying
    crossbar, link = opened()
    pair = shapes(crossbar)
    port.last = 2
    for row in range(3):
        crossbar.pulse_cells([row, row], [1, 3], [4, -4], *pair)
    with pytest.raises(SessionLost, match=r"PULSE_SPARSE 2 cells in rows 1-1, columns 1-3") as lost:
        crossbar.read()
    doubt = crossbar.pulses_in_doubt(lost.value)
    got = truth(inner)
    assert got.sum(axis=1).tolist() == [8, 8, 0, 0, 0, 0]  # one answered, one executed, one not
    assert doubt.sum(axis=1).tolist() == [0, 8, 8, 0, 0, 0]
    if crossbar._counted is not None:
        assert crossbar.pulse_counts().sum(axis=1).tolist() == [8, 8, 8, 0, 0, 0]
    link.close()


def test_a_pulse_log_holds_what_was_answered_and_flags_what_is_in_doubt(dying, tmp_path):
    port, inner, opened = dying
    path = tmp_path / "pulses.h5"
    with PulseLog(path) as log:
        crossbar, link = opened(log.wrap)
        pair = shapes(crossbar)
        several = [
            commands.PulseSparse(
                np.array([n], np.uint16),
                np.array([n], np.uint16),
                np.array([n + 1], np.int8),
                *(s.number for s in pair),
            )
            for n in range(4)
        ]
        port.last = 3
        with pytest.raises(SessionLost) as lost:
            crossbar.link.execute_all(several)
        assert [command.rows[0] for command in lost.value.in_doubt] == [2, 3]
        link.close()
    with h5py.File(path) as file:
        columns = {name: file[name][:] for name in COLUMNS}
    assert columns["row"].tolist() == [0, 1, 2, 3]
    assert columns["count"].tolist() == [1, 2, 3, 4]
    assert columns["doubt"].tolist() == [0, 0, 1, 1]
    assert np.diagonal(truth(inner)).tolist() == [1, 2, 3, 0, 0]


def test_of_a_closed_loop_in_doubt_the_most_is_logged(dying, tmp_path):
    port, _, opened = dying
    path = tmp_path / "pulses.h5"
    with PulseLog(path) as log:
        crossbar, link = opened(log.wrap)
        sets, resets = shapes(crossbar)
        if crossbar._counted is not None:
            pytest.skip("the loop runs on the host there")
        port.last = 1
        with pytest.raises(LinkError) as lost:
            crossbar.write_verify(np.full((6, 5), 50e-6), 1e-6, [sets], [resets], attempts=7)
        assert (crossbar.pulses_in_doubt(lost.value) == 7).all()
        link.close()
    with h5py.File(path) as file:
        assert (file["count"][:] == 7).all()
        assert file["ramped"][:].all()
        assert file["doubt"][:].all()
        assert len(file["doubt"]) == 30
