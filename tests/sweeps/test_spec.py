"""A sweep file becomes runs: all combinations, paired by seed; what makes no sense is named."""

import pytest

from hwctl.errors import SweepError
from hwctl.sweeps.spec import Sweep

GOOD = {
    "run": {"task": "iris", "epochs": 2},
    "vary": {"optimizer": ["sgd", "momentum"], "device": ["linear", "ecram"]},
    "target": {"stuck": [0.0, 0.1], "rows": 16, "cols": 16},
    "seeds": 3,
}


def test_all_combinations_are_run_with_every_seed():
    points = list(Sweep.of(GOOD).points())
    assert len(points) == 2 * 2 * 2 * 3
    assert len({point.key for point in points}) == len(points)
    first = points[0]
    assert first.labels == {"optimizer": "sgd", "device": "linear", "target.stuck": 0.0, "seed": 0}
    assert first.config.targets == ("emulator:?device=linear&stuck=0.0&rows=16&cols=16",)
    assert (first.config.task, first.config.epochs, first.config.seed) == ("iris", 2, 0)


def test_the_key_of_a_run_follows_what_decides_its_result():
    one, other = (next(Sweep.of({**GOOD, "run": {**GOOD["run"], "rate": rate}}).points()) for rate in (0.1, 0.2))
    assert one.key != other.key
    assert one.key == next(Sweep.of({**GOOD, "run": {**GOOD["run"], "rate": 0.1}}).points()).key


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"runs": {}}, "unknown entry 'runs'; known: run, seeds, target, vary"),
        ({"run": {"epoch": 3}}, "unknown entry of run 'epoch'"),
        ({"vary": {"rates": [1]}}, "unknown entry of vary 'rates'"),
        ({"vary": {"rate": 0.1}}, "give a list of values"),
        ({"vary": {"rate": []}}, "give a list of values"),
        ({"vary": {"epochs": [1]}}, "epochs is in run and in vary"),
        ({"seeds": 0}, "give a number of seeds"),
        ({"seeds": ["a"]}, "give a number of seeds"),
    ],
)
def test_what_makes_no_sweep_is_named(wrong, said):
    with pytest.raises(SweepError, match=said):
        Sweep.of({**GOOD, **wrong})


def test_a_value_that_makes_no_run_is_named_with_its_combination():
    with pytest.raises(SweepError, match=r"'epochs': 0.*epochs 0; give 1 or more"):
        list(Sweep.of({"run": {"task": "iris"}, "vary": {"epochs": [1, 0]}}).points())


def test_a_file_is_named(tmp_path):
    path = tmp_path / "sweep.toml"
    for text, said in (("run = [", "cannot be read"), ("[runs]", r"sweep\.toml: unknown entry 'runs'")):
        path.write_text(text)
        with pytest.raises(SweepError, match=said):
            Sweep.load(path)
    with pytest.raises(SweepError, match="cannot be read"):
        Sweep.load(tmp_path / "none.toml")
