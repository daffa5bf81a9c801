"""The results of a sweep: a file of JSON lines, one a finished run, written as each is done."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwctl import __version__
from hwctl.errors import SweepError

KIND, FORMAT = "hwctl sweep", 1


class Results:
    """Finished runs by key. A line that was cut off while it was written does not count."""

    def __init__(self, path: Path) -> None:
        """Open a file, or begin one. Raises SweepError where it is of another kind, format or version of hwctl."""
        self.path = path
        self.runs: dict[str, dict[str, Any]] = {}
        """By key: labels, and what `point.measure` returned."""
        if path.exists() and path.stat().st_size:
            self._load()
        else:
            self._write({"kind": KIND, "format": FORMAT, "hwctl": __version__}, "w")

    def _load(self) -> None:
        try:
            text = self.path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SweepError(f"{self.path} cannot be read ({error}); name another results file") from None
        whole = text[: text.rfind("\n") + 1]
        head, *runs = [self._parsed(number, line) for number, line in enumerate(whole.splitlines(), 1)] or [{}]
        if head.get("kind") != KIND:
            raise SweepError(f"{self.path} is no results file of a sweep; name another one")
        if head.get("format") != FORMAT or head.get("hwctl") != __version__:
            raise SweepError(
                f"{self.path} has format {head.get('format')} of hwctl {head.get('hwctl')}, this is format {FORMAT} of "
                f"{__version__}; runs of two versions are not put together: name another results file"
            )
        for number, run in enumerate(runs, 2):
            if "key" not in run or "labels" not in run:
                raise SweepError(f"{self.path}, line {number} is no run; delete that line")
            self.runs[run["key"]] = run
        if len(whole) < len(text):  # the rest of a line that was cut off
            with self.path.open("r+") as file:
                file.truncate(len(whole.encode()))

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise SweepError(f"{self.path}, line {number} is damaged ({error}); delete that line") from None
        if not isinstance(found, dict):
            raise SweepError(f"{self.path}, line {number} is damaged; delete that line")
        return found

    def add(self, key: str, labels: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Keep a finished run; it is on the disk when this returns."""
        run = {"key": key, "labels": dict(labels), **result}
        self._write(run, "a")
        self.runs[key] = run

    def _write(self, line: Mapping[str, Any], mode: str) -> None:
        try:
            with self.path.open(mode) as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SweepError(f"{self.path} cannot be written ({error}); finished runs are kept") from None
