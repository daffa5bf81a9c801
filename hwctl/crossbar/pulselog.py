"""A log of every pulse as it was executed, in HDF5: which cell, how many, with what voltages, for how long."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.outerproduct import event_counts
from hwctl.errors import LinkError, RunError
from hwctl.links import Link
from hwctl.links.watched import WatchedLink
from hwctl.packages import ON_A_PC, need
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Refusal, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp, Region
from hwctl.protocol.replies import Reply

FORMAT = "hwctl-pulse-log 1"
BUFFERED_ROWS = 1 << 16
FLUSH_INTERVAL = 5.0  # s after which the next pulses are written with all that wait
CHUNK_ROWS = 1 << 14
ARRAYS = 256
COLUMNS: dict[str, tuple[str, str, str]] = {
    "row": ("u2", "1", "row of the cell"),
    "col": ("u2", "1", "column of the cell"),
    "count": ("i2", "1", "pulses: + of a SET or FORM shape, - of a RESET shape"),
    "polarity": ("u1", "1", "0 SET, 1 RESET, 2 FORM"),
    "amplitude": ("f4", "V", "amplitude of one pulse"),
    "width": ("f4", "s", "width of one pulse"),
    "gate": ("f4", "V", "gate voltage, 0 where there is no gate line"),
    "compliance": ("f4", "A", "current limit, 0 for none"),
    "time": ("f8", "s", "host time since the log began at which the reply to the command came"),
    "command": ("u4", "1", "number of the pulse command in this log"),
    "array": ("u1", "1", "number of the array, as in the group arrays"),
    "ramped": ("u1", "1", "1: pulses of one polarity of a closed loop, whose first shape is given; 0: exact, in order"),
    "doubt": (
        "u1",
        "1",
        "1: lost before the reply, or stopped by SAFE: at most these, of a closed loop of either polarity",
    ),
}
"""Type, unit and description of each dataset; they have one row for each cell and train of pulses."""


class Pulses(NamedTuple):
    """Trains of pulses in the order of execution, each (n,)."""

    rows: NDArray[Any]
    cols: NDArray[Any]
    counts: NDArray[Any]
    """Signed."""
    shapes: NDArray[Any]
    """Numbers of pulse shapes."""
    ramped: bool = False
    doubt: bool = False


class PulseLog:
    """An HDF5 file that pulses are appended to; it is open only while it is written to, and valid in between."""

    def __init__(self, path: Path) -> None:
        """Begin a log, or go on with one. Raises RunError where the file is something else, or cannot be written."""
        self._path = path
        self._arrays = 0
        self._waiting: list[dict[str, Any]] = []
        self._rows = 0
        self._written = time.monotonic()
        with self._open() as file:
            if not file.attrs:
                _begin(file)
            rows = _length(file)
            self._commands = int(file["command"][rows - 1]) + 1 if rows else 0
            file.attrs["sessions"] = np.append(file.attrs["sessions"], np.uint64(rows))
            self._zero = time.monotonic() - (time.time() - float(file.attrs["began"]))

    def __enter__(self) -> "PulseLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wrap(self, link: Link) -> Link:
        """Return a link whose pulses are logged here, as those of one more array. Raises RunError beyond 256."""
        if self._arrays == ARRAYS:
            raise RunError(f"{self._path} holds {ARRAYS} arrays, no more; log fewer targets")
        number, self._arrays = self._arrays, self._arrays + 1
        board = _Board(self, number, link.url)
        return WatchedLink(link, board.seen, board.doubted)

    def close(self) -> None:
        """Write what waits."""
        self.flush()

    def flush(self) -> None:
        """Write what waits. Raises RunError where that is impossible."""
        self._written = time.monotonic()
        if not self._waiting:
            return
        with self._open() as file:
            start = _length(file)
            for name, (kind, _, _) in COLUMNS.items():
                values = np.concatenate([np.broadcast_to(rows[name], rows["row"].shape) for rows in self._waiting])
                file[name].resize((start + self._rows,))
                file[name][start:] = values.astype(kind)
        self._waiting, self._rows = [], 0

    def describe(self, number: int, url: str, identity: replies.Identity) -> None:
        """Note what an array is. Raises RunError where the log has another one under its number."""
        found = {"device": identity.device, "rows": identity.rows, "cols": identity.cols}
        with self._open() as file:
            group = file["arrays"].require_group(str(number))
            if not group.attrs:
                group.attrs.update({**found, "target": url})
            logged = {name: group.attrs[name] for name in found}
        if logged != found:
            texts = ("{rows} x {cols} {device}".format(**which) for which in (logged, found))
            raise RunError("{}: array {} is {} there, {} here; log to another file".format(self._path, number, *texts))

    def append(self, number: int, trains: Pulses, values: NDArray[np.float64]) -> None:
        """Log one executed command of array `number`.

        values: polarity, amplitude in V, width in s, gate in V, compliance in A of every pulse shape (shapes, 5).
        """
        rows = np.asarray(trains.rows)
        if not rows.size:
            return
        polarity, amplitude, width, gate, compliance = values[trains.shapes].T
        # A shape that another host left on the board is known by its sign alone.
        polarity = np.where(np.isnan(polarity), np.less(trains.counts, 0), polarity)
        self._waiting.append(
            {
                "row": rows, "col": trains.cols, "count": trains.counts, "polarity": polarity, "amplitude": amplitude,
                "width": width, "gate": gate, "compliance": compliance, "time": time.monotonic() - self._zero,
                "command": self._commands, "array": number, "ramped": trains.ramped,
                "doubt": trains.doubt,
            }
        )  # fmt: skip
        self._commands += 1
        self._rows += rows.size
        if self._rows >= BUFFERED_ROWS or time.monotonic() - self._written >= FLUSH_INTERVAL:
            self.flush()

    def _open(self) -> "_File":
        return _File(self._path)


class _File:
    """The HDF5 file while it is open; what HDF5 raises becomes one RunError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> Any:
        need("h5py", "the pulse log", f"leave out --pulse-log, or {ON_A_PC}")
        import h5py  # noqa: PLC0415  slow to import, and absent on 32-bit Arm

        if self._path.exists() and not (self._path.is_file() and h5py.is_hdf5(self._path)):
            raise RunError(f"{self._path} is no HDF5 file; name another file for the pulse log")
        try:
            self._file = h5py.File(self._path, "a")
            found = self._file.attrs.get("format", FORMAT if not len(self._file) else None)
        except (OSError, RuntimeError) as error:
            raise self._error(error) from None
        if not isinstance(found, str) or found != FORMAT:
            self._file.close()
            raise RunError(f"{self._path}: format '{FORMAT}' was expected, {found!r} came; name another file")
        return self._file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except (OSError, RuntimeError) as failed:
            raise self._error(failed) from None
        if isinstance(error, OSError | RuntimeError | KeyError):
            raise self._error(error) from None

    def _error(self, error: BaseException) -> RunError:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return RunError(f"cannot write the pulse log {self._path} ({reason}); make room, or name another file")


