"""What `fit` trains on: data sets of this library, `tf.data` pipelines and arrays, made alike."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def as_examples(data, class_names: Sequence[str], batch_size: int):
    """Gives whatever holds training examples what `fit` asks of it.

    Args:
        data: what `data.load` returns, or anything with `.epoch(n)`, `.size` and `.class_names`,
            which is returned as it is; a `tf.data.Dataset` of batches `(images, labels)`; or arrays
            `(images, labels)`.
        class_names: of the model, for data that has none.
        batch_size: of the batches that arrays are divided into.

    Raises:
        TypeError: if it is none of these.
        ValueError: if a pipeline never ends, or images and labels are not equally many.
    """
    if hasattr(data, "epoch"):
        return data
    if isinstance(data, tf.data.Dataset):
        return _Pipeline(data, class_names)
    if isinstance(data, tuple | list) and len(data) == 2:
        return _Arrays(*data, class_names, batch_size)
    raise TypeError(
        f"Training examples are what data.load returns, a tf.data.Dataset of batches, or arrays "
        f"(images, labels); these are a {type(data).__name__}."
    )


class _Pipeline:
    """A pipeline of batches. Each epoch reads it once more; its order is its own affair.

    A run that was cut off goes on to the same end only if the pipeline gives the same batches in
    the same order in every epoch, or draws them by a seed of its own.
    """

    seed = None

    def __init__(self, batches: tf.data.Dataset, class_names: Sequence[str]):
        if batches.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "This tf.data.Dataset never ends: an epoch needs one that does. Leave out "
                ".repeat(); fit reads it once in every epoch."
            )
        self.batches, self.class_names = batches, list(class_names)
        counts = batches.map(lambda images, labels: tf.shape(labels, tf.int64)[0])
        self.size = int(counts.reduce(np.int64(0), lambda total, count: total + count))

    def epoch(self, number: int) -> tf.data.Dataset:
        return self.batches


class _Arrays:
    """Pictures in memory, in a new order in every epoch, which depends on its number alone."""

    seed = 0

    def __init__(self, images, labels, class_names: Sequence[str], batch_size: int):
        if len(images) != len(labels):
            raise ValueError(f"There are {len(images)} images and {len(labels)} labels.")
        self.images, self.labels = np.asarray(images), np.asarray(labels, "int32")
        self.class_names, self.batch_size = list(class_names), batch_size
        self.size = len(self.labels)

    def epoch(self, number: int) -> tf.data.Dataset:
        order = np.random.default_rng([self.seed, number]).permutation(self.size)

        def rows():
            for start in range(0, self.size, self.batch_size):
                some = order[start : start + self.batch_size]
                yield self.images[some].astype("float32"), self.labels[some]

        signature = (
            tf.TensorSpec((None, *self.images.shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        )
        return tf.data.Dataset.from_generator(rows, output_signature=signature)
