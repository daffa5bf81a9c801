"""A target URL is either understood or a TargetError that says what would be; its scheme names a package's board."""

import sys
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.errors import TargetError
from hwctl.links import Target, open_link

# Surrogates as well: that is how bytes of a command line that are no UTF-8 arrive.
anything = st.text(st.characters(exclude_categories=()), max_size=60)
query_like = st.text(st.sampled_from(list("abrowscld=&?:;%+,.-_0123456789 ü\0\n/#")), max_size=40)


@settings(max_examples=300, deadline=None)
@given(anything | query_like.map(lambda text: "emulator:" + text))
def test_any_text_is_a_target_or_a_target_error(text):
    try:
        target = Target.parse(text)
    except TargetError as error:
        assert text in str(error)
        return
    assert target.url == text
    assert text.startswith(target.path if text.startswith("/") else target.scheme + ":" + target.path)
    assert target.scheme
    assert "?" not in target.path
    for name in target.options:
        for read in (lambda name=name: target.integer(name, 0, 1, 9), lambda name=name: target.number(name, 0, 1, 9)):
            try:
                assert 1 <= read() <= 9
            except TargetError as error:
                assert f"{name}=" in str(error)


@settings(max_examples=100, deadline=None)
@given(anything | query_like.map(lambda text: "emulator:?" + text))
def test_opening_any_text_is_a_link_or_a_target_error(text):
    try:
        link = open_link(text)
    except TargetError:
        return
    link.close()


@settings(max_examples=100)
@given(
    st.from_regex(r"[a-z0-9]+", fullmatch=True),
    st.text(max_size=10).map(quote),
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4),
)
def test_the_parts_of_a_url_come_back(scheme, path, options):
    target = Target.parse(f"{scheme}:{path}" + ("?" + urlencode(options) if options else ""))
    assert (target.scheme, target.path, target.options) == (scheme, path, options)


@pytest.mark.parametrize("url", ["", ":", "emulator", "dev/ttyUSB0", "a b:x", "?x=1"])
def test_what_has_no_scheme_is_refused_with_an_example(url):
    with pytest.raises(TargetError, match="has no scheme; use for example 'emulator:"):
        Target.parse(url)


def test_the_path_of_a_device_is_a_serial_port():
    target = Target.parse("/dev/ttyUSB0?baud=3000000")
    assert (target.scheme, target.path, target.options) == ("serial", "/dev/ttyUSB0", {"baud": "3000000"})


@pytest.mark.parametrize("query", ["rows", "rows=1&cols", "&", "rows=1&&cols=2"])
def test_options_that_are_no_list_of_name_and_value_are_refused(query):
    with pytest.raises(TargetError, match="is no list of option=value joined by '&'"):
        Target.parse(f"emulator:?{query}")


def test_an_option_given_twice_is_refused():
    with pytest.raises(TargetError, match="names an option twice"):
        Target.parse("emulator:?rows=1&cols=2&rows=1")


def test_numbers_of_options_are_taken_within_their_limits_alone():
    target = Target.parse("emulator:?a=12&b=0x1F&c=1e-3&d=nan&e=inf&f=12.0&g=&h=-1")
    assert target.integer("a", 5, 0, 12) == 12
    assert target.integer("b", 5, 0, 31) == 31
    assert target.integer("missing", 5, 0, 3) == 5
    assert target.number("c", 5, 0.0, 1.0) == 1e-3
    assert target.number("missing", 5.0, 0.0, 1.0) == 5.0
    for name in "adefgh":
        with pytest.raises(TargetError, match=f"{name}=.*; give an integer from 0 to 11"):
            target.integer(name, 5, 0, 11)
    for name in "adegh":
        with pytest.raises(TargetError, match=f"{name}=.*; give a number from 0 to 11"):
            target.number(name, 5.0, 0.0, 11.0)


def test_options_that_nobody_knows_are_refused():
    target = Target.parse("emulator:?rows=1&colums=2")
    target.only("rows", "colums")
    with pytest.raises(TargetError, match="no option 'colums'; known: rows, cols"):
        target.only("rows", "cols")


def test_an_unknown_scheme_is_refused_with_those_that_are_known():
    with pytest.raises(TargetError, match=r"no scheme 'emulater:'; known: .*emulator:"):
        open_link("emulater:?rows=1")


# -- boards of other packages --------------------------------------------------------------------------------------

BOARD = """
from hwctl.links.inprocess import open_emulator
from hwctl.links.target import Target


def open_acme(target):
    rows = target.integer("lines", 2, 1, 9)
    return open_emulator(Target.parse(f"emulator:?device=linear&rows={rows}&cols=3"))
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package with a board, as pip would leave it."""

    def install(entry_point):
        info = tmp_path / "acme_boards-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-boards\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hwctl.boards]\nacme = {entry_point}\n")
        (tmp_path / "acme_boards.py").write_text(BOARD)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "acme_boards", raising=False)

    return install


def test_a_board_of_another_package_is_found_by_its_scheme(installed):
    with pytest.raises(TargetError, match="no scheme 'acme:'"):
        open_link("acme:")
    installed("acme_boards:open_acme")
    with Crossbar.open("acme:?lines=4") as crossbar:
        assert crossbar.read().shape == (4, 3)
        np.testing.assert_allclose(crossbar.read(), 50e-6, atol=0.1e-6)
    with pytest.raises(TargetError, match="known: acme:, emulator:"):
        open_link("acne:")
    with pytest.raises(TargetError, match="lines=10; give an integer from 1 to 9"):
        open_link("acme:?lines=10")


@pytest.mark.parametrize("entry_point", ["acme_boards:missing", "acme_gone:open_acme"])
def test_a_board_whose_package_is_broken_is_a_target_error_that_names_it(installed, entry_point):
    installed(entry_point)
    with pytest.raises(TargetError, match="acme"):
        open_link("acme:")
