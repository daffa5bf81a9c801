"""What a calibration finds beside ranges and step curves: converters, wires, disturb, symmetry point, relaxation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.calibration.estimate import UNKNOWN, Estimate
from hwctl.calibration.fit import Curves
from hwctl.calibration.loads import Loads, loads
from hwctl.calibration.plan import Effect, Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.reading import ReadDisturb, read_disturb
from hwctl.calibration.readpath import ReadPath
from hwctl.calibration.relaxation import Relaxation, relaxation
from hwctl.calibration.symmetry import Symmetry, balance, symmetry
from hwctl.crossbar.results import Floats

FIGURES: Mapping[str, str] = {
    "alpha": "1/V^2", "row_wire": "ohm", "col_wire": "ohm", "half_select_set": "1", "half_select_reset": "1",
    "symmetry_place": "1", "symmetry_by_curves": "1", "drift_exponent": "1", "relaxation_per_decade": "1",
    "read_disturb": "S", "read_disturb_share": "1",
}  # fmt: skip
"""Figures of the chip as a whole, with their units."""
LABELS: Mapping[str, str] = {
    "alpha": "I-V curve, alpha", "row_wire": "A row's segment", "col_wire": "A column's segment",
    "half_select_set": "Half-select by SET, of the way", "half_select_reset": "Half-select by RESET, of the way",
    "symmetry_place": "Symmetry point, of the range", "symmetry_by_curves": "Symmetry point by the curves",
    "drift_exponent": "Drift exponent", "relaxation_per_decade": "Relaxation of ln G a decade",
    "read_disturb": "Read disturb a conversion", "read_disturb_share": "Read disturb, of the way",
}  # fmt: skip


@dataclass(frozen=True)
class Effects:
    """Each None where it was left out."""

    path: ReadPath | None = None
    loads: Loads | None = None
    symmetry: Symmetry | None = None
    relaxation: Relaxation | None = None
    disturb: ReadDisturb | None = None

    def figures(self) -> Iterator[tuple[str, Estimate]]:
        """Yield those of FIGURES that were measured."""
        if self.path:
            yield "alpha", self.path.alpha
        if self.loads:
            yield "row_wire", self.loads.row_ohm
            yield "col_wire", self.loads.col_ohm
            yield "half_select_set", self.loads.half_select_set
            yield "half_select_reset", self.loads.half_select_reset
        if self.symmetry:
            yield "symmetry_place", self.symmetry.place
            yield "symmetry_by_curves", self.symmetry.balance.place
        if self.relaxation:
            yield "drift_exponent", self.relaxation.exponent
            yield "relaxation_per_decade", self.relaxation.per_decade
        if self.disturb:
            yield "read_disturb", self.disturb.change
            yield "read_disturb_share", self.disturb.share

    def arrays(self, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
        """Return what a record keeps, by path; cells as (rows, cols) of `shape`."""
        found: dict[str, NDArray[Any]] = {}
        if self.path:
            for name in ("voltages", "curve", "offset", "offset_error", "gain", "gain_error", "row_gain"):
                found[f"read_path/{name}"] = getattr(self.path, name)
        if self.symmetry:
            for name in ("found", "error", "furthest"):
                found[f"symmetry/{name}"] = getattr(self.symmetry, name).reshape(shape)
        if self.relaxation:
            for name in ("ages", "mean", "mean_error", "sigma", "sigma_error"):
                found[f"relaxation/{name}"] = getattr(self.relaxation, name)
            found["relaxation/readings"] = self.relaxation.readings.reshape(-1, *shape)
        return found

    def emulated(self) -> dict[str, float]:
        """Return the options of `emulator:` with which a twin shows them too, those alone that differ from chance."""
        known = dict(self.figures())
        half_select = [known.get(f"half_select_{name}", UNKNOWN) for name in ("set", "reset")]
        options = {
            "alpha": known.get("alpha", UNKNOWN), "row-ohm": known.get("row_wire", UNKNOWN),
            "col-ohm": known.get("col_wire", UNKNOWN), "drift": known.get("drift_exponent", UNKNOWN),
            "relaxation": known.get("relaxation_per_decade", UNKNOWN),
            "half-select": Estimate(*np.mean(half_select, axis=0).tolist()),
            "read-disturb": known.get("read_disturb_share", UNKNOWN),
        }  # fmt: skip
        signed = {"read-disturb"}
        return {n: e.value for n, e in options.items() if e.found and (e.value > 0 or n in signed)}


def effects(
    probe: Probe, plan: Plan, path: ReadPath | None, moves: NDArray[np.bool_], low: Floats, high: Floats,
    curves: tuple[Curves, Curves], sigma: float, rng: np.random.Generator, begin: Callable[[str], None],
) -> Effects:  # fmt: skip
    """Measure what the plan names. path: of the converters, measured before.

    moves, low, high (cells,): the cells that move, and their ranges in S. sigma: S, of one reading. begin: called with
    the name of each stage.
    """
    of_lines = rest = relaxed = disturb = None
    if Effect.LOADS in plan.effects:
        begin("lines")
        of_lines = loads(probe, moves, low, high, sigma, plan.loads, rng)
    if Effect.SYMMETRY in plan.effects and not curves[1].at_once:
        begin("symmetry")
        usual = probe.levels(0) // 2, probe.levels(1) // 2  # those of single-level schedules: `StepModel.usual`
        rest = symmetry(probe, moves, low, high, usual, balance(*curves, usual), plan.symmetry // 2)
    if Effect.RELAXATION in plan.effects:
        begin("relaxation")

        def say(left: float) -> None:
            begin(f"{left:.0f} s to wait")

        relaxed = relaxation(probe, moves, sigma, plan.longest, rng, say)
    if Effect.READ_DISTURB in plan.effects:
        begin("read disturb")
        disturb = read_disturb(probe, moves, low, high, relaxed, rng)
    return Effects(path, of_lines, rest, relaxed, disturb)
