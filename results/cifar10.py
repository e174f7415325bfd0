"""CIFAR-10 in memory, and a plain loop of training: what figure1.py, ablations.py and pooling.py
share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from alexnet_lib import architecture, augmentation, data

SIDE = 32
GREY = 120.0
"""About the mean of CIFAR-10's pixels. One number for all parts of the data, known beforehand."""


def arrays(source: str, split: str, per_class: int | None = None, skip: int = 0):
    """Pictures `(n, 32, 32, 3)` uint8 and labels `(n,)` of a split, class by class.

    Args:
        source: as for `data.load`.
        split: `"train"` or `"test"`.
        per_class: at most so many of each class, in the order of the file names.
        skip: pass over so many of each class first.
    """
    limit = None if per_class is None else per_class + skip
    loaded = data.load(
        source,
        split,
        image_size=SIDE,
        short_side=SIDE,
        batch_size=1000,
        augment=False,
        shuffle=False,
        limit_per_class=limit,
    )
    pictures, labels = (
        np.concatenate(parts) for parts in zip(*loaded.epoch().as_numpy_iterator(), strict=True)
    )
    kept = np.concatenate([np.flatnonzero(labels == label)[skip:] for label in np.unique(labels)])
    return pictures[kept].round().astype("uint8"), labels[kept].astype("int32")


def he_start(layers: Sequence, input_shape: tuple[int, int, int], gain: float = 2.0) -> list:
    """The description with initial values of variance `gain / fan in` and biases of 0.

    2 suits the ReLU (He et al. 2015), 1 sigmoid and tanh (Glorot & Bengio 2010).
    """
    records = architecture.trace_layers(layers, input_shape)
    return [
        replace(layer, stddev=(gain * record.units / record.macs) ** 0.5, bias=0.0)
        if record.parameters
        else layer
        for layer, record in zip(layers, records, strict=True)
    ]


class Training:
    """A network that can be trained again and again from new initial values, compiled once.

    Args:
        model: from inputs to logits.
        weight_decay: an L2 penalty on the kernels, in the paper's sense (section 5).
    """

    def __init__(self, model: keras.Model, weight_decay: float = 0.0):
        self.model = model
        self.optimizer = keras.optimizers.SGD(momentum=0.9)
        self.optimizer.build(model.trainable_variables)
        self.decayed = [weight_decay * (len(v.shape) > 1) for v in model.trainable_variables]
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._step = tf.function(self._step, reduce_retracing=True)
        self._wrong = tf.function(self._wrong, reduce_retracing=True)

    def restart(self, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.model.set_weights(keras.models.clone_model(self.model).get_weights())
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))

    def train(self, batches: tf.data.Dataset, epochs: int, steps: int, rate: float) -> None:
        """Epochs of so many steps, at half a cosine from this rate down to 0."""
        steps *= epochs
        rates = (rate * (1 + math.cos(math.pi * (i + 0.5) / steps)) / 2 for i in range(steps))
        for _ in range(epochs):
            self.epoch(batches, rates)

    def epoch(self, batches: tf.data.Dataset, rates: Iterator[float]) -> float:
        """One pass; returns the share of wrong answers on the way."""
        wrong, seen = 0, 0
        for images, labels in batches:
            self.optimizer.learning_rate = next(rates)
            wrong += self._step(images, labels)
            seen += len(labels)
        return float(wrong) / seen

    def _step(self, images, labels):
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = self.loss(labels, logits)
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(
            [g + d * v for g, d, v in zip(gradients, self.decayed, variables, strict=True)],
            variables,
        )
        return tf.math.count_nonzero(tf.argmax(logits, 1, tf.int32) != labels)

    def error(self, batches: tf.data.Dataset) -> float:
        """The share of wrong answers, without dropout."""
        counts = [(float(self._wrong(*batch)), len(batch[1])) for batch in batches]
        return sum(wrong for wrong, _ in counts) / sum(size for _, size in counts)

    def _wrong(self, images, labels):
        return tf.math.count_nonzero(tf.argmax(self.model(images), 1, tf.int32) != labels)


def batches(
    pictures: np.ndarray,
    labels: np.ndarray,
    size: int,
    *,
    batch: int = 128,
    seed: int | None = None,
    crop: bool = False,
    mirror: bool = False,
    lighting: augmentation.PCALighting | None = None,
) -> tf.data.Dataset:
    """Batches of inputs: pictures minus a mid grey, divided by 64.

    Args:
        pictures: uint8 `(n, 32, 32, 3)`.
        labels: `(n,)`.
        size: side of the crops.
        batch: examples a batch.
        seed: of order and augmentation, new in each pass; None keeps the order.
        crop: cut the crops at random places, not from the centre.
        mirror: mirror every other picture, by chance.
        lighting: PCA lighting to add.
    """
    examples = tf.data.Dataset.from_tensor_slices((pictures, labels))
    if seed is None:
        draws = tf.data.Dataset.from_tensors([0, 0]).repeat()
    else:
        examples = examples.shuffle(len(pictures), seed=seed)
        draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)

    def prepare(example, draw):
        picture, label = example
        if crop:
            picture = augmentation.random_crop(picture, size, draw)
        else:
            picture = augmentation.center_crop(picture, size)
        if mirror:
            picture = augmentation.random_mirror(picture, draw)
        picture = tf.cast(picture, tf.float32)
        if lighting:
            picture = lighting(picture, draw)
        return (picture - GREY) / 64, label

    pairs = tf.data.Dataset.zip(examples, draws)
    return pairs.map(prepare, tf.data.AUTOTUNE).batch(batch).prefetch(2)


def describe(source: str, pictures: np.ndarray, tests: np.ndarray | None = None) -> dict:
    """What was trained on, and tested."""
    tested = {} if tests is None else {"test_examples": len(tests)}
    return {"name": Path(source).name, "training_examples": len(pictures)} | tested
