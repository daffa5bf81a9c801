"""`hwctl program --weights`: a file of weights becomes conductances, and what cannot be done is said before a pulse."""

import csv
import json
import re

import h5py
import numpy as np
import pytest

CHIP = "emulator:?device=neurram&rows=14&cols=14&seed=3&stuck=0.05"


@pytest.fixture
def weights(tmp_path):
    drawn = np.random.default_rng(0).normal(0, 0.3, (12, 5))
    np.save(tmp_path / "w.npy", drawn)
    return drawn


def results(path):
    return json.loads(path.read_text())


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_weights_become_pairs_and_are_read_back_within_the_tolerance(run, tmp_path, weights):
    asked = ("program", "--weights", "w.npy", "--target", CHIP, "--row", "1", "--col", "2", "--out", "effective.npy")
    assert run(*asked, "--json", "d.json")[0] == 0
    found = results(tmp_path / "d.json")
    assert (found["cells"], found["reached"] + len(found["not_reached"])) == (120, 120)
    assert found["scale_siemens"] == pytest.approx((39 - 2) * 1e-6 / np.abs(weights).max())
    effective = np.load(tmp_path / "effective.npy")
    np.testing.assert_allclose(effective, found["effective"])
    after = np.array(found["after_siemens"])
    np.testing.assert_allclose(effective, (after[:, 0::2] - after[:, 1::2]) / found["scale_siemens"])
    lost = {(cell["row"] - 1, (cell["col"] - 2) // 2) for cell in found["not_reached"]}
    held = np.array([[(i, j) not in lost for j in range(5)] for i in range(12)])
    assert 40 < held.sum() < 60
    assert np.abs(effective - weights)[held].max() < 2e-6 / found["scale_siemens"]


def test_the_report_links_the_values_of_every_plot(run, tmp_path, weights):
    assert run("program", "--weights", "w.npy", "--target", CHIP, "--report", "page.html", "--json", "d.json")[0] == 0
    text, found = (tmp_path / "page.html").read_text(), results(tmp_path / "d.json")
    named = set(re.findall(r'href="(page/[^"]+\.csv)"', text))
    assert named == {f"page/{path.name}" for path in (tmp_path / "page").iterdir()}
    assert len(re.findall(r"<svg", text)) == 10
    rows = table(tmp_path / "page" / "cells.csv")
    assert sum(int(row["reached"]) for row in rows) == found["reached"]
    np.testing.assert_allclose(
        [float(r["reading_uS"]) for r in rows], np.ravel(found["after_siemens"]) * 1e6, atol=1e-6
    )
    errors = table(tmp_path / "page" / "weight-errors.csv")
    assert sum(int(row["weights"]) for row in errors) == weights.size


def test_a_record_tells_which_cells_are_stuck_and_their_partners_make_up_for_them(run, tmp_path, weights):
    assert run("calibrate", "-o", "chip.h5", "--target", CHIP)[0] == 0
    rms = {}
    for name, more in (("blind", ()), ("known", ("--chip", "chip.h5"))):
        asked = ("program", "--weights", "w.npy", "--scale", "40", "--target", CHIP, *more)
        assert run(*asked, "--json", f"{name}.json")[0] == 0
        rms[name] = results(tmp_path / f"{name}.json")["weight_error_rms"]
    found = results(tmp_path / "known.json")
    assert found["unreachable"] == 0
    assert rms["known"] < 0.7 * rms["blind"]
    assert len(found["stuck"]) == found["cells"] - found["working"] > 3
    assert found["reached_working"] == found["working"]
    assert found["out_of_reach"]
    for weight in found["out_of_reach"]:
        assert weight["wanted"] == weights[weight["row"], weight["output"]] != weight["expected"]


def test_a_map_is_found_by_a_first_pass_and_said_in_the_result_and_in_the_report(run, tmp_path, weights):
    asked = ("program", "--weights", "w.npy", "--target", CHIP, "--map", "--spare-rows", "2", "--spare-cols", "4")
    assert run(*asked, "--json", "d.json", "--report", "page.html")[0] == 0
    found = results(tmp_path / "d.json")
    assert found["passes"] > 1
    assert found["expected_error_after"] < 0.1 * found["expected_error_before"]
    assert found["reached"] == found["reached_working"] == found["working"] == 120 - len(found["stuck"])
    assert len(set(found["map_rows"])) == 12
    assert max(found["map_rows"]) < 14
    assert all(minus == plus + 1 and plus % 2 == 0 for plus, minus in found["map_columns"])
    rows = table(tmp_path / "page" / "cells.csv")
    assert {(int(r["weight_row"]), int(r["row"])) for r in rows} == set(enumerate(found["map_rows"]))
    assert [int(r["row"]) for r in table(tmp_path / "page" / "map-rows.csv")] == found["map_rows"]
    assert [int(r["col_plus"]) for r in table(tmp_path / "page" / "map-outputs.csv")] == [
        plus for plus, _ in found["map_columns"]
    ]
    out = run(*asked)[1]
    assert "without the map" in out


def test_a_precision_brings_weights_closer_than_one_reading_tells(run, tmp_path, weights):
    asked = (
        "program",
        "--weights",
        "w.npy",
        "--target",
        CHIP,
        "--chip",
        "chip.h5",
        "--tolerance",
        "0.1",
        "--scale",
        "40",
    )
    assert run("calibrate", "-o", "chip.h5", "--target", CHIP)[0] == 0
    assert run(*asked)[0] == 1  # four conversions do not tell
    assert run(*asked, "--precision", "0.02", "--json", "d.json")[0] == 0
    found = results(tmp_path / "d.json")
    assert found["reached_working"] == found["working"]
    assert found["standard_error_median_siemens"] <= 0.02e-6
    held = np.abs(np.array(found["effective"]) - weights)
    for weight in found["out_of_reach"]:
        held[weight["row"], weight["output"]] = 0
    assert held.max() < 0.3 / 40
    out = run(*asked, "--precision", "0.02", "--pause", "0.01", "--denoise", "1")[1]
    assert "readings are known to 0.0" in out


def test_a_residual_takes_twice_the_columns_and_makes_the_weights_better(run, tmp_path, weights):
    wide = CHIP.replace("cols=14", "cols=24").replace("&stuck=0.05", "")
    asked = ("program", "--weights", "w.npy", "--residual", "--col", "2", "--out", "e.npy", "--report", "page.html")
    code, _, err = run(*asked, "--target", CHIP)
    assert code == 1
    assert "take 12 rows and 20 columns, two a weight and two of the residual (columns 2:22" in err
    assert run(*asked, "--target", wide, "--json", "d.json")[0] == 0
    found = results(tmp_path / "d.json")
    second = found["residual"]
    assert second["columns"] == [12, 22]
    assert second["weight_error_rms"] == found["weight_error_rms"] < 0.3 * second["weight_error_rms_before"]
    off = np.load(tmp_path / "e.npy") - weights
    assert np.sqrt((off**2).mean()) == pytest.approx(second["weight_error_rms"])
    rows = table(tmp_path / "page" / "cells.csv")
    assert {row["matrix"] for row in rows} == {"1", "2"}
    assert len({(row["row"], row["col"]) for row in rows}) == len(rows) == 240
    errors = [float(row["error_first"]) for row in table(tmp_path / "page" / "weights.csv")]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(second["weight_error_rms_before"], rel=1e-6)
    assert "with it" in run(*asked, "--map", "--target", wide)[1]


def test_on_the_twin_of_a_chip_the_record_says_how_its_cells_differ(run, tmp_path, weights):
    assert run("calibrate", "-o", "chip.h5", "--target", CHIP)[0] == 0
    asked = ("program", "--weights", "w.npy", "--chip", "chip.h5", "--target", "emulator:chip.h5", "--json", "d.json")
    assert run(*asked)[0] == 0
    found = results(tmp_path / "d.json")
    assert found["reached_working"] == found["working"] > 100
    assert found["pulses"] < 6 * found["working"]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(4), "shape (4,); give rows x outputs"),
        (np.zeros((0, 4)), "shape (0, 4); give rows x outputs"),
        (np.zeros((2, 4)), "zeros alone"),
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), "2 weights that are NaN or infinite, first at row 0, output 1"),
        (np.array([["a", "b"]]), "one array of real numbers"),
        (np.array([[1j, 2.0]]), "one array of real numbers"),
        (np.array([[1.0, None]], dtype=object), "cannot be read (Object arrays cannot be loaded"),
        (np.ones((15, 2)), "15 x 2 weights of w.npy take 15 rows and 4 columns, two a weight (rows 0:15"),
        (np.ones((2, 8)), "take 2 rows and 16 columns, two a weight (columns 0:16"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_in_one_line(run, tmp_path, array, says):
    np.save(tmp_path / "w.npy", array, allow_pickle=True)
    code, _, err = run("program", "--weights", "w.npy", "--target", CHIP, "--json", "d.json", "--pulse-log", "p.h5")
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "d.json").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("t.csv", "--weights", "w.npy"), "give either"),
        (("t.csv", "--scale", "3", "--nearest"), "--scale, --nearest is of weights"),
        (("t.csv", "--report", "r.html"), "add --verify"),
        (("--weights", "w.txt"), "no .npy and no .csv"),
        (("--weights", "gone.npy"), "gone.npy cannot be read"),
        (("--weights", "t.npy"), "t.npy cannot be read"),
        (("--weights", "w.npy", "--scale", "-1"), "--scale -1 uS; give"),
        (("--weights", "w.npy", "--scale", "nan"), "--scale nan uS; give"),
        (("--weights", "w.npy", "--out", "w.txt"), "no .npy by its name"),
        (("--weights", "w.npy", "--scale", "100"), "weights are beyond what their cells can show, first"),
        (("--weights", "w.npy", "--tolerance", "0.01"), "give a wider tolerance or more averages"),
        (("--weights", "w.npy", "--chip", "gone.h5"), "gone.h5"),
        (("--weights", "w.npy", "--chip", "gone.h5", "--device", "pcm"), "leave --device out"),
        (("--weights", "w.npy", "--allow-unreachable"), "--nearest sets weights"),
        (("t.csv", "--residual"), "--residual is of weights"),
        (("t.csv", "--map"), "--map is of weights"),
        (("t.csv", "--precision", "0.1"), "add --verify"),
        (("--weights", "w.npy", "--denoise", "1"), "add --precision"),
        (("--weights", "w.npy", "--precision", "0.5"), "below 0.4 of the tolerance"),
        (("--weights", "w.npy", "--spare-rows", "1"), "add --map"),
        (("--weights", "w.npy", "--map", "--spare-cols", "3"), "an even number"),
        (
            ("--weights", "w.npy", "--map", "--spare-cols", "8"),
            "18 columns, two a weight and the spare ones (columns 0:18",
        ),
        (("--weights", "w.npy", "--map", "--scale", "100"), "weights are beyond what their cells can show, first"),
    ],
)
def test_options_that_contradict_each_other_are_named(run, tmp_path, weights, options, says):
    (tmp_path / "t.csv").write_text("10,20\n")
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    (tmp_path / "w.txt").write_text("1,2\n")
    code, _, err = run("program", *options, "--target", CHIP)
    assert code == 1
    assert says in err
    assert err.count("\n") == 1


