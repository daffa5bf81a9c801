"""Compiled loops of the host's side of an update: at batch 1, numpy's overhead a call would be most of the time."""

from math import ceil, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hwctl.compiled import compiler

Array: TypeAlias = Any  # numba infers the types at the call
Int: TypeAlias = Any

MAX_REPEATS = 64  # of an event: 2048 pulses of one cell
BIDIRECTIONAL, FIXED_REFERENCE, SET_ONLY = range(3)

_MAX_SLOTS = 32
UNIT = 128.0  # codes of probability 1
_LARGEST = 127.0

_MASK = 0xFFFFFFFF

_compiled = compiler(Path(__file__), "training")


@_compiled
def pair_differences(values: Array, factor: float) -> Array:
    """Return (G+ - G-) * factor, (batch, outputs), of values on device columns (batch, 2 * outputs)."""
    found = np.empty((values.shape[0], values.shape[1] // 2))
    for b in range(found.shape[0]):
        for j in range(found.shape[1]):
            found[b, j] = (values[b, 2 * j] - values[b, 2 * j + 1]) * factor
    return found


@_compiled
def paired_lines(deltas: Array, drive: float) -> tuple[Array, Array]:
    """Return inputs +-drive of device columns for deltas (batch, outputs), and each vector's scale (batch, 1).

    A vector's largest delta becomes `drive`; one of zeros has scale 1.
    """
    lines, scales = np.empty((deltas.shape[0], 2 * deltas.shape[1])), np.ones((deltas.shape[0], 1))
    for b in range(deltas.shape[0]):
        top = _largest(deltas[b])
        if top > 0.0:
            scales[b, 0] = top
        for j in range(deltas.shape[1]):
            lines[b, 2 * j] = deltas[b, j] / scales[b, 0] * drive
            lines[b, 2 * j + 1] = -lines[b, 2 * j]
    return lines, scales


@_compiled
def softmax(z: Array) -> Array:
    """Return shares (batch, classes) that add up to 1 in each row."""
    shares = np.empty(z.shape)
    for b in range(z.shape[0]):
        top = z[b, 0]
        for value in z[b]:
            top = max(top, value)
        total = 0.0
        for j in range(z.shape[1]):
            shares[b, j] = np.exp(z[b, j] - top)
            total += shares[b, j]
        for j in range(z.shape[1]):
            shares[b, j] /= total
    return shares


@_compiled
def _largest(values: Array) -> float:
    top = 0.0
    for value in values:
        top = max(top, abs(value))
    return top


@_compiled
def _fraction(seed: Int, number: Int) -> float:
    """Return a draw from 0 to below 1 that depends on seed and number alone (Wellons' hash32)."""
    x = (seed * 0x9E3779B1 + number * 0x85EBCA77) & _MASK
    x = ((x ^ x >> 16) * 0x7FEB352D) & _MASK
    x = ((x ^ x >> 15) * 0x846CA68B) & _MASK
    return (x ^ x >> 16) / 4294967296.0


@_compiled
def _fill(values: Array, factor: float, seed: Int, first: Int, codes: Array) -> None:
    """Scale to codes, rounded at random: entries below one code count on average as well."""
    for i in range(values.size):
        code = 0.0
        if values[i] != 0.0:
            code = np.floor(values[i] * factor + _fraction(seed, first + i))
        codes[i] = np.int8(min(max(code, -_LARGEST), _LARGEST))


@_compiled
def _spread(codes: Array, pairs: Int, lines: Array) -> None:
    """Write the lines G+ and G- of every output's code."""
    for j in range(codes.size):
        code = np.int64(codes[j])
        lines[2 * j] = code
        lines[2 * j + 1] = -code if pairs == BIDIRECTIONAL else 0


@_compiled
def _spread_set_only(x_codes: Array, d_codes: Array, x: Array, lines: Array) -> None:
    """Write two events, of the positive and of the negative inputs, that only SET: G+ for a rise, G- for a fall."""
    for part in range(2):
        sign = 1 - 2 * part
        for i in range(x_codes.size):
            x[part, i] = max(sign * np.int64(x_codes[i]), 0)
        for j in range(d_codes.size):
            code = sign * np.int64(d_codes[j])
            lines[part, 2 * j] = max(code, 0)
            lines[part, 2 * j + 1] = max(-code, 0)


@_compiled
def outer_events(x: Array, d: Array, pulses: float, pairs: Int, seed: Int) -> tuple[Array, Array, Int]:
    """Turn outer products into events of bit streams for differential pairs.

    x: (events, rows); d: (events, outputs); pulses: of G+ for x_i * d_j = 1; seed: of the roundings, one more for each
    event. Returns event vectors of rows and of device columns, int8, and the slots with which G+ of (i, j) gets
    pulses * x_i * d_j on average; slots 0 where nothing is to be done, -1 where it is too much. An event that needs
    more slots than there are is repeated.
    """
    count = x.shape[0]
    tops = np.empty((count, 2))
    most = 0.0
    for e in range(count):
        tops[e, 0], tops[e, 1] = _largest(x[e]), _largest(d[e])
        most = max(most, abs(pulses) * tops[e, 0] * tops[e, 1])
    if not most > 0.0:
        return np.empty((0, x.shape[1]), np.int8), np.empty((0, 2 * d.shape[1]), np.int8), 0
    if most > MAX_REPEATS * _MAX_SLOTS:
        return np.empty((0, x.shape[1]), np.int8), np.empty((0, 2 * d.shape[1]), np.int8), -1
    # As many slots as the largest product needs, so that probabilities are as large, and streams as short, as can be.
    repeats: Int = max(np.int64(ceil(most / _MAX_SLOTS)), 1)
    slots: Int = min(np.int64(ceil(most)), _MAX_SLOTS)
    parts = 2 if pairs == SET_ONLY else 1
    rows = np.zeros((count * repeats * parts, x.shape[1]), np.int8)
    lines = np.zeros((count * repeats * parts, 2 * d.shape[1]), np.int8)
    x_codes, d_codes = np.empty(x.shape[1], np.int8), np.empty(d.shape[1], np.int8)
    for e in range(count):
        size = abs(pulses) * tops[e, 0] * tops[e, 1]
        if size == 0.0:
            continue
        # x and d get the same largest probability: the root of the event's pulses a slot.
        share = sqrt(size / (slots * repeats)) * UNIT
        _fill(x[e], share / tops[e, 0], seed + e, 0, x_codes)
        _fill(d[e], (share if pulses > 0.0 else -share) / tops[e, 1], seed + e, x.shape[1], d_codes)
        for r in range(repeats):
            at = (e * repeats + r) * parts
            if parts == 2:
                _spread_set_only(x_codes, d_codes, rows[at : at + 2], lines[at : at + 2])
            else:
                rows[at] = x_codes
                _spread(d_codes, pairs, lines[at])
    return rows, lines, slots
