"""How well a model does on a data set: accuracy, confusion, and how far to trust them."""

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..preprocessing import preprocess_layer
from ..terminal import counted, printable
from .devices import uses_xla
from .steps import (
    batches,
    divisible,
    forward_step,
    gatherer,
    is_divided,
    is_on_several_machines,
    padded,
    shared_out,
)

_MANY_CLASSES = 50


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a model does on a data set. Accuracies are shares, 0..1."""

    class_names: tuple[str, ...]
    crops: int
    loss: float
    """Mean cross-entropy of the averaged probabilities, in nats."""
    top1: float
    top5: float | None
    """None for fewer than five classes."""
    confusion: np.ndarray
    """Integers `(true class, predicted class)`."""
    probabilities: np.ndarray | None = field(default=None, repr=False)
    """`(examples, classes)`, in the order of the data."""
    labels: np.ndarray | None = field(default=None, repr=False)
    """The true class of each example."""
    files: tuple[str, ...] = field(default=(), repr=False)
    """The path of each example, where they are files."""

    @property
    def examples(self) -> int:
        return int(self.confusion.sum())

    @property
    def top1_interval(self) -> tuple[float, float]:
        """`wilson_interval` of the top-1 accuracy."""
        return wilson_interval(round(self.top1 * self.examples), self.examples)

    @property
    def recall(self) -> np.ndarray:
        """For each class: the share of its examples that were found. NaN without examples."""
        return _share(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> np.ndarray:
        """For each class: the share of its predictions that were right. NaN without predictions."""
        return _share(np.diag(self.confusion), self.confusion.sum(0))

    def as_dict(self) -> dict:
        """All of it, ready for JSON; None where a share has no examples."""

        def share(value: float) -> float | None:
            return None if math.isnan(value) else float(value)

        rows = zip(self.class_names, self.confusion, self.recall, self.precision, strict=True)
        return {
            "crops": self.crops,
            "images": self.examples,
            "top1": self.top1,
            "top1_interval": list(self.top1_interval),
            "top5": self.top5,
            "loss": self.loss,
            "classes": [
                {
                    "class": name,
                    "images": int(row.sum()),
                    "found": share(found),
                    "precision": share(precision),
                    "taken_for": {
                        self.class_names[label]: int(row[label]) for label in row.nonzero()[0]
                    },
                }
                for name, row, found, precision in rows
            ],
        }

    def __rich__(self) -> Table:
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.2%}"
        table = Table(
            title=f"{self.examples:,} images, {counted(self.crops, 'crop')}: "
            f"top-1 {self.top1:.2%}{top5}, loss {self.loss:.4f}"
        )
        table.add_column("class")
        for heading in ("images", "found", "precision"):
            table.add_column(heading, justify="right")
        table.add_column("most often mistaken for")
        for label, name in enumerate(self.class_names):
            row = self.confusion[label].copy()
            # Of many classes, those that have no pictures would hide the others.
            if len(self.class_names) > _MANY_CLASSES and not row.any():
                continue
            row[label] = 0
            wrong = int(row.argmax())
            mistaken = f"{self.class_names[wrong]} ({row[wrong]})" if row[wrong] else ""
            # Names are folders' names: as text, square brackets are no markup.
            table.add_row(
                Text(printable(name)),
                str(self.confusion[label].sum()),
                percent(self.recall[label]),
                percent(self.precision[label]),
                Text(printable(mistaken)),
            )
        return table

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=100, color_system=None, force_jupyter=False)
        console.print(self)
        return console.file.getvalue().rstrip("\n")


def evaluate(model: keras.Model, data, crops: int = 1) -> Evaluation:
    """Measures a model on a data set.

    Args:
        model: from pictures 0..255 to probabilities, with a `Preprocess` layer.
        data: as `validation` in `fit`; for ten crops it has `.ten_crops()`, a pipeline of batches
            `(crops, labels)` with crops `(batch, 10, height, width, 3)`.
        crops: 1 for the centre, 10 for the mean over four corners, centre and their mirrors
            (section 4.1).

    Raises:
        ValueError: if there are no examples, `crops` is neither 1 nor 10 or the data has no ten
            crops, a label is out of range, or the model's output is not finite.
    """
    if crops not in (1, 10):
        raise ValueError(f"crops is {crops!r}; it must be 1 or 10.")
    if crops == 10 and not hasattr(data, "ten_crops"):
        raise ValueError(
            f"Ten crops need data with .ten_crops(), such as data.load returns; this is a "
            f"{type(data).__name__}."
        )
    names = tuple(preprocess_layer(model).class_names)
    strategy = model.distribute_strategy
    forward = forward_step(model, jit=uses_xla(strategy.num_replicas_in_sync))
    while True:
        try:
            probabilities, labels = predictions(forward, data, crops, strategy)
            break
        except tf.errors.OpError as error:
            data = without_lost(data, error, strategy)
    if not len(labels):
        raise ValueError("The data set has no examples.")
    if not np.isfinite(probabilities).all():
        raise ValueError("The model's output is not finite: its training has diverged.")
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(
            f"The labels run from {labels.min()} to {labels.max()}, but the model has "
            f"{len(names)} classes: 0 to {len(names) - 1}."
        )
    # Equal probabilities stay in the order of the classes: a model that knows nothing is not
    # counted as right everywhere.
    order = np.argsort(-probabilities, axis=1, kind="stable")
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    return Evaluation(
        class_names=names,
        crops=crops,
        loss=float(cross_entropy(probabilities, labels).mean()),
        top1=float(np.mean(order[:, 0] == labels)),
        top5=float((order[:, :5] == labels[:, None]).any(1).mean()) if len(names) >= 5 else None,
        confusion=confusion,
        probabilities=probabilities,
        labels=labels,
        files=tuple(getattr(data, "listing", dict)() or ()),
    )


def wilson_interval(right: int, examples: int) -> tuple[float, float]:
    """Which accuracies would make `right` of `examples` nothing unusual: 95 %, by Wilson (1927).

    It holds for examples drawn one by one. Where several are parts of one photograph, the truth is
    less certain than this says.

    Returns:
        The lower and the upper end, 0..1.
    """
    z, share = 1.96, right / examples
    centre = (share + z * z / (2 * examples)) / (1 + z * z / examples)
    spread = math.sqrt(share * (1 - share) / examples + z * z / (4 * examples * examples))
    half = z / (1 + z * z / examples) * spread
    return max(0.0, centre - half), min(1.0, centre + half)


def predictions(
    forward: Callable,
    data,
    crops: int,
    strategy: tf.distribute.Strategy,
    each: Callable[[], object] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `(examples, classes)`, averaged over the crops, and labels, in order."""
    # Ten crops make ten images of one: about as many to a batch as without.
    batch_size = divisible(64 if crops == 1 else 6, strategy)
    probabilities, labels = [], []
    for images, truth, examples in _steps(data, crops, batch_size, strategy):
        each()
        output = tf.cast(forward(images), "float32").numpy()
        probabilities.append(output.reshape(batch_size, crops, -1).mean(1)[:examples])
        labels.append(truth[:examples])
    if not labels:
        return np.zeros((0, 1), "float32"), np.zeros(0, "int32")
    return np.concatenate(probabilities), np.concatenate(labels)