def test_weights_beyond_the_range_are_set_as_near_as_they_come_where_that_is_wished(run, tmp_path):
    (tmp_path / "w.csv").write_text("1,-1\n0.25,0.5\n")
    target = "emulator:?device=neurram&rows=2&cols=4"
    asked = ("program", "--weights", "w.csv", "--scale", "50", "--nearest", "--target", target)
    assert run(*asked, "--json", "d.json")[0] == 0
    found = results(tmp_path / "d.json")
    lost = {(w["row"], w["output"]): w["expected"] for w in found["out_of_reach"]}
    assert lost == {(0, 0): pytest.approx(39 / 50), (0, 1): pytest.approx(-39 / 50)}
    np.testing.assert_allclose(found["effective"], [[0.78, -0.78], [0.25, 0.5]], atol=2 / 50)
    assert run(*asked)[1].count("out of reach: weight") == 2


def test_a_record_of_another_chip_or_region_is_refused(run, weights):
    small = "emulator:?device=neurram&rows=6&cols=6&seed=3"
    assert run("calibrate", "-o", "small.h5", "--target", small)[0] == 0
    for target, says in ((CHIP, "a board of 6 x 6 cells"), ("emulator:?device=linear", "a chip of neurram")):
        code, _, err = run("program", "--weights", "w.npy", "--chip", "small.h5", "--target", target)
        assert code == 1
        assert says in err


