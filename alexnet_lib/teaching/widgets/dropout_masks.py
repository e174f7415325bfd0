"""Dropout: a layer whose units are dropped by coins, and the one unit that they feed."""

import numpy as np
import traitlets

from . import random_numbers, stills
from .explorer import Explorer

MOST_UNITS, MOST_DRAWS = 48, 2000
TAKEN, SILENT = 'fill="#0072b2"', 'fill="none" stroke="#8c8c8c" stroke-dasharray="2 2"'


def masks(rate: float, seed: int, draws: int, units: int) -> np.ndarray:
    """Which units stay: bool `(draws, units)`. A unit stays if its coin, of [0, 1), is ≥ rate."""
    return random_numbers.uniforms(seed, draws * units).reshape(draws, units) >= rate


def sums(activities, weights, rate: float, seed: int, draws: int, inverted: bool) -> np.ndarray:
    """Σ wᵢaᵢ over the units that stay, `(draws,)`; divided by 1 - rate if `inverted`."""
    kept = masks(rate, seed, draws, len(activities))
    return kept @ np.multiply(activities, weights) / (1 - rate if inverted else 1)


class Dropout(Explorer):
    """Silence the units of a layer by chance, and see what reaches the next layer, again and again.

        Dropout(fc7[0, :32], fc8.kernel[:32, 3])

    The paper (section 4.2) halves the outputs when it tests; Keras doubles what is left when it
    trains. Both are there, with the sums of many draws beside the value used in testing.

    Args:
        activities: `(units,)`, of 1 to 48 units; the activations after a ReLU. Random ones if
            None.
        weights: `(units,)`, from these units to one unit of the next layer. Random ones if None.
        rate: how likely a unit is dropped, 0 to 0.9; the paper's is 0.5.
        draws: of how many masks the sums are shown, 1 to 2000.
        seed: which coins, 0 to 9999.

    Raises:
        ValueError: if the shapes do not fit or a number is not finite.
        traitlets.TraitError: if a setting is out of its range.

    >>> Dropout([1.0, 2.0], [0.5, -1.0])
    Dropout(units=2, rate=0.5, draws=200, seed=0)
    """

    _module = "dropout_masks"

    rate = traitlets.Float(min=0, max=0.9).tag(sync=True, step=0.05)
    draws = traitlets.Int(min=1, max=MOST_DRAWS).tag(sync=True)
    seed = traitlets.Int(min=0, max=9999).tag(sync=True)
    scaling = traitlets.Enum(["test", "training"]).tag(sync=True)
    unit = traitlets.Int(min=0).tag(sync=True)
    activities = traitlets.List().tag(sync=True)
    weights = traitlets.List().tag(sync=True)

    def __init__(
        self,
        activities=None,
        weights=None,
        *,
        rate: float = 0.5,
        draws: int = 200,
        seed: int = 0,
        scaling: str = "test",
    ):
        if activities is None:
            units = 24 if weights is None else len(np.ravel(weights))
            activities = np.maximum(random_numbers.normals(1, 2 * units)[:units] + 0.5, 0)
        activities = np.asarray(activities, "float64")
        if weights is None:
            weights = random_numbers.normals(2, 2 * activities.size)[: activities.size] / 2
        weights = np.asarray(weights, "float64")
        if activities.shape != weights.shape or activities.ndim != 1 or not activities.size:
            raise ValueError(
                f"Give as many weights as activations; these are {weights.shape} weights and "
                f"{activities.shape} activations."
            )
        if len(activities) > MOST_UNITS:
            raise ValueError(f"{len(activities)} units; at most {MOST_UNITS} can be told apart.")
        if not np.isfinite([activities, weights]).all():
            raise ValueError("An activation or a weight is not finite.")
        super().__init__(
            activities=[float(f"{a:.3g}") for a in activities],
            weights=[float(f"{w:.3g}") for w in weights],
            rate=rate,
            draws=draws,
            seed=seed,
            scaling=scaling,
            unit=int(np.argmax(activities)),
        )

    def __repr__(self) -> str:
        return (
            f"Dropout(units={len(self.activities)}, rate={self.rate:g}, draws={self.draws}, "
            f"seed={self.seed})"
        )

    def still(self) -> str:
        inverted = self.scaling == "training"
        kept = masks(self.rate, self.seed, 1, len(self.activities))[0]
        found = sums(self.activities, self.weights, self.rate, self.seed, self.draws, inverted)
        test = np.dot(self.activities, self.weights) * (1 if inverted else 1 - self.rate)
        wide, largest = 380 / len(kept), max(np.abs(self.activities).max(), 1e-9)
        bars = [
            stills.rectangle(
                10 + at * wide,
                160 - 110 * abs(a) / largest,
                wide * 0.8,
                110 * abs(a) / largest,
                TAKEN if stays else SILENT,
            )
            for at, (a, stays) in enumerate(zip(self.activities, kept, strict=True))
        ]
        spread = (found - found[0]).std()  # exactly 0 where all draws are alike
        says = [
            f"One draw at rate {self.rate:g}: {kept.sum()} of {len(kept)} units stay.",
            f"Input of the next unit, {self.draws} draws: mean {found.mean():.3g}, "
            f"spread {spread:.2g}.",
            f"Used in testing: {test:.3g}.",
        ]
        return stills.picture(
            f"Dropout. {' '.join(says)}",
            *(stills.WIDTH, 240),
            stills.text(10, 24, "Units that stay, and units that are dropped", size=16),
            *bars,
            *(stills.text(10, 186 + 20 * line, text) for line, text in enumerate(says)),
        )
