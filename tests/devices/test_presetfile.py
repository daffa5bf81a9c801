"""Devices of tables, and the files that hold them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwctl.crossbar import Crossbar
from hwctl.devices import law, presets
from hwctl.devices.chip import fabricate
from hwctl.devices.device import DriveLevel
from hwctl.devices.presetfile import is_path, load_device, pinned, save_device, to_toml
from hwctl.devices.steps import StepModel
from hwctl.devices.tabulated import Spread, StepTable, TabulatedDevice, tabulate
from hwctl.errors import DeviceError, RunError
from hwctl.protocol.codes import Polarity

SET, RESET = Polarity.SET, Polarity.RESET
US = 1e-6


def table(polarity=SET, volts=1.0, mean=0.01, sigma=0.001, width=1e-6):
    level = DriveLevel(polarity, volts, width)
    return StepTable(level, np.full(64, mean), np.full(64, sigma))


def device(**changes):
    values = {"name": "mine", "lowest": 1e-5, "highest": 6e-5, "tables": (table(), table(RESET))}
    return TabulatedDevice(**(values | changes))


def same(one, other):
    for name in vars(one):
        first, second = getattr(one, name), getattr(other, name)
        if name == "tables":
            for a, b in zip(first, second, strict=True):
                assert a.level == b.level
                np.testing.assert_array_equal(a.mean, b.mean)
                np.testing.assert_array_equal(a.sigma, b.sigma)
        elif name != "digest":
            assert first == second


positive = st.floats(0, 1, allow_subnormal=False)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
tables_of = {
    polarity: st.lists(
        st.tuples(
            st.integers(1, 65_000), st.integers(0, 65_000), arrays(float, 64, elements=st.floats(-1, 1)),
            arrays(float, 64, elements=st.floats(0, 2)),
        ),
        min_size=1, max_size=3, unique_by=lambda item: item[:2],
    ).map(lambda found, p=polarity: [StepTable(DriveLevel(p, a / 1e3, 1e-7, g / 1e3), m, s) for a, g, m, s in found])
    for polarity in (SET, RESET)
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", fullmatch=True), texts, st.lists(texts), tables_of[SET],
    tables_of[RESET], positive, positive, st.booleans(), st.builds(Spread, positive, positive, offset=positive),
)  # fmt: skip
def test_a_device_that_is_saved_is_loaded_to_the_bit(
    tmp_path_factory, name, text, assumed, sets, resets, noise, start, one_way, spread
):
    saved = device(
        name=name, title=text, source=text, assumed=tuple(assumed), tables=(*sets, *resets), write_sigma=noise * US,
        start=start, one_way=one_way, spread=spread,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("preset") / "x.toml"
    save_device(saved, path)
    same(saved, load_device(path))


def test_a_file_says_what_its_entries_are(tmp_path):
    text = to_toml(device(assumed=("1 V pulses",)))
    assert text.startswith("# Device preset of hwctl")
    for line in ("g_min_siemens = 1e-05  # nominal lower bound", "# assumed: what was not measured"):
        assert line in text
    assert max(map(len, text.splitlines())) <= 200


def edited(tmp_path, *changes):
    """Write a preset file of two levels with parts of its text replaced, and return its path."""
    text = to_toml(device())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "my.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([("one_way", "oneway")], "oneway: no such entry; known: format"),
        ([("set_step", "sets")], "spread.sets: no such entry"),
        ([("gate_volts", "gate")], "level 1: gate: no such entry"),
        ([("format = 1", "format = 2")], "format 2; this hwctl reads"),
        ([('name = "mine"', "")], "name is missing"),
        ([('name = "mine"', "name = 3")], "name = 3; give a text"),
        ([('name = "mine"', 'name = "a b"')], "name a b; give 1 to 48 letters"),
        ([("assumed = []", "assumed = [1]")], "assumed = [1]; give a list of texts"),
        ([("one_way = false", "one_way = 0")], "one_way = 0; give true or false"),
        ([("mean_step = [\n    0.01,", "mean_step = [")], "level 1: mean_step: 63 numbers; give 64"),
        ([("0.01, 0.01", "0.01, nan")], "level 1: mean_step[1] = nan; give a finite number"),
        ([("0.01, 0.01", "0.01, 1.01")], "SET at 1 V, mean step 1 1.01; give -1 to 1"),
        ([("0.001, 0.001", "-0.001, 0.001")], "sigma 0 -0.001; give 0 to 2"),
        ([("g_min_siemens = 1e-05", "g_min_siemens = 7e-05")], "range 7e-05 to 6e-05 S; give 0 <= g_min < g_max"),
        ([("g_max_siemens = 6e-05", "g_max_siemens = inf")], "g_max_siemens = inf; give a finite number"),
        ([("write_noise_siemens = 0.0", "write_noise_siemens = -1e-9")], "write noise -1e-09; give 0 to"),
        ([('polarity = "SET"', 'polarity = "FORM"')], "level 1: polarity 'FORM'"),
        ([('polarity = "SET"', 'polarity = "RESET"')], "SET levels 0; give 1 to 32"),
        ([("width_seconds = 1e-06", "width_seconds = 1.0")], "SET at 1 V, width 1.0; give 1e-08 to 0.01 s"),
        ([("\n[[level]]", "\n[[levels]]")], "levels: no such entry"),
        ([("[spread]", "[spread")], "my.toml: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_file_and_entry(tmp_path, changes, says):
    path = edited(tmp_path, *changes)
    with pytest.raises(DeviceError, match=re.escape(says)) as error:
        load_device(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(DeviceError, match=r"no\.toml cannot be read"):
        presets.get(str(tmp_path / "no.toml"))
    (tmp_path / "raw.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DeviceError, match="is no text"):
        load_device(tmp_path / "raw.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        save_device(device(), tmp_path / "file" / "x.toml")


def test_only_names_of_files_are_paths():
    assert all(is_path(name) for name in ("my.toml", "a/my", "my.toml@0123456789ab", "a\\b"))
    assert not any(map(is_path, presets.PRESETS))


def test_a_pinned_file_is_refused_once_it_has_changed(tmp_path):
    path = edited(tmp_path)
    name = pinned(str(path))
    found = presets.get(name)
    assert found.reference == f"mine@{found.digest}"
    assert pinned(name) == name
    path.write_text(path.read_text() + "\n# a remark\n")
    with pytest.raises(DeviceError, match="has changed"):
        presets.get(name)
    assert presets.get(str(path)).digest != found.digest


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_as_tables_moves_cells_by_the_same_law(name):
    given = presets.get(name)
    made = tabulate(given, "copy")
    chips = [fabricate(item, 4, 4, 1) for item in (given, made)]
    for polarity in (SET, RESET):
        for one, other in zip(*(chip.curves[polarity] for chip in chips), strict=True):
            np.testing.assert_array_equal(one.mean, other.mean)
            np.testing.assert_array_equal(one.sigma, other.sigma)
    assert chips[0].levels == chips[1].levels
    assert StepModel.of(made).one_way == given.one_way


def test_cells_differ_as_the_spread_says():
    spread = Spread(0.2, 0.1, 1 * US, 3 * US, 1.5, 0.02, 0.05)
    made = device(spread=spread)
    cells = made.fabricate(np.random.default_rng(3), 40_000)
    assert cells.low.std() == pytest.approx(1 * US, rel=0.03)
    assert cells.high.std() == pytest.approx(3 * US, rel=0.03)
    own = (cells.high - cells.low) / (50 * US)
    assert (cells.gain_set * own).std() == pytest.approx(0.2, rel=0.03)
    assert (cells.gain_reset * own).std() == pytest.approx(0.1, rel=0.03)
    assert cells.offset.std() == pytest.approx(np.hypot(1.5, np.sqrt(1 / 12)), rel=0.03)
    assert (cells.stuck_on.mean(), cells.stuck_off.mean()) == (
        pytest.approx(0.02, abs=3e-3),
        pytest.approx(0.05, abs=4e-3),
    )
    assert not (cells.stuck_on & cells.stuck_off).any()
    assert made.full_scale == pytest.approx(120 * US)


def test_a_table_that_is_asked_between_its_positions_interpolates():
    made = device(tables=(replace(table(), mean=np.arange(64) / 64), table(RESET)))
    position = np.array([0.0, *law.entry_centres()[:2], 1 / 64, 1.0])
    mean, _ = made.curve(made.levels()[0], position)
    np.testing.assert_allclose(mean * 64, [0, 0, 1, 0.5, 63])
    with pytest.raises(DeviceError, match="no table"):
        made.curve(DriveLevel(SET, 9.0, 1e-6), position)


def test_an_emulator_has_the_device_of_a_file(tmp_path):
    path = edited(tmp_path)
    with Crossbar.open(f"emulator:?device={path}&rows=4&cols=4") as crossbar:
        assert crossbar.identity.device == presets.get(str(path)).reference
        before = crossbar.read(averages=64)
        shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
        crossbar.pulse(np.full((4, 4), 20), *shapes)
        # 20 steps of 1% of 50 uS
        np.testing.assert_allclose(crossbar.read(averages=64) - before, 10 * US, atol=1.2 * US)