def test_a_record_without_the_columns_of_the_residual_is_refused_before_a_pulse(run, tmp_path, weights):
    wide = "emulator:?device=neurram&rows=12&cols=20&seed=3"
    assert run("calibrate", "-o", "left.h5", "--cols", "0:10", "--target", wide)[0] == 0
    asked = ("program", "--weights", "w.npy", "--chip", "left.h5", "--target", wide, "--pulse-log", "p.h5")
    code, _, err = run(*asked, "--residual")
    assert code == 1
    assert "columns 10:20 are not all in left.h5" in err
    with h5py.File(tmp_path / "p.h5") as log:
        assert not log["count"].size
    assert run(*asked)[0] == 0


def test_a_long_list_ends_with_how_many_more_there_are(run, weights):
    out = run("program", "--weights", "w.npy", "--target", "emulator:?device=neurram&rows=12&cols=10&stuck=0.9")[1]
    (more,) = re.findall(r"and (\d+) more: --json lists them all", out)
    assert out.count("not reached: row") == 20
    assert int(more) > 50


def test_a_report_of_conductances_has_a_map_of_cells_and_no_weights(run, tmp_path):
    (tmp_path / "t.csv").write_text("10,20,30\n15,25,35\n")
    asked = ("program", "t.csv", "--verify", "--target", CHIP, "--row", "3", "--report", "page.html")
    assert run(*asked)[0] == 0
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"cells.csv", "errors.csv"}
    rows = table(tmp_path / "page" / "cells.csv")
    assert [(row["row"], row["col"]) for row in rows] == [(str(i), str(j)) for i in (3, 4) for j in (0, 1, 2)]
