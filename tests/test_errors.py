"""The tree that the docstring of `hwctl.errors` draws is the tree of its classes."""

import re

import pytest

from hwctl import errors

LINE = re.compile(r"    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:  +(?P<text>\S.*))?$")
CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def drawn():
    """Return the parent of every class that is drawn, None of the root."""
    parents, path = {}, []
    for line in errors.__doc__.splitlines():
        found = LINE.match(line)
        if found:
            assert len(found["branch"]) % 4 == 0
            depth = len(found["branch"]) // 4
            path = [*path[:depth], found["name"]]
            assert len(path) == depth + 1, f"{line} hangs on nothing"
            assert found["name"] not in parents
            parents[found["name"]] = path[-2] if depth else None
    return parents


def test_every_class_is_drawn_below_its_base():
    real = {name: None if kind.__base__ is Exception else kind.__base__.__name__ for name, kind in CLASSES.items()}
    assert drawn() == real
    assert len(real) > 10


def test_every_branch_of_the_drawing_but_the_root_says_when_it_is_raised():
    lines = [LINE.match(line) for line in errors.__doc__.splitlines()]
    assert [found["name"] for found in lines if found and not found["text"]] == ["HwctlError"]


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_an_hwctl_error_with_one_base_and_a_sentence_of_its_own(name):
    kind = CLASSES[name]
    assert issubclass(kind, errors.HwctlError)
    assert len(kind.__bases__) == 1
    assert kind.__doc__.endswith(".")
    assert str(kind("what happened; what to do")) == "what happened; what to do"


def test_what_to_do_after_a_lost_link_is_said_by_who_knows_best():
    error = errors.LinkClosed("link closed", "open it again")
    assert str(error) == "link closed; open it again"
    error.todo = "run it again"
    assert str(error) == "link closed; run it again"
