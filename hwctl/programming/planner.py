"""Which pulses bring a cell to its target at the least cost, given what is known of the cell."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.knownchip import KnownChip
from hwctl.devices.steps import StepModel
from hwctl.programming import moves
from hwctl.programming.loop import directions
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
        up = (directions(wish) > 0).ravel()
        given_up = [(self._belief.stuck(p) > STUCK) & (self._tries[p] >= TRIES) for p in (0, 1)]
        return np.where(up, given_up[0], given_up[1]).reshape(self._shape)

    def plan(self, chosen: Mask, reading: Floats, wanted: Floats) -> tuple[Counts, Counts]:
        """Return signed counts and drive levels (rows, cols); 0 pulses where a cell is not chosen."""
        counts, levels = np.zeros(self._shape, np.int64), np.zeros(self._shape, np.int64)
        wish = wanted - reading
        for polarity, sign in ((0, 1), (1, -1)):
            now = chosen & (directions(wish) == sign)
            if now.any():
                # A reading that saturated tells no more than that the cell is above the range.
                start = np.nan_to_num(self._placed(reading)[now], nan=self._model.g_max)
                number, level = self._best(polarity, np.flatnonzero(now), start, self._placed(wanted)[now])
                counts[now], levels[now] = sign * number, level
        return counts, levels

    def _placed(self, g: Floats) -> Floats:
        """Return conductances (rows, cols) in S as they would be in cells of the model's range."""
        return self._model.g_min + (g - self._low) * self._stretch

    def learn(self, counts: Counts, levels: Counts, before: Floats, after: Floats) -> None:
        """Take what cells made of their pulses into account, each (rows, cols); readings in S."""
        before, after = self._placed(before), self._placed(after)
        for polarity, sign in ((0, 1), (1, -1)):
            pulsed = np.sign(counts) == sign
            self._tries[polarity, pulsed.ravel()] += 1
            known = pulsed & ~np.isnan(before) & ~np.isnan(after)
            if known.any():
                self._belief.observe(
                    polarity, np.flatnonzero(known), levels[known], np.abs(counts[known]),
                    (after - before)[known], before[known], self._noise * self._stretch[known],
                )  # fmt: skip

    def _best(self, polarity: int, cells: NDArray[np.int64], start: Floats, target: Floats) -> tuple[Counts, Counts]:
        """Return number and level (cells,) of the move that costs least, all that is expected after it included."""
        shifted = self._belief.hypotheses[polarity].shifted
        weigh = self._weigh_shifted if shifted else self._weigh_gains
        numbers, costs = weigh(polarity, cells, start, target)
        flat = costs.reshape(-1, cells.size).argmin(axis=0)
        option, level = np.divmod(flat, costs.shape[1])
        number = np.broadcast_to(numbers, costs.shape)[option, level, np.arange(cells.size)]
        return self._doubting(polarity, cells, number, level, start), level

    def _weigh_shifted(
        self, polarity: int, cells: NDArray[np.int64], start: Floats, target: Floats
    ) -> tuple[Counts, Floats]:
        """Return numbers and costs (options, levels, cells) where cells differ by level offsets."""
        weights = self._belief.weights(polarity, cells)
        every = np.arange(len(self._model.levels[polarity]))[:, None]
        offsets = self._belief.hypotheses[polarity].offsets[:-1]
        most: tuple[int, ...] = NUMBERS
        top = moves.train(self._model, polarity, every[-1], start, np.full(1, NUMBERS[-1]), np.ones(1))[0]
        if (np.abs(top) < SHORT * np.abs(target - start)).any():
            most = (*NUMBERS, 32, 64, 128)
        costs = np.zeros((len(most), every.size, start.size))
        for option, number in enumerate(most):
            cost = self._cost(polarity, cells, every, start, target, np.full(1, number), np.ones(1))
            for n, offset in enumerate(offsets.tolist()):
                costs[option] += weights[:, n] * cost[np.clip(every[:, 0] + offset, 0, every.size - 1)]
        return np.array(most)[:, None, None], costs

    def _weigh_gains(
        self, polarity: int, cells: NDArray[np.int64], start: Floats, target: Floats
    ) -> tuple[Counts, Floats]:
        """Return numbers and costs (options, levels, cells) where cells differ by gains, or are known."""
        model, weights = self._model, self._belief.weights(polarity, cells)
        factors = self._belief.hypotheses[polarity].gains[:-1]
        own = self._belief.gains(polarity, cells)
        most = len(model.levels[polarity]) - 1
        seen = np.clip(np.arange(most + 1)[:, None] + self._belief.offsets(cells), 0, most)
        numbers = moves.numbers(model, polarity, seen, own * (weights @ factors), start, target)
        costs = np.zeros(numbers.shape)
        for n, factor in enumerate(factors):
            if weights[:, n].max() >= FAINT:
                cost = self._cost(polarity, cells, seen, start, target, numbers, own * factor)
                costs += weights[:, n] * cost
        return numbers, costs

    def _cost(
        self, polarity: int, cells: NDArray[np.int64], levels: Counts, start: Floats, target: Floats, number: Counts,
        gain: Floats,
    ) -> Floats:  # fmt: skip
        """Return the expected cost of trains; arguments broadcast against (cells,)."""
        moved, variance = moves.train(self._model, polarity, levels, start, number, gain)
        spread = np.sqrt(variance + (self._noise * self._stretch.reshape(-1)[cells]) ** 2)
        return self._pulse_cost * number + self._outlook(self._outlook.near(target), start + moved - target, spread)

    def _doubting(
        self, polarity: int, cells: NDArray[np.int64], number: Counts, level: Counts, start: Floats
    ) -> Counts:
        """Return numbers (cells,), short where a cell seems to be stuck: enough to see it move."""
        seen = np.clip(level + self._belief.offsets(cells), 0, len(self._model.levels[polarity]) - 1)
        steps = np.abs(self._model.means[polarity][seen, self._model.index(start)])
        enough = np.ceil(VISIBLE * self._noise * self._stretch.reshape(-1)[cells] / np.maximum(steps, 1e-30)) + 1
        doubted = self._belief.stuck(polarity)[cells] > DOUBTED
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
