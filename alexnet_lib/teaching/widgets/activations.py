"""ReLU, tanh and sigmoid: what they answer, how steep they are, what a gradient keeps of them."""

import numpy as np
import traitlets

from ..colours import ACTIVATION_LINES
from . import random_numbers, stills
from .explorer import Explorer

WIDTH, EXAMPLES = 48, 8
"""Units of each layer, and inputs that are sent through at once, in `gradient_through_depth`."""
DEEPEST = 30

FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
DERIVATIVES = {
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: FUNCTIONS["sigmoid"](x) * (1 - FUNCTIONS["sigmoid"](x)),
}
LABELS = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}
COLOURS = {name: ACTIVATION_LINES[text][0] for name, text in LABELS.items()}


def gradient_through_depth(function: str, depth: int, gain: float, seed: int) -> np.ndarray:
    """How large a gradient is before each layer of a random network, and behind the last.

    The layers have 48 units each and no biases; weights are from N(0, gain² / 48). Inputs, and the
    gradient at the end, are from N(0, 1). As `gradientThroughDepth` in activations.js.

    Returns:
        `(depth + 1,)`: root mean squares over 8 examples, divided by the last.
    """
    draw = random_numbers.normals(seed, DEEPEST * WIDTH**2 + 2 * WIDTH * EXAMPLES)
    ends = draw[DEEPEST * WIDTH**2 :].reshape(2, WIDTH, EXAMPLES)
    weights = draw[: depth * WIDTH**2].reshape(depth, WIDTH, WIDTH) * gain / np.sqrt(WIDTH)
    activities, slopes = ends[0], []
    for weight in weights:
        sums = weight @ activities
        slopes.append(DERIVATIVES[function](sums))
        activities = FUNCTIONS[function](sums)
    gradient = ends[1]
    sizes = [np.sqrt((gradient**2).mean())]
    for weight, slope in zip(weights[::-1], slopes[::-1], strict=True):
        gradient = weight.T @ (slope * gradient)
        sizes.append(np.sqrt((gradient**2).mean()))
    return np.array(sizes[::-1]) / sizes[0]


class Activations(Explorer):
    """ReLU, tanh and sigmoid with their derivatives, and the gradient through many layers.

        Activations(depth=20)

    The lower picture sends a gradient backwards through a random network, once with each function.

    Args:
        x: where the functions are read, -6 to 6.
        depth: layers of the random network, 1 to 30.
        gain: its weights are from N(0, gain² / units), 0.1 to 3. √2, which the default comes close
            to, is He's initialization: there depth does a ReLU no harm. The paper's standard
            deviation of 0.01 is a gain of 0.96 for the 9,216 inputs of fc6.
        seed: which random network, 0 to 9999.

    Raises:
        traitlets.TraitError: if a number is out of its range.

    >>> Activations(depth=20)
    Activations(x=2, depth=20, gain=1.4, seed=0)
    """

    _module = "activations"

    x = traitlets.Float(min=-6, max=6).tag(sync=True, step=0.1)
    depth = traitlets.Int(min=1, max=DEEPEST).tag(sync=True)
    gain = traitlets.Float(min=0.1, max=3).tag(sync=True, step=0.05)
    seed = traitlets.Int(min=0, max=9999).tag(sync=True)

    def __init__(self, *, x: float = 2.0, depth: int = 10, gain: float = 1.4, seed: int = 0):
        super().__init__(x=x, depth=depth, gain=gain, seed=seed)

    def __repr__(self) -> str:
        return (
            f"Activations(x={self.x:g}, depth={self.depth}, gain={self.gain:g}, seed={self.seed})"
        )

    def still(self) -> str:
        parts = [stills.text(10, 24, "Three activation functions …", size=16)]
        xs = np.linspace(-4, 4, 81)
        says = []
        for row, name in enumerate(FUNCTIONS):
            style = f'stroke="{COLOURS[name]}" stroke-width="2"'
            ys = np.minimum(FUNCTIONS[name](xs), 3)
            parts.append(stills.line(zip(10 + 23 * (xs + 4), 140 - 30 * ys, strict=True), style))
            sizes = gradient_through_depth(name, self.depth, self.gain, self.seed)
            with np.errstate(divide="ignore"):
                logs = np.maximum(np.log10(sizes), -12)
            steps = np.linspace(10, 194, len(logs))
            parts.append(stills.line(zip(steps, 260 - 8 * logs, strict=True), style))
            says.append(f"{LABELS[name]} {stills.number(sizes[0])}")
            parts.append(
                stills.text(230, 100 + 24 * row, LABELS[name], style=f'fill="{COLOURS[name]}"')
            )
        layers = f"{self.depth} layer{'s' if self.depth > 1 else ''}"
        share = f"Left of a gradient after {layers}: {', '.join(says)}"
        parts.append(stills.text(10, 205, "… and a gradient on its way back", size=16))
        parts.append(stills.text(10, 380, f"Left after {layers}:"))
        parts.append(stills.text(10, 400, ", ".join(says)))
        return stills.picture(f"Activation functions. {share}.", stills.WIDTH, 410, *parts)
