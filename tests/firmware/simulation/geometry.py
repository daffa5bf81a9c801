"""One size for the simulated boards of these tests: each further size is a model to compile."""

ROWS, COLS = 5, 6
LANES = {"reram-es": 2, "hfox-1t1r": 1, "tiox-passive": 2}
