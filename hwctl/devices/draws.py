"""Random draws without a state: each is a function of (seed, stream, cell, index) alone.

So the order in which cells are asked for never changes a value, and asking twice gives the same one. The generator is
Threefry-2x32, with 20 rounds unless said otherwise: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC '11.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.errors import DeviceError

Words = NDArray[np.uint32]
Floats = NDArray[np.float64]

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
"""Bits by which Threefry-2x32 rotates in rounds 4n .. 4n+3, for even and odd n."""
PARITY = np.uint32(0x1BD11BDA)
"""Key-schedule constant of Threefry-2x32."""


def threefry2x32(
    key: tuple[ArrayLike, ArrayLike], counter: tuple[ArrayLike, ArrayLike], rounds: int = 20
) -> tuple[Words, Words]:
    """Return the two output words (uint32) of Threefry-2x32 with a number of rounds, a multiple of 4.

    The words of `key` and `counter` are integers from 0 to 2**32 - 1, of shapes that broadcast together; the result has
    that shape, and at least one axis. Raise DeviceError on another number of rounds.
    """
    if rounds < 4 or rounds % 4:
        raise DeviceError(f"rounds is {rounds}: give a multiple of 4")
    # One axis at least: numpy warns when a scalar wraps around, which is the point here, and not when an array does.
    words = np.broadcast_arrays(*(np.atleast_1d(np.asarray(word, dtype=np.uint32)) for word in (*key, *counter)))
    keys = (words[0], words[1], words[0] ^ words[1] ^ PARITY)
    x0, x1 = words[2] + keys[0], words[3] + keys[1]
    for group in range(rounds // 4):
        for bits in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << np.uint32(bits)) | (x1 >> np.uint32(32 - bits))) ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def uniform(seed: int, stream: int, cell: ArrayLike, index: ArrayLike = 0) -> Floats:
    """Return uniform draws, strictly between 0 and 1, of the shape that `cell` and `index` broadcast to.

    `seed` is 0 to 2**64 - 1; `stream` keeps uses of one seed apart, 0 to 2**32 - 1; `cell` is an integer from 0 to
    2**32 - 1 and `index` one from 0 to 2**63 - 1. Raise DeviceError on anything else.
    """
    high, low, shape = _words(seed, stream, cell, index)
    # 52 bits and a half: both ends stay exact in float64, and neither 0 nor 1 can come out.
    return (((high >> np.uint32(6)) * 2.0**26 + (low >> np.uint32(6)) + 0.5) / 2.0**52).reshape(shape)


def normal(seed: int, stream: int, cell: ArrayLike, index: ArrayLike = 0) -> Floats:
    """Return standard normal draws, within 6.8 of zero; the arguments are those of `uniform`.

    Box and Muller, Ann. Math. Stat. 29 (1958) 610: the cosine branch, one draw from one pair of 32-bit words.
    """
    first, second, shape = _words(seed, stream, cell, index)
    radius = np.sqrt(-2.0 * np.log((first + 0.5) / 2.0**32))
    draw: Floats = radius * np.cos(2.0 * np.pi * ((second + 0.5) / 2.0**32))
    return draw.reshape(shape)


def _words(seed: int, stream: int, cell: ArrayLike, index: ArrayLike) -> tuple[Words, Words, tuple[int, ...]]:
    """Return two hash words and the shape of the draw."""
    if not (0 <= seed < 2**64 and 0 <= stream < 2**32):
        raise DeviceError(f"seed {seed}, stream {stream}: give 0 to 2**64 - 1 and 0 to 2**32 - 1")
    cells, indices = _integers(cell, "cell", 2**32), _integers(index, "index", 2**63)
    # A key for each cell first, so that the whole counter is left for a 64-bit index.
    key = threefry2x32((seed % 2**32, seed >> 32), (cells, stream))
    low, high = indices & np.uint64(0xFFFFFFFF), indices >> np.uint64(32)
    shape = np.broadcast_shapes(cells.shape, indices.shape)
    return *threefry2x32((key[0].reshape(cells.shape), key[1].reshape(cells.shape)), (low, high)), shape


def _integers(values: ArrayLike, name: str, end: int) -> NDArray[np.uint64]:
    """Return `values` as integers, refused unless they are whole and from 0 to below `end`."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise DeviceError(f"{name} has dtype {array.dtype}: give integers")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= end):
        raise DeviceError(f"{name} runs from {array.min()} to {array.max()}: give integers from 0 to {end - 1}")
    return array.astype(np.uint64)
