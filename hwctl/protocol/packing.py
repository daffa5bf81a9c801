"""How the fields of a command or reply are laid out in bytes: little-endian, in the order they are declared."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import ProtocolError


class Scalar(NamedTuple):
    """A number in the fixed part; `format` is a struct code."""

    format: str


class Packed(NamedTuple):
    """An array behind the fixed part; `dtypes` are the element types that it may have."""

    dtypes: tuple[str, ...]
    dimensions: int


U8 = Annotated[int, Scalar("B")]
U16 = Annotated[int, Scalar("H")]
U32 = Annotated[int, Scalar("I")]
U64 = Annotated[int, Scalar("Q")]
F64 = Annotated[float, Scalar("d")]

#: Element type codes of a packed array: first byte of its header.
DTYPE_CODES: Mapping[str, int] = {
    "<i1": 1,
    "<u1": 2,
    "<i2": 3,
    "<u2": 4,
    "<i4": 5,
    "<u4": 6,
}
_DTYPES = {code: np.dtype(name) for name, code in DTYPE_CODES.items()}
MAX_ELEMENTS = 1 << 24

#: Metadata of a field that has no place on the wire.
NOT_SENT: Mapping[str, bool] = MappingProxyType({"sent": False})


class Region(NamedTuple):
    """Rows row0 <= i < row1 and columns col0 <= j < col1 of an array."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.row1 - self.row0

    @property
    def cols(self) -> int:
        """Number of columns."""
        return self.col1 - self.col0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row1 - self.row0, self.col1 - self.col0


class Ramp(NamedTuple):
    """Pulse shapes first, first + step, ... up to last: the n-th attempt uses the n-th, later ones the last."""

    first: int
    last: int
    step: int


_RECORDS: Mapping[type, str] = {Region: "4H", Ramp: "3B"}


@dataclass(frozen=True)
class Layout:
    """Byte layout of one dataclass: the fixed part, then text, then arrays."""

    fixed: struct.Struct
    scalars: tuple[tuple[str, type, int], ...]
    """Name, type and number of struct items of each field of the fixed part."""
    texts: tuple[str, ...]
    arrays: tuple[tuple[str, Packed], ...]

    def pack(self, item: object) -> bytes:
        """Return the body of a command or reply."""
        values: list[float] = []
        for name, _, count in self.scalars:
            value = getattr(item, name)
            values.extend(value) if count > 1 else values.append(value)
        try:
            parts = [self.fixed.pack(*values)]
        except struct.error as error:
            raise ProtocolError(f"{type(item).__name__}: {error}; use values that its fields can hold") from None
        parts += [_pack_text(getattr(item, name)) for name in self.texts]
        parts += [_pack_array(name, getattr(item, name), packed) for name, packed in self.arrays]
        return b"".join(parts)

    def unpack(self, body: bytes) -> dict[str, Any]:
        """Return the fields of a body. Raises ProtocolError where the bytes do not fit the layout exactly."""
        if len(body) < self.fixed.size:
            raise ProtocolError(f"body of {len(body)} bytes is shorter than its fixed part of {self.fixed.size}")
        values = list(self.fixed.unpack_from(body))
        found: dict[str, Any] = {}
        for name, kind, count in self.scalars:
            taken, values = values[:count], values[count:]
            found[name] = kind(*taken) if count > 1 else _scalar(name, kind, taken[0])
        position = self.fixed.size
        for name in self.texts:
            found[name], position = _unpack_text(name, body, position)
        for name, packed in self.arrays:
            found[name], position = _unpack_array(name, body, position, packed)
        if position != len(body):
            raise ProtocolError(f"{len(body) - position} bytes behind the last field")
        return found


def layout_of(kind: type) -> Layout:
    """Return the layout that a dataclass' annotations declare."""
    assert is_dataclass(kind)
    hints = get_type_hints(kind, include_extras=True)
    scalars: list[tuple[str, type, int]] = []
    formats, texts, arrays = ["<"], [], []
    sent = [field.name for field in fields(kind) if field.name != "options" and field.metadata.get("sent", True)]
    for name in sent:
        hint = hints[name]
        mark = getattr(hint, "__metadata__", (None,))[0]
        if isinstance(mark, Packed):
            arrays.append((name, mark))
        elif hint is str:
            texts.append(name)
        elif hint in _RECORDS:
            formats.append(_RECORDS[hint])
            scalars.append((name, hint, len(hint._fields)))
        else:
            formats.append(mark.format if isinstance(mark, Scalar) else "I" if issubclass(hint, IntFlag) else "B")
            scalars.append((name, hint if mark is None else float if mark.format == "d" else int, 1))
    return Layout(struct.Struct("".join(formats)), tuple(scalars), tuple(texts), tuple(arrays))


def _scalar(name: str, kind: type, value: Any) -> Any:
    if not issubclass(kind, IntEnum | IntFlag):
        return value
    try:
        return kind(value)
    except ValueError:
        raise ProtocolError(f"{name}: {value} is no {kind.__name__}") from None


def _pack_text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 0xFFFF:
        raise ProtocolError(f"text of {len(raw)} bytes; at most 65535 fit")
    return struct.pack("<H", len(raw)) + raw


def _unpack_text(name: str, body: bytes, position: int) -> tuple[str, int]:
    if position + 2 > len(body):
        raise ProtocolError(f"{name}: cut off before its length")
    end = position + 2 + int.from_bytes(body[position : position + 2], "little")
    if end > len(body):
        raise ProtocolError(f"{name}: cut off after {len(body) - position - 2} bytes")
    try:
        return body[position + 2 : end].decode(), end
    except UnicodeDecodeError:
        raise ProtocolError(f"{name}: no UTF-8") from None


def _pack_array(name: str, values: NDArray[Any], packed: Packed) -> bytes:
    code = DTYPE_CODES.get(values.dtype.newbyteorder("<").str.replace("|", "<"))
    if code is None or _DTYPES[code].str.replace("|", "<") not in packed.dtypes:
        raise ProtocolError(f"{name}: elements are {values.dtype}; use one of {', '.join(packed.dtypes)}")
    if values.ndim != packed.dimensions:
        raise ProtocolError(f"{name}: {values.ndim} dimensions; it has {packed.dimensions}")
    return struct.pack(f"<B{values.ndim}I", code, *values.shape) + values.astype(_DTYPES[code], copy=False).tobytes()


def _unpack_array(name: str, body: bytes, position: int, packed: Packed) -> tuple[NDArray[Any], int]:
    head = struct.Struct(f"<B{packed.dimensions}I")
    if position + head.size > len(body):
        raise ProtocolError(f"{name}: cut off before its shape")
    code, *shape = head.unpack_from(body, position)
    dtype = _DTYPES.get(code)
    if dtype is None or dtype.str.replace("|", "<") not in packed.dtypes:
        raise ProtocolError(f"{name}: element type {code} is none of {', '.join(packed.dtypes)}")
    elements = 1
    for length in shape:
        elements *= length
    start = position + head.size
    if elements > MAX_ELEMENTS or start + elements * dtype.itemsize > len(body):
        raise ProtocolError(f"{name}: {elements} elements announced, {len(body) - start} bytes are left")
    values = np.frombuffer(body, dtype, elements, start).reshape(shape)
    return values, start + elements * dtype.itemsize
