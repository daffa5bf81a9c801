"""Which pulses bring a cell to its target at the least cost, given what is known of the cell."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.programming import moves
from hwctl.programming.loop import directions
from hwctl.programming.moves import Way
from hwctl.programming.outlook import Outlook
from hwctl.programming.response import Belief, Prior
from hwctl.programming.result import Counts, Mask

NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16)  # pulses of one move that are weighed at every level
SHORT = 0.5  # share of the way below which longer trains are weighed, too
STUCK = 0.98  # probability from which a cell is given up,
TRIES = 4  # after so many moves in that direction at least
DOUBTED = 0.5  # probability of being stuck from which a cell gets no more pulses than it takes to see it move
FAINT = 0.02  # weight from which on a hypothesis is looked at
NARROWEST = 1e-12  # S: range of a cell
VISIBLE = 8.0  # standard deviations of a reading that such a move is long


@dataclass(frozen=True)
class Move:
    """What is sent to cells before they are read again, each array (rows, cols)."""

    counts: Counts
    """Signed numbers of pulses."""
    levels: Counts
    again: Mask
    """Whether one RESET goes before them."""

    @property
    def pulses(self) -> Counts:
        """Pulses of each cell."""
        return np.abs(self.counts) + self.again


@dataclass(frozen=True)
class Task:
    """Cells that are to be moved, each array (cells,), in conductances of the model's range."""

    cells: NDArray[np.int64]
    """Numbers within the region."""
    start: Floats
    """S"""
    target: Floats
    """S"""
    variance: Floats | float = 0.0
    """S^2: of the start, where it is not read."""


