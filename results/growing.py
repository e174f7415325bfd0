"""Growing: a network that learned on small pictures goes on with larger ones.

The convolutions do not ask for the size of a picture; only `fc6` does, whose kernel has one place
for each of pool5's. It is stretched like a picture. Small pictures cost a fraction of the
arithmetic (a side of 115 instead of 227: about a quarter), so most of the epochs can be spent
there. `InTurn` shows the same photographs at another scale in each epoch.
"""

import keras
import numpy as np
import tensorflow as tf

from alexnet_lib import data


class InTurn:
    """Data sets of the same pictures, one for each epoch in turn: what `fit` asks of `train`."""

    def __init__(self, datasets: list[data.Dataset]):
        self.datasets = datasets
        self.size, self.seed = datasets[0].size, datasets[0].seed
        self.class_names = datasets[0].class_names

    def epoch(self, number: int) -> tf.data.Dataset:
        return self.datasets[number % len(self.datasets)].epoch(number)


def at_scales(source: str, short_sides: tuple[int, ...], **options) -> InTurn:
    """Training pictures at each short side in turn, all with the PCA lighting of the first.

    Decoded pictures stay in memory; `options` are those of `data.load`.
    """
    datasets, lighting = [], True
    for side in short_sides:
        dataset = data.load(
            source, "train", short_side=side, lighting=lighting, cache="memory", **options
        )
        datasets.append(dataset)
        lighting = dataset.lighting
    return InTurn(datasets)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies layer by layer; `fc6` is stretched to the larger map, at the same total weight."""
    for layer in target.layers:
        if layer.weights:
            values = source.get_layer(layer.name).get_weights()
            if layer.name == "fc6":
                values[0] = stretched(values[0], layer.kernel.shape[0])
            layer.set_weights(values)


def stretched(kernel: np.ndarray, inputs: int) -> np.ndarray:
    """The kernel of `fc6`, `(places · 256, units)`, for a larger map of as many `inputs`."""
    side, new_side = (int((rows // 256) ** 0.5) for rows in (len(kernel), inputs))
    places = tf.image.resize(kernel.reshape(side, side, -1), (new_side, new_side)).numpy()
    return places.reshape(inputs, -1) * (side / new_side) ** 2
