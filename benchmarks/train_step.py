"""How fast one training step is, and how fast it could be.

    python benchmarks/train_step.py [--batch 128] [--rounds 7]

Everything is measured in one process on the same machine: this library's network in float32 and in
mixed bfloat16, each with XLA off and on; the network as one would write it down in Keras
(`Conv2D(groups=2)`, `tf.nn.local_response_normalization`); where PyTorch is installed, the same
layers there, as it comes and at its best (`channels_last`, `torch.compile`, a fused optimizer, and
for bfloat16 autocast); and products of large square matrices, which bound all of them.

In each round every one of them does one step, and what is compared are steps of the same round: of
a machine that changes its pace the ratios stay. "At its best" needs a C++ compiler.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from comparison import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    interleaved,
    operations_of_a_training_step,
    paired,
    pytorch_steps,
    torch,
)

from alexnet_lib import AlexNet, LocalResponseNormalization, architecture
from alexnet_lib.training import PaperSGD

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Contender:
    """A network ready to train: one call is one step, or one forward pass, on the whole batch."""

    name: str
    precision: str
    train: Callable[[], object]
    forward: Callable[[], object]


def matrix_products():
    """(precision, size) → a product of two square matrices; the largest bound all the rest."""
    multiply = tf.function(tf.matmul)

    def product(precision, size):
        matrix = tf.cast(tf.random.normal((size, size)), precision)
        return lambda: multiply(matrix, matrix)[0, 0].numpy()

    return {
        (precision, size): product(precision, size)
        for precision in PRECISIONS
        for size in (1024, 2048, 4096)
    }


def obvious_keras():
    """The network of the description as Keras's and TensorFlow's own layers spell it."""
    tensor = inputs = keras.Input((227, 227, 3))
    for layer in architecture.PAPER:
        match layer:
            case architecture.Convolution():
                tensor = keras.layers.Conv2D(
                    layer.filters,
                    layer.kernel,
                    layer.stride,
                    "same" if layer.padding else "valid",
                    groups=layer.groups,
                    activation=layer.activation,
                )(tensor)
            case architecture.LocalResponseNorm():
                tensor = keras.layers.Lambda(
                    tf.nn.local_response_normalization,
                    arguments={
                        "depth_radius": layer.n // 2,
                        "bias": layer.k,
                        "alpha": layer.alpha,
                        "beta": layer.beta,
                    },
                )(tensor)
            case architecture.MaxPooling():
                tensor = keras.layers.MaxPooling2D(layer.kernel, layer.stride)(tensor)
            case architecture.Flatten():
                tensor = keras.layers.Flatten()(tensor)
            case architecture.Dense():
                tensor = keras.layers.Dense(layer.units, layer.activation)(tensor)
            case architecture.Dropout():
                tensor = keras.layers.Dropout(layer.rate)(tensor)
    return keras.Model(inputs, tensor)


def keras_contender(name, make, optimizer, precision, jit_compile, images, labels):
    """The model that `make` returns, trained by Keras."""
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    keras.utils.set_random_seed(0)
    model = make()
    keras.config.set_dtype_policy("float32")
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        jit_compile=jit_compile,
    )
    return Contender(
        name,
        precision,
        lambda: model.train_on_batch(images, labels),
        lambda: model.predict_on_batch(images),
    )


def pytorch_contender(name, precision, best, images, labels):
    """PyTorch as it comes, or at its best."""
    train, forward = pytorch_steps(precision, best, images, labels)
    return Contender(
        name, precision, lambda: train().item(), lambda: forward().float().cpu().numpy()
    )


def contenders(images, labels):
    """All that is compared, as it is made ready."""
    data = (images, labels)
    for precision in PRECISIONS:
        for jit_compile, suffix in ((False, ""), (True, ", XLA")):
            name = f"this library, {precision}{suffix}"
            optimizer = PaperSGD(LEARNING_RATE, MOMENTUM, WEIGHT_DECAY)
            yield keras_contender(name, AlexNet, optimizer, precision, jit_compile, *data)
    for jit_compile, suffix in ((False, ""), (True, ", XLA")):
        name = f"obvious Keras, float32{suffix}"
        optimizer = keras.optimizers.SGD(LEARNING_RATE, MOMENTUM)
        yield keras_contender(name, obvious_keras, optimizer, "float32", jit_compile, *data)
    if torch:
        yield pytorch_contender("PyTorch as it comes, float32", "float32", False, *data)
        for precision in PRECISIONS:
            yield pytorch_contender(f"PyTorch at its best, {precision}", precision, True, *data)


def normalization_step(function, shape, jit_compile):
    """Forward and backward through `function` alone."""
    activities = tf.random.stateless_normal(shape, seed=(0, 0), stddev=50)
    upstream = tf.random.stateless_normal(shape, seed=(0, 1))

    @tf.function(jit_compile=jit_compile)
    def step(activities, upstream):
        with tf.GradientTape() as tape:
            tape.watch(activities)
            outputs = function(activities)
        return tape.gradient(outputs, activities, upstream)

    return lambda: step(activities, upstream)[0, 0, 0, 0].numpy()


def print_table(rows, headers, digits):
    """Prints rows under their headers, all measurements with as many digits, and an empty line."""
    table = pd.DataFrame(rows, columns=headers)
    written = table.to_string(index=False, na_rep="", float_format=f"{{:.{digits}f}}".format)
    print(written + "\n")


def fastest(seconds, prefix):
    """Of what begins with `prefix`, the one with the least median, as its list of seconds."""
    return min(
        (times for name, times in seconds.items() if name.startswith(prefix)),
        key=statistics.median,
    )


def compare_normalizations(batch, rounds):
    """Prints the times of both LRN layers by themselves; yields (what, ratios, target)."""
    functions = {
        "ours": partial(LocalResponseNormalization(dtype="float32"), training=True),
        "tf.nn": lambda x: tf.nn.local_response_normalization(x, 2, 2.0, 1e-4, 0.75),
    }
    rows = []
    for record in (r for r in architecture.trace() if r.kind == "normalization"):
        shape = (batch, *record.output_shape)
        steps = {
            (name, jit): normalization_step(function, shape, jit)
            for name, function in functions.items()
            for jit in (False, True)
        }
        seconds = interleaved(steps, 4 * rounds)
        medians = [1e3 * statistics.median(times) for times in seconds.values()]
        rows.append((record.name, "×".join(map(str, shape)), *medians))
        for jit, how, target in ((False, "in a graph", 3.0), (True, "under XLA", 1.5)):
            ratios = paired(seconds["tf.nn", jit], seconds["ours", jit])
            yield f"LRN alone to tf.nn, {record.name}, {how}", ratios, target
    headers = ("LRN, ms", "shape", "ours", "ours, XLA", "tf.nn", "tf.nn, XLA")
    print_table(rows, headers, digits=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=128, help="images a step (128, the paper's)")
    parser.add_argument("--rounds", type=int, default=7, help="steps of each that are timed (7)")
    options = parser.parse_args()
    # One function is compiled for several shapes on purpose; TensorFlow warns of that.
    tf.get_logger().setLevel("ERROR")

    random = np.random.default_rng(0)
    images = random.normal(scale=60, size=(options.batch, 227, 227, 3)).astype("float32")
    labels = random.integers(0, 1000, options.batch)
    devices = tf.config.list_physical_devices("GPU") or [platform.machine()]
    print(
        f"paper at 227×227, batch {options.batch}; {os.cpu_count()} processors, {devices}; "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
        + (f", PyTorch {torch.__version__}\n" if torch else "; PyTorch is not installed\n"),
        flush=True,
    )

    networks = list(contenders(images, labels))
    products = matrix_products()
    seconds = interleaved(
        {network.name: network.train for network in networks} | products, options.rounds
    )
    training = {network.name: seconds[network.name] for network in networks}
    forward = interleaved({network.name: network.forward for network in networks}, options.rounds)
    rows = [
        (
            network.name,
            *(
                options.batch / statistics.median(times[network.name])
                for times in (training, forward)
            ),
            options.batch / min(training[network.name]),
        )
        for network in networks
    ]
    headers = ("network", "training images/s", "forward images/s", "best training step, images/s")
    print_table(rows, headers, digits=1)

    operations = operations_of_a_training_step()
    # What the fastest product of each round would need for one image.
    limits = {
        precision: [
            min(
                seconds[precision, size][i] * operations / (2 * size**3)
                for kind, size in products
                if kind == precision
            )
            for i in range(options.rounds)
        ]
        for precision in PRECISIONS
    }
    rows = [
        (precision, operations / min(limit) / 1e9, 1 / statistics.median(limit), 1 / min(limit))
        for precision, limit in limits.items()
    ]
    headers = ("matrix products", "GFLOP/s, the best", "would allow images/s", "the best")
    print_table(rows, headers, digits=1)
    print(f"A training step takes {operations / 1e9:.2f} GFLOP an image.\n", flush=True)

    ours = {precision: fastest(training, f"this library, {precision}") for precision in PRECISIONS}
    ratios = [
        (
            f"{precision} to what matrix products allow",
            paired([options.batch * limit for limit in limits[precision]], ours[precision]),
            target,
        )
        for precision, target in (("float32", 0.75), ("bfloat16", 0.45))
    ]
    ratios += [
        (f"float32 to {name}", paired(training[name], ours["float32"]), target)
        for name, target in (("obvious Keras, float32", 4.0), ("obvious Keras, float32, XLA", None))
    ]
    ratios.append(("bfloat16 to float32", paired(ours["float32"], ours["bfloat16"]), 1.4))
    ratios += [
        (
            f"{network.precision} to {network.name}",
            paired(training[network.name], ours[network.precision]),
            2.0,
        )
        for network in networks
        if network.name.startswith("PyTorch")
    ]
    ratios += compare_normalizations(options.batch, options.rounds)
    verdicts = [
        (what, *numbers, target, target and ("reached" if numbers[0] >= target else "missed"))
        for what, numbers, target in ratios
    ]
    headers = ("times as fast, round by round", "median", "least", "most", "target", "")
    print_table(verdicts, headers, digits=2)


if __name__ == "__main__":
    main()
