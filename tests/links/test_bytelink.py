import time

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import BoardError, LinkClosed, LinkTimeout
from hwctl.links import open_link
from hwctl.links.bytelink import ByteLink
from hwctl.links.server import BoardServer, LoopPort
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import Polarity
from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

TARGET = "emulator:?device=reram-es&rows=21&cols=20&seed=4"


@pytest.fixture
def board():
    """A byte link to an emulator in this process, and the server behind it."""
    server = BoardServer(open_link(TARGET))
    link = ByteLink.connect(LoopPort(server, TARGET), TARGET)
    yield link, server
    link.close()


def pulses(crossbar, count=1):
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
    return crossbar.pulse_cells([0, 1], [2, 3], [count, -count], sets, resets)


def test_posted_pulses_are_executed_in_order_and_nobody_waits_for_them(board):
    link, server = board
    crossbar = Crossbar(link)
    executed = server.session.executed
    assert pulses(crossbar, 3) == (3, 3)
    # Shapes are asked for, the pulses are on their way.
    assert server.session.executed <= executed + 2
    assert crossbar.pulse_counts()[[0, 1], [2, 3]].tolist() == [3, 3]
    assert crossbar.status().set_pulses == 3


def test_a_posted_command_that_is_refused_is_named_by_the_next_call(board):
    link, _ = board
    crossbar = Crossbar(link)
    bad = commands.PulseSparse(np.array([0], np.uint16), np.array([0], np.uint16), np.array([1], np.int8), 99, 98)
    link.post(bad)
    with pytest.raises(BoardError, match=r"refused command \d+ \(PULSE_SPARSE 1 cells.*nothing of it was executed"):
        crossbar.status()
    assert crossbar.status().set_pulses == 0


def test_posted_pulses_are_executed_before_the_link_is_closed():
    inner = open_link(TARGET)
    link = ByteLink.connect(LoopPort(BoardServer(inner), TARGET), TARGET)
    for _ in range(40):
        pulses(Crossbar(link))
    link.close()
    reply = inner.execute(commands.Status())
    assert isinstance(reply, replies.BoardStatus)
    assert (reply.set_pulses, reply.reset_pulses, reply.safe) == (40, 40, 1)
    with pytest.raises(LinkClosed, match="open it again"):
        link.execute(commands.Status())


def test_wbc_in_mini_batches_takes_at_most_four_round_trips_a_batch(board, monkeypatch):
    link, _ = board
    config = setup.resolve(TrainConfig(task="wbc", targets=(TARGET,), batch=32, epochs=1))
    crossbar = Crossbar(link)
    trainer = Trainer(config, [crossbar], setup.step_model([crossbar]), setup.load_data(config))
    trainer.start()
    trips = []
    whole = ByteLink.execute_all
    monkeypatch.setattr(ByteLink, "execute_all", lambda self, several: trips.append(1) or whole(self, several))
    updates, rows = 40, np.arange(len(trainer.data.train_y))
    for n in range(updates):
        trainer.update(np.random.default_rng(n).choice(rows, 32))
    assert crossbar.status().set_pulses > 0
    assert len(trips) - 1 <= 4 * updates


def test_a_line_that_says_something_else_in_the_middle_is_named_with_what_came_and_is_not_waited_for_again(monkeypatch):
    class Stolen(LoopPort):
        stolen = False

        def read(self):
            return b"\r\nERROR\r\n" if self.stolen else super().read()

    monkeypatch.setattr("hwctl.links.bytelink.SILENCE_TIMEOUT", 0.3)
    port = Stolen(BoardServer(open_link(TARGET)), TARGET)
    crossbar = Crossbar(ByteLink.connect(port, TARGET))
    pulses(crossbar)
    port.stolen = True
    pulses(crossbar)
    with pytest.raises(LinkTimeout, match=r"did not answer command \d+ \(PULSE_SPARSE.*\), 'ERROR.*' came; check"):
        crossbar.read()
    before = time.monotonic()
    crossbar.close()
    assert time.monotonic() - before < 2.0