def _begin(file: Any) -> None:
    for name, (kind, unit, description) in COLUMNS.items():
        made = file.create_dataset(
            name, (0,), kind, maxshape=(None,), chunks=(CHUNK_ROWS,), compression="gzip", compression_opts=1,
            shuffle=True,
        )  # fmt: skip
        made.attrs.update({"units": unit, "description": description})
    file.create_group("arrays")
    file.attrs.update({"format": FORMAT, "began": time.time(), "sessions": np.zeros(0, np.uint64)})


def _length(file: Any) -> int:
    """Return the rows that all datasets have; one that was cut off may have more in some."""
    return min(len(file[name]) for name in COLUMNS)


class _Board:
    """What has passed of one array's identity and pulse shapes."""

    def __init__(self, log: PulseLog, number: int, url: str) -> None:
        self._log = log
        self._number = number
        self._url = url
        self._scales: NDArray[np.float64] | None = None
        self._shapes = np.full((codes.PULSE_SHAPES, 5), np.nan)

    def seen(self, command: Command, reply: Reply) -> None:
        """Take a command that was executed, or refused."""
        if isinstance(reply, replies.Identity):
            volts, seconds = reply.volts_per_code, reply.seconds_per_code
            self._scales = np.array([1.0, volts, seconds, volts, reply.compliance_per_code])
            self._log.describe(self._number, self._url, reply)
        elif isinstance(command, commands.ConfigureShape) and isinstance(reply, replies.Done):
            shape = (command.polarity, command.amplitude, command.width, command.gate, command.compliance)
            self._shapes[command.index] = shape
        elif isinstance(reply, replies.Refused):
            if reply.refusal == Refusal.ABORTED:
                self.doubted(command)
        elif type(command) in _TRAINS:
            self._append(_TRAINS[type(command)](command, reply))

    def doubted(self, command: Command) -> None:
        """Take a command of which nobody knows how much was executed: log the most."""
        if type(command) in _TRAINS:
            self._append(_TRAINS[type(command)](command, None)._replace(doubt=True))

    def _append(self, trains: Pulses) -> None:
        if self._scales is None:
            raise LinkError(f"{self._url} was not asked what it is; send IDENTIFY before pulses that are logged")
        self._log.append(self._number, trains, self._shapes * self._scales)


