"""A line that loses, breaks and doubles what passes it, by a seed: `faulty:flip=1e-3,drop=1e-3,seed=7:URL`."""

from dataclasses import dataclass, fields

import numpy as np

from hwctl.errors import LinkClosed, TargetError
from hwctl.links.bytelink import ByteLink
from hwctl.links.ports import Port
from hwctl.links.raw import open_port
from hwctl.links.target import Target

DELIMITER = b"\0"


@dataclass(frozen=True)
class Faults:
    """Probabilities, 0 to below 1: of a byte for `flip`, of a frame for the others but `disconnect`."""

    flip: float = 0.0
    """One bit of a byte is inverted."""
    drop: float = 0.0
    dup: float = 0.0
    """A frame comes twice."""
    truncate: float = 0.0
    """A frame ends early."""
    delay: float = 0.0
    """A frame comes after the one behind it."""
    disconnect: float = 0.0
    """A write finds the port gone; it opens again."""
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Return faults of NAME=VALUE joined by commas. Raises TargetError."""
        known = {field.name for field in fields(cls)}
        values: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            if name not in known:
                raise TargetError(f"fault '{part}'; known: {', '.join(sorted(known))}")
            try:
                values[name] = int(value) if name == "seed" else float(value)
            except ValueError:
                values[name] = -1.0
            if not 0 <= values[name] < (np.inf if name == "seed" else 1):
                raise TargetError(f"fault '{part}'; give a probability from 0 to below 1, or a whole seed from 0")
        return cls(**values)  # type: ignore[arg-type]  # seed is an int


class FaultyPort:
    """A port whose frames meet faults in both directions."""

    def __init__(self, port: Port, faults: Faults) -> None:
        """Take an open port."""
        self.name = port.name
        self.bytes_per_second = port.bytes_per_second
        self.met: dict[str, int] = {field.name: 0 for field in fields(Faults) if field.name != "seed"}
        """Faults so far, by kind."""
        self._port = port
        self._faults = faults
        self._rng = np.random.default_rng(faults.seed)
        self._held: dict[str, bytes] = {"in": b"", "out": b""}
        self._begun = b""  # of a frame that is still coming in

    def read(self) -> bytes:
        """Return bytes that came, after faults.

        What has no delimiter yet waits for it, or for a read without bytes: a slow line hands out frames in crumbs, and
        shares are of frames.
        """
        data = self._port.read()
        came = self._begun + data
        end = came.rfind(DELIMITER) + 1 if data else len(came)
        self._begun = came[end:]
        return self._pass("in", came[:end])

    def write(self, data: bytes) -> None:
        """Send bytes, after faults. Raises LinkClosed at a disconnection."""
        if self._happens("disconnect"):
            raise LinkClosed(f"{self.name} vanished (a fault that was asked for)")
        broken = self._pass("out", data)
        if broken:
            self._port.write(broken)

    def reopen(self) -> None:
        """Go on after a disconnection: the line below was there all the time."""

    def close(self) -> None:
        """Close the port below."""
        self._port.close()

    def _happens(self, kind: str) -> bool:
        share = getattr(self._faults, kind)
        happens = bool(share) and self._rng.random() < share
        self.met[kind] += happens
        return happens

    def _pass(self, way: str, data: bytes) -> bytes:
        if not data:
            return data
        passed = bytearray()
        for piece in _pieces(data):
            if self._happens("drop"):
                continue
            broken = self._break(piece)
            if self._happens("delay"):
                self._held[way] += broken
                continue
            passed += broken + self._held[way]
            self._held[way] = b""
            if self._happens("dup"):
                passed += broken
        return bytes(passed)

    def _break(self, piece: bytes) -> bytes:
        if self._happens("truncate"):
            piece = piece[: int(self._rng.integers(len(piece)))]
        if not self._faults.flip or not piece:
            return piece
        hit = np.flatnonzero(self._rng.random(len(piece)) < self._faults.flip)
        if not hit.size:
            return piece
        self.met["flip"] += int(hit.size)
        found = np.frombuffer(piece, np.uint8).copy()
        found[hit] ^= (1 << self._rng.integers(0, 8, hit.size)).astype(np.uint8)
        return found.tobytes()


def _pieces(data: bytes) -> list[bytes]:
    """Return runs of bytes that end with a delimiter, as frames do, and what is left."""
    parts = data.split(DELIMITER)
    return [part + DELIMITER for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def open_faulty(target: Target) -> ByteLink:
    """Open `faulty:FAULTS:URL`; of a board in this process a byte line is made first. Raises TargetError."""
    spec, colon, inner = target.url.partition(":")[2].partition(":")
    if not colon or not inner:
        raise TargetError(
            f"target '{target.url}'; give faulty:FAULTS:URL, for example 'faulty:drop=0.01,seed=7:emulator:'"
        )
    return ByteLink.connect(FaultyPort(open_port(inner), Faults.parse(spec)), target.url)
