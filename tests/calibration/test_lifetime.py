"""Lifetime pulse counts survive a board that was switched off."""

import numpy as np
import pytest

from hwctl.calibration.lifetime import carry_on
from hwctl.calibration.record import Record
from hwctl.errors import LimitError, RunError


def record(counts, **about):
    attributes = {"device": "neurram", "row0": 0, "col0": 0, **about}
    return Record(attributes, {"cells/lifetime_pulses": np.asarray(counts)})


@pytest.mark.parametrize("lacks", ["", "counters"])
def test_a_board_that_forgot_goes_on_where_the_record_ended(bench, lacks):
    options = {"lacks": lacks} if lacks else {}
    crossbar = bench("neurram", 4, 3, **options).crossbar
    sets, resets = crossbar.drive_levels(0)[0], crossbar.drive_levels(1)[0]
    crossbar.pulse(np.full((4, 3), 2), sets, resets)
    kept = np.arange(12).reshape(4, 3) * 100
    assert carry_on(crossbar, crossbar.region(slice(None)), record(kept))
    np.testing.assert_array_equal(crossbar.pulse_counts(), kept + 2)
    assert not carry_on(crossbar, crossbar.region(slice(None)), record(kept))
    np.testing.assert_array_equal(crossbar.pulse_counts(), kept + 2)


@pytest.mark.parametrize("about", [{"device": "ecram"}, {"row0": 4}, {}])
def test_a_record_of_another_chip_changes_nothing(bench, about):
    crossbar = bench("neurram", 4, 3).crossbar
    shape = (4, 3) if about else (3, 4)
    with pytest.raises(RunError, match="last record of the same chip"):
        carry_on(crossbar, crossbar.region(slice(None)), record(np.full(shape, 9), **about))
    assert not crossbar.pulse_counts().any()


@pytest.mark.parametrize(
    "counts", [np.zeros((3, 4), int), np.zeros((4, 3)), np.full((4, 3), -1), np.full((4, 3), 1 << 32)]
)
def test_counts_that_no_counter_holds_are_refused(bench, counts):
    with pytest.raises(LimitError, match="whole numbers of 32 bits"):
        bench("neurram", 4, 3).crossbar.load_pulse_counts(counts)
