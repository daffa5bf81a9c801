"""The report is one file without outside references, and each plotted value is in a CSV file."""

import csv
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from hwctl.errors import RunError
from hwctl.report import LayerSnapshot, tables, units, write_report, write_training_plot

SUMMARY = {
    "task": "wbc",
    "device": "reram-es",
    "training": {"learning_rate": 0.05, "hidden": [10]},
    "budget": None,
    "note": '<script>alert("&")</script>',
}
VOID = {"meta", "br", "link", "img", "hr"}


def metrics(epochs=6, **changes):
    rows = []
    for epoch in range(1, epochs + 1):
        row = {
            "epoch": epoch,
            "samples": 546 * epoch,
            "train_loss": 0.6 / epoch,
            "train_accuracy": 1 - 0.4 / epoch,
            "test_accuracy": 1 - 0.5 / epoch,
            "pulses_set": 1000 * epoch,
            "pulses_reset": 700 * epoch,
            "pulses_max_cell": 30 * epoch,
            "reads": 90 * epoch,
            "array_seconds": 0.002 * epoch,
            "link_bytes": 5000 * epoch,
            "host_seconds": 1.5 * epoch,
            "clipped_share": 0.01 * epoch,
            "rebalances": epoch,
            "pulses_per_update": 2.5,
        }
        rows.append({**row, **changes})
    return rows


def layer(rows=10, cols=20, name="hidden 9→10", symmetry_point=45e-6, seed=0):
    rng = np.random.default_rng(seed)
    before = rng.uniform(30e-6, 70e-6, (rows, cols))
    after = np.clip(before + rng.normal(0, 5e-6, (rows, cols)), 30e-6, 70e-6)
    return LayerSnapshot(name, before, after, rng.poisson(40, (rows, cols)), 30e-6, 70e-6, symmetry_point)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [row[key] for row in rows] for key in rows[0]}


def numbers(values):
    return np.array(values, dtype=np.float64)


class Checker(HTMLParser):
    """Collect what a page refers to, and the tags that are open at its end."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.references, self.ids, self.texts = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.note(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.note(attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.texts.append(data)

    def note(self, attrs):
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "action", "data", "srcset"}:
                self.references.append(value)
            if name == "id":
                self.ids.append(value)


def parse(path):
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    checker.close()
    return checker


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    layers = [layer(), layer(11, 4, "output 10→2", seed=1)]
    return write_report(folder, SUMMARY, metrics(), layers), layers


def test_page_is_balanced_and_ids_are_unique(report):
    checker = parse(report[0])
    assert checker.wrong == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))


def test_page_refers_to_nothing_outside(report):
    path, _ = report
    for reference in parse(path).references:
        assert reference.startswith(("data:image/png;base64,", "#", "plots/"))
        if reference.startswith("plots/"):
            assert (path.parent / reference).is_file()
        if reference.startswith("#"):
            assert f'id="{reference[1:]}"' in path.read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?\s*(?:https?:)?//""", text)
    assert "<script" not in text
    assert "default-src 'none'" in text


def test_page_shows_title_key_figures_and_settings(report):
    text = " ".join(parse(report[0]).texts).replace(units.count(1e6)[1], " ")
    for shown in (
        "hwctl: wbc on reram-es",
        "91.67 %",
        "6 000",
        "4 200",
        "12 ms",
        "30 kB",
        "180",
        "training.learning_rate",
        "0.05",
        '<script>alert("&")</script>',
    ):
        assert shown in text
    for unit in ("Conductance (µS)", "Accuracy (%)", "Epoch", "Pulses per cell", "Row (the last is the bias)"):
        assert unit in text


def test_page_follows_light_and_dark_and_small_screens(report):
    text = report[0].read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "currentColor" in text
    assert "#010203" not in text


