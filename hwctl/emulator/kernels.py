"""Compiled loops of the cell law. `hwctl.devices.law` and `docs/cell-law.md` say what each step means.

words (cells, 10) uint16: the fields of `hwctl.protocol.cells.CELL`; visible (rows, cols) uint16: conductance codes,
write noise included; tables (2, levels, 129) int64: mean, sigma, shift of each polarity's drive levels; settings
(8,) int64: see SETTINGS. Everything is int64 inside: numba makes a float of int64 with uint64, and uint16
differences wrap.
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hwctl.emulator.compiled import compiler

Array: TypeAlias = Any  # numba infers the types at the call
Int: TypeAlias = Any

#: Index of each entry of `settings`.
SETTINGS = {name: i for i, name in enumerate(("cols", "key0", "key1", "write", "read", "vmm", "set", "reset"))}

_COLS, _KEY0, _KEY1, _WRITE_CODE, _READ_CODE, _VMM_CODE, _SET_LEVELS, _RESET_LEVELS = range(8)
_STATE, _COUNT_LOW, _COUNT_HIGH, _LOW, _SPAN, _GAIN, _OFFSET, _FLAGS, _FORM = 0, 1, 2, 3, 4, 5, 7, 8, 9
_PULSE, _WRITE, _READ, _COLUMN, _ROW, _STREAM_ROW, _STREAM_COLUMN = range(1, 8)
_STUCK_ON, _STUCK_OFF, _UNFORMED = 1, 2, 4
_MASK = 0xFFFFFFFF
_PARITY = 0x1BD11BDA
_TOP = 0xFFFF
_NO_READING = 0xFFFF
_NO_CURRENT = -0x8000
_BLOCK = 256  # rows whose int8 products fit an int32 sum

_compiled = compiler(Path(__file__))


@_compiled
def hash_pair(key0: Int, key1: Int, x0: Int, x1: Int) -> tuple[Int, Int]:
    """Return Threefry-2x32 with 8 rounds, two 32-bit words."""
    key2 = _PARITY ^ key0 ^ key1
    x0 = (x0 + key0) & _MASK
    x1 = (x1 + key1) & _MASK
    for r in (13, 15, 26, 6):
        x0 = (x0 + x1) & _MASK
        x1 = ((x1 << r | x1 >> (32 - r)) & _MASK) ^ x0
    x0 = (x0 + key1) & _MASK
    x1 = (x1 + key2 + 1) & _MASK
    for r in (17, 29, 16, 24):
        x0 = (x0 + x1) & _MASK
        x1 = ((x1 << r | x1 >> (32 - r)) & _MASK) ^ x0
    return (x0 + key2) & _MASK, (x1 + key0 + 2) & _MASK


@_compiled
def _xi(w: Int) -> Int:
    return (w & 0xFF) + (w >> 8 & 0xFF) + (w >> 16 & 0xFF) + (w >> 24) - 510


@_compiled
def _signed(word: Int) -> Int:
    return word - 0x10000 if word >= 0x8000 else word


@_compiled
def _refresh(words: Array, k: Int, settings: Array) -> Int:
    """Return the visible conductance code of cell k."""
    flags = np.int64(words[k, _FLAGS])
    if flags & _UNFORMED:
        return 0
    state = np.int64(words[k, _STATE])
    if flags & _STUCK_ON:
        state = _TOP
    elif flags & _STUCK_OFF:
        state = 0
    elif settings[_WRITE_CODE]:
        count = np.int64(words[k, _COUNT_LOW]) | np.int64(words[k, _COUNT_HIGH]) << 16
        noise, _ = hash_pair(settings[_KEY0], settings[_KEY1], _WRITE << 24 | k, count)
        state += settings[_WRITE_CODE] * _xi(noise) >> 8
    code = np.int64(words[k, _LOW]) + (state * np.int64(words[k, _SPAN]) >> 16)
    return min(max(code, 0), _TOP)


@_compiled
def _pulse_cell(words: Array, k: Int, polarity: Int, level: Int, n: Int, tables: Array, settings: Array) -> None:
    """Apply n pulses of one polarity and drive level to cell k; the visible code is left to the caller."""
    count = np.int64(words[k, _COUNT_LOW]) | np.int64(words[k, _COUNT_HIGH]) << 16
    if words[k, _FLAGS] == 0:
        level = min(max(level + _signed(np.int64(words[k, _OFFSET])), 0), settings[_SET_LEVELS + polarity] - 1)
        gain = np.int64(words[k, _GAIN + polarity])
        shift = tables[polarity, level, 128]
        dither = (1 << shift) - 1
        state = np.int64(words[k, _STATE])
        for i in range(1, n + 1):
            w0, w1 = hash_pair(settings[_KEY0], settings[_KEY1], _PULSE << 24 | k, min(count + i, _MASK))
            entry = state >> 10
            acc = tables[polarity, level, entry] * gain + (tables[polarity, level, 64 + entry] * _xi(w0) << 5)
            step = (acc + (w1 & dither)) >> shift
            state = min(max(state - step if polarity else state + step, 0), _TOP)
        words[k, _STATE] = state
    count = min(count + n, _MASK)
    words[k, _COUNT_LOW] = count & 0xFFFF
    words[k, _COUNT_HIGH] = count >> 16


@_compiled
def refresh_region(words: Array, visible: Array, row0: Int, row1: Int, col0: Int, col1: Int, settings: Array) -> None:
    """Bring the visible codes of a region up to date with its words."""
    for i in range(row0, row1):
        for j in range(col0, col1):
            visible[i, j] = _refresh(words, i * settings[_COLS] + j, settings)


@_compiled
def pulse_region(
    words: Array,
    visible: Array,
    counts: Array,
    row0: Int,
    col0: Int,
    set_shapes: Array,
    reset_shapes: Array,
    row_stride: Int,
    col_stride: Int,
    shapes: Array,
    tables: Array,
    settings: Array,
    totals: Array,
) -> None:
    """Apply signed counts; shapes (256, 2) int64: level and width. totals (3,): SET, RESET, busy time codes.

    A row's cells are pulsed side by side, SET and then RESET: it is busy for its longest train of either.
    """
    for i in range(counts.shape[0]):
        longest_set = longest_reset = 0
        for j in range(counts.shape[1]):
            n = np.int64(counts[i, j])
            if n == 0:
                continue
            k = (row0 + i) * settings[_COLS] + col0 + j
            at = i * row_stride + j * col_stride
            if n > 0:
                shape = set_shapes[at]
                _pulse_cell(words, k, 0, shapes[shape, 0], n, tables, settings)
                totals[0] += n
                longest_set = max(longest_set, n * shapes[shape, 1])
            else:
                shape = reset_shapes[at]
                _pulse_cell(words, k, 1, shapes[shape, 0], -n, tables, settings)
                totals[1] -= n
                longest_reset = max(longest_reset, -n * shapes[shape, 1])
            visible[row0 + i, col0 + j] = _refresh(words, k, settings)
        totals[2] += longest_set + longest_reset


@_compiled
def pulse_cells(
    words: Array,
    visible: Array,
    rows: Array,
    cols: Array,
    counts: Array,
    set_shape: Int,
    reset_shape: Int,
    shapes: Array,
    tables: Array,
    settings: Array,
    totals: Array,
) -> None:
    """Apply signed counts to listed cells, one cell after the other."""
    for index in range(counts.size):
        n = np.int64(counts[index])
        if n == 0:
            continue
        i, j = np.int64(rows[index]), np.int64(cols[index])
        k = i * settings[_COLS] + j
        polarity = 0 if n > 0 else 1
        shape = reset_shape if polarity else set_shape
        _pulse_cell(words, k, polarity, shapes[shape, 0], abs(n), tables, settings)
        visible[i, j] = _refresh(words, k, settings)
        totals[polarity] += abs(n)
        totals[2] += abs(n) * shapes[shape, 1]


@_compiled
def _streams(values: Array, line0: Int, kind: Int, slots: Int, seed: Int, event: Int, out: Array) -> None:
    """Draw each line's bit stream: bit t is set where byte t of its hash, halved, is below |value|."""
    for i in range(values.size):
        amount = abs(np.int64(values[i]))
        bits = 0
        if amount:
            for chunk in range((slots + 7) >> 3):
                w0, w1 = hash_pair(seed, 0, kind << 24 | (line0 + i), (event << 2 | chunk) & _MASK)
                word = w1 << 32 | w0
                for t in range(min(8, slots - chunk * 8)):
                    if (word >> (8 * t) & 0xFF) >> 1 < amount:
                        bits |= 1 << (chunk * 8 + t)
        out[i] = bits


