"""The fault campaign: each fault is survived, and what would be wrong is seen."""

import numpy as np
import pytest

from benchmarks.fault_campaign import FAULTS, Campaign
from hwctl.protocol import commands
from hwctl.protocol.codes import ShapePer
from hwctl.protocol.packing import Region
from tests.firmware.simulation.analog_boards import board_file

pytestmark = pytest.mark.slow  # models are compiled


def traffic():
    """Return commands as a training run has them."""
    rng = np.random.default_rng(1)
    region, shapes = Region(0, 16, 0, 16), (np.array([0], np.uint8), np.array([1], np.uint8))
    vectors = rng.integers(-100, 100, (2, 16)).astype(np.int8)
    return [
        commands.Pulse(region, rng.integers(-1, 2, (16, 16)).astype(np.int8), ShapePer.COMMAND, *shapes),
        commands.Vmm(region, vectors, 8, 0),
        commands.PulseSparse(*rng.integers(0, 16, (2, 9)).astype(np.uint16), np.full(9, 2, np.int8), 0, 1),
        commands.Read(Region(0, 4, 0, 16), 0, 4, 0),
    ]


@pytest.fixture
def campaign(tmp_path):
    found = Campaign(board_file("ideal", tmp_path), traffic(), 1)
    yield found
    found.simulation.close()


def test_a_board_and_its_books_survive_each_fault(campaign):
    for name in FAULTS:
        campaign.go_on(20_000)
        campaign.fault(name)
    assert campaign.found.wrong == []
    assert campaign.found.faults.total() == len(FAULTS)
    assert campaign.found.answered > 0
    assert campaign.simulation.cells.pulses.sum() > 0


def test_a_pulse_that_nobody_counted_and_a_voltage_beyond_its_limit_are_seen(campaign):
    campaign.go_on(20_000)
    campaign.simulation.cells.pulses[0, 3, 3] += 1000
    campaign.simulation.physical._most[False] = 0.5
    campaign.go_on(20_000)
    campaign.fault("bytes flipped")
    assert any("counters are off" in one for one in campaign.found.wrong)
    assert any(" V at " in one for one in campaign.found.wrong)
