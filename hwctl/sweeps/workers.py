"""Runs of a sweep on all cores of this machine, or on a Dask cluster."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hwctl.errors import HwctlError, SweepError
from hwctl.packages import need
from hwctl.sweeps.point import Point, measure
from hwctl.sweeps.results import Results
from hwctl.training.config import TrainConfig

TRIES = 2  # of a run whose worker died: memory may have been short for all at once
CONNECT = 10.0  # s to reach a Dask scheduler
Measure = Callable[[TrainConfig], dict[str, Any]]
Done = Iterator[tuple[Point, dict[str, Any]]]


def run(
    points: Iterable[Point], results: Results, workers: int, scheduler: str | None = None,
    tell: Callable[[Point, dict[str, Any]], None] | None = None,
    measured: Measure = measure,
) -> None:  # fmt: skip
    """Run all points that are not among the results yet, and keep each as it is done.

    workers: processes, 0 for one a core; scheduler: address of a Dask scheduler, whose workers are used instead; tell:
    called with each finished run; measured: what a worker calls with a run's configuration. Raises SweepError that
    names a run whose worker died again, or that failed; finished runs are kept.
    """
    waiting = [point for point in points if point.key not in results.runs]
    done = (
        _on_cluster(waiting, scheduler, measured)
        if scheduler
        else _on_cores(waiting, workers or os.cpu_count() or 1, measured)
    )
    for point, result in done:
        results.add(point.key, point.labels, result)
        if tell is not None:
            tell(point, result)


def _on_cores(points: Sequence[Point], workers: int, measured: Measure) -> Done:
    left = list(points)
    for attempt in range(TRIES):
        if not left:
            return
        # What a dead worker took along may be any run that was under way: after the first time, one at a time.
        with ProcessPoolExecutor(workers if attempt == 0 else 1) as pool:
            futures = {pool.submit(measured, point.config): point for point in left}
            try:
                for future in as_completed(futures):
                    point = futures[future]
                    result = _result(future, point)
                    left.remove(point)
                    yield point, result
            except BrokenProcessPool:
                continue
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if left:
        raise SweepError(f"the worker of run {dict(left[0].labels)} died twice (out of memory?); give fewer --workers")


def _result(future: "Future[dict[str, Any]]", point: Point) -> dict[str, Any]:
    """Return what a run came to. Raises SweepError that names a run which failed."""
    try:
        return future.result()
    except HwctlError as error:
        raise SweepError(f"run {dict(point.labels)}: {error}") from None


def _on_cluster(points: Sequence[Point], scheduler: str, measured: Measure) -> Done:
    need("distributed", "a sweep on a cluster", "leave --scheduler out to use this machine's cores")
    from distributed import Client  # noqa: PLC0415  an extra
    from distributed import as_completed as finished  # noqa: PLC0415
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    try:
        client = Client(scheduler, timeout=CONNECT)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise SweepError(f"no Dask scheduler at {scheduler} within {CONNECT:g} s ({error}); start one there") from None
    with client:
        futures = {client.submit(measured, point.config, key=point.key, pure=True): point for point in points}
        for future in finished(futures):  # type: ignore[no-untyped-call]
            point = futures[future]
            try:
                yield point, future.result()
            except KilledWorker:
                raise SweepError(f"run {dict(point.labels)} killed its workers; finished runs are kept") from None
            except HwctlError as error:
                raise SweepError(f"run {dict(point.labels)}: {error}") from None
