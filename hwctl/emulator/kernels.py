"""Compiled loops of the cell law. `hwctl.devices.law` and `docs/cell-law.md` say what each step means.

words (cells, 10) uint16: the fields of `hwctl.protocol.cells.CELL`; visible (rows, cols) uint16: conductance codes,
write noise included; tables (2, levels, 129) int64: mean, sigma, shift of each polarity's drive levels; settings
(8,) int64: see SETTINGS. Everything is int64 inside: numba makes a float of int64 with uint64, and uint16
differences wrap.
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hwctl.compiled import compiler

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
_MOST = 127  # pulses of one cell in one command or event
_CHUNK = 1024  # cells of a burst: their draws stay in the cache
_BLOCK = 256  # rows whose int8 products fit an int32 sum

_compiled = compiler(Path(__file__), "the software board")


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
def _hash_all(key0: Int, key1: Int, x0s: Array, x1s: Array, n: Int) -> None:
    """Replace the first n counters (uint32) by the words of `hash_pair`; the casts keep the lanes at 32 bits."""
    u = np.uint32
    k0, k1 = u(key0), u(key1)
    k2 = u(u(_PARITY) ^ k0 ^ k1)
    for i in range(n):
        a, b = u(x0s[i] + k0), u(x1s[i] + k1)
        a = u(a + b)
        b = u(u(u(b << u(13)) | u(b >> u(19))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(15)) | u(b >> u(17))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(26)) | u(b >> u(6))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(6)) | u(b >> u(26))) ^ a)
        a, b = u(a + k1), u(b + u(k2 + u(1)))
        a = u(a + b)
        b = u(u(u(b << u(17)) | u(b >> u(15))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(29)) | u(b >> u(3))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(16)) | u(b >> u(16))) ^ a)
        a = u(a + b)
        b = u(u(u(b << u(24)) | u(b >> u(8))) ^ a)
        x0s[i] = u(a + k2)
        x1s[i] = u(b + u(k0 + u(2)))


@_compiled
def _count(words: Array, k: Int) -> Int:
    return np.int64(words[k, _COUNT_LOW]) | np.int64(words[k, _COUNT_HIGH]) << 16


@_compiled
def _set_count(words: Array, k: Int, count: Int) -> None:
    words[k, _COUNT_LOW] = count & 0xFFFF
    words[k, _COUNT_HIGH] = count >> 16


@_compiled
def _code(words: Array, k: Int, noise: Int, settings: Array) -> Int:
    """Return the visible conductance code of cell k with the WRITE draw `noise`."""
    flags = np.int64(words[k, _FLAGS])
    if flags & _UNFORMED:
        return 0
    state = np.int64(words[k, _STATE])
    if flags & _STUCK_ON:
        state = _TOP
    elif flags & _STUCK_OFF:
        state = 0
    else:
        state += settings[_WRITE_CODE] * _xi(noise) >> 8
    code = np.int64(words[k, _LOW]) + (state * np.int64(words[k, _SPAN]) >> 16)
    return min(max(code, 0), _TOP)


@_compiled
def _refresh(words: Array, k: Int, settings: Array) -> Int:
    """Return the visible conductance code of cell k."""
    noise = 0
    if settings[_WRITE_CODE]:
        noise, _ = hash_pair(settings[_KEY0], settings[_KEY1], _WRITE << 24 | k, _count(words, k))
    return _code(words, k, noise, settings)


@_compiled
def _curve(words: Array, k: Int, polarity: Int, level: Int, tables: Array, settings: Array) -> Array:
    """Return the step curve that cell k follows at a drive level."""
    seen = level + _signed(np.int64(words[k, _OFFSET]))
    return tables[polarity, min(max(seen, 0), settings[_SET_LEVELS + polarity] - 1)]


@_compiled
def _moved(state: Int, polarity: Int, curve: Array, gain: Int, w0: Int, w1: Int) -> Int:
    """Return the state after one pulse with the draws w0 and w1."""
    entry, shift = state >> 10, curve[128]
    acc = curve[entry] * gain + (curve[64 + entry] * _xi(w0) << 5)
    step = (acc + (w1 & ((1 << shift) - 1))) >> shift
    return min(max(state - step if polarity else state + step, 0), _TOP)


@_compiled
def _burst(
    words: Array, visible: Array, todo: Array, m: Int, tables: Array, settings: Array, x0s: Array, x1s: Array
) -> None:
    """Pulse m different cells: todo (cells, 4) int64 holds number, pulses, polarity, drive level of each.

    The draws of all pulses come first, in one loop over independent counters: that is what makes it fast.
    """
    total = 0
    for c in range(m):
        k, n = todo[c, 0], todo[c, 1]
        count = _count(words, k)
        for i in range(1, n + 1):
            x0s[total] = _PULSE << 24 | k
            x1s[total] = min(count + i, _MASK)
            total += 1
    _hash_all(settings[_KEY0], settings[_KEY1], x0s, x1s, total)
    at = 0
    for c in range(m):
        k, n = todo[c, 0], todo[c, 1]
        if words[k, _FLAGS] == 0:
            polarity = todo[c, 2]
            curve = _curve(words, k, polarity, todo[c, 3], tables, settings)
            gain, state = np.int64(words[k, _GAIN + polarity]), np.int64(words[k, _STATE])
            for i in range(at, at + n):
                state = _moved(state, polarity, curve, gain, np.int64(x0s[i]), np.int64(x1s[i]))
            words[k, _STATE] = state
        at += n
        _set_count(words, k, min(_count(words, k) + n, _MASK))
    if settings[_WRITE_CODE]:
        for c in range(m):
            x0s[c] = _WRITE << 24 | todo[c, 0]
            x1s[c] = _count(words, todo[c, 0])
        _hash_all(settings[_KEY0], settings[_KEY1], x0s, x1s, m)
    seen = visible.reshape(-1)
    for c in range(m):
        seen[todo[c, 0]] = _code(words, todo[c, 0], np.int64(x0s[c]), settings)


@_compiled
def _pulse_once(words: Array, k: Int, polarity: Int, level: Int, tables: Array, settings: Array) -> None:
    """Apply one pulse to cell k; the visible code is left to the caller."""
    count = min(_count(words, k) + 1, _MASK)
    if words[k, _FLAGS] == 0:
        w0, w1 = hash_pair(settings[_KEY0], settings[_KEY1], _PULSE << 24 | k, count)
        curve = _curve(words, k, polarity, level, tables, settings)
        gain = np.int64(words[k, _GAIN + polarity])
        words[k, _STATE] = _moved(np.int64(words[k, _STATE]), polarity, curve, gain, w0, w1)
    _set_count(words, k, count)


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
    cols = counts.shape[1]
    todo = np.empty((cols, 4), np.int64)
    x0s, x1s = np.empty(cols * _MOST, np.uint32), np.empty(cols * _MOST, np.uint32)
    for i in range(counts.shape[0]):
        m = longest_set = longest_reset = 0
        for j in range(cols):
            n = np.int64(counts[i, j])
            if n == 0:
                continue
            at = i * row_stride + j * col_stride
            polarity = 0 if n > 0 else 1
            shape = np.int64(reset_shapes[at]) if polarity else np.int64(set_shapes[at])
            n = abs(n)
            todo[m, 0], todo[m, 1] = (row0 + i) * settings[_COLS] + col0 + j, n
            todo[m, 2], todo[m, 3] = polarity, shapes[shape, 0]
            m += 1
            totals[polarity] += n
            if polarity:
                longest_reset = max(longest_reset, n * shapes[shape, 1])
            else:
                longest_set = max(longest_set, n * shapes[shape, 1])
        _burst(words, visible, todo, m, tables, settings, x0s, x1s)
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
    todo = np.empty((min(counts.size, _CHUNK), 4), np.int64)
    x0s, x1s = np.empty(len(todo) * _MOST, np.uint32), np.empty(len(todo) * _MOST, np.uint32)
    m = 0
    for index in range(counts.size):
        n = np.int64(counts[index])
        if n == 0:
            continue
        k = np.int64(rows[index]) * settings[_COLS] + np.int64(cols[index])
        # A burst holds different cells: a number that does not rise may be there already.
        if m == len(todo) or (m and k <= todo[m - 1, 0]):
            _burst(words, visible, todo, m, tables, settings, x0s, x1s)
            m = 0
        polarity = 0 if n > 0 else 1
        shape = reset_shape if polarity else set_shape
        todo[m, 0], todo[m, 1], todo[m, 2], todo[m, 3] = k, abs(n), polarity, shapes[shape, 0]
        m += 1
        totals[polarity] += abs(n)
        totals[2] += abs(n) * shapes[shape, 1]
    _burst(words, visible, todo, m, tables, settings, x0s, x1s)


@_compiled
def _streams(values: Array, line0: Int, kind: Int, slots: Int, seed: Int, event: Int, out: Array) -> None:
    """Draw each line's bit stream: bit t is set where byte t of its hash, halved, is below |value|."""
    n = values.size
    x0s, x1s = np.empty(n, np.uint32), np.empty(n, np.uint32)
    out[:] = 0
    for chunk in range((slots + 7) >> 3):
        for i in range(n):
            x0s[i] = kind << 24 | (line0 + i)
            x1s[i] = (event << 2 | chunk) & _MASK
        _hash_all(seed, 0, x0s, x1s, n)
        for i in range(n):
            amount = abs(np.int64(values[i]))
            if amount == 0:
                continue
            word = np.int64(x1s[i]) << 32 | np.int64(x0s[i])
            bits = 0
            for t in range(min(8, slots - chunk * 8)):
                bits |= np.int64((word >> (8 * t) & 0xFF) >> 1 < amount) << t
            out[i] |= bits << (chunk * 8)


