"""The picture of a device's response comes with all of its values as CSV."""

import csv
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hwctl.errors import RunError
from hwctl.report import plot_device_response


@dataclass(frozen=True)
class Response:
    name: str
    title: str
    set_g: np.ndarray
    reset_g: np.ndarray
    step_g: np.ndarray
    set_step: np.ndarray
    reset_step: np.ndarray
    symmetry_point: float | None


def response(name="reram-es", pulses=40, cells=9, symmetry_point=46e-6, reset_factor=1.0):
    rng = np.random.default_rng(0)
    climb = np.linspace(30e-6, 68e-6, pulses + 1)[:, None] + rng.normal(0, 1e-6, (pulses + 1, cells))
    grid = np.linspace(30e-6, 70e-6, 64)
    set_step = 0.4e-6 * (70e-6 - grid) / 40e-6
    reset_step = -0.6e-6 * (grid - 30e-6) / 40e-6 * reset_factor
    return Response(name, name.upper(), climb, climb[::-1][:-5], grid, set_step, reset_step, symmetry_point)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [row[key] for row in rows] for key in rows[0]}


@pytest.mark.parametrize(("name", "start"), [("devices.png", b"\x89PNG"), ("devices.svg", b"<?xml")])
def test_picture_and_tables_are_written(tmp_path, name, start):
    shown = [response(), response("pcm", symmetry_point=None, reset_factor=80)]
    written = plot_device_response(shown, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in written} == {
        name,
        *(f"devices-{device}-{kind}.csv" for device in ("reram-es", "pcm") for kind in ("train", "step")),
    }


def test_trains_are_in_their_csv(tmp_path):
    shown = response()
    plot_device_response([shown], tmp_path / "d.png")
    table = read(tmp_path / "d-reram-es-train.csv")
    assert table["train"] == ["SET"] * 41 + ["RESET"] * 36
    assert [int(pulse) for pulse in table["pulse"]] == [*range(41), *range(40, 76)]
    g = 1e6 * np.concatenate([shown.set_g, shown.reset_g])
    for name, share in (("p16_uS", 16), ("median_uS", 50), ("p84_uS", 84)):
        values = np.array(table[name], dtype=np.float64)
        np.testing.assert_allclose(values, np.percentile(g, share, axis=1), rtol=1e-8)


def test_steps_are_in_their_csv(tmp_path):
    shown = response()
    plot_device_response([shown], tmp_path / "d.png")
    table = read(tmp_path / "d-reram-es-step.csv")
    for name, values in (
        ("conductance_uS", shown.step_g),
        ("set_step_uS", shown.set_step),
        ("reset_step_uS", shown.reset_step),
    ):
        np.testing.assert_allclose(np.array(table[name], dtype=np.float64), 1e6 * values, rtol=1e-8)


def test_cells_that_were_not_read_are_left_out(tmp_path):
    shown = response()
    set_g = shown.set_g.copy()
    set_g[3, 0] = np.nan
    plot_device_response([replace(shown, set_g=set_g)], tmp_path / "d.png")
    table = read(tmp_path / "d-reram-es-train.csv")
    assert float(table["median_uS"][0]) == pytest.approx(1e6 * np.median(set_g[0, 1:]))


def test_device_without_a_readable_cell_is_named(tmp_path):
    shown = response()
    with pytest.raises(RunError, match="device reram-es: no cell was read along the whole RESET train"):
        plot_device_response([replace(shown, reset_g=np.full((4, 2), np.nan))], tmp_path / "d.png")
    assert list(tmp_path.iterdir()) == []


def test_flat_device_is_drawn(tmp_path):
    zero = np.zeros(64)
    plot_device_response([replace(response(), set_step=zero, reset_step=zero)], tmp_path / "d.png")


def test_no_device_other_endings_and_unwritable_folders_are_named(tmp_path):
    with pytest.raises(RunError, match="no device to plot"):
        plot_device_response([], tmp_path / "d.png")
    with pytest.raises(RunError, match=r"ends in \.png or \.svg"):
        plot_device_response([response()], tmp_path / "d.jpg")
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        plot_device_response([response()], blocked / "d.png")