class Planner:
    """Chooses pulses for the cells of a region, and learns how each of them answers."""

    def __init__(
        self, model: StepModel, outlook: Outlook, noise: float, pulse_cost: float, shape: tuple[int, int],
        known: KnownChip | None = None,
    ) -> None:  # fmt: skip
        """Take the model, what distances cost with it, and the region's shape.

        noise: S, of one reading; pulse_cost: of a pulse in readings; known: what a calibration says of the cells.
        """
        self._model = model
        self._outlook = outlook
        self._pulse_cost = pulse_cost
        self._shape = shape
        cells = shape[0] * shape[1]
        self._belief = Belief(model, Prior.of_pool(model, cells) if known is None else Prior.of_chip(known))
        self._tries = np.zeros((2, cells), np.int64)
        # Cells are looked at as if their range was the model's.
        self._low = np.full(shape, model.g_min) if known is None else known.low
        self._stretch = np.ones(shape)
        if known is not None:
            self._stretch = (model.g_max - model.g_min) / np.maximum(known.high - known.low, NARROWEST)
        self._noise = _of_change(model, noise)

    def hopeless(self, wish: Floats) -> Mask:
        """Return which cells (rows, cols) do not follow in the direction of `wish` in S."""
        # Where a RESET leads to the bottom, every way to a target ends with SET.
        up = (directions(wish) > 0).ravel() | moves.falls(self._model)
        given_up = [(self._belief.stuck(p) > STUCK) & (self._tries[p] >= TRIES) for p in (0, 1)]
        return np.where(up, given_up[0], given_up[1]).reshape(self._shape)

    def plan(self, chosen: Mask, reading: Floats, wanted: Floats) -> Move:
        """Return what to send to cells (rows, cols) that are chosen; 0 pulses to others."""
        counts, levels = np.zeros(self._shape, np.int64), np.zeros(self._shape, np.int64)
        again = np.zeros(self._shape, np.bool_)
        wish = wanted - reading
        for polarity, sign in ((0, 1), (1, -1)):
            now = chosen & (directions(wish) == sign)
            if now.any():
                # A reading that saturated tells no more than that the cell is above the range.
                start = np.nan_to_num(self._placed(reading)[now], nan=self._model.g_max)
                cells = np.flatnonzero(now)
                way, number, levels[now] = self._best(polarity, Task(cells, start, self._placed(wanted)[now]))
                counts[now], again[now] = np.where(way == Way.RESET, -number, number), way == Way.AGAIN
        return Move(counts, levels, again)

    def _placed(self, g: Floats) -> Floats:
        """Return conductances (rows, cols) in S as they would be in cells of the model's range."""
        return self._model.g_min + (g - self._low) * self._stretch

    def learn(self, move: Move, before: Floats, after: Floats) -> None:
        """Take what cells made of their pulses into account; readings (rows, cols) in S."""
        before, after = self._placed(before), self._placed(after)
        for polarity, sign in ((0, 1), (1, -1)):
            pulsed = np.sign(move.counts) == sign
            self._tries[polarity, pulsed.ravel()] += 1
            known = pulsed & ~np.isnan(before) & ~np.isnan(after)
            if known.any():
                cells, was = np.flatnonzero(known), before[known]
                task = self._again(Task(cells, was, was), move.again[known])
                noise = np.sqrt((self._noise * self._stretch[known]) ** 2 + task.variance)
                self._belief.observe(
                    polarity, cells, move.levels[known], np.abs(move.counts[known]), after[known] - task.start,
                    task.start, noise, was - task.start,
                )  # fmt: skip

    def _again(self, task: Task, chosen: NDArray[np.bool_]) -> Task:
        """Return a task whose chosen cells (cells,) start from where a RESET leads."""
        most = len(self._model.levels[1]) - 1
        level = np.clip(self._model.usual[1] + self._belief.offsets(task.cells), 0, most)
        start, variance = moves.bottom(self._model, level, task.start, self._belief.gains(1, task.cells))
        return replace(
            task, start=np.where(chosen, start, task.start), variance=np.where(chosen, variance, task.variance)
        )

    def _best(self, polarity: int, task: Task) -> tuple[Counts, Counts, Counts]:
        """Return way, number and level (cells,) of the move that costs least, all that is expected after it included.

        polarity: that of the direction in which the cells have to go.
        """
        size = task.cells.size
        least, best = np.full(size, np.inf), np.zeros((3, size), np.int64)
        for way in moves.ways(self._model, polarity, self._outlook.band):
            asked = self._again(task, np.ones(size, np.bool_)) if way is Way.AGAIN else task
            cost, number, level = self._of_way(way, asked)
            better = cost < least
            least[better] = cost[better]
            best[:, better] = np.array([np.full(size, way), number, level])[:, better]
        return best[0], best[1], best[2]

    def _of_way(self, way: Way, task: Task) -> tuple[Floats, Counts, Counts]:
        """Return cost, number and level (cells,) of the best move of one way."""
        polarity, size = way.polarity, task.cells.size
        shifted = self._belief.hypotheses[polarity].shifted
        numbers, costs = (self._weigh_shifted if shifted else self._weigh_gains)(polarity, task)
        flat = costs.reshape(-1, size).argmin(axis=0)
        option, level = np.divmod(flat, costs.shape[1])
        number = np.broadcast_to(numbers, costs.shape)[option, level, np.arange(size)]
        more = self._pulse_cost if way is Way.AGAIN else 0.0
        return costs[option, level, np.arange(size)] + more, self._doubting(polarity, task, number, level), level

    def _weigh_shifted(self, polarity: int, task: Task) -> tuple[Counts, Floats]:
        """Return numbers and costs (options, levels, cells) where cells differ by level offsets."""
        weights = self._belief.weights(polarity, task.cells)
        every = np.arange(len(self._model.levels[polarity]))[:, None]
        offsets = self._belief.hypotheses[polarity].offsets[:-1]
        most: tuple[int, ...] = NUMBERS
        top = moves.train(self._model, polarity, every[-1], task.start, np.full(1, NUMBERS[-1]), np.ones(1))[0]
        if (np.abs(top) < SHORT * np.abs(task.target - task.start)).any():
            most = (*NUMBERS, 32, 64, 128)
        costs = np.zeros((len(most), every.size, task.cells.size))
        for option, number in enumerate(most):
            cost = self._cost(polarity, task, every, np.full(1, number), np.ones(1))
            for n, offset in enumerate(offsets.tolist()):
                costs[option] += weights[:, n] * cost[np.clip(every[:, 0] + offset, 0, every.size - 1)]
        return np.array(most)[:, None, None], costs

    def _weigh_gains(self, polarity: int, task: Task) -> tuple[Counts, Floats]:
        """Return numbers and costs (options, levels, cells) where cells differ by gains, or are known."""
        model, weights = self._model, self._belief.weights(polarity, task.cells)
        factors = self._belief.hypotheses[polarity].gains[:-1]
        own = self._belief.gains(polarity, task.cells)
        most = len(model.levels[polarity]) - 1
        seen = np.clip(np.arange(most + 1)[:, None] + self._belief.offsets(task.cells), 0, most)
        numbers = moves.numbers(model, polarity, seen, own * (weights @ factors), task.start, task.target)
        costs = np.zeros(numbers.shape)
        for n, factor in enumerate(factors):
            if weights[:, n].max() >= FAINT:
                costs += weights[:, n] * self._cost(polarity, task, seen, numbers, own * factor)
        return numbers, costs

    def _cost(self, polarity: int, task: Task, levels: Counts, number: Counts, gain: Floats) -> Floats:
        """Return the expected cost of trains; arguments broadcast against (cells,)."""
        moved, variance = moves.train(self._model, polarity, levels, task.start, number, gain)
        noise = self._noise * self._stretch.reshape(-1)[task.cells]
        spread = np.sqrt(variance + task.variance + noise**2)
        near = self._outlook.near(task.target)
        return self._pulse_cost * number + self._outlook(near, task.start + moved - task.target, spread)

    def _doubting(self, polarity: int, task: Task, number: Counts, level: Counts) -> Counts:
        """Return numbers (cells,), short where a cell seems to be stuck: enough to see it move."""
        seen = np.clip(level + self._belief.offsets(task.cells), 0, len(self._model.levels[polarity]) - 1)
        steps = np.abs(self._model.means[polarity][seen, self._model.index(task.start)])
        noise = self._noise * self._stretch.reshape(-1)[task.cells]
        enough = np.ceil(VISIBLE * noise / np.maximum(steps, 1e-30)) + 1
        doubted = self._belief.stuck(polarity)[task.cells] > DOUBTED
        return np.where(doubted, np.minimum(number, enough), number).astype(np.int64)


def outlook_of(model: StepModel, band: float, noise: float, pulse_cost: float) -> Outlook:
    """Return the outlook of a device.

    band: S either way of a target within which a reading ends the loop; noise: S, of one reading; pulse_cost: of a
    pulse in readings.
    """
    return Outlook.of(model, band, _of_change(model, noise), pulse_cost)


def _of_change(model: StepModel, noise: float) -> float:
    """Return the noise in S of a change: its start and end are read, and a pulse draws the write noise anew."""
    return float(np.sqrt(2.0) * np.hypot(noise, model.write_noise))
