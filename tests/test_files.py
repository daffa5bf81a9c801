"""A file is written whole or not at all, and an error names it."""

import resource

import pytest

from hwctl.errors import RunError
from hwctl.files import write_file


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("content", [b"", b"one", bytes(range(256)) * 5000])
def test_the_content_arrives_and_nothing_else_is_left(tmp_path, content):
    write_file(tmp_path / "run" / "deep" / "metrics.csv", content)
    assert tree(tmp_path) == {"run/deep/metrics.csv": content}


def test_a_file_that_is_there_is_replaced(tmp_path):
    path = tmp_path / "config.toml"
    for content in (b"a long first version", b"short", b"third"):
        write_file(path, content)
        assert tree(tmp_path) == {"config.toml": content}


def test_what_another_process_left_half_written_does_no_harm(tmp_path):
    (tmp_path / "config.toml.1.part").write_bytes(b"half")
    write_file(tmp_path / "config.toml", b"whole")
    assert (tmp_path / "config.toml").read_bytes() == b"whole"


@pytest.fixture
def small_disk():
    """Return a function after which no file can grow beyond 4096 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_leaves_the_old_one_and_nothing_else(tmp_path, small_disk):
    path = tmp_path / "checkpoint.h5"
    write_file(path, b"old")
    small_disk()
    with pytest.raises(RunError, match=r"cannot write .*checkpoint\.h5 \(File too large\); choose a folder"):
        write_file(path, bytes(5000))
    assert tree(tmp_path) == {"checkpoint.h5": b"old"}
    write_file(path, bytes(4096))
    assert tree(tmp_path) == {"checkpoint.h5": bytes(4096)}


def test_any_other_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "report.html"
    write_file(path, b"old")
    with pytest.raises(TypeError):
        write_file(path, "text where bytes are due")
    assert tree(tmp_path) == {"report.html": b"old"}


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("a file/metrics.csv", "Not a directory|File exists"),
        ("a folder", "Is a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_an_error_of_one_line_that_names_it(tmp_path, inside, reason):
    (tmp_path / "a file").write_bytes(b"in the way")
    (tmp_path / "a folder").mkdir()
    before = tree(tmp_path)
    path = tmp_path / inside
    with pytest.raises(RunError, match=rf"\(({reason})\); choose a folder that can be written") as error:
        write_file(path, b"x")
    assert str(error.value).startswith(f"cannot write {path} (")
    assert "\n" not in str(error.value)
    assert tree(tmp_path) == before
