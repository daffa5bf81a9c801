"""Schedules: wished weight changes in, pulse commands out."""

from collections.abc import Mapping
from types import MappingProxyType

from hwctl.errors import BadInput
from hwctl.training.schedules.base import Schedule
from hwctl.training.schedules.dense import Accumulate, Cell, Sign
from hwctl.training.schedules.events import Outer
from hwctl.training.schedules.lowrank import LowRank
from hwctl.training.schedules.tikitaka import TikiTaka
from hwctl.training.schedules.verify import Verify

__all__ = ["SCHEDULES", "Schedule", "get"]

SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType(
    {kind.name: kind for kind in (Accumulate, Cell, LowRank, Outer, Sign, TikiTaka, Verify)}
)


def get(name: str) -> type[Schedule]:
    """Return a schedule by name. Raises BadInput that lists the names."""
    if name not in SCHEDULES:
        raise BadInput(f"no schedule '{name}'; known: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]