@_compiled
def _outer_event(
    words: Array,
    visible: Array,
    row0: Int,
    col0: Int,
    x: Array,
    d: Array,
    row_bits: Array,
    col_bits: Array,
    levels: Array,
    tables: Array,
    settings: Array,
    totals: Array,
) -> None:
    """Pulse every cell with the common bits of its lines, or x * d times where there are no streams."""
    for i in range(x.size):
        xi = np.int64(x[i])
        if xi == 0:
            continue
        for j in range(d.size):
            if row_bits.size:
                n = 0
                bits = row_bits[i] & col_bits[j]
                while bits:
                    bits &= bits - 1
                    n += 1
            else:
                n = abs(xi * np.int64(d[j]))
            if n == 0:
                continue
            polarity = 0 if (xi < 0) == (d[j] < 0) else 1
            k = (row0 + i) * settings[_COLS] + col0 + j
            _pulse_cell(words, k, polarity, levels[polarity], n, tables, settings)
            visible[row0 + i, col0 + j] = _refresh(words, k, settings)
            totals[polarity] += n


@_compiled
def outer(
    words: Array,
    visible: Array,
    row0: Int,
    col0: Int,
    x: Array,
    d: Array,
    slots: Int,
    seed: Int,
    event: Int,
    levels: Array,
    tables: Array,
    settings: Array,
    totals: Array,
) -> None:
    """Apply outer products event by event; slots 0: count mode. levels (2,): drive level of SET and RESET."""
    row_bits = np.zeros(x.shape[1] if slots else 0, np.int64)
    col_bits = np.zeros(d.shape[1] if slots else 0, np.int64)
    for e in range(x.shape[0]):
        if slots:
            number = (event + e) & _MASK
            _streams(x[e], row0, _STREAM_ROW, slots, seed, number, row_bits)
            _streams(d[e], col0, _STREAM_COLUMN, slots, seed, number, col_bits)
        _outer_event(words, visible, row0, col0, x[e], d[e], row_bits, col_bits, levels, tables, settings, totals)