def test_curves_are_in_their_csv(report):
    table = read(report[0].parent / "plots" / "epochs.csv")
    rows = metrics()
    for name, key, factor in (
        ("epoch", "epoch", 1),
        ("train_loss", "train_loss", 1),
        ("train_accuracy_percent", "train_accuracy", 100),
        ("test_accuracy_percent", "test_accuracy", 100),
        ("set_pulses_cumulative", "pulses_set", 1),
        ("reset_pulses_cumulative", "pulses_reset", 1),
        ("pulses_per_update", "pulses_per_update", 1),
        ("clipped_percent", "clipped_share", 100),
    ):
        np.testing.assert_allclose(numbers(table[name]), [factor * row[key] for row in rows], rtol=1e-8)
    assert numbers(table["set_pulses_in_epoch"]).tolist() == [1000] * 6
    assert numbers(table["reset_pulses_in_epoch"]).tolist() == [700] * 6


def test_maps_are_in_their_csv(report):
    path, layers = report
    for number, (shown, file) in enumerate(zip(layers, ("hidden-9-10", "output-10-2"), strict=True), start=1):
        table = read(path.parent / "plots" / f"layer{number}-{file}-cells.csv")
        cell = numbers(table["row"]).astype(int), numbers(table["col"]).astype(int)
        assert len(cell[0]) == shown.before.size
        np.testing.assert_allclose(numbers(table["before_uS"]), 1e6 * shown.before[cell], rtol=1e-8)
        np.testing.assert_allclose(numbers(table["after_uS"]), 1e6 * shown.after[cell], rtol=1e-8)
        change = 1e6 * (shown.after - shown.before)[cell]
        np.testing.assert_allclose(numbers(table["difference_uS"]), change, rtol=1e-7, atol=1e-12)
        np.testing.assert_array_equal(numbers(table["pulses"]), shown.pulses[cell])


def test_histograms_count_every_cell(report):
    path, layers = report
    conductances = read(path.parent / "plots" / "layer1-hidden-9-10-conductances.csv")
    assert numbers(conductances["cells_before"]).sum() == layers[0].before.size
    assert numbers(conductances["cells_after"]).sum() == layers[0].after.size
    pulses = read(path.parent / "plots" / "layer1-hidden-9-10-pulses.csv")
    assert numbers(pulses["cells"]).sum() == layers[0].pulses.size
    for low, high, cells in zip(*(numbers(column) for column in pulses.values()), strict=True):
        assert cells == np.count_nonzero((layers[0].pulses >= low) & (layers[0].pulses < high))


def test_worst_cells_are_the_worst(report):
    path, layers = report
    table = read(path.parent / "plots" / "worst-cells.csv")
    every = np.sort(np.concatenate([shown.pulses.ravel() for shown in layers]))[::-1]
    np.testing.assert_array_equal(numbers(table["pulses"]), every[: tables.WORST])
    shown = {layer.name: layer for layer in layers}
    for name, row, col, pulses in zip(table["layer"], table["row"], table["col"], table["pulses"], strict=True):
        assert shown[name].pulses[int(row), int(col)] == int(pulses)


def test_symmetry_distances_are_in_their_csv(report):
    path, layers = report
    table = read(path.parent / "plots" / "symmetry-distance.csv")
    for k, shown in enumerate(layers):
        distance = 1e6 * np.abs(shown.after - shown.symmetry_point)
        assert float(table["after_median_uS"][k]) == pytest.approx(np.median(distance))


def test_report_is_the_same_twice(report, tmp_path):
    again = write_report(tmp_path, SUMMARY, metrics(), report[1])
    assert again.read_bytes() == report[0].read_bytes()


def test_nothing_half_written_remains(report):
    assert not list(report[0].parent.rglob("*.part"))


