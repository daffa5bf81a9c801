"""Schedules are compared by what moves weights, and their page says so."""

import pytest

from benchmarks import schedules, study
from benchmarks.traffic import UpdateTraffic
from hwctl.crossbar import Crossbar
from hwctl.protocol.codes import Polarity


def test_passes_are_counted_apart_from_what_moves_weights():
    links = []

    def wrap(link):
        links.append(UpdateTraffic(link))
        return links[-1]

    with Crossbar.open("emulator:?device=ecram&rows=8&cols=8", wraps=[wrap]) as crossbar:
        crossbar.vmm([[0.1] * 8])
        before, passes = links[0].bytes_moved, links[0].passes
        crossbar.vmm([[0.1] * 8])
        assert links[0].bytes_moved == before
        assert links[0].passes == 2 * passes
        assert passes > 8
        sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
        before = links[0].bytes_moved
        crossbar.pulse([[1] * 8] * 8, sets, resets)
        assert 64 < links[0].bytes_moved - before < 160


@pytest.mark.slow
def test_a_small_study_has_the_traffic_of_each_schedule(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "TARGET_SEEDS", 2)
    monkeypatch.setitem(study.EPOCHS, "iris", (2.0, 3.0))
    monkeypatch.setattr(
        schedules, "METHODS", {name: schedules.METHODS[name] for name in ("accumulate", "low-rank", "outer")}
    )
    small = "--task iris --devices ecram --trials 2 --tuning-seeds 1 --seeds 2 --workers 1".split()  # noqa: SIM905
    small += ["--results", str(tmp_path / "s.jsonl")]
    schedules.main(small)
    schedules.main([*small, "--page", str(tmp_path / "schedules.md")])
    text = (tmp_path / "schedules.md").read_text()
    assert "## iris on ecram" in text
    assert "| array time | traffic |" in text
    assert "low-rank, 1 event in 8 updates, momentum" in text
