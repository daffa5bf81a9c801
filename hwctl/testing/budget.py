"""What a session may spend of a physical array: a test that would spend more is skipped."""

import pytest

from hwctl.crossbar.metered import PulseBudget


class SessionBudget(PulseBudget):
    """Pulses that each cell of one board got in this session, and may get."""

    def exceeded(self, pulses: int, url: str) -> None:
        """Skip the test that would give a cell so many pulses."""
        pytest.skip(f"a cell of {url} would get {pulses} pulses in this session; --hwctl-pulses allows {self.most}")
