"""The board under test, for every file of the suite."""

from collections.abc import Iterator

import pytest

from hwctl.crossbar import Crossbar
from hwctl.protocol.codes import Feature
from hwctl.testing.conformance.bench import Bench
from hwctl.testing.conformance.board import Board
from hwctl.testing.plugin import within_budget


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Narrow limits last: a board keeps them so until it loses its power."""
    items.sort(key=lambda item: item.path.parent.name == "conformance" and item.path.name == "test_limits.py")


@pytest.fixture(autouse=True)
def hwctl_leak_check() -> None:
    """Leave out the plugin's check: `board` keeps the link open from test to test."""


@pytest.fixture(scope="session")
def board(hwctl_target: str, hwctl_features: Feature) -> Iterator[Board]:
    """Return the target; a test that opens it itself releases it first, as a line takes one client at a time."""
    shared = Board(hwctl_target)
    try:
        yield shared
    finally:
        shared.release()


@pytest.fixture
def crossbar(board: Board, pytestconfig: pytest.Config) -> Crossbar:
    """Return the board under test as earlier tests left it."""
    return within_budget(board.crossbar(), board.url, pytestconfig)


@pytest.fixture
def bench(crossbar: Crossbar) -> Bench:
    """Return the board under test; skips where its array is smaller than 2 x 2."""
    if crossbar.rows < 2 or crossbar.cols < 2:
        pytest.skip(f"{crossbar.link.url} has {crossbar.rows} x {crossbar.cols} cells; the suite needs 2 x 2")
    return Bench(crossbar)


@pytest.fixture
def exact(bench: Bench) -> Bench:
    """Return the board under test; skips where the cell law does not decide on every bit."""
    bench.need_exact()
    return bench