def _trains(
    region: Region, counts: NDArray[Any], set_shapes: Any, reset_shapes: Any, *, ramped: bool = False
) -> Pulses:
    """Return the pulses of a region's cells, row by row; counts (rows, cols), shapes (rows, cols) or one number."""
    at = np.nonzero(counts)
    found = counts[at]
    sets, resets = (np.broadcast_to(shapes, counts.shape)[at] for shapes in (set_shapes, reset_shapes))
    return Pulses(region.row0 + at[0], region.col0 + at[1], found, np.where(found > 0, sets, resets), ramped)


def _joined(parts: Iterator[Pulses], *, ramped: bool) -> Pulses:
    rows, cols, counts, shapes = zip(*(part[:4] for part in parts), strict=True)
    return Pulses(np.concatenate(rows), np.concatenate(cols), np.concatenate(counts), np.concatenate(shapes), ramped)


def _of_pulse(command: commands.Pulse, _: Reply | None) -> Pulses:
    shape = {
        ShapePer.COMMAND: (1, 1),
        ShapePer.ROW: (-1, 1),
        ShapePer.COL: (1, -1),
        ShapePer.CELL: command.counts.shape,
    }[command.per]
    counts = command.counts.astype(np.int64)
    return _trains(command.region, counts, command.set_shapes.reshape(shape), command.reset_shapes.reshape(shape))


def _of_sparse(command: commands.PulseSparse, _: Reply | None) -> Pulses:
    at = np.flatnonzero(command.counts)
    counts = command.counts[at]
    return Pulses(
        command.rows[at], command.cols[at], counts, np.where(counts > 0, command.set_shape, command.reset_shape)
    )


def _of_outer(command: commands.Outer, _: Reply | None) -> Pulses:
    events = (event_counts(command, number) for number in range(len(command.x)))
    parts = (_trains(command.region, counts, command.set_shape, command.reset_shape) for counts in events)
    return _joined(parts, ramped=False)


def _of_verify(command: commands.WriteVerify, reply: replies.Verified | None) -> Pulses:
    if reply is None:
        return _most(command, command.set_ramp)
    counts = reply.set_pulses.astype(np.int64), -reply.reset_pulses.astype(np.int64)
    first = command.set_ramp.first, command.reset_ramp.first
    return _joined((_trains(command.region, part, *first) for part in counts), ramped=True)


def _of_form(command: commands.Form, reply: replies.Formed | None) -> Pulses:
    if reply is None:
        return _most(command, command.ramp)
    first = command.ramp.first
    return _trains(command.region, reply.pulses.astype(np.int64), first, first, ramped=True)


def _most(command: commands.WriteVerify | commands.Form, ramp: Ramp) -> Pulses:
    """Return all pulses that a closed loop may apply."""
    most = np.full(command.region.shape, command.attempts, np.int64)
    return _trains(command.region, most, ramp.first, ramp.first, ramped=True)


_TRAINS: dict[type[Command], Callable[[Any, Any], Pulses]] = {
    commands.Pulse: _of_pulse,
    commands.PulseSparse: _of_sparse,
    commands.Outer: _of_outer,
    commands.WriteVerify: _of_verify,
    commands.Form: _of_form,
}
