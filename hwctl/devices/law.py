"""The integer cell law of every emulated board, one array operation a step: the reference for kernels and gateware.

`docs/cell-law.md` is the same law in words, with test vectors. `hwctl.emulator.kernels` holds the compiled loops,
which give the same bits. Everything is int64, shifts floor, and nothing is divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.devices.draws import threefry2x32
from hwctl.protocol.cells import GAIN_ONE
from hwctl.protocol.codes import CURVE_ENTRIES, CellFlag

Int64 = NDArray[np.int64]

ROUNDS = 8  # of Threefry-2x32: half of the 13 that pass BigCrush would show first; cheap in logic, ample for noise
STATE_MAX = 0xFFFF
CURVE_SHIFT = 10  # 64 entries over 16 bits of state
XI_SIGMA = 147.8  # standard deviation of the sum of four uniform bytes: sqrt(4 * (256**2 - 1) / 12)
SIGMA_SHIFT = 5  # sigma entries are 32 times coarser than mean entries times gain
WRITE_SHIFT = 8
READ_SHIFT = 8  # of a single conversion
MIN_SHIFT, MAX_SHIFT = 11, 24

# Kinds of draws: bits 24-31 of the first counter word; bits 0-23 are the number of the cell or line.
PULSE, WRITE, READ, COLUMN, ROW, STREAM_ROW, STREAM_COLUMN = range(1, 8)


def draw(seed: int, kind: int, unit: ArrayLike, index: ArrayLike) -> tuple[Int64, Int64]:
    """Return two 32-bit words for every (unit, index): the only source of randomness of an emulated board."""
    key = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
    counter = ((np.asarray(unit, np.int64) | kind << 24), np.asarray(index, np.int64) & 0xFFFFFFFF)
    first, second = threefry2x32(key, counter, rounds=ROUNDS)
    return first.astype(np.int64), second.astype(np.int64)


def xi(word: ArrayLike) -> Int64:
    """Return the sum of a word's four bytes minus 510: bell-shaped, mean 0, standard deviation 147.8."""
    w = np.asarray(word, np.int64)
    return (w & 0xFF) + (w >> 8 & 0xFF) + (w >> 16 & 0xFF) + (w >> 24) - 510


@dataclass(frozen=True)
class Curve:
    """Integer step curve of one drive level: the mean and spread of one pulse's step against the state."""

    mean: NDArray[np.int16]
    """(64,)"""
    sigma: NDArray[np.uint16]
    """(64,)"""
    shift: int
    """11 to 24: one state step is 2**shift."""


def quantise_curve(mean: NDArray[np.float64], sigma: NDArray[np.float64]) -> Curve:
    """Return the integer curve of steps given as fractions of the cell's range, each (64,).

    The finest scale that holds the largest entry is chosen.
    """
    full = STATE_MAX + 1
    for shift in range(MAX_SHIFT, MIN_SHIFT - 1, -1):
        means = np.rint(mean * full * 2.0**shift / GAIN_ONE)
        sigmas = np.rint(sigma * full * 2.0**shift / (XI_SIGMA * 2**SIGMA_SHIFT))
        if np.abs(means).max() <= 0x7FFF and sigmas.max() <= 0xFFFF:
            break
    else:
        means, sigmas = np.clip(means, -0x8000, 0x7FFF), np.minimum(sigmas, 0xFFFF)
    return Curve(means.astype(np.int16), sigmas.astype(np.uint16), shift)


def curve_steps(curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the steps of a curve, as fractions of the range, each (64,)."""
    full = (STATE_MAX + 1) * 2.0**curve.shift
    sigma = curve.sigma.astype(np.float64) * (XI_SIGMA * 2**SIGMA_SHIFT / full)
    return curve.mean.astype(np.float64) * (GAIN_ONE / full), sigma


def write_code(noise: float) -> int:
    """Return the write-noise parameter for a standard deviation given as a fraction of the range."""
    return round(noise * (STATE_MAX + 1) * 2**WRITE_SHIFT / XI_SIGMA)


def write_noise(code: int) -> float:
    """Return the standard deviation of a write-noise parameter, as a fraction of the range."""
    return code * XI_SIGMA / ((STATE_MAX + 1) * 2**WRITE_SHIFT)


def read_code(noise: float) -> int:
    """Return the read-noise parameter for a standard deviation of one conversion given in conductance codes."""
    return round(noise * 2**READ_SHIFT / XI_SIGMA)


def read_noise(code: int) -> float:
    """Return the standard deviation of one conversion of a read-noise parameter, in conductance codes."""
    return code * XI_SIGMA / 2**READ_SHIFT


def pulse(
    cells: NDArray[np.void], numbers: Int64, polarity: int, level: Int64, curves: Sequence[Curve], seed: int
) -> None:
    """Apply one SET (0) or RESET (1) pulse to every cell, in place.

    cells: (n,) of dtype CELL; numbers: (n,) row * columns + column; level: (n,) drive level; curves: of this polarity.
    """
    cells["count"] = np.minimum(cells["count"].astype(np.int64) + 1, 0xFFFFFFFF)
    moving = cells["flags"] == 0
    shown = np.clip(level + cells["offset"], 0, len(curves) - 1)
    entry = cells["state"].astype(np.int64) >> CURVE_SHIFT
    means = np.array([c.mean for c in curves], np.int64)[shown, entry]
    sigmas = np.array([c.sigma for c in curves], np.int64)[shown, entry]
    shifts = np.array([c.shift for c in curves], np.int64)[shown]
    noise, dither = draw(seed, PULSE, numbers, cells["count"])
    gain = cells["gain_reset" if polarity else "gain_set"].astype(np.int64)
    step = (means * gain + (sigmas * xi(noise) << SIGMA_SHIFT) + (dither & (1 << shifts) - 1)) >> shifts
    state = cells["state"].astype(np.int64) + (-step if polarity else step)
    cells["state"] = np.where(moving, np.clip(state, 0, STATE_MAX), cells["state"])


def visible(cells: NDArray[np.void], numbers: Int64, write: int, seed: int) -> Int64:
    """Return the conductance codes (n,) that readings and VMMs see, write noise included."""
    noise, _ = draw(seed, WRITE, numbers, cells["count"])
    state = cells["state"].astype(np.int64) + (write * xi(noise) >> WRITE_SHIFT)
    flags = cells["flags"]
    state = np.where(flags & CellFlag.STUCK_ON, STATE_MAX, np.where(flags & CellFlag.STUCK_OFF, 0, state))
    codes = cells["low"].astype(np.int64) + (state * cells["span"].astype(np.int64) >> 16)
    return np.where(flags & CellFlag.UNFORMED, 0, np.clip(codes, 0, STATE_MAX))


def entry_centres() -> NDArray[np.float64]:
    """Return the positions (64,) in 0 to 1 at which a step curve is tabulated."""
    return (np.arange(CURVE_ENTRIES) + 0.5) / CURVE_ENTRIES
