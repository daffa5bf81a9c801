"""Which pulses bring a cell to its target at the least cost, given what is known of the cell."""

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar.results import Floats
from hwctl.devices.steps import StepModel
from hwctl.programming.loop import directions
from hwctl.programming.outlook import Outlook
from hwctl.programming.response import Belief, train
from hwctl.programming.result import Counts, Mask

NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16)  # pulses of one move that are weighed at every level
AIMS = (0.8, 0.9, 1.0, 1.1)  # shares of the way at which the number of a long train is aimed
PROGRESS = 0.5  # share of the way that a move leads at least, where any does: many small steps are no plan
LONGEST = 400  # pulses of one move: beyond it the step curve has changed under way
STUCK = 0.98  # probability from which a cell is given up,
TRIES = 4  # after so many moves in that direction at least
DOUBTED = 0.5  # probability of being stuck from which a cell gets no more pulses than it takes to see it move
VISIBLE = 8.0  # standard deviations of a reading that such a move is long


class Planner:
    """Chooses pulses for the cells of a region, and learns how each of them answers."""

    def __init__(
        self, model: StepModel, outlook: Outlook, noise: float, pulse_cost: float, shape: tuple[int, int]
    ) -> None:
        """Take the model, what distances cost with it, and the region's shape.

        noise: S, of one reading; pulse_cost: of a pulse in readings.
        """
        self._model = model
        self._outlook = outlook
        self._pulse_cost = pulse_cost
        self._shape = shape
        cells = shape[0] * shape[1]
        self._belief = Belief(model, cells)
        self._tries = np.zeros((2, cells), np.int64)
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
                start = np.nan_to_num(reading[now], nan=self._model.g_max)
                number, level = self._best(polarity, np.flatnonzero(now), start, wanted[now])
                counts[now], levels[now] = sign * number, level
        return counts, levels

    def learn(self, counts: Counts, levels: Counts, before: Floats, after: Floats) -> None:
        """Take what cells made of their pulses into account, each (rows, cols); readings in S."""
        for polarity, sign in ((0, 1), (1, -1)):
            pulsed = np.sign(counts) == sign
            self._tries[polarity, pulsed.ravel()] += 1
            known = pulsed & ~np.isnan(before) & ~np.isnan(after)
            if known.any():
                self._belief.observe(
                    polarity, np.flatnonzero(known), levels[known], np.abs(counts[known]),
                    (after - before)[known], before[known], self._noise,
                )  # fmt: skip

    def _best(self, polarity: int, cells: NDArray[np.int64], start: Floats, target: Floats) -> tuple[Counts, Counts]:
        """Return number and level (cells,) of the move that costs least, all that is expected after it included."""
        shifted = self._belief.hypotheses[polarity].shifted
        weigh = self._weigh_shifted if shifted else self._weigh_gains
        weights = self._belief.weights(polarity, cells)
        numbers, costs, ways = weigh(polarity, weights, start, target)
        progress = ways / (target - start)
        costs = costs + np.where(progress < np.minimum(PROGRESS, progress.max(axis=(0, 1))), 1e9, 0.0)
        flat = costs.reshape(-1, cells.size).argmin(axis=0)
        option, level = np.divmod(flat, costs.shape[1])
        number = np.broadcast_to(numbers, costs.shape)[option, level, np.arange(cells.size)]
        return self._doubting(polarity, cells, number, level, start), level

    def _weigh_shifted(
        self, polarity: int, weights: Floats, start: Floats, target: Floats
    ) -> tuple[Counts, Floats, Floats]:
        """Return numbers, costs and moves in S (options, levels, cells) where cells differ by level offsets."""
        every = np.arange(len(self._model.levels[polarity]))[:, None]
        offsets = self._belief.hypotheses[polarity].offsets[:-1]
        most: tuple[int, ...] = NUMBERS
        top = train(self._model, polarity, every[-1], start, np.full(1, NUMBERS[-1]), np.ones(1))[0]
        if (np.abs(top) < PROGRESS * np.abs(target - start)).any():
            most = (*NUMBERS, 32, 64, 128)
        costs, ways = (np.zeros((len(most), every.size, start.size)) for _ in range(2))
        for option, number in enumerate(most):
            cost, moved = self._cost(polarity, every, start, target, np.full(1, number), np.ones(1))
            for n, offset in enumerate(offsets.tolist()):
                seen = np.clip(every[:, 0] + offset, 0, every.size - 1)
                costs[option] += weights[:, n] * cost[seen]
                ways[option] += weights[:, n] * moved[seen]
        return np.array(most)[:, None, None], costs, ways

    def _weigh_gains(
        self, polarity: int, weights: Floats, start: Floats, target: Floats
    ) -> tuple[Counts, Floats, Floats]:
        """Return numbers, costs and moves in S (options, levels, cells) where cells differ by gains."""
        model = self._model
        gains = self._belief.hypotheses[polarity].gains[:-1]
        gain = weights @ gains
        every = np.arange(len(model.levels[polarity]))[:, None]
        halfway = gain * model.means[polarity][every, model.index((start + target) / 2)]
        with np.errstate(divide="ignore", invalid="ignore"):
            aimed = np.nan_to_num((target - start) / halfway, posinf=LONGEST)
        shares = np.array(AIMS)[:, None, None]
        numbers = np.clip(np.rint(shares * np.maximum(aimed, 0.0)), 1, LONGEST).astype(np.int64)
        costs, ways = np.zeros(numbers.shape), np.zeros(numbers.shape)
        for n, hypothesis in enumerate(gains):
            cost, moved = self._cost(polarity, every, start, target, numbers, np.full(1, hypothesis))
            costs += weights[:, n] * cost
            ways += weights[:, n] * moved
        return numbers, costs, ways

    def _cost(
        self, polarity: int, levels: Counts, start: Floats, target: Floats, number: Counts, gain: Floats
    ) -> tuple[Floats, Floats]:
        """Return the expected cost of trains and their moves in S; arguments broadcast."""
        moved, variance = train(self._model, polarity, levels, start, number, gain)
        spread = np.sqrt(variance + self._noise**2)
        return self._pulse_cost * number + self._outlook(target - start - moved, spread), moved

    def _doubting(
        self, polarity: int, cells: NDArray[np.int64], number: Counts, level: Counts, start: Floats
    ) -> Counts:
        """Return numbers (cells,), short where a cell seems to be stuck: enough to see it move."""
        steps = np.abs(self._model.means[polarity][level, self._model.index(start)])
        enough = np.ceil(VISIBLE * self._noise / np.maximum(steps, 1e-30)) + 1
        doubted = self._belief.stuck(polarity)[cells] > DOUBTED
        return np.where(doubted, np.minimum(number, enough), number).astype(np.int64)


def outlook_of(model: StepModel, band: float, noise: float, pulse_cost: float) -> Outlook:
    """Return the outlook of a device.

    band: S either way of a target within which a reading ends the loop; noise: S, of one reading; pulse_cost: of a
    pulse in readings.
    """
    largest = min(float(np.median(np.abs(means), axis=1).max()) for means in model.means)
    span = model.g_max - model.g_min
    return Outlook.of(band, span, largest, _relative(model), _of_change(model, noise), pulse_cost)


def _of_change(model: StepModel, noise: float) -> float:
    """Return the noise in S of a change: its start and end are read, and a pulse draws the write noise anew."""
    return float(np.sqrt(2.0) * np.hypot(noise, model.write_noise))


def _relative(model: StepModel) -> float:
    """Return the usual standard deviation of one step over its mean."""
    ratios = [
        np.median(model.sigmas[p][level] / np.maximum(np.abs(model.means[p][level]), 1e-30))
        for p, level in enumerate(model.usual)
    ]
    return float(max(ratios))