@_compiled
def _convert(code: Int, k: Int, averages_log2: Int, tia_range: Int, index: Int, settings: Array) -> Int:
    """Return the averaged conductance reading of cell k at current code `code`, or NO_READING."""
    total = 0
    for n in range(1 << averages_log2):
        noisy = code
        if settings[_READ_CODE]:
            w0, _ = hash_pair(settings[_KEY0], settings[_KEY1], _READ << 24 | k, (index + n) & _MASK)
            noisy += settings[_READ_CODE] * _xi(w0) >> 8
        converted = (noisy + (1 << tia_range >> 1)) >> tia_range
        if converted > 4095:
            return _NO_READING
        total += max(converted, 0)
    return ((total << tia_range) + (1 << averages_log2 >> 1)) >> averages_log2


@_compiled
def read_region(
    visible: Array,
    row0: Int,
    col0: Int,
    voltage: Int,
    averages_log2: Int,
    tia_range: Int,
    index: Int,
    settings: Array,
    out: Array,
) -> None:
    """Read a region of out.shape; voltage: read voltage code."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            k = (row0 + i) * settings[_COLS] + col0 + j
            current = np.int64(visible[row0 + i, col0 + j]) * voltage >> 8
            out[i, j] = _convert(current, k, averages_log2, tia_range, index, settings)


@_compiled
def row_sums(visible: Array, row0: Int, col0: Int, cols: Int, vectors: Array, sums: Array) -> None:
    """Sum over rows what each column carries: sums (batch, cols) int64, exact; vectors (batch, rows) int8 or int16."""
    part = np.zeros(cols, np.int32)
    for b in range(vectors.shape[0]):
        pending = 0
        for i in range(vectors.shape[1]):
            x = np.int32(vectors[b, i])
            if x == 0:
                continue
            if vectors.itemsize == 1:
                for j in range(cols):
                    part[j] += x * np.int32(visible[row0 + i, col0 + j])
                pending += 1
                if pending == _BLOCK:
                    sums[b] += part
                    part[:] = 0
                    pending = 0
            else:
                for j in range(cols):
                    sums[b, j] += np.int64(x) * np.int64(visible[row0 + i, col0 + j])
        if pending:
            sums[b] += part
            part[:] = 0


@_compiled
def column_sums(visible: Array, row0: Int, col0: Int, rows: Int, vectors: Array, sums: Array) -> None:
    """Sum over columns what each row carries: sums (batch, rows) int64; vectors (batch, cols)."""
    for b in range(vectors.shape[0]):
        for i in range(rows):
            total = np.int64(0)
            for j in range(vectors.shape[1]):
                total += np.int64(vectors[b, j]) * np.int64(visible[row0 + i, col0 + j])
            sums[b, i] = total


@_compiled
def convert_sums(
    sums: Array,
    line0: Int,
    by_row: Int,
    voltage: Int,
    scale: Int,
    tia_range: Int,
    index: Int,
    settings: Array,
    out: Array,
) -> None:
    """Turn exact sums into signed 12-bit codes: times voltage, line noise, round, saturate. scale: 7 or 15."""
    kind = _ROW if by_row else _COLUMN
    shift = scale + tia_range
    for b in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            total = sums[b, j] * voltage >> 8
            if settings[_VMM_CODE]:
                w0, _ = hash_pair(settings[_KEY0], settings[_KEY1], kind << 24 | (line0 + j), (index + b) & _MASK)
                total += (settings[_VMM_CODE] * _xi(w0) << scale) >> 8
            code = (total + (1 << shift >> 1)) >> shift
            out[b, j] = code if -2048 <= code <= 2047 else _NO_CURRENT


@_compiled
def write_verify_cell(
    words: Array,
    k: Int,
    target: Int,
    tolerance: Int,
    attempts: Int,
    averages_log2: Int,
    ramps: Array,
    voltage: Int,
    index: Int,
    shapes: Array,
    tables: Array,
    settings: Array,
    done: Array,
) -> None:
    """Pulse cell k until it reads target +- tolerance.

    ramps (2, 3): first, last, step of the shapes of SET and RESET; a ramp starts over where the polarity changes.
    done (6,): reached, reading, SET pulses, RESET pulses, readings, busy time codes.
    """
    shape = 0
    last = -1
    for n in range(attempts + 1):
        current = _refresh(words, k, settings) * voltage >> 8
        reading = _convert(current, k, averages_log2, 4, index + (n << averages_log2), settings)
        done[1] = reading
        done[4] += 1
        if reading != _NO_READING and abs(reading - target) <= tolerance:
            done[0] = 1
            return
        if n == attempts:
            return
        polarity = 0 if reading < target else 1
        shape = min(shape + ramps[polarity, 2], ramps[polarity, 1]) if polarity == last else ramps[polarity, 0]
        last = polarity
        _pulse_cell(words, k, polarity, shapes[shape, 0], 1, tables, settings)
        done[2 + polarity] += 1
        done[5] += shapes[shape, 1]


@_compiled
def write_verify_region(
    words: Array,
    visible: Array,
    row0: Int,
    col0: Int,
    targets: Array,
    tolerance: Int,
    attempts: Int,
    averages_log2: Int,
    ramps: Array,
    voltage: Int,
    index: Int,
    shapes: Array,
    tables: Array,
    settings: Array,
    out: Array,
) -> None:
    """Write-verify every cell of a region; out (rows, cols, 6) int64: `done` of each."""
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            k = (row0 + i) * settings[_COLS] + col0 + j
            write_verify_cell(
                words, k, np.int64(targets[i, j]), tolerance, attempts, averages_log2, ramps, voltage, index,
                shapes, tables, settings, out[i, j],
            )  # fmt: skip
            visible[row0 + i, col0 + j] = _refresh(words, k, settings)


@_compiled
def form_region(
    words: Array,
    visible: Array,
    row0: Int,
    col0: Int,
    attempts: Int,
    stop: Int,
    averages_log2: Int,
    ramp: Array,
    voltage: Int,
    index: Int,
    shapes: Array,
    settings: Array,
    out: Array,
) -> None:
    """Form unformed cells; out (rows, cols, 4) int64: formed, reading, pulses, busy time codes.

    A cell forms at the first pulse whose level reaches its own; it then stands in the middle of its range.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            k = (row0 + i) * settings[_COLS] + col0 + j
            for n in range(attempts + 1):
                current = _refresh(words, k, settings) * voltage >> 8
                out[i, j, 1] = _convert(current, k, averages_log2, 4, index + (n << averages_log2), settings)
                if not words[k, _FLAGS] & _UNFORMED or out[i, j, 1] >= stop:
                    out[i, j, 0] = 1
                    break
                if n == attempts:
                    break
                shape = min(ramp[0] + n * ramp[2], ramp[1])
                if shapes[shape, 0] >= np.int64(words[k, _FORM]):
                    words[k, _FLAGS] = np.int64(words[k, _FLAGS]) & ~_UNFORMED
                    words[k, _STATE] = 0x8000
                count = min((np.int64(words[k, _COUNT_LOW]) | np.int64(words[k, _COUNT_HIGH]) << 16) + 1, _MASK)
                words[k, _COUNT_LOW] = count & 0xFFFF
                words[k, _COUNT_HIGH] = count >> 16
                out[i, j, 2] += 1
                out[i, j, 3] += shapes[shape, 1]
            visible[row0 + i, col0 + j] = _refresh(words, k, settings)