@_compiled
def _common(
    x: Array, d: Array, i: Int, row_bits: Array, lists: Array, lengths: Array, hits: Array, found: Array
) -> Int:
    """Count the pulses of row i into hits (cols,), their columns into found, and return how many columns there are.

    Without streams (lists empty) every column gets |x_i d_j|. lists (slots, cols), lengths (slots,): the columns whose
    stream has the bit of a slot, so that the work grows with the pulses and not with the cells.
    """
    m = 0
    if lengths.size == 0:
        for j in range(d.size):
            if d[j]:
                hits[j] = abs(np.int64(x[i]) * np.int64(d[j]))
                found[m] = j
                m += 1
        return m
    for t in range(lengths.size):
        if row_bits[i] >> t & 1:
            for index in range(lengths[t]):
                j = lists[t, index]
                if hits[j] == 0:
                    found[m] = j
                    m += 1
                hits[j] += 1
    return m


@_compiled
def _outer_event(
    words: Array,
    visible: Array,
    row0: Int,
    col0: Int,
    x: Array,
    d: Array,
    row_bits: Array,
    lists: Array,
    lengths: Array,
    levels: Array,
    tables: Array,
    settings: Array,
    totals: Array,
    work: Array,
    todo: Array,
    x0s: Array,
    x1s: Array,
) -> None:
    """Pulse every cell with the common bits of its lines, or x * d times where there are no streams."""
    hits, found = work[0], work[1]
    m = pulses = 0
    for i in range(x.size):
        if x[i] == 0:
            continue
        columns = _common(x, d, i, row_bits, lists, lengths, hits, found)
        for index in range(columns):
            j = found[index]
            polarity = 0 if (x[i] < 0) == (d[j] < 0) else 1
            todo[m, 0], todo[m, 1] = (row0 + i) * settings[_COLS] + col0 + j, hits[j]
            todo[m, 2], todo[m, 3] = polarity, levels[polarity]
            totals[polarity] += hits[j]
            pulses += hits[j]
            hits[j] = 0
            m += 1
        # Room for another row, whatever it holds.
        if m + d.size > len(todo) or pulses + d.size * _MOST > len(x0s):
            _burst(words, visible, todo, m, tables, settings, x0s, x1s)
            m = pulses = 0
    _burst(words, visible, todo, m, tables, settings, x0s, x1s)


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
    """Apply outer products event by event; slots 0: count mode. levels: a pair, drive level of SET and RESET."""
    cols = d.shape[1]
    row_bits = np.zeros(x.shape[1], np.int64)
    col_bits = np.zeros(cols, np.int64)
    lists, lengths = np.empty((slots, cols), np.int64), np.zeros(slots, np.int64)
    work = np.zeros((2, cols), np.int64)
    todo = np.empty((_CHUNK + cols, 4), np.int64)
    room = 2 * _CHUNK + 2 * cols * _MOST
    x0s, x1s = np.empty(room, np.uint32), np.empty(room, np.uint32)
    for e in range(x.shape[0]):
        if slots:
            number = (event + e) & _MASK
            _streams(x[e], row0, _STREAM_ROW, slots, seed, number, row_bits)
            _streams(d[e], col0, _STREAM_COLUMN, slots, seed, number, col_bits)
            for t in range(slots):
                n = 0
                for j in range(cols):
                    if col_bits[j] >> t & 1:
                        lists[t, n] = j
                        n += 1
                lengths[t] = n
        _outer_event(
            words, visible, row0, col0, x[e], d[e], row_bits, lists, lengths, levels, tables, settings, totals,
            work, todo, x0s, x1s,
        )  # fmt: skip


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
) -> Int:
    """Turn exact sums into signed 12-bit codes: times voltage, line noise, round, saturate. scale: 7 or 15.

    Returns how many saturated.
    """
    saturated = 0
    kind = _ROW if by_row else _COLUMN
    shift = scale + tia_range
    for b in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            total = sums[b, j] * voltage >> 8
            if settings[_VMM_CODE]:
                w0, _ = hash_pair(settings[_KEY0], settings[_KEY1], kind << 24 | (line0 + j), (index + b) & _MASK)
                total += (settings[_VMM_CODE] * _xi(w0) << scale) >> 8
            code = (total + (1 << shift >> 1)) >> shift
            if not -2048 <= code <= 2047:
                code = _NO_CURRENT
                saturated += 1
            out[b, j] = code
    return saturated


@_compiled
def vmm(
    visible: Array,
    row0: Int,
    col0: Int,
    vectors: Array,
    by_row: Int,
    voltage: Int,
    tia_range: Int,
    index: Int,
    settings: Array,
    out: Array,
) -> Int:
    """Sum and convert: out (batch, sensed lines) int16; by_row: columns are driven and rows sensed.

    Returns how many saturated.
    """
    sums = np.zeros(out.shape, np.int64)
    if by_row:
        column_sums(visible, row0, col0, out.shape[1], vectors, sums)
    else:
        row_sums(visible, row0, col0, out.shape[1], vectors, sums)
    scale = 7 if vectors.itemsize == 1 else 15
    return convert_sums(sums, row0 if by_row else col0, by_row, voltage, scale, tia_range, index, settings, out)


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
        _pulse_once(words, k, polarity, shapes[shape, 0], tables, settings)
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
                _set_count(words, k, min(_count(words, k) + 1, _MASK))
                out[i, j, 2] += 1
                out[i, j, 3] += shapes[shape, 1]
            visible[row0 + i, col0 + j] = _refresh(words, k, settings)
