"""The pytest plugin: the fixture `crossbar`, markers that skip what a target lacks, and a check for links left open.

pytest loads this module in every run, so it imports nothing that takes time; what a test needs of hwctl is imported
once it needs it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.protocol.codes import Feature
    from hwctl.testing.budget import SessionBudget

DEFAULT_TARGET = "emulator:?device=reram-es&rows=16&cols=12&seed=1"
ENVIRONMENT = "HWCTL_TARGET"
BOARDS = "hwctl.boards"  # entry points of hwctl.links.target.GROUP, which would import numpy
PHYSICAL_PULSES = 1000  # of a cell in one session, where --hwctl-pulses does not say

_BUDGETS: pytest.StashKey[dict[str, "SessionBudget"]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("hwctl", "crossbar arrays (hwctl)")
    group.addoption(
        "--hwctl-target",
        metavar="URL",
        help=f"board that the fixture 'crossbar' opens; default: ${ENVIRONMENT}, else hwctl_target of the "
        f"configuration file, else {DEFAULT_TARGET}",
    )
    group.addoption(
        "--hwctl-pulses",
        metavar="N",
        type=int,
        help="pulses that a cell of the fixture 'crossbar' may get in this session; a test that needs more is skipped. "
        f"Default: {PHYSICAL_PULSES}, without a limit on an emulated board",
    )
    parser.addini("hwctl_target", "board that the fixture 'crossbar' opens, where --hwctl-target is not given")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and start with no board known."""
    config.addinivalue_line("markers", "hwctl_needs(*features): skip where the target lacks a feature, as 'VMM_T'")
    config.addinivalue_line("markers", "hwctl_emulated: skip where the target is no emulated board")
    config.stash[_BUDGETS] = {}


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the target where one was chosen."""
    url = _target(config)
    return None if url == DEFAULT_TARGET else f"hwctl target: {url}"


def _target(config: pytest.Config) -> str:
    chosen = config.getoption("--hwctl-target") or os.environ.get(ENVIRONMENT) or config.getini("hwctl_target")
    return str(chosen or DEFAULT_TARGET)


# -- the target ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def hwctl_target(pytestconfig: pytest.Config) -> str:
    """URL of the board under test."""
    return _target(pytestconfig)


@pytest.fixture(scope="session")
def hwctl_features(hwctl_target: str) -> "Feature":
    """Return what the board under test says it can do; it is asked once in a session."""
    from hwctl.crossbar import Crossbar  # noqa: PLC0415

    with Crossbar.open(hwctl_target) as opened:
        return opened.identity.features


@pytest.fixture
def crossbar(hwctl_target: str, pytestconfig: pytest.Config) -> Iterator["Crossbar"]:
    """Open the board under test for one test; it is left SAFE.

    An emulator in this process is new each time; the cells of any other board are as an earlier test left them.
    """
    from hwctl.crossbar import Crossbar  # noqa: PLC0415

    opened = Crossbar.open(hwctl_target)
    try:
        yield within_budget(opened, hwctl_target, pytestconfig)
    finally:
        opened.close()


def within_budget(opened: "Crossbar", url: str, config: pytest.Config) -> "Crossbar":
    """Return a crossbar on the same link which skips a test that would give a cell more pulses than it may get."""
    from hwctl.crossbar import Crossbar  # noqa: PLC0415
    from hwctl.protocol.codes import Feature  # noqa: PLC0415
    from hwctl.testing.budget import SessionBudget  # noqa: PLC0415

    limit = config.getoption("--hwctl-pulses")
    if limit is None and opened.has(Feature.EMULATED):
        return opened
    most = PHYSICAL_PULSES if limit is None else limit
    budget = config.stash[_BUDGETS].setdefault(url, SessionBudget(most, opened.rows, opened.cols))
    return Crossbar(budget.metered(opened.link))


# -- markers -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _hwctl_skip(request: pytest.FixtureRequest) -> None:
    """Skip a test that is marked with a feature which the target lacks."""
    needed = [name for mark in request.node.iter_markers("hwctl_needs") for name in mark.args]
    if request.node.get_closest_marker("hwctl_emulated"):
        needed.append("EMULATED")
    if not needed:
        return
    from hwctl.protocol.codes import Feature  # noqa: PLC0415

    url, has = request.getfixturevalue("hwctl_target"), request.getfixturevalue("hwctl_features")
    for name in needed:
        try:
            feature = name if isinstance(name, Feature) else Feature[str(name).upper()]
        except KeyError:
            known = ", ".join(feature.name for feature in Feature if feature.name)
            pytest.fail(f"hwctl_needs: no feature {name!r}; known: {known}", pytrace=False)
        if feature not in has:
            pytest.skip(f"{url} lacks {feature.name or feature}")


# -- links left open -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def hwctl_leak_check() -> Iterator[None]:
    """Fail a test that leaves a link open, fixtures of function scope included.

    Links of fixtures with a wider scope are not looked at. Override this fixture where a test may leave links open.
    """
    with _links_opened() as still_open:
        yield
        left = list(still_open.values())
        if left:
            urls = ", ".join(url for url, _ in left)
            try:
                for _, link in left:
                    link.close()  # the next test shall find the board SAFE and free
            finally:
                pytest.fail(
                    f"{len(left)} link{'s' * (len(left) > 1)} left open: {urls}; close what a test opens, for example "
                    "by 'with Crossbar.open(url) as crossbar:'",
                    pytrace=False,
                )


@contextmanager
def _links_opened() -> Iterator[dict[int, tuple[str, Any]]]:
    """Watch links that are opened: yields URL and link of those that are not closed yet.

    Every link is opened by a function that an entry point names, whichever way its caller imported `open_link`. So
    the entry point is where to watch, and hwctl.links need not be imported for it.
    """
    still_open: dict[int, tuple[str, Any]] = {}
    watched: set[type] = set()
    load = EntryPoint.load

    def watch(link: Any, url: str) -> None:
        still_open[id(link)] = url, link  # keeps the link, so that its id is not used again
        kind = type(link)
        if kind not in watched:
            watched.add(kind)
            patch.setattr(kind, "close", _noting(kind.close, still_open))

    def loading(point: EntryPoint) -> Any:
        found = load(point)
        if point.group != BOARDS:
            return found

        def opening(target: Any) -> Any:
            link = found(target)
            watch(link, target.url)
            return link

        return opening

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EntryPoint, "load", loading)
        yield still_open


def _noting(close: Callable[[Any], None], still_open: dict[int, tuple[str, Any]]) -> Callable[[Any], None]:
    def closing(link: Any) -> None:
        still_open.pop(id(link), None)
        close(link)

    return closing
