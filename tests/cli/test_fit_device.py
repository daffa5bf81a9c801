"""`hwctl fit-device`, from the file to what it prints, writes and refuses."""

import csv
import json

import pytest

from hwctl.devices import presets

ROWS = [f"{n},{10 + 2 * n}" for n in range(21)] + [f"{n},{50 - 4 * n}" for n in range(11)]


@pytest.fixture
def trains(tmp_path):
    path = tmp_path / "my trains.csv"
    path.write_text("\n".join(["pulse,conductance_uS", *ROWS]) + "\n")
    return path


def test_it_prints_what_it_found_and_what_it_assumed(run, trains, tmp_path):
    code, out, err = run("fit-device", "my trains.csv", "--set-volts", "1.2", "--read-noise", "0.05")
    assert (code, err) == (0, "")
    for line in (
        "trains     1 SET and 1 RESET, 30 steps; cells: 1; drive levels: 1 and 1",
        "range      10 uS to 50 uS",
        "SET        2 uS a pulse, 18 pulses through 90% of it; c2c 0%, d2d 0% of the step",
        "RESET      4 uS a pulse, ",
        "asymmetry  RESET steps are 2 times as long as SET steps",
        "assumed    RESET pulses of 1 V",
        "assumed    pulses of 1 us",
        "preset     my trains.toml; use it: hwctl train wbc --device 'my trains.toml'",
    ):
        assert line in out
    assert "SET pulses of 1.2" not in out
    device = presets.get(str(tmp_path / "my trains.toml"))
    assert device.name == "my-trains"
    assert device.source == "pulse trains in my trains.csv"
    assert device.read_noise == pytest.approx(0.05e-6)
    assert [level.amplitude for level in device.levels()] == [1.2, 1.0]
    (measured,) = tmp_path.glob("*-measured.csv")
    points = list(csv.DictReader(measured.read_text().splitlines()))
    assert [float(row["conductance_uS"]) for row in points] == [float(row.split(",")[1]) for row in ROWS]
    assert (tmp_path / "my trains.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_options(run, trains, tmp_path):
    code, out, _ = run("fit-device", trains, "--out", "a/b.toml", "--name", "chip7", "--source", "our lab",
                       "--g-min", "8", "--g-max", "60", "--plot", "c.svg", "--json", "-")  # fmt: skip
    assert code == 0
    found = json.loads(out)
    assert (found["name"], found["preset"]) == ("chip7", "a/b.toml")
    assert (found["g_min_siemens"], found["g_max_siemens"]) == (pytest.approx(8e-6), pytest.approx(60e-6))
    assert found["set_step_siemens"] == pytest.approx(2e-6)
    assert any("never visited" in line for line in found["assumed"])
    assert (tmp_path / "c.svg").is_file()
    assert presets.get(str(tmp_path / "a/b.toml")).source == "our lab"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no.csv",), "no.csv cannot be read"),
        (("my trains.csv", "--out", "x.csv"), "preset file 'x.csv'; give a name that ends in .toml"),
        (("my trains.csv", "--out", "there.toml"), "there.toml exists, and runs may need it"),
        (("my trains.csv", "--g-max", "30"), "readings of 50 uS are above --g-max 30 uS"),
        (("my trains.csv", "--name", "a b"), "name a b; give 1 to 48 letters"),
        (("my trains.csv", "--set-volts", "-1"), "give volts up to"),
        (("my trains.csv", "--width", "1"), "width 1.0; give 1e-08 to 0.01 s"),
        (("my trains.csv", "--read-noise", "nan"), "read noise nan uS; give 0 to"),
    ],
)
def test_it_refuses_in_one_line_and_writes_nothing(run, trains, tmp_path, arguments, says):
    (tmp_path / "there.toml").write_text("")
    code, _, err = run("fit-device", *arguments)
    assert code == 1
    assert says in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my trains.csv", "there.toml"]
