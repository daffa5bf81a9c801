"""Budgets of pulses as a user gives them: which boards demand one, and crossbars that keep within it."""

from hwctl.crossbar.driver import Crossbar
from hwctl.crossbar.metered import PulseBudget
from hwctl.errors import BadInput
from hwctl.protocol.codes import Feature


def within_budget(opened: Crossbar, most: int | None, option: str) -> Crossbar:
    """Return a crossbar on the same link, no cell of which gets more than `most` pulses by it.

    most: None for no budget, which an emulated array may do without. option: how the user gives it. Raises BadInput
    where a physical array has none; nothing was sent that moves a cell then.
    """
    demand_budget(opened, most, option)
    if most is None:
        return opened
    budget = PulseBudget(most, opened.rows, opened.cols)
    return Crossbar(budget.metered(opened.link), stream_seed=opened.stream_seed)


def demand_budget(opened: Crossbar, most: int | None, option: str) -> None:
    """Raise BadInput where an array is a physical one, and nobody said how many pulses a cell of it may take."""
    if most is None and not opened.has(Feature.EMULATED):
        raise BadInput(
            f"{opened.link.url} is a physical array, whose cells wear out: say with {option} how many pulses a cell "
            "may take; no pulse was sent"
        )
    if most is not None and most < 1:
        raise BadInput(f"{option} {most}; give 1 or more")
