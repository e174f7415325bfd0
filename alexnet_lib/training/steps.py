"""One step as a graph, and the batches that it takes: of one shape, shared out among devices."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf


def train_step(
    model: keras.Model, optimizer, smoothing: float, class_weights: Mapping[int, float], jit: bool
) -> Callable:
    """The step as a graph: (images, labels, weights of one batch, examples) → (loss, right, n)."""
    # On several devices, each draws the dropout masks of its share from the same generator state.
    strategy = model.distribute_strategy
    classes = model.output_shape[-1]
    weight_of = tf.constant([class_weights.get(label, 1.0) for label in range(classes)])

    def replica(images, labels, weights, examples):
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            losses = keras.losses.categorical_crossentropy(
                tf.one_hot(labels, classes), probabilities, label_smoothing=smoothing
            )
            loss = tf.reduce_sum(losses * weights * tf.gather(weight_of, labels))
            # Gradients are summed over the devices, so each divides by the whole batch.
            total = loss / examples
            if model.losses:
                total += tf.add_n(model.losses) / strategy.num_replicas_in_sync
            total = optimizer.scale_loss(total)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(total, variables), variables)
        right = tf.equal(tf.argmax(probabilities, 1, labels.dtype), labels)
        return tf.stack(
            [loss, tf.reduce_sum(tf.cast(right, "float32") * weights), tf.reduce_sum(weights)]
        )

    @tf.function(jit_compile=jit)
    def step(images, labels, weights, examples):
        sums = strategy.run(replica, (images, labels, weights, examples))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step


def precision(model: keras.Model) -> str:
    """The dtype policy of the layers that compute: the first layer only preprocesses."""
    policies = [layer.dtype_policy.name for layer in model.layers if layer.weights]
    return policies[0] if policies else "float32"


def built_for(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> keras.optimizers.Optimizer:
    """What applies the gradients: the optimizer, with its variables made, and for float16 behind
    one that scales the loss up and the gradients down again, for float16 cannot hold small ones."""
    with model.distribute_strategy.scope():
        if precision(model) == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
    return optimizer


def forward_step(model: keras.Model, jit: bool) -> Callable:
    """Prediction as a graph: images → probabilities, in the order of the images."""
    strategy = model.distribute_strategy

    @tf.function(jit_compile=jit)
    def forward(images):
        probabilities = strategy.run(lambda share: model(share, training=False), (images,))
        return strategy.gather(probabilities, axis=0)

    return forward


@cache
def gatherer(strategy: tf.distribute.Strategy) -> Callable:
    """As a graph: each device's rows → all rows, in order. Traced once, not in every epoch."""

    @tf.function
    def gather(rows):
        return strategy.gather(rows, axis=0)

    return gather


def batches(
    data, epoch: int, batch_size: int, strategy: tf.distribute.Strategy, skip: int = 0
) -> Iterator[tuple]:
    """The steps of an epoch: images, labels and weights, shared out among the devices, and how many
    examples the whole batch has.

    With several machines, each decodes its own rows of each batch alone, if `is_divided`.
    """
    padded_size = divisible(batch_size, strategy)
    if not is_divided(data, batch_size, strategy):
        for batch in padded(data.epoch(epoch), batch_size, padded_size, skip):
            yield *shared_out(batch, strategy), tf.reduce_sum(batch[2])
        return
    here, share = replicas_here(strategy), batch_size // strategy.num_replicas_in_sync
    rows = slice(here.start * share, here.stop * share)
    mine = data.rows_of_epoch(epoch, rows, batch_size)
    blank = tuple(
        tf.zeros((len(here) * share, *shape), dtype)
        for shape, dtype in (
            (mine.element_spec[0].shape[1:], "float32"),
            ((), "int32"),
            ((), "float32"),
        )
    )
    decoded = padded(mine, len(here) * share, len(here) * share, skip)
    for step in range(skip, math.ceil(data.size / batch_size)):
        # The last batch may be so short that nothing of it is for this machine.
        batch = next(decoded, blank)
        examples = min(batch_size, data.size - step * batch_size)
        yield *shared_out(batch, strategy, here), tf.constant(examples, "float32")


def is_divided(data, batch_size: int, strategy: tf.distribute.Strategy) -> bool:
    """Whether each of several machines decodes its own rows only: where the data can give them, and
    each device has equally many."""
    return (
        is_on_several_machines(strategy)
        and hasattr(data, "rows_of_epoch")
        and batch_size % strategy.num_replicas_in_sync == 0
    )


def padded(
    data: tf.data.Dataset, batch_size: int, padded_size: int, skip: int = 0
) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Batches of one shape: images, labels, weights; blank examples of weight 0 fill them up."""

    def pad(images, labels):
        missing = padded_size - tf.shape(images)[0]
        blank = tf.zeros(tf.concat([[missing], tf.shape(images)[1:]], 0), images.dtype)
        shape = images.shape[1:]
        images = tf.ensure_shape(tf.concat([images, blank], 0), [padded_size, *shape])
        weights = tf.concat([tf.ones(padded_size - missing), tf.zeros(missing)], 0)
        labels = tf.pad(tf.cast(labels, tf.int32), [[0, missing]])
        return (
            tf.cast(images, tf.float32),
            tf.ensure_shape(labels, [padded_size]),
            tf.ensure_shape(weights, [padded_size]),
        )

    # Batches of the right size pass through unchanged.
    return iter(data.rebatch(batch_size).skip(skip).map(pad).prefetch(2))


def divisible(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size that every device gets an equal share of."""
    replicas = strategy.num_replicas_in_sync
    return math.ceil(batch_size / replicas) * replicas


def shared_out(
    tensors: tuple, strategy: tf.distribute.Strategy, replicas: range | None = None
) -> tuple:
    """Each device's share of every tensor. On one device, the tensors themselves.

    Args:
        tensors: rows for all devices, or for some.
        strategy: over the devices.
        replicas: the devices that the tensors are for; by default all.
    """
    if strategy.num_replicas_in_sync == 1:
        return tensors
    replicas = replicas or range(strategy.num_replicas_in_sync)

    def share(tensor):
        size = tensor.shape[0] // len(replicas)

        def rows(context):
            place = context.replica_id_in_sync_group - replicas.start
            return tensor[place * size : (place + 1) * size]

        return strategy.experimental_distribute_values_from_function(rows)

    return tuple(share(tensor) for tensor in tensors)


def replicas_here(strategy: tf.distribute.Strategy) -> range:
    """The numbers of this machine's devices among those of all machines."""
    if strategy.num_replicas_in_sync == 1:
        return range(1)
    numbers = strategy.experimental_local_results(
        strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(context.replica_id_in_sync_group)
        )
    )
    return range(int(numbers[0]), int(numbers[-1]) + 1)


def is_on_several_machines(strategy: tf.distribute.Strategy) -> bool:
    return len(replicas_here(strategy)) < strategy.num_replicas_in_sync


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files: the one that has the first of all devices."""
    return replicas_here(strategy).start == 0


def barrier(strategy: tf.distribute.Strategy) -> None:
    """Waits until all machines are here."""

    @tf.function
    def meet():
        ones = strategy.run(lambda: tf.constant(1.0))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)

    if strategy.num_replicas_in_sync > 1:
        meet()


@contextmanager
def together(run_dir: Path) -> Iterator[None]:
    """Turns the loss of another machine into a `ConnectionError` that says how to go on."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise ConnectionError(
            "Another machine of this run is gone. Start the same command again on all of them: the "
            f"run goes on from the last checkpoint in {run_dir}."
        ) from error
