"""`hwctl tasks`: what there is to train on."""

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from hwctl.cli.output import Json, write_json
from hwctl.training.tasks import TASKS


def tasks(json: Json = None) -> None:
    """List the tasks: data, size, source and licence."""
    table = Table(title="Tasks")
    for column in ("task", "what it is", "layers", "source", "licence"):
        table.add_column(column)
    for task in TASKS.values():
        layers = "-".join(map(str, (task.features, *task.hidden, task.classes)))
        table.add_row(task.name, task.description, layers, task.source, task.licence)
    if json is None:
        Console().print(table)
    write_json(json, {"tasks": [{k: v for k, v in asdict(t).items() if k != "load"} for t in TASKS.values()]})
