"""What a run folder holds, for the tests of runs."""

import json
import time

import h5py


def state(folder):
    """Everything a run ends with but the time it took."""
    with h5py.File(folder / "checkpoint.h5") as file:
        arrays = {}
        file.visititems(
            lambda name, item: arrays.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
        )
        values = json.loads(file.attrs["values"])
    for row in values["history"]:
        del row["host_seconds"]
    del values["totals"]["host_seconds"]
    return arrays, values


def wait_for(process, folder, epochs):
    """Wait until a run has finished so many epochs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        metrics = folder / "metrics.csv"
        if metrics.is_file() and len(metrics.read_text().splitlines()) > epochs:
            return
        time.sleep(0.01)
    raise AssertionError("no progress within two minutes")


def progress(folder):
    with h5py.File(folder / "checkpoint.h5") as file:
        return json.loads(file.attrs["values"])["progress"]
