"""Classification tasks: what to train on, with source and licence, and how to load it."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from hwctl.errors import TaskError

if TYPE_CHECKING:
    from hwctl.training.tasks.dataset import Dataset

Loader = Callable[[int, Path | None], "Dataset"]


@dataclass(frozen=True)
class Task:
    """Describe a task: inputs, classes, the hidden layers and training that suit it, and where its data comes from.

    `load(seed, data_dir)` returns the Dataset; the seed draws the split where the task has no standard one,
    and `data_dir` (or None) is a folder that holds the files. It raises TaskError where they are missing or
    damaged. `rate` is the learning rate of momentum at `batch` samples an update,
    `largest_weight` what a differential pair at its bounds stands for.
    """

    name: str
    title: str
    description: str
    features: int
    classes: int
    hidden: tuple[int, ...]
    activation: str
    epochs: int
    batch: int
    rate: float
    largest_weight: float
    source: str
    licence: str
    load: Loader


def get(name: str) -> Task:
    """Return the task of that name; raise TaskError, which lists the known ones, where there is none."""
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(name.lower(), TASKS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise TaskError(f"unknown task {name!r}; {hint}choose one of {', '.join(TASKS)}")


def _loader(module: str, function: str) -> Loader:
    """Import the loader's module when it is first called, so that listing tasks stays quick."""

    def load(seed: int, data_dir: Path | None = None) -> "Dataset":
        found = cast(Loader, getattr(import_module(f"hwctl.training.tasks.{module}"), function))
        return found(seed, data_dir)

    return load


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            Task(
                name="wbc",
                title="Wisconsin breast cancer (original)",
                description="683 complete rows of cell features graded 1 to 10: benign or malignant",
                features=9,
                classes=2,
                hidden=(10,),
                activation="tanh",
                epochs=10,
                batch=1,
                rate=0.009,
                largest_weight=4.0,
                source="UCI Machine Learning Repository, doi 10.24432/C5HP4Z",
                licence="CC BY 4.0",
                load=_loader("tabular", "load_wbc"),
            ),
            Task(
                name="iris",
                title="Iris",
                description="150 flowers by length and width of sepal and petal: three species",
                features=4,
                classes=3,
                hidden=(10,),
                activation="tanh",
                epochs=60,
                batch=1,
                rate=0.01,
                largest_weight=4.0,
                source="UCI Machine Learning Repository, doi 10.24432/C56C76",
                licence="CC BY 4.0",
                load=_loader("tabular", "load_iris"),
            ),
            Task(
                name="wine",
                title="Wine",
                description="178 wines by chemical analysis: three cultivars",
                features=13,
                classes=3,
                hidden=(10,),
                activation="tanh",
                epochs=30,
                batch=1,
                rate=0.01,
                largest_weight=4.0,
                source="UCI Machine Learning Repository, doi 10.24432/C5PC7J",
                licence="CC BY 4.0",
                load=_loader("tabular", "load_wine"),
            ),
            Task(
                name="mnist",
                title="MNIST handwritten digits",
                description="60000 training and 10000 test images of 28 x 28 pixels: ten digits",
                features=784,
                classes=10,
                hidden=(100,),
                activation="sigmoid",
                epochs=5,
                batch=50,
                rate=0.15,
                largest_weight=1.0,
                source="Y. LeCun, C. Cortes and C. J. C. Burges, the MNIST database, 1998",
                licence="CC BY-SA 3.0",
                load=_loader("mnist", "load_mnist"),
            ),
        )
    }
)
