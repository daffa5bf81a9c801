import pytest

from hwctl.errors import MissingPackage
from hwctl.packages import installed, need


def test_what_is_missing_is_one_line_with_what_needs_it_and_what_to_do():
    assert not installed("no_such_package")
    with pytest.raises(MissingPackage) as raised:
        need("no_such_package", "the moon", "go elsewhere")
    assert str(raised.value) == (
        "the moon needs no_such_package, which is not installed; 'pip install no_such_package', or go elsewhere"
    )


def test_what_is_installed_is_not_imported_for_that():
    assert installed("antigravity")
    need("antigravity", "the moon")
