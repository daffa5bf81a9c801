"""`hwctl train` on the simulated gateware: the same bits as on the software board."""

import pytest

from tests.trained import trained

pytestmark = pytest.mark.slow  # models are compiled

OPTIONS = "?device=reram-es&rows=21&cols=20&seed=0"
FAULTS = "flip=1e-4,drop=0.01,dup=0.02,truncate=0.01,delay=0.01,seed=3"


@pytest.mark.parametrize("options", [{"batch": 32, "epochs": 2}, {"batch": 1, "epochs": 1}], ids=["batch32", "batch1"])
def test_wbc_on_gateware_ends_with_the_bits_of_the_software_board(options):
    assert trained(f"sim:{OPTIONS}&lanes=4", **options)[:2] == trained(f"emulator:{OPTIONS}", **options)[:2]


def test_wbc_over_a_faulty_line_to_gateware_ends_with_the_same_bits():
    options = {"batch": 32, "epochs": 1}
    faulty = trained(f"faulty:{FAULTS}:sim:{OPTIONS}&lanes=4", **options)
    assert faulty[:2] == trained(f"emulator:{OPTIONS}", **options)[:2]
