"""IDENTIFY says all that the rest of the suite relies on, and it is consistent."""

import numpy as np
import pytest

from hwctl.crossbar.port import OVERHEAD
from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, Refusal
from hwctl.testing.conformance.bench import FORM, REGION_COMMANDS, RESET, SET, Bench


def test_the_board_speaks_this_protocol(bench: Bench) -> None:
    assert bench.identity.protocol_version == codes.PROTOCOL_VERSION


def test_the_array_is_one_that_commands_can_name(bench: Bench) -> None:
    assert 1 <= bench.rows <= codes.MAX_LINES
    assert 1 <= bench.cols <= codes.MAX_LINES
    assert bench.rows * bench.cols <= codes.MAX_CELLS


@pytest.mark.parametrize(
    "scale", ["volts_per_code", "siemens_per_code", "amperes_per_code", "seconds_per_code", "compliance_per_code"]
)
def test_every_scale_is_a_positive_number(bench: Bench, scale: str) -> None:
    value = getattr(bench.identity, scale)
    assert np.isfinite(value)
    assert value > 0.0


@pytest.mark.parametrize("limit", ["max_amplitude", "max_form_amplitude", "max_width", "max_read"])
def test_every_limit_allows_something(bench: Bench, limit: str) -> None:
    if limit == "max_form_amplitude" and not bench.has(Feature.FORM):
        pytest.skip(f"{bench.url} forms no cells")
    assert getattr(bench.identity, limit) >= 1


def test_the_tia_ranges_rise_and_one_is_for_reading(bench: Bench) -> None:
    ranges = bench.identity.tia_ranges.tolist()
    assert ranges == sorted(set(ranges))
    assert ranges[-1] <= codes.MAX_TIA_RANGE
    assert ranges[0] <= codes.MAX_READ_RANGE


def test_every_drive_level_is_within_the_limits_and_named_once(bench: Bench) -> None:
    identity, levels = bench.identity, bench.identity.drive_levels
    assert levels.ndim == 2
    assert levels.shape[1] == 4
    assert len({tuple(level) for level in levels.tolist()}) == len(levels)
    for polarity, amplitude, width, gate in levels.tolist():
        highest = identity.max_form_amplitude if polarity == FORM else identity.max_amplitude
        assert polarity in (SET, RESET, FORM)
        assert 1 <= amplitude <= highest
        assert 1 <= width <= identity.max_width
        assert gate <= 0xFFFF


@pytest.mark.parametrize("polarity", [SET, RESET])
def test_there_are_drive_levels_of_either_polarity(bench: Bench, polarity: int) -> None:
    assert 1 <= (bench.identity.drive_levels[:, 0] == polarity).sum() <= codes.MAX_LEVELS


def test_the_budgets_hold_a_command_of_some_cells(bench: Bench) -> None:
    assert bench.port.room >= 16, f"frames and budgets leave {bench.port.room} bytes beside an overhead of {OVERHEAD}"


@pytest.mark.parametrize("name", ["device", "build"])
def test_device_and_build_are_named_in_one_line(bench: Bench, name: str) -> None:
    text = getattr(bench.identity, name)
    assert text.strip()
    assert "\n" not in text


def test_the_identity_does_not_change_and_asking_changes_nothing(bench: Bench) -> None:
    before = bench.seen()
    again = bench.done(commands.Identify(), replies.Identity)
    for name, value in vars(bench.identity).items():
        np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
    assert bench.seen() == before


@pytest.mark.parametrize("name", REGION_COMMANDS)
def test_a_command_is_executed_where_its_feature_is_named_and_unsupported_where_not(bench: Bench, name: str) -> None:
    command, feature = bench.on(name, bench.block), REGION_COMMANDS[name]
    if feature is None or bench.has(feature):
        assert not isinstance(bench.execute(command), replies.Refused)
    else:
        bench.refused(command, Refusal.UNSUPPORTED)


def test_waiting_is_supported_where_the_board_names_virtual_time(bench: Bench) -> None:
    if bench.has(Feature.VIRTUAL_TIME):
        bench.done(commands.Wait(0), replies.Done)
    else:
        bench.refused(commands.Wait(0), Refusal.UNSUPPORTED)


def test_noise_and_curves_of_a_board_that_is_not_emulated_cannot_be_loaded(bench: Bench) -> None:
    if not bench.emulated:
        bench.refused(commands.Seed(1), Refusal.UNSUPPORTED)
        curve = np.zeros(codes.CURVE_ENTRIES, np.int16), np.zeros(codes.CURVE_ENTRIES, np.uint16)
        bench.refused(commands.LoadCurve(SET, 0, 12, *curve), Refusal.UNSUPPORTED)
