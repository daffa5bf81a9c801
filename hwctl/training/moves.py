"""From wished conductance changes to pulses: how many, at which drive level, within budgets and around stuck cells."""

import numpy as np
from numpy.typing import NDArray

from hwctl.devices.cellsteps import Steps
from hwctl.programming.modelbased import ModelBased
from hwctl.programming.plan import plan
from hwctl.training.mapping import Cells, PairedLayer
from hwctl.training.pairs import POLICIES, balanced, clipped, near_bound, needs_rebalance

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

STUCK_SHARE = 0.1  # a cell that made less than this share of a large programmed move is taken for stuck
LARGE_MOVE = 0.05  # of the range: a move from which stuck cells can be told,
CERTAIN = 6.0  # and which is so many times what noise does
UNSURE = 0.05  # of the range: standard deviation beyond which step curves are looked up at wrong places


class Mover:
    """Moves the cells of one layer, keeping pulse budgets and leaving stuck cells alone."""

    def __init__(
        self, layer: PairedLayer, policy: str, *, reread_share: float, averages: int, pulse_budget: int | None
    ) -> None:
        """Take a layer and a pair policy.

        reread_share: a cell is read again where its standard deviation exceeds this multiple of the wished change.
        pulse_budget: pulses that a cell may take over the run, or None.
        """
        self.layer = layer
        self.policy = policy
        self._split = POLICIES[policy]
        self._reread_share = reread_share
        self.averages = averages
        self._budget = pulse_budget
        shape = (layer.rows, layer.lines)
        self.frozen = np.zeros(shape, np.bool_) if layer.bounds is None else layer.bounds.stuck.copy()
        """Cells that are stuck or have spent their budget."""
        self.spent = np.zeros(shape, np.int64)
        """Pulses sent to each cell."""
        self.updates = 0
        """Moves made, for pulses an update."""
        self.rebalances = 0

    def move_weights(
        self, rows: Counts, outputs: Counts, wish: Floats, rng: np.random.Generator | None = None
    ) -> Floats:
        """Change G+ - G- of weights at (rows, outputs) by `wish` in S, each (weights,). Returns expected changes.

        rng: round pulses at random and without bias, not to the nearest.
        """
        cells, shared = self._shared(rows, outputs, wish)
        change = self.move_cells(cells, shared, rng)
        return change[: wish.size] - change[wish.size :]

    def verify_weights(self, rows: Counts, outputs: Counts, wish: Floats, method: ModelBased) -> Floats:
        """Change G+ - G- of weights as `move_weights`, by write-verify of their cells. Returns read changes."""
        cells, shared = self._shared(rows, outputs, wish)
        change = self.verify_cells(cells, shared, method)
        return change[: wish.size] - change[wish.size :]

    def _shared(self, rows: Counts, outputs: Counts, wish: Floats) -> tuple[Cells, Floats]:
        """Return the cells of weights and what each of them is to change by in S, G+ before G-, each (2 weights,)."""
        lines = 2 * outputs
        mean, frozen, steps = self.layer.tracker.mean, self.frozen, self.layer.steps
        own = steps.at((rows, lines)), steps.at((rows, lines + 1))
        plus, minus = self._split(wish, mean[rows, lines], mean[rows, lines + 1], *own)
        if frozen.any():
            plus, minus = _around_frozen(plus, minus, frozen[rows, lines], frozen[rows, lines + 1])
        if self.layer.model.one_way:
            # What would lower a cell, as the share of a stuck partner does, is left out: a RESET takes all.
            plus, minus = np.maximum(plus, 0.0), np.maximum(minus, 0.0)
        cells = np.concatenate((rows, rows)), np.concatenate((lines, lines + 1))
        return cells, np.concatenate((plus, minus))

    def verify_cells(self, cells: Cells, wish: Floats, method: ModelBased) -> Floats:
        """Bring cells to where they are believed to be plus `wish` in S, by readings. Returns the changes in S.

        Beyond a bound there is nothing to verify: the target is the bound then.
        """
        layer, model = self.layer, self.layer.model
        before = layer.tracker.mean[cells]
        moving = (wish != 0.0) & ~self.frozen[cells]
        targets, chosen = np.full(layer.tracker.mean.shape, model.g_min), np.zeros(self.frozen.shape, np.bool_)
        own = layer.steps.at(cells)
        targets[cells] = np.clip(before + wish, own.g_min, own.g_max)
        chosen[cells] = moving
        left = None if self._budget is None else self._budget - self.spent
        pulses, reached = layer.verify(targets, chosen, method, left)
        self.spent += pulses
        if left is not None:
            self.frozen |= chosen & ~reached & (pulses == 0)  # its first move would have taken more than is left
        self.updates += 1
        return layer.tracker.mean[cells] - before

    def move_cells(self, cells: Cells, wish: Floats, rng: np.random.Generator | None = None) -> Floats:
        """Change conductances by `wish` in S; reads first where too little is known. Returns expected changes."""
        layer = self.layer
        moving = (wish != 0.0) & ~self.frozen[cells]
        stale = moving & layer.tracker.stale(wish, cells, self._reread_share)
        if stale.any():
            layer.read_cells((cells[0][stale], cells[1][stale]), self.averages)
        counts, levels, change = plan(
            layer.steps.at(cells), layer.tracker.mean[cells], np.where(moving, wish, 0.0), rng
        )
        if self._budget is not None:
            self._keep_budget(cells, counts, change)
        pulsed = counts != 0
        if pulsed.any():
            chosen = cells[0][pulsed], cells[1][pulsed]
            self.spent[chosen] += np.abs(counts[pulsed])
            layer.pulse(chosen, counts[pulsed], levels[pulsed])
        self.updates += 1
        return change

    def _keep_budget(self, cells: Cells, counts: Counts, change: Floats) -> None:
        over = self.spent[cells] + np.abs(counts) > (self._budget or 0)
        counts[over], change[over] = 0, 0.0
        self.frozen[cells[0][over], cells[1][over]] = True

    def program(self, target: Floats, rounds: int, chosen: NDArray[np.bool_] | None = None) -> None:
        """Bring cells towards targets (rows, lines) in S: read, pulse, and so on; marks stuck cells.

        chosen: (rows, lines), all cells where it is None. One-way devices are RESET first where they stand too high.
        """
        everything = np.nonzero(np.ones(target.shape, np.bool_) if chosen is None else chosen)
        if not everything[0].size:
            return
        layer, model = self.layer, self.layer.model
        start = layer.read(self.averages)
        if model.one_way:
            self._reset_above(everything, target[everything])
        for _ in range(rounds):
            self.move_cells(everything, (target - layer.tracker.mean)[everything])
            found = layer.read(self.averages)
        span = model.g_max - model.g_min
        wished = target - start if chosen is None else np.where(chosen, target - start, 0.0)
        large = np.abs(wished) > max(LARGE_MOVE * span, CERTAIN * self._least_change())
        with np.errstate(invalid="ignore"):
            self.frozen |= large & ~((found - start) * np.sign(wished) > STUCK_SHARE * np.abs(wished))

    def _least_change(self) -> float:
        """Return the change in S below which noise may hide a move."""
        model, levels = self.layer.model, self.layer.model.usual
        step = max(float(np.median(model.sigmas[p][levels[p]])) for p in (0, 1))
        return float(np.hypot(np.hypot(step, model.write_noise), model.read_noise / np.sqrt(self.averages)))

    def _reset_above(self, cells: Cells, target: Floats) -> None:
        model, layer = self.layer.model, self.layer
        tolerance = 0.02 * (model.g_max - model.g_min)
        high = (layer.tracker.mean[cells] > target + tolerance) & ~self.frozen[cells]
        if self._budget is not None:
            over = high & (self.spent[cells] >= self._budget)
            self.frozen[cells[0][over], cells[1][over]] = True
            high &= ~over
        chosen = cells[0][high], cells[1][high]
        if high.any():
            self.spent[chosen] += 1
            layer.pulse(chosen, np.full(int(high.sum()), -1), np.full(int(high.sum()), model.usual[1]))

    def rebalance(self) -> int:
        """Lower (or raise) both cells of pairs that are near a bound together, keeping W. Returns how many pairs."""
        layer, model = self.layer, self.layer.model
        free = ~(self.frozen[:, 0::2] | self.frozen[:, 1::2])
        rows, outputs = np.nonzero(needs_rebalance(layer.plus(), layer.minus(), *self._own()) & free)
        if rows.size == 0:
            return 0
        cells = np.concatenate((rows, rows)), np.concatenate((2 * outputs, 2 * outputs + 1))
        layer.read_cells(cells, self.averages)
        own = layer.steps.at((rows, 2 * outputs)), layer.steps.at((rows, 2 * outputs + 1))
        targets = np.concatenate(balanced(layer.plus()[rows, outputs], layer.minus()[rows, outputs], *own))
        if model.one_way:
            self._reset_above(cells, targets)
        self.move_cells(cells, targets - layer.tracker.mean[cells])
        self.rebalances += rows.size
        return int(rows.size)

    def read_if_unsure(self) -> None:
        """Read the layer where pulses have left too little known of its cells."""
        layer = self.layer
        if layer.uncounted or layer.tracker.unsure(UNSURE):
            layer.read(self.averages)

    def clipped_share(self) -> float:
        """Return the share of weights that are as large as their pair can make them."""
        layer = self.layer
        if self.policy == "fixed-reference":
            return float(near_bound(layer.plus(), self._own()[0]).mean())
        return float(clipped(layer.plus(), layer.minus(), *self._own()).mean())

    def _own(self) -> tuple[Steps, Steps]:
        """Return how all cells G+, and all G-, step."""
        steps, every = self.layer.steps, slice(None)
        return steps.at((every, slice(0, None, 2))), steps.at((every, slice(1, None, 2)))


def _around_frozen(
    plus: Floats, minus: Floats, plus_frozen: NDArray[np.bool_], minus_frozen: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Give the whole change to the other cell of a pair where one is frozen."""
    wish = plus - minus
    return np.where(minus_frozen, wish, plus), np.where(plus_frozen, -wish, minus)
