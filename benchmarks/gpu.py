"""How fast the network trains on a graphics card, beside PyTorch on the same card.

    python benchmarks/gpu.py [--batches 128 256 1024] [--rounds 7] [--out results/gpu.json]

Needs JAX with the card's plugin, and compares with PyTorch where that is installed. The network of
this library runs on Keras's JAX backend, its whole training step compiled by XLA. PyTorch runs at
its best: `channels_last`, autocast, `torch.compile`, a fused optimizer. Pictures and labels lie on
the card, so nothing is read and nothing is sent.

In each round every contender does `--steps` steps, and times of the same round are compared.
Products of square matrices, large enough for the card, bound all of them; LRN's part is what a step
without the two layers saves. On a processor it runs as well, slowly: a rehearsal.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
import pandas as pd
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

from alexnet_lib import AlexNet, architecture, files
from alexnet_lib.model import build
from alexnet_lib.training.optimizer import PaperSGD

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
PRODUCTS = (4096, 8192)
"""Sides of the matrices: on a fast card a product of 2,048 takes as long as launching it."""


def without_normalization():
    """The network without LRN: what it saves is LRN's part of a step."""
    layers = [
        layer
        for layer in architecture.PAPER
        if not isinstance(layer, architecture.LocalResponseNorm)
    ]
    return build(layers, (227, 227, 3))


def keras_training(make, policy, images, labels, steps):
    """`steps` steps of training, as one call; parameters stay on the card."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    model = make()
    keras.config.set_dtype_policy("float32")
    optimizer = PaperSGD(LEARNING_RATE, MOMENTUM, WEIGHT_DECAY)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy()

    def total(trainable, others, images, labels):
        outputs, others = model.stateless_call(trainable, others, images, training=True)
        return loss(labels, outputs), others

    @jax.jit
    def step(state, images, labels):
        trainable, others, moments = state
        gradient = jax.value_and_grad(total, has_aux=True)
        (value, others), gradients = gradient(trainable, others, images, labels)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return (trainable, others, moments), value

    state = tuple(
        [variable.value for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            optimizer.variables,
        )
    )

    def train():
        nonlocal state
        for _ in range(steps):
            state, value = step(state, images, labels)
        return float(value)

    return train


def pytorch_training(precision, images, labels, steps):
    """The same, by PyTorch at its best."""
    torch.set_float32_matmul_precision("high")  # TF32, as XLA multiplies by default
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    step, _ = pytorch_steps(precision, True, images, labels, device)

    def train():
        for _ in range(steps):
            value = step()
        return value.item()

    return train


def matrix_product(precision, size, times):
    """`times` products of two square matrices, one after the other."""
    matrix = jax.random.normal(jax.random.key(0), (size, size)).astype(precision)

    @jax.jit
    def products(matrix):
        result = matrix
        for _ in range(times):
            result = result @ matrix / size
        return result[0, 0]

    return lambda: products(matrix).block_until_ready()


def measured(batch, precision, options):
    """One batch size in one precision: a record for the table and for the file."""
    random = np.random.default_rng(0)
    images = random.normal(scale=60, size=(batch, 227, 227, 3)).astype("float32")
    labels = random.integers(0, 1000, batch).astype("int32")
    on_device = jax.device_put(images), jax.device_put(labels)
    policy = PRECISIONS[precision]
    calls = {
        "ours": keras_training(AlexNet, policy, *on_device, options.steps),
        "ours without LRN": keras_training(
            without_normalization, policy, *on_device, options.steps
        ),
    }
    if torch:
        calls["PyTorch"] = pytorch_training(precision, images, labels, options.steps)
    for size in options.products:
        calls[f"product {size}"] = matrix_product(precision, size, options.steps)
    seconds = interleaved(calls, options.rounds)
    median = {name: float(np.median(times)) for name, times in seconds.items()}
    rate = max(2 * size**3 * options.steps / median[f"product {size}"] for size in options.products)
    operations = operations_of_a_training_step() * batch * options.steps
    record = {
        "batch": batch,
        "precision": precision,
        "images_per_second": round(batch * options.steps / median["ours"], 1),
        "share_of_matrix_products": round(operations / median["ours"] / rate, 3),
        "share_of_lrn": round(1 - median["ours without LRN"] / median["ours"], 3),
    }
    if torch:
        record["pytorch_images_per_second"] = round(batch * options.steps / median["PyTorch"], 1)
        ratios = paired(seconds["PyTorch"], seconds["ours"])
        record["times_as_fast_as_pytorch"] = [round(ratio, 3) for ratio in ratios]
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 256, 1024])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=[*PRECISIONS])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that are timed (7)")
    parser.add_argument("--steps", type=int, default=10, help="steps a round (10)")
    parser.add_argument("--products", type=int, nargs="+", default=PRODUCTS, help="their sides")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()

    device = jax.devices()[0]
    report = {
        "device": device.device_kind,
        "jax": jax.__version__,
        "keras": keras.__version__,
        "pytorch": torch and torch.__version__,
        "day": time.strftime("%Y-%m-%d"),
        "runs": [],
    }
    print(", ".join(f"{name} {value}" for name, value in report.items() if name != "runs"))
    for precision in options.precisions:
        for batch in options.batches:
            record = measured(batch, precision, options)
            report["runs"].append(record)
            print(record, flush=True)
    runs = pd.DataFrame(report["runs"]).rename(columns=lambda name: name.replace("_", " "))
    print(runs.to_string(index=False))
    if options.out:
        files.write_text(options.out, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
