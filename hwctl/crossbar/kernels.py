"""Compiled loop of the input converter: at batch 1, numpy's overhead a call would be a tenth of a training step."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hwctl.compiled import compiler

Array: TypeAlias = Any  # numba infers the types at the call

_compiled = compiler(Path(__file__))


@_compiled
def input_codes(values: Array, scale: float, top: int, out: Array) -> float:
    """Write values (batch, lines) * scale, rounded to even, into `out` (int8 or int16).

    Returns the largest sum of sizes over a vector, or -1 where a value is NaN or its size is above `top`.
    """
    largest = 0.0
    for b in range(values.shape[0]):
        total = 0.0
        for i in range(values.shape[1]):
            code = np.rint(values[b, i] * scale)
            if not abs(code) <= top:
                return -1.0
            out[b, i] = np.int16(code)
            total += abs(code)
        largest = max(largest, total)
    return largest
