"""`hwctl train` on the simulated gateware: the same bits as on the software board."""

import pytest

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

OPTIONS = "?device=reram-es&rows=21&cols=20&seed=0"
FAULTS = "flip=1e-4,drop=0.01,dup=0.02,truncate=0.01,delay=0.01,seed=3"


def trained(url, **options):
    """Return cells and history of wbc trained on a target."""
    config = setup.resolve(TrainConfig(task="wbc", targets=(url,), **options))
    crossbars = setup.open_crossbars(config)
    try:
        trainer = Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))
        trainer.start()
        trainer.run()
        kept = ("host_seconds", "link_bytes")
        history = [{name: value for name, value in row.items() if name not in kept} for row in trainer.history]
        return crossbars[0].dump().words.tobytes(), history
    finally:
        for crossbar in crossbars:
            crossbar.close()


@pytest.mark.parametrize("options", [{"batch": 32, "epochs": 2}, {"batch": 1, "epochs": 1}], ids=["batch32", "batch1"])
def test_wbc_on_gateware_ends_with_the_bits_of_the_software_board(options):
    assert trained(f"sim:{OPTIONS}&lanes=4", **options) == trained(f"emulator:{OPTIONS}", **options)


def test_wbc_over_a_faulty_line_to_gateware_ends_with_the_same_bits():
    options = {"batch": 32, "epochs": 1}
    assert trained(f"faulty:{FAULTS}:sim:{OPTIONS}&lanes=4", **options) == trained(f"emulator:{OPTIONS}", **options)