def test_nan_metrics_and_cells_do_not_break_the_report(tmp_path):
    rows = metrics(test_accuracy=math.nan, array_seconds=math.nan, pulses_max_cell=math.nan, train_loss=math.nan)
    rows[2]["pulses_set"] = math.nan
    shown = layer()
    before, after = shown.before.copy(), np.full(shown.after.shape, np.nan)
    before[0] = np.nan
    broken = LayerSnapshot("l", before, after, shown.pulses, 30e-6, 70e-6, 45e-6)
    text = write_report(tmp_path, SUMMARY, rows, [broken]).read_text(encoding="utf-8")
    assert "not measured" in text
    assert "nan" not in "".join(re.findall(r"<dd>(.*?)</dd>", text)).lower()
    write_training_plot(tmp_path / "training.png", SUMMARY, rows)


def test_accuracy_shown_is_the_last_that_was_measured(tmp_path):
    rows = metrics()
    rows[-1]["test_accuracy"] = math.nan
    text = write_report(tmp_path, SUMMARY, rows, []).read_text(encoding="utf-8")
    assert "after epoch 5" in text


@pytest.mark.parametrize("rows", [[], [{"epoch": 1.0}], metrics(1), metrics(300)])
def test_any_number_of_epochs_and_missing_columns_do(tmp_path, rows):
    checker = parse(write_report(tmp_path, {}, rows, []))
    assert checker.wrong == []


def test_device_without_symmetry_point_and_unpulsed_cells_do(tmp_path):
    g = np.full((2, 2), 50e-6)
    flat = LayerSnapshot("a/b: <c>", g, g, np.zeros((2, 2), dtype=np.int64), 30e-6, 70e-6)
    path = write_report(tmp_path, SUMMARY, metrics(), [flat])
    assert "no symmetry point" in path.read_text(encoding="utf-8")
    assert (tmp_path / "plots" / "layer1-a-b-c-cells.csv").is_file()
    assert parse(path).wrong == []


def test_large_layers_give_a_small_report(tmp_path):
    layers = [layer(785, 200, "hidden"), layer(101, 20, "output")]
    path = write_report(tmp_path, SUMMARY, metrics(), layers)
    assert path.stat().st_size < 3_000_000


def test_layer_of_unequal_shapes_is_refused():
    g = np.full((2, 4), 50e-6)
    with pytest.raises(RunError, match=r"layer x: before \(2, 4\)"):
        LayerSnapshot("x", g, g[:1], np.zeros((2, 4), dtype=np.int64), 30e-6, 70e-6)


def test_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write .*choose a folder that can be written"):
        write_report(blocked / "run", SUMMARY, metrics(), [])
    with pytest.raises(RunError, match="cannot write"):
        write_training_plot(blocked / "training.png", SUMMARY, metrics())
    assert blocked.read_text() == "in the way"


@pytest.mark.parametrize(("name", "start"), [("t.png", b"\x89PNG"), ("t.svg", b"<?xml")])
def test_training_plot_is_written(tmp_path, name, start):
    write_training_plot(tmp_path / name, SUMMARY, metrics())
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_training_plot_refuses_other_endings_and_empty_runs(tmp_path):
    with pytest.raises(RunError, match=r"ends in \.png or \.svg"):
        write_training_plot(tmp_path / "plot.gif", SUMMARY, metrics())
    with pytest.raises(RunError, match="no finished epoch"):
        write_training_plot(tmp_path / "plot.png", SUMMARY, [])


def test_drawing_leaves_the_users_matplotlib_settings_alone(tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    write_training_plot(tmp_path / "t.png", SUMMARY, metrics())
    assert dict(mpl.rcParams) == before


def test_report_is_imported_without_matplotlib():
    code = "import sys, hwctl.report, hwctl.report.snapshot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (42e-9, "42 ns"),
        (1.5e-6, "1.5 µs"),
        (0.0421, "42.1 ms"),
        (59.9, "59.9 s"),
        (61, "1 min 01 s"),
        (7325, "2 h 02 min"),
        (math.nan, units.NOT_MEASURED),
    ],
)
def test_times_take_a_sensible_unit(value, text):
    assert units.seconds(value).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1.5e6, "1.5 MB"), (math.nan, units.NOT_MEASURED)]
)
def test_sizes_take_a_sensible_unit(value, text):
    assert units.size(value).replace("\u202f", " ") == text
