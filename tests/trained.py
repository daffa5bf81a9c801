"""Training on a target, for tests that compare boards and lines to the bit."""

from hwctl.training import setup
from hwctl.training.config import TrainConfig
from hwctl.training.trainer import Trainer

NOT_OF_THE_RESULT = ("host_seconds", "link_bytes")


def trained(url, **options):
    """Return cells, history and the closed link of wbc trained on a target."""
    config = setup.resolve(TrainConfig(task="wbc", targets=(url,), **options))
    crossbars = setup.open_crossbars(config)
    try:
        trainer = Trainer(config, crossbars, setup.step_model(crossbars), setup.load_data(config))
        trainer.start()
        trainer.run()
        history = [
            {name: value for name, value in row.items() if name not in NOT_OF_THE_RESULT} for row in trainer.history
        ]
        return crossbars[0].dump().words.tobytes(), history, crossbars[0].link
    finally:
        for crossbar in crossbars:
            crossbar.close()
