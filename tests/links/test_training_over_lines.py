import pytest

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

BOARD = "emulator:?device=reram-es&rows=21&cols=20&seed=0"
FAULTS = "flip=1e-4,drop=0.01,dup=0.02,truncate=0.01,delay=0.01,disconnect=0.005,seed=3"


def trained(url):
    """Return conductances, pulse counts, reads and history of wbc in mini-batches, trained on a target."""
    config = setup.resolve(TrainConfig(task="wbc", targets=(url,), batch=32, epochs=2))
    crossbars = setup.open_crossbars(config)
    try:
        trainer = Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))
        trainer.start()
        trainer.run()
        history = [
            {name: value for name, value in row.items() if name not in ("host_seconds", "link_bytes")}
            for row in trainer.history
        ]
        return crossbars[0].dump().words.tobytes(), history, crossbars[0].link
    finally:
        for crossbar in crossbars:
            crossbar.close()


@pytest.fixture(scope="module")
def expected():
    return trained(BOARD)[:2]


@pytest.mark.parametrize("where", [("--pty",), ("--tcp", 0)], ids=["pty", "tcp"])
def test_wbc_over_a_faulty_line_ends_with_the_bits_of_a_clean_one(served, expected, where):
    clean, _ = served(BOARD, *where)
    assert trained(clean)[:2] == expected
    bad, _ = served(BOARD, *where)
    words, history, link = trained(f"faulty:{FAULTS}:{bad}")
    assert (words, history) == expected
    assert sum(link._port.met.values()) > 10
