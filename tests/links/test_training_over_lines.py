import pytest

from tests.trained import trained

OPTIONS = {"batch": 32, "epochs": 2}
BOARD = "emulator:?device=reram-es&rows=21&cols=20&seed=0"
FAULTS = "flip=1e-4,drop=0.01,dup=0.02,truncate=0.01,delay=0.01,disconnect=0.005,seed=3"


@pytest.fixture(scope="module")
def expected():
    return trained(BOARD, **OPTIONS)[:2]


@pytest.mark.slow
@pytest.mark.parametrize("where", [("--pty",), ("--tcp", 0)], ids=["pty", "tcp"])
def test_wbc_over_a_faulty_line_ends_with_the_bits_of_a_clean_one(served, expected, where):
    clean, _ = served(BOARD, *where)
    assert trained(clean, **OPTIONS)[:2] == expected
    bad, _ = served(BOARD, *where)
    words, history, link = trained(f"faulty:{FAULTS}:{bad}", **OPTIONS)
    assert (words, history) == expected
    assert sum(link._port.met.values()) > 10
