"""The three small files are read as published; a malformed one is named with its line."""

import numpy as np
import pytest

from hwctl.errors import TaskError
from hwctl.training.tasks import tabular

IRIS_HEADER = "a,b,c,d,class\n"
IRIS_ROWS = "".join(f"{k},{k + 1},2,3,{k % 3}\n" for k in range(12))


def read_iris(folder, text):
    (folder / "iris.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tabular.load_iris(0, folder)


def test_wbc_drops_the_16_incomplete_rows():
    text = (tabular.PACKAGED / tabular.WBC.file).read_text(encoding="utf-8")
    assert len(text.splitlines()) == 699
    x, y = tabular.parse_table(tabular.WBC, text, "wbc")
    assert x.shape == (683, 9)
    assert x.min() == 1
    assert x.max() == 10
    assert np.bincount(y).tolist() == [444, 239]
    data = tabular.load_wbc(0)
    assert (len(data.train_y), len(data.test_y)) == (546, 137)


@pytest.mark.parametrize(
    ("table", "rows"), [(tabular.IRIS, [50, 50, 50]), (tabular.WINE, [59, 71, 48])], ids=lambda v: str(v)[:20]
)
def test_classes_have_their_published_sizes(table, rows):
    text = (tabular.PACKAGED / table.file).read_text(encoding="utf-8")
    x, y = tabular.parse_table(table, text, table.file)
    assert np.bincount(y).tolist() == rows
    assert x.shape == (sum(rows), table.features)


def test_sources_name_every_file_with_its_licence():
    sources = (tabular.PACKAGED / "SOURCES.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in sources
    for table in (tabular.WBC, tabular.IRIS, tabular.WINE):
        assert table.file in sources


def test_a_folder_may_hold_the_file_instead_of_the_package(tmp_path):
    data = read_iris(tmp_path, IRIS_HEADER + IRIS_ROWS + "\n")
    assert len(data.train_y) + len(data.test_y) == 12


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,2,3,0", "has 4 columns instead of 5"),
        ("1,2,3,4,5,0", "has 6 columns instead of 5"),
        ("1,2,three,4,0", "'three' where a number belongs"),
        ("1,2,,4,0", "'' where a number belongs"),
        ("1,2,nan,4,0", "'nan' where a number belongs"),
        ("1,2,inf,4,0", "'inf' where a number belongs"),
        ("1,2,?,4,0", "'\\?' where a number belongs"),
        ("1,2,3,4,7", "unknown label '7'; use one of 0, 1, 2"),
    ],
)
def test_malformed_line_is_named_with_file_and_line(tmp_path, line, says):
    with pytest.raises(TaskError, match=f"iris.csv line 14 .*{says}") as caught:
        read_iris(tmp_path, f"{IRIS_HEADER}{IRIS_ROWS}{line}\n")
    assert "\n" not in str(caught.value)


def test_missing_class_is_named(tmp_path):
    with pytest.raises(TaskError, match="no row of class 2"):
        read_iris(tmp_path, IRIS_HEADER + "1,2,3,4,0\n1,2,3,4,1\n")


@pytest.mark.parametrize("content", [b"", b"a,b\xff\xfe\n", b"a,b,c,d,class\n"])
def test_empty_or_binary_file_is_an_error(tmp_path, content):
    with pytest.raises(TaskError, match=r"iris\.csv"):
        read_iris(tmp_path, content)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(TaskError, match=r"no file .*wine\.csv"):
        tabular.load_wine(0, tmp_path)


def test_folder_in_place_of_the_file_is_an_error(tmp_path):
    (tmp_path / "wine.csv").mkdir()
    with pytest.raises(TaskError, match=r"cannot read .*wine\.csv"):
        tabular.load_wine(0, tmp_path)
