"""Target URLs: SCHEME:REST, with options behind a question mark. The scheme names an entry point `hwctl.boards`."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import parse_qsl

from hwctl.errors import TargetError
from hwctl.links.link import Link

GROUP = "hwctl.boards"
TWINS = ("emulator", "sim")
"""Schemes whose path is that of a chip's record."""


@dataclass(frozen=True)
class Target:
    """A parsed target URL."""

    url: str
    scheme: str
    path: str
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> "Target":
        """Return the parts of a URL. Raises TargetError where it has no scheme or an option is malformed."""
        scheme, colon, rest = url.partition(":")
        if url.startswith("/"):  # a device's path
            scheme, colon, rest = "serial", ":", url
        if not colon or not scheme.isalnum():
            raise TargetError(f"target '{url}' has no scheme; use for example 'emulator:?device=reram-es'")
        path, _, query = rest.partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        except ValueError:
            raise TargetError(f"target '{url}': '{query}' is no list of option=value joined by '&'") from None
        options = dict(pairs)
        if len(options) < len(pairs):
            raise TargetError(f"target '{url}' names an option twice")
        return cls(url, scheme, path, options)

    def only(self, *known: str) -> None:
        """Raise TargetError where an option is none of `known`."""
        for name in self.options:
            if name not in known:
                raise TargetError(f"target '{self.url}': no option '{name}'; known: {', '.join(known)}")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return an option as an integer within low to high. Raises TargetError."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = int(text, 0)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise TargetError(f"target '{self.url}': {name}={text}; give an integer from {low} to {high}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return an option as a number within low to high. Raises TargetError."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise TargetError(f"target '{self.url}': {name}={text}; give a number from {low:g} to {high:g}")
        return value

    @property
    def record(self) -> Path | None:
        """Return the file of the chip whose digital twin a board emulates; None where it emulates no record's."""
        return Path(self.path) if self.scheme in TWINS and self.path else None


def open_link(url: str) -> Link:
    """Open the board at a target URL.

    Raises TargetError where no scheme or board of that name exists, MissingPackage for `emulator:` without numba.
    """
    target = Target.parse(url)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if target.scheme not in found:
        known = ", ".join(f"{name}:" for name in sorted(found)) or "none: is hwctl installed?"
        raise TargetError(f"target '{url}': no scheme '{target.scheme}:'; known: {known}")
    point = found[target.scheme]
    try:
        opener = point.load()
    except (ImportError, AttributeError) as error:
        raise TargetError(
            f"target '{url}': '{point.value}' cannot be loaded ({error}); reinstall its package"
        ) from None
    link: Link = opener(target)
    return link
