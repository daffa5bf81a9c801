"""`emulator:` makes the same chip from the same URL, and refuses what it cannot make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.crossbar import Crossbar
from hwctl.devices import presets
from hwctl.emulator.layers import LAYER_OPTIONS, OFF
from hwctl.errors import TargetError
from hwctl.links import open_link
from hwctl.protocol import commands, replies
from hwctl.protocol.cells import from_words
from hwctl.protocol.codes import CellFlag, Feature, Polarity


def identity(url):
    return open_link(url).execute(commands.Identify())


def worked(url):
    """Return the state of a new board and what it reads before and after some pulses."""
    with Crossbar.open(url) as crossbar:
        first = crossbar.dump().words.tobytes(), crossbar.read(over_range="nan").tobytes()
        shapes = [crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET)]
        crossbar.pulse(np.full((crossbar.rows, crossbar.cols), 9), *shapes)
        return *first, crossbar.dump().words.tobytes(), crossbar.read(over_range="nan").tobytes()


@pytest.mark.parametrize("device", presets.PRESETS)
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_the_same_url_is_the_same_chip_with_the_same_noise(device, seed):
    url = f"emulator:?device={device}&rows=4&cols=6&seed={seed}&unformed=0.2"
    assert worked(url) == worked(url)


def test_another_seed_is_another_chip_and_another_noise():
    states = [worked(f"emulator:?rows=4&cols=6&seed={seed}") for seed in (0, 1, 2, 2**63 - 1)]
    assert len({state[0] for state in states}) == 4
    one, other = (Crossbar.open(f"emulator:?rows=4&cols=6&seed={seed}") for seed in (0, 1))
    other.restore(one.dump())
    assert (one.read() != other.read()).any()


def test_a_link_can_be_opened_again_by_its_url():
    link = open_link("emulator:?device=ecram&rows=3&cols=2&seed=0x10")
    again = open_link(link.url)
    dumps = [board.execute(commands.Dump(_whole(3, 2))).words.tobytes() for board in (link, again)]
    assert dumps[0] == dumps[1]


def _whole(rows, cols):
    with Crossbar.open(f"emulator:?rows={rows}&cols={cols}") as crossbar:
        return crossbar.region(slice(None))


def test_without_options_it_is_a_64_by_64_reram():
    found = identity("emulator:")
    assert (found.rows, found.cols, found.device) == (64, 64, "reram-es")
    assert worked("emulator:?rows=4&cols=4") == worked("emulator:?device=reram-es&rows=4&cols=4&seed=0")


@pytest.mark.parametrize("device", presets.PRESETS)
def test_every_preset_can_be_opened_by_name_with_its_drive_levels(device):
    found = identity(f"emulator:?device={device}&rows=2&cols=3")
    levels = presets.get(device).levels()
    assert found.device == device
    assert len(found.drive_levels) == len(levels)
    volts = found.drive_levels[:, [1, 3]] * found.volts_per_code
    np.testing.assert_allclose(volts, [(level.amplitude, level.gate) for level in levels], atol=5e-4)


def test_unformed_is_the_share_of_cells_that_need_forming():
    with Crossbar.open("emulator:?rows=64&cols=64&unformed=0.25") as crossbar:
        flags = from_words(crossbar.dump().words)["flags"]
    assert (flags == CellFlag.UNFORMED).mean() == pytest.approx(0.25, abs=0.03)


def test_stuck_is_the_share_of_cells_that_are_stuck_and_none_by_default():
    with Crossbar.open("emulator:?rows=64&cols=64&stuck=0.25&device=linear") as crossbar:
        flags = from_words(crossbar.dump().words)["flags"]
    assert (flags != 0).mean() == pytest.approx(0.25, abs=0.03)
    assert worked("emulator:?rows=4&cols=4&stuck=0") == worked("emulator:?rows=4&cols=4")


@pytest.mark.parametrize("feature", Feature)
def test_lacks_takes_features_away_by_name(feature):
    everything = identity("emulator:?rows=1&cols=1").features
    for name in (feature.name.lower(), feature.name, feature.name.lower().replace("_", "-")):
        assert identity(f"emulator:?rows=1&cols=1&lacks={name}").features == everything & ~feature
    assert identity(f"emulator:?rows=1&cols=1&lacks=,{feature.name},vmm,").features == everything & ~(
        feature | Feature.VMM
    )


REFUSED = {
    "device=reram_es": "no device 'reram_es'; did you mean reram-es.* known: linear",
    "device=": "no device ''",
    "rows=0": "rows=0; give an integer from 1 to 4096",
    "cols=4097": "cols=4097; give an integer from 1 to 4096",
    "rows=2.5": "rows=2.5; give an integer",
    "rows=4096&cols=257": "array of 4096 x 257",
    "seed=-1": "seed=-1; give an integer from 0",
    "seed=9223372036854775808": "give an integer from 0 to 9223372036854775807",
    "unformed=1.1": "unformed=1.1; give a number from 0 to 1",
    "unformed=nan": "unformed=nan; give a number from 0 to 1",
    "stuck=1.1": "stuck=1.1; give a number from 0 to 1",
    "lacks=flash": "no feature 'flash'; known: vmm, vmm_t",
    "colums=3": "no option 'colums'; known: device, rows, cols",
    **{f"{name}={high * 2}": f"{name}=" for name, (_, high) in LAYER_OPTIONS.items()},
    **{f"{name}=x": f"{name}=x; give a number" for name in LAYER_OPTIONS},
    "sneak=0.5": "sneak=0.5",
    "adc-bits=6.5": "adc-bits=6.5; give an integer from 4 to 12",
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_emulated_is_refused_with_the_url_and_what_to_give(query):
    with pytest.raises(TargetError, match=REFUSED[query]) as error:
        open_link(f"emulator:?{query}")
    assert str(error.value).startswith(f"target 'emulator:?{query}")
    assert "\n" not in str(error.value)


def test_a_record_that_is_not_there_is_named():
    with pytest.raises(TargetError, match=r"target 'emulator:chip7\.h5': chip7\.h5 does not exist; make it with"):
        open_link("emulator:chip7.h5")


def test_a_twin_has_the_geometry_of_its_chip():
    with pytest.raises(TargetError, match="rows"):
        open_link("emulator:chip7.h5?rows=4")


@pytest.mark.parametrize("option", LAYER_OPTIONS)
def test_layers_that_are_switched_off_leave_the_board_as_it_is(option):
    assert worked(f"emulator:?rows=4&cols=4&{option}={OFF[option]:g}") == worked("emulator:?rows=4&cols=4")


def test_commands_are_executed_in_order_and_nothing_is_encoded():
    link = open_link("emulator:?rows=2&cols=2")
    read = commands.Read(_whole(2, 2), 0, 4, 0)
    answers = link.execute_all([commands.Status(), read, commands.Status(), commands.Safe(), commands.Status()])
    assert [type(answer) for answer in answers] == [
        replies.BoardStatus,
        replies.Readings,
        replies.BoardStatus,
        replies.Done,
        replies.BoardStatus,
    ]
    assert [(answers[i].reads, answers[i].safe) for i in (0, 2, 4)] == [(0, 1), (4, 0), (4, 1)]
    assert link.bytes_moved == 0


def test_closing_leaves_the_board_safe_and_closing_twice_does_no_harm():
    link = open_link("emulator:?rows=2&cols=2")
    link.execute(commands.Read(_whole(2, 2), 0, 4, 0))
    assert not link.execute(commands.Status()).safe
    link.close()
    link.close()
    assert link.execute(commands.Status()).safe


def test_two_boards_from_one_url_are_two_arrays():
    one, other = (Crossbar.open("emulator:?device=linear&rows=2&cols=2") for _ in range(2))
    shapes = [one.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET)]
    one.pulse(np.full((2, 2), 50), *shapes)
    assert (one.read() > other.read() + 4e-6).all()
