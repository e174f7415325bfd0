"""Overlapping pooling or not: one small network on CIFAR-10, many times, with 3/2 and with 2/2.

    python results/pooling.py --data cifar10
    python results/pooling.py --show

Claim (section 3.4): windows of 3 in steps of 2 lower the top-1 and top-5 error by 0.4 and 0.3
points against windows of 2 in steps of 2, and make it "slightly more difficult to overfit".

Three convolutions (8 of 5×5, 16 and 32 of 3×3), a pooling behind each of the first two, and one
fully connected layer of 10 units. The pictures are the central 31×31 pixels, so that both windows
give maps of 15×15 and 7×7: the two networks have the same parameters and the same arithmetic. They
learn 5,000 pictures, 500 per class, without augmentation or weight decay, and are tested on all
10,000 test pictures. Batches of 64, momentum 0.9, half a cosine down to 0, initial values of
variance 2 / fan in.

Each window gets the best of RATES by one run with a seed of its own, tested on 5,000 other
*training* pictures. Both then run with the same seeds; the last epoch counts. With each seed the
two networks start from the same weights and are trained on the same batches, and their answers to
each test picture are compared. Writes pooling.json.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cifar10
import numpy as np
import records

from alexnet_lib.architecture import Convolution, Dense, Flatten, MaxPooling
from alexnet_lib.model import build

RESULTS = Path(__file__).resolve().parent / "pooling.json"
SIZE = 31
PER_CLASS = 500
EPOCHS, BATCH = 10, 64
RATES = (0.005, 0.015, 0.045)
TRIAL_SEED = 100
SEEDS = (0, 1, 2, 3, 4)
WINDOWS = (3, 2)


def network(window: int):
    layers = [
        Convolution("conv1", 8, kernel=5, padding=2),
        MaxPooling("pool1", kernel=window, stride=2),
        Convolution("conv2", 16, kernel=3, padding=1),
        MaxPooling("pool2", kernel=window, stride=2),
        Convolution("conv3", 32, kernel=3, padding=1),
        Flatten("flatten"),
        Dense("fc4", 10, activation=None),
    ]
    shape = (SIZE, SIZE, 3)
    return build(cifar10.he_start(layers, shape), shape)


def answers(training: cifar10.Training, pictures, labels) -> np.ndarray:
    """The class that the network gives each picture, `(n,)`."""
    batches = cifar10.batches(pictures, labels, SIZE, batch=500)
    return np.concatenate([np.argmax(training.model(images), 1) for images, _ in batches])


def train(training: cifar10.Training, examples, rate: float, seed: int) -> None:
    training.restart(seed)
    batches = cifar10.batches(*examples, SIZE, batch=BATCH, seed=seed)
    training.train(batches, EPOCHS, -(-len(examples[0]) // BATCH), rate)


def measure(window: int, examples, trial, tests) -> tuple[dict, list[np.ndarray]]:
    """The record of a window, and for each seed which test pictures were right, `(n,)`."""
    started = time.perf_counter()
    training = cifar10.Training(network(window))
    trials = {}
    for rate in RATES:
        train(training, examples, rate, TRIAL_SEED)
        trials[str(rate)] = round(training.error(cifar10.batches(*trial, SIZE, batch=500)), 4)
        print(f"{window}/2, trial of rate {rate}: {trials[str(rate)]}", flush=True)
    rate = min(RATES, key=lambda rate: trials[str(rate)])
    runs, right = [], []
    for seed in SEEDS:
        train(training, examples, rate, seed)
        right.append(answers(training, *tests) == tests[1])
        error = training.error(cifar10.batches(*examples, SIZE, batch=500))
        runs.append(
            {
                "seed": seed,
                "training_error": round(error, 4),
                "test_error": round(1 - float(right[-1].mean()), 4),
            }
        )
        print(f"{window}/2, rate {rate}: {runs[-1]}", flush=True)
    record = {
        "parameters": training.model.count_params(),
        "trials": trials,
        "learning_rate": rate,
        "runs": runs,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return record, right


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10", help="folder, archive or name (%(default)s)")
    parser.add_argument("--show", action="store_true", help="only print what is recorded")
    given = parser.parse_args(arguments)
    if not given.show:
        examples = cifar10.arrays(given.data, "train", PER_CLASS)
        trial = cifar10.arrays(given.data, "train", PER_CLASS, skip=PER_CLASS)
        tests = cifar10.arrays(given.data, "test")
        shared = {
            "epochs": EPOCHS,
            "rates": list(RATES),
            "data": cifar10.describe(given.data, examples[0], tests[0]),
            "command": f"python results/pooling.py --data {Path(given.data).name}",
        }
        measured = {window: measure(window, examples, trial, tests) for window in WINDOWS}
        for window, other in itertools.permutations(WINDOWS):
            (record, right), (_, others) = measured[window], measured[other]
            for run, this, that in zip(record["runs"], right, others, strict=True):
                run["only_this_right"] = int(np.count_nonzero(this & ~that))
            records.update(RESULTS, f"{window}/2", shared | record | records.surroundings())
    if not RESULTS.exists():
        parser.error(f"nothing is recorded yet: {RESULTS.name} is not there")
    for name, record in json.loads(RESULTS.read_text("utf-8")).items():
        for part in ("training", "test"):
            errors = [run[f"{part}_error"] for run in record["runs"]]
            print(
                f"{name}: {part} error {sum(errors) / len(errors):.1%} "
                f"(from {min(errors):.1%} to {max(errors):.1%})"
            )


if __name__ == "__main__":
    main()
