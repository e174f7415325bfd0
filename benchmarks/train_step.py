"""How fast one training step is, and how fast it could be.

    python benchmarks/train_step.py [--batch 128] [--seconds 15]

Everything is measured in one process on the same machine: this library's network in float32 and in
mixed bfloat16, each with XLA off and on; the network as one would write it down in Keras
(`Conv2D(groups=2)`, `tf.nn.local_response_normalization`); the same layers in PyTorch, where it is
installed; and products of large square matrices, which bound all of them. Each row gets `--seconds`
and at least one step; a first step that takes three times as long is itself the measurement.
"""

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from tabulate import tabulate

from alexnet_lib import AlexNet, LocalResponseNormalization, architecture

try:
    import torch
except ImportError:
    torch = None

LEARNING_RATE, MOMENTUM = 0.01, 0.9


@dataclass(frozen=True)
class Timing:
    """Seconds a step: the median, the best, and over how many."""

    seconds: float
    best: float
    steps: int


def measure(step, budget, compiled=False):
    """The median time of `step()` after a first call that warms up (and, under XLA, compiles)."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    if first > 3 * budget and not compiled:
        return Timing(first, first, 1)
    times = []
    while not times or sum(times) + min(times) < budget:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return Timing(statistics.median(times), min(times), len(times))


def matrix_product_rates(budget):
    """The best rate of square matrix products in each precision, in operations a second."""
    multiply = tf.function(tf.matmul)
    rates = {}
    for dtype in ("float32", "bfloat16"):
        for size in (1024, 2048, 4096):
            a = tf.cast(tf.random.normal((size, size)), dtype)
            timing = measure(lambda a=a: multiply(a, a)[0, 0].numpy(), budget / 6)
            rates[dtype] = max(rates.get(dtype, 0), 2 * size**3 / timing.best)
    return rates


def operations_of_a_training_step():
    """For one image: forward, gradient of the inputs, gradient of the weights, each as many
    multiplications and additions; nobody needs the gradient of the picture."""
    records = architecture.trace()
    macs = sum(record.macs for record in records)
    return 2 * (3 * macs - records[0].macs)


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


def pytorch():
    """The network of the description as PyTorch's layers spell it, ending with logits."""
    modules = []
    for layer, record in zip(architecture.PAPER, architecture.trace(), strict=True):
        match layer:
            case architecture.Convolution():
                modules.append(
                    torch.nn.Conv2d(
                        record.input_shape[2],
                        layer.filters,
                        layer.kernel,
                        layer.stride,
                        layer.padding,
                        groups=layer.groups,
                    )
                )
            case architecture.LocalResponseNorm():
                # PyTorch divides alpha by n.
                modules.append(
                    torch.nn.LocalResponseNorm(layer.n, layer.n * layer.alpha, layer.beta, layer.k)
                )
            case architecture.MaxPooling():
                modules.append(torch.nn.MaxPool2d(layer.kernel, layer.stride))
            case architecture.Flatten():
                modules.append(torch.nn.Flatten())
            case architecture.Dense():
                modules.append(torch.nn.Linear(record.input_shape[0], layer.units))
            case architecture.Dropout():
                modules.append(torch.nn.Dropout(layer.rate))
        if getattr(layer, "activation", None) == "relu":
            modules.append(torch.nn.ReLU())
    return torch.nn.Sequential(*modules)


