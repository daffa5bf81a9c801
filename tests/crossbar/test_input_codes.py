"""Loops that run as Python where numba is missing give the bits that they give compiled."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hwctl.crossbar.kernels import input_codes

SIZES = st.floats(-1.3, 1.3) | st.just(float("nan"))


@settings(deadline=None)  # the first call compiles
@given(values=arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=SIZES), bits=st.sampled_from([8, 16]))
def test_input_codes(values, bits):
    top = (1 << bits - 1) - 1
    results = []
    for loop in (input_codes, input_codes.py_func):
        codes = np.zeros(values.shape, np.int8 if bits == 8 else np.int16)
        results.append((loop(values, top + 1, top, codes), codes.tolist()))
    assert results[0] == results[1]
