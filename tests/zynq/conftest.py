"""Tests with the real pynq, in an environment that has it.

pip install '.[test,gateware,pynq]'
    python -m pytest tests/zynq
"""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a package that comes with pynq is called `tests`, too

if find_spec("pynq") is None:
    collect_ignore_glob = ["test_*.py"]