def _steps(
    data, crops: int, batch_size: int, strategy: tf.distribute.Strategy
) -> Iterator[tuple[tf.Tensor, np.ndarray, int]]:
    """Images, shared out among the devices, the labels of all of them, and how many examples of the
    batch are no blanks.

    Of several machines, each decodes its own rows of each batch, if `is_divided`; ten crops are
    decoded by all.
    """
    if crops == 1 and is_divided(data, batch_size, strategy):
        # A machine knows the labels of its own rows only.
        gather = gatherer(strategy)
        for images, labels, _, examples in batches(data, 0, batch_size, strategy):
            yield images, gather(labels).numpy(), int(examples)
        return
    for images, labels, weights in padded(_pipeline(data, crops), batch_size, batch_size):
        if crops > 1:
            images = tf.reshape(images, (-1, *images.shape[2:]))
        yield *shared_out((images,), strategy), labels.numpy(), int(tf.reduce_sum(weights))


def without_lost(data, error: Exception, strategy: tf.distribute.Strategy):
    """The data set without pictures that vanished or broke since it was opened.

    Raises:
        Exception: `error`, where that is not what went wrong.
        ValueError: with several machines, of which only one may have met the pictures.
    """
    rest = data.without_lost() if hasattr(data, "without_lost") else data
    if rest is data:
        raise error
    if is_on_several_machines(strategy):
        raise ValueError(
            f"{data.size - rest.size:,} of {data.size:,} pictures can no longer be read, and the "
            "other machines do not know of it. Start the same command again on all of them: the "
            "run goes on without these pictures."
        ) from error
    return rest


def _pipeline(data, crops: int) -> tf.data.Dataset:
    if crops > 1:
        return data.ten_crops()
    if hasattr(data, "epoch"):
        return data.epoch(0)
    if isinstance(data, tf.data.Dataset):
        return data
    images, labels = data
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(64)


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each example, in nats. A probability of 0 counts as 1e-7, as in Keras."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def percent(share: float) -> str:
    """`83.1%`; a dash where there was nothing to take a share of."""
    return "–" if math.isnan(share) else f"{share:.1%}"
