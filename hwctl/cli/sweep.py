"""`hwctl sweep`: many runs at once, each kept as it is done."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hwctl.cli.output import Json, write_json
from hwctl.errors import Interrupted

if TYPE_CHECKING:
    from hwctl.sweeps.point import Point

SAID_EVERY = 30.0  # s between two lines where there is no terminal
SHOWN = ("test_accuracy", "pulses", "pulses_max_cell", "array_seconds")


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="What all runs share, and what is varied.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Results; default beside the sweep file.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=0, help="Processes; 0: one a core.")] = 0,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, whose workers are used.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the runs, and run none.")] = False,
    json: Json = None,
) -> None:
    """Run all combinations of what a sweep file varies, with every seed.

    Cut off, it goes on where the same command is given again: runs whose results are in the file are not run again.
    """
    from hwctl.sweeps.results import Results  # noqa: PLC0415  not needed for --help
    from hwctl.sweeps.spec import Sweep  # noqa: PLC0415
    from hwctl.sweeps.workers import run  # noqa: PLC0415

    points = list(Sweep.load(file).points())
    if dry_run:
        Console().print(f"{len(points)} runs", highlight=False)
        return
    results = Results(out or file.with_suffix(".jsonl"))
    left = sum(point.key not in results.runs for point in points)
    console = Console()
    console.print(f"{len(points)} runs, {left} of them to do; results: {results.path}", highlight=False, soft_wrap=True)
    try:
        with _progress(console, left) as tell:
            run(points, results, workers, scheduler, tell)
    except KeyboardInterrupt:
        raise Interrupted(
            f"sweep interrupted; the same command goes on with it ({len(results.runs)} runs are in {results.path})"
        ) from None
    table = _table([(point, results.runs[point.key]) for point in points])
    if json is None:
        _show(console, table)
    write_json(json, {"runs": len(points), "table": table})


@contextmanager
def _progress(console: Console, runs: int) -> "Iterator[Callable[[Point, dict[str, Any]], None]]":
    """Yield what is to be called with each finished run: a bar on a terminal, a line now and then elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    done, said = 0, time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=runs)

        def tell(point: "Point", result: dict[str, Any]) -> None:
            nonlocal done, said
            done += 1
            bar.advance(task)
            if not console.is_terminal and time.monotonic() - said > SAID_EVERY:
                said = time.monotonic()
                console.print(f"{done}/{runs} runs", highlight=False)

        yield tell


def _table(runs: "Sequence[tuple[Point, dict[str, Any]]]") -> list[dict[str, Any]]:
    """Return a row a combination: what was varied, and mean and standard deviation over the seeds."""
    import numpy as np  # noqa: PLC0415

    groups: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for point, result in runs:
        labels = {name: value for name, value in point.labels.items() if name != "seed"}
        groups.setdefault(str(labels), []).append((labels, result))
    rows = []
    for group in groups.values():
        row: dict[str, Any] = {**group[0][0], "seeds": len(group)}
        for name in SHOWN:
            values = np.array(
                [r["pulses_set"] + r["pulses_reset"] if name == "pulses" else r[name] for _, r in group], np.float64
            )
            row |= {
                name: float(values.mean()),
                f"{name}_spread": float(values.std(ddof=1)) if len(values) > 1 else None,
            }
        rows.append(row)
    return rows


def _show(console: Console, table: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415

    varied = [name for name in table[0] if name != "seeds" and not name.startswith(SHOWN)]
    shown = Table(*varied, "seeds", "test accuracy", "pulses", "worst cell", "array time", box=None, pad_edge=False)
    for row in table:
        spread = "" if row["test_accuracy_spread"] is None else f" ± {100 * row['test_accuracy_spread']:.2f}"
        shown.add_row(
            *(str(row[name]) for name in varied), str(row["seeds"]), f"{100 * row['test_accuracy']:.2f}%{spread}",
            f"{row['pulses']:,.0f}", f"{row['pulses_max_cell']:,.0f}", f"{row['array_seconds']:.3g} s",
        )  # fmt: skip
    console.print(shown)
