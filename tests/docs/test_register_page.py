"""docs/registers.md is what the register map says."""

from pathlib import Path

from firmware.mailbox.document import page
from hwctl.protocol.sizes import REFUSED_BYTES


def test_the_page_is_that_of_the_register_map():
    found = (Path(__file__).parents[2] / "docs" / "registers.md").read_text(encoding="utf-8")
    assert found == page(REFUSED_BYTES), "write it anew: python -m firmware registers > docs/registers.md"