def measure_keras(make, policy, jit_compile, images, labels, budget):
    """Timings of a training step and of a forward pass of the model that `make` returns."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        "sparse_categorical_crossentropy",
        jit_compile=jit_compile,
    )
    train = measure(lambda: model.train_on_batch(images, labels), budget, jit_compile)
    forward = measure(lambda: model.predict_on_batch(images), budget, jit_compile)
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session()
    return train, forward


def measure_pytorch(images, labels, budget):
    """The same for PyTorch, with channels where its CPU kernels like them best."""
    torch.manual_seed(0)
    model = pytorch().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)
    loss = torch.nn.CrossEntropyLoss()
    x, y = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.item()

    def forward():
        with torch.inference_mode():
            return model(x).numpy()

    train = measure(step, budget)
    model.eval()
    return train, measure(forward, budget)


def measure_normalization(function, shape, jit_compile, budget):
    """Forward and backward through `function` alone."""
    activities = tf.random.stateless_normal(shape, seed=(0, 0), stddev=50)
    upstream = tf.random.stateless_normal(shape, seed=(0, 1))

    @tf.function(jit_compile=jit_compile)
    def step(activities, upstream):
        with tf.GradientTape() as tape:
            tape.watch(activities)
            outputs = function(activities)
        return tape.gradient(outputs, activities, upstream)

    return measure(lambda: step(activities, upstream)[0, 0, 0, 0].numpy(), budget, jit_compile)


def throughput_rows(images, labels, budget):
    """(name, training images/s, forward images/s, steps timed of each), as they are measured."""
    configurations = [
        ("this library, float32", AlexNet, "float32", False),
        ("this library, float32, XLA", AlexNet, "float32", True),
        ("this library, bfloat16", AlexNet, "mixed_bfloat16", False),
        ("this library, bfloat16, XLA", AlexNet, "mixed_bfloat16", True),
        ("obvious Keras, float32", obvious_keras, "float32", False),
        ("obvious Keras, float32, XLA", obvious_keras, "float32", True),
    ]
    measurements = [
        (name, lambda arguments=arguments: measure_keras(*arguments, images, labels, budget))
        for name, *arguments in configurations
    ]
    if torch:
        measurements.append(
            (f"PyTorch {torch.__version__}", lambda: measure_pytorch(images, labels, budget))
        )
    for name, run in measurements:
        train, forward = run()
        batch = len(images)
        yield name, batch / train.seconds, batch / forward.seconds, train.steps, forward.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=128, help="images a step (128, the paper's)")
    parser.add_argument("--seconds", type=float, default=15, help="time for each row (15)")
    options = parser.parse_args()

    random = np.random.default_rng(0)
    images = random.normal(scale=60, size=(options.batch, 227, 227, 3)).astype("float32")
    labels = random.integers(0, 1000, options.batch)
    devices = tf.config.list_physical_devices("GPU") or [platform.machine()]
    print(
        f"paper at 227×227, batch {options.batch}; {os.cpu_count()} processors, {devices}; "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}\n"
    )

    # Machines that are shared change their pace: the limit is the best of before and after.
    products = [matrix_product_rates(options.seconds)]
    rows = []
    for row in throughput_rows(images, labels, options.seconds):
        rows.append(row)
        print(f"measured: {row[0]}, {row[1]:.1f} images/s", flush=True)
    headers = ("network", "training images/s", "forward images/s", "steps", "forward steps")
    print("\n" + tabulate(rows, headers, floatfmt=".1f") + "\n", flush=True)
    products.append(matrix_product_rates(options.seconds))

    operations = operations_of_a_training_step()
    limits = {dtype: max(rates[dtype] for rates in products) for dtype in products[0]}
    rows_of_products = [
        (dtype, rate / 1e9, rate / operations, rate / limits["float32"])
        for dtype, rate in limits.items()
    ]
    headers = ("matrix products", "GFLOP/s", "would allow images/s", "of float32")
    print(tabulate(rows_of_products, headers, floatfmt=("", ".0f", ".1f", ".2f")))
    print(f"A training step takes {operations / 1e9:.2f} GFLOP an image.\n", flush=True)

    training = {row[0]: row[1] for row in rows}
    ours = max(training["this library, float32"], training["this library, float32, XLA"])
    half = max(training["this library, bfloat16"], training["this library, bfloat16, XLA"])
    ratios = [
        ("float32 to what matrix products allow", ours * operations / limits["float32"], 0.75),
        ("float32 to obvious Keras", ours / training["obvious Keras, float32"], 4.0),
        (
            "float32 to obvious Keras under XLA",
            ours / training["obvious Keras, float32, XLA"],
            None,
        ),
        ("bfloat16 to float32", half / ours, 1.4),
    ]
    ratios += [
        (f"float32 to {name}", ours / rate, 2.5)
        for name, rate in training.items()
        if name.startswith("PyTorch")
    ]

    rows = []
    for record in (r for r in architecture.trace() if r.kind == "normalization"):
        shape = (options.batch, *record.output_shape)
        ours_alone = LocalResponseNormalization(dtype="float32")
        seconds = {
            (name, jit): measure_normalization(function, shape, jit, options.seconds / 4).seconds
            for name, function in (
                ("ours", ours_alone),
                ("tf.nn", lambda x: tf.nn.local_response_normalization(x, 2, 2.0, 1e-4, 0.75)),
            )
            for jit in (False, True)
        }
        rows.append(
            (record.name, "×".join(map(str, shape)), *(1e3 * value for value in seconds.values()))
        )
        for jit, how in ((False, "graph"), (True, "XLA")):
            speedup = seconds["tf.nn", jit] / seconds["ours", jit]
            ratios.append((f"LRN alone, {record.name}, {how}", speedup, 1.8))
    headers = ("LRN, ms", "shape", "ours", "ours, XLA", "tf.nn", "tf.nn, XLA")
    print(tabulate(rows, headers, floatfmt=".0f") + "\n")

    verdicts = [
        (what, ratio, target, target and ("reached" if ratio >= target else "missed"))
        for what, ratio, target in ratios
    ]
    headers = ("ratio (training; the better of graph and XLA)", "measured", "target", "")
    print(tabulate(verdicts, headers, floatfmt=".2f"))


if __name__ == "__main__":
    main()
