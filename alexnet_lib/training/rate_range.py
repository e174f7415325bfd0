"""Which learning rate? The range test raises it from step to step, and watches the loss."""

from dataclasses import dataclass

import keras
import numpy as np

from ..preprocessing import preprocess_layer
from .devices import uses_xla
from .examples import as_examples
from .recipe import Recipe
from .steps import batches, built_for, train_step
from .trainer import check

DIVERGED = 4.0
"""How many times the lowest smoothed loss ends the test."""


@dataclass(frozen=True, eq=False)
class RateRange:
    """What a range test has measured, step by step."""

    rates: np.ndarray
    """The learning rates, each a little higher than the one before."""
    losses: np.ndarray
    """The mean loss of the batch of each step, before its update; finite."""

    @property
    def smoothed(self) -> np.ndarray:
        """The losses as a moving average, without which single batches hide where they fall."""
        kept = 0.9
        average, averages = 0.0, []
        for step, loss in enumerate(self.losses, 1):
            average = kept * average + (1 - kept) * loss
            # Without the division, the first averages would lean towards 0.
            averages.append(average / (1 - kept**step))
        return np.array(averages)

    @property
    def suggested(self) -> float:
        """A tenth of the rate at which the smoothed loss was lowest, a usual choice: at the lowest
        loss the rate is already as high as the network bears for a short time."""
        return float(self.rates[self.smoothed.argmin()] / 10)


def rate_range_test(
    model: keras.Model,
    train,
    recipe: Recipe,
    *,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
) -> RateRange:
    """The learning rate range test (Smith 2017): some steps with a rate that grows exponentially.

    While the rate is too low the loss stays where it was, then it falls, then it rises, or is no
    number any more; there the test ends. A good highest rate for `Recipe.modern` lies where the
    loss falls most, well below the rate at which it rises.

    Args:
        model: as for `fit`. It is trained by the test, and put back to what it was.
        train: as for `fit`. Its epochs are read one after the other until there are enough steps.
        recipe: gives batch size, momentum, weight decay, label smoothing and the rates of layers;
            its learning rate and schedule are not used.
        lowest: the rate of the first step.
        highest: the rate of the last step, if the test gets so far.
        steps: how many.

    Returns:
        Rates and losses of the steps that were done.

    Raises:
        ValueError: if model and data do not go together, the rates are not 0 < lowest < highest,
            there are fewer than two steps, or the first loss is not finite.
    """
    train = as_examples(train, preprocess_layer(model).class_names, recipe.batch_size)
    check(model, train)
    if not 0 < lowest < highest or steps < 2:
        raise ValueError(
            "A range test needs 0 < lowest < highest and at least 2 steps; it was given "
            f"lowest={lowest}, highest={highest}, steps={steps}."
        )
    before = [variable.numpy() for variable in model.variables]
    try:
        losses = _losses(model, train, recipe, rates := np.geomspace(lowest, highest, steps))
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
    if not losses:
        raise ValueError(
            "The loss of the first batch is not a finite number, at any learning rate. Check that "
            "images are 0..255, and that the recipe fits the model's initial values."
        )
    return RateRange(rates[: len(losses)], np.array(losses))


def _losses(model, train, recipe, rates) -> list[float]:
    """The loss at each rate, up to the first that is not finite or far above the lowest."""
    strategy = model.distribute_strategy
    with strategy.scope():
        optimizer = recipe.optimizer()
    step = train_step(
        model,
        built_for(model, optimizer),
        recipe.label_smoothing,
        class_weights={},
        jit=uses_xla(strategy.num_replicas_in_sync),
    )
    losses = []
    for rate, batch in zip(rates, _batches(train, recipe.batch_size, strategy), strict=False):
        optimizer.learning_rate = rate
        loss, _, examples = step(*batch).numpy()
        if not np.isfinite(loss):
            break
        losses.append(float(loss / examples))
        smoothed = RateRange(rates[: len(losses)], np.array(losses)).smoothed
        if smoothed[-1] > DIVERGED * smoothed.min():
            break
    return losses


def _batches(train, batch_size, strategy):
    """Batches without end, epoch by epoch."""
    epoch = 0
    while True:
        yield from batches(train, epoch, batch_size, strategy)
        epoch += 1
