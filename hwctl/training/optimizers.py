"""Optimizers: gradients in, wished weight changes out. They see gradients only; what a pulse cannot do is not theirs.

Every optimizer holds its state in `state`, one list of arrays a name, so that a checkpoint can keep it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import BadInput

Floats = NDArray[np.float64]
State = dict[str, list[Floats]]


class Optimizer(ABC):
    """Turns gradients into wished weight changes."""

    name: ClassVar[str]
    default_rate: ClassVar[float]
    moments: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays that it keeps for every layer."""
    follows_loss: ClassVar[bool] = False
    """True where `step` looks at the loss."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        rate: float | None = None,
        *,
        momentum: float = 0.9,
        decay: float = 0.999,
        eps: float | None = None,
    ) -> None:
        """Take the layers' weight shapes.

        rate: learning rate, above 0 (default: the optimizer's own). momentum, decay: 0 to below 1. eps: floor of a
        rate per weight, in units of the gradient (default: the optimizer's own).
        """
        self.rate = self.default_rate if rate is None else rate
        if not 0.0 < self.rate < np.inf:
            raise BadInput(f"learning rate {self.rate}; give a number above 0")
        if not (0.0 <= momentum < 1.0 and 0.0 <= decay < 1.0):
            raise BadInput(f"momentum {momentum}, decay {decay}; give 0 to below 1")
        self.momentum, self.decay, self.eps = momentum, decay, eps
        self.steps = 0
        self.state: State = {moment: [np.zeros(shape) for shape in shapes] for moment in self.moments}

    def _floor(self, default: float) -> float:
        return default if self.eps is None else self.eps

    def step(self, gradients: Sequence[Floats], loss: float) -> list[Floats]:
        """Return the wished change of each layer's weights. loss: of the batch that the gradients come from."""
        self.steps += 1
        self.adapt(loss)
        return [self.change(layer, gradient) for layer, gradient in enumerate(gradients)]

    def adapt(self, loss: float) -> None:
        """Follow the loss; most optimizers do not."""

    @abstractmethod
    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return the wished change of one layer's weights."""


class Sgd(Optimizer):
    """Stochastic gradient descent: dW = -lr g."""

    name = "sgd"
    default_rate = 0.1

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr g."""
        return -self.rate * gradient


class Momentum(Optimizer):
    """Polyak's heavy ball, USSR Comput. Math. 4 (1964) 1: m = b m + g; dW = -lr m."""

    name = "momentum"
    default_rate = 0.02
    moments = ("m",)

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr m."""
        m = self.state["m"][layer]
        m *= self.momentum
        m += gradient
        return -self.rate * m


class AdaGrad(Optimizer):
    """Duchi et al., JMLR 12 (2011) 2121: v = v + g^2; dW = -lr g / (sqrt(v) + eps)."""

    name = "adagrad"
    default_rate = 0.05
    moments = ("v",)

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr g / (sqrt(v) + eps)."""
        v = self.state["v"][layer]
        v += gradient**2
        return -self.rate * gradient / (np.sqrt(v) + self._floor(1e-2))


class RmsProp(Optimizer):
    """Tieleman and Hinton, Coursera lecture 6.5 (2012): v = r v + (1-r) g^2; dW = -lr g / (sqrt(v) + eps)."""

    name = "rmsprop"
    default_rate = 0.005
    moments = ("v",)

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr g / (sqrt(v) + eps)."""
        v = self.state["v"][layer]
        v *= self.decay
        v += (1.0 - self.decay) * gradient**2
        return -self.rate * gradient / (np.sqrt(v) + self._floor(1e-2))


class Adam(Optimizer):
    """Kingma and Ba, ICLR 2015, algorithm 1, with its bias correction."""

    name = "adam"
    default_rate = 0.005
    moments = ("m", "v")

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr m / (sqrt(v) + eps), both corrected for their start at 0."""
        m, v = self.state["m"][layer], self.state["v"][layer]
        m *= self.momentum
        m += (1.0 - self.momentum) * gradient
        v *= self.decay
        v += (1.0 - self.decay) * gradient**2
        corrected = m / (1.0 - self.momentum**self.steps)
        spread = np.sqrt(v / (1.0 - self.decay**self.steps))
        return -self.rate * corrected / (spread + self._floor(1e-2))


class MomentumAdaptive(Optimizer):
    """Yan et al., Neural Networks 128 (2020) 142, a rate per weight; reproduced from the abstract.

    m = b m + g; v = r v + (1-r) g^2; dW = -lr m / (sqrt(v) + eps). A rate per weight would move every weight by about
    lr however small its gradient is, and make pulses explode: eps is never below the gradient's noise, taken as the
    root mean square of sqrt(v) over the layer.
    """

    name = "momentum-adaptive"
    default_rate = 0.002
    moments = ("m", "v")

    def change(self, layer: int, gradient: Floats) -> Floats:
        """Return -lr m / (sqrt(v) + eps)."""
        m, v = self.state["m"][layer], self.state["v"][layer]
        m *= self.momentum
        m += gradient
        v *= self.decay
        v += (1.0 - self.decay) * gradient**2
        noise = float(np.sqrt(v.mean()))
        return -self.rate * m / (np.sqrt(v) + max(self._floor(0.0), noise, 1e-8))


class MomentumGlobalRate(Momentum):
    """Yan et al., Neural Networks 128 (2020) 142, one global rate; reproduced from the abstract.

    Momentum whose rate follows the trend of the loss: it grows while the smoothed loss falls and shrinks while it
    rises (Vogl et al., Biol. Cybern. 59 (1988) 257: the "bold driver").
    """

    name = "momentum-global-rate"
    default_rate = 0.02
    moments = ("m",)
    follows_loss = True
    growth: ClassVar[float] = 1.002
    shrink: ClassVar[float] = 0.995
    smoothing: ClassVar[float] = 0.98

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        rate: float | None = None,
        *,
        momentum: float = 0.9,
        decay: float = 0.999,
        eps: float | None = None,
    ) -> None:
        """Take the layers' weight shapes; arguments as in Optimizer."""
        super().__init__(shapes, rate, momentum=momentum, decay=decay, eps=eps)
        self._limits = self.rate / 10.0, self.rate * 10.0
        # Rate and smoothed losses are state as well: a resumed run goes on with them.
        self.state["rate"] = [np.array([[self.rate]])]
        self.state["trend"] = [np.array([[np.nan, np.nan]])]

    def adapt(self, loss: float) -> None:
        """Grow or shrink the rate by the smoothed loss against a slower one, within a factor of ten."""
        trend = self.state["trend"][0][0]
        if np.isnan(trend[0]):
            trend[:] = loss
        slower = 1.0 - (1.0 - self.smoothing) / 4
        trend[0] += (1.0 - self.smoothing) * (loss - trend[0])
        trend[1] += (1.0 - slower) * (loss - trend[1])
        factor = self.growth if trend[0] < trend[1] else self.shrink
        current = self.state["rate"][0]
        current[0, 0] = min(max(current[0, 0] * factor, self._limits[0]), self._limits[1])
        self.rate = float(current[0, 0])


OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {kind.name: kind for kind in (Sgd, Momentum, AdaGrad, RmsProp, Adam, MomentumAdaptive, MomentumGlobalRate)}
)


def get(name: str) -> type[Optimizer]:
    """Return an optimizer by name. Raises BadInput that lists the names."""
    if name not in OPTIMIZERS:
        raise BadInput(f"no optimizer '{name}'; known: {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name]
