"""Which ideas mattered? One network, many times, each time without one idea.

    python results/ablations.py --data cifar10
    python results/ablations.py --data cifar10 "no LRN" "pooling 2/2"
    python results/ablations.py --show

A network of AlexNet's grammar, small enough for CIFAR-10: four convolutions in two towers, two LRN
layers, two overlapping poolings, dropout. It learns 1,000 pictures, 100 a class, for 80 epochs, so
that the whole network comes to fit them: an idea against overfitting can only show its worth to a
network that overfits, as the paper's did. Crops of 27 pixels give every layer an odd size, as the
paper's 227 does; so windows of 2 at a stride of 2 leave maps as large as overlapping ones do.
Batches of 64, momentum 0.9, half a cosine down to 0, weight decay 0.0005, initial values of
variance 2 / fan in (1 / fan in for tanh and sigmoid).

Every variant has a learning rate of its own. One network with each of three rates, on pictures that
are used for nothing else, is tested on 5,000 further *training* pictures; while the best rate is at
an edge of those tried, the next is tried, in steps of a factor of two. Then each variant runs five
times. Run n has its own 1,000 pictures and its own seed, the same for all variants, so that what
differs from run to run counts the choice of pictures as well as chance in training; and two
variants are compared run by run. The last epoch counts, on all 10,000 test pictures.
Writes ablations.json after each run, and goes on where it was stopped.
"""

import argparse
import functools
import json
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cifar10
import records

from alexnet_lib.architecture import (
    Convolution,
    Dense,
    Dropout,
    Flatten,
    LocalResponseNorm,
    MaxPooling,
)
from alexnet_lib.augmentation import PCALighting
from alexnet_lib.model import build

RESULTS = Path(__file__).resolve().parent / "ablations.json"
SIZE = 27
PER_CLASS, VALIDATION_PER_CLASS = 100, 500
EPOCHS, BATCH = 80, 64
GRID = (0.00125, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
FIRST_RATES = (0.02, 0.04, 0.08)
SEEDS = (0, 1, 2, 3, 4)
TRIAL = 5

# The inputs are divided by 64; α is multiplied by 64², so that LRN acts as it does on the paper's.
ALPHA = 1e-4 * 64**2
WHOLE = (
    Convolution("conv1", 24, kernel=5),
    LocalResponseNorm("norm1", alpha=ALPHA),
    MaxPooling("pool1"),
    Convolution("conv2", 48, kernel=3, padding=1, groups=2),
    LocalResponseNorm("norm2", alpha=ALPHA),
    MaxPooling("pool2"),
    Convolution("conv3", 48, kernel=3, padding=1),
    Convolution("conv4", 48, kernel=3, padding=1, groups=2),
    Flatten("flatten"),
    Dense("fc6", 192),
    Dropout("drop6"),
    Dense("fc8", 10, activation=None),
)


def edited(kind: str, **settings) -> list:
    return [replace(x, **settings) if x.kind == kind else x for x in WHOLE]


def lacking(unwanted: str) -> list:
    return [x for x in WHOLE if unwanted not in (x.name, x.kind)]


def activated(function: str) -> list:
    return [
        replace(x, activation=function) if getattr(x, "activation", None) == "relu" else x
        for x in WHOLE
    ]


def one_card() -> list:
    """Half of the kernels, except in the last convolution, and no groups (section 3.2)."""
    return [
        replace(x, filters=x.filters // (1 if x.name == "conv4" else 2), groups=1)
        if x.kind == "convolution"
        else x
        for x in WHOLE
    ]


ALL = {"crop": True, "mirror": True, "lighting": True}
VARIANTS = {
    "whole": (WHOLE, ALL),
    "tanh for ReLU": (activated("tanh"), ALL),
    "sigmoid for ReLU": (activated("sigmoid"), ALL),
    "no LRN": (lacking("normalization"), ALL),
    "pooling 2/2": (edited("pooling", kernel=2), ALL),
    "half of the kernels": (one_card(), ALL),
    "no groups": (edited("convolution", groups=1), ALL),
    "no dropout": (lacking("dropout"), ALL),
    "no conv4": (lacking("conv4"), ALL),
    "no colour noise": (WHOLE, ALL | {"lighting": False}),
    "no mirror images": (WHOLE, ALL | {"mirror": False}),
    "no crops": (WHOLE, ALL | {"crop": False}),
    "no augmentation": (WHOLE, {"crop": False, "mirror": False, "lighting": False}),
}


class Experiment:
    """The data, and what has been recorded of it."""

    def __init__(self, source: str):
        self.source = source
        self.pictures = functools.cache(self.pictures)  # the same for all variants
        self.validation = cifar10.arrays(
            source, "train", VALIDATION_PER_CLASS, skip=(TRIAL + 1) * PER_CLASS
        )
        self.test = cifar10.arrays(source, "test")
        train, _ = self.pictures(TRIAL)
        self.shared = {
            "epochs": EPOCHS,
            "data": cifar10.describe(source, train, self.test[0])
            | {"validation_examples": len(self.validation[0])},
            "command": f"python results/ablations.py --data {Path(source).name}",
        }

    def pictures(self, number: int):
        """The training pictures of a run: no picture is in two of them."""
        return cifar10.arrays(self.source, "train", PER_CLASS, skip=number * PER_CLASS)

    def run(self, name: str) -> None:
        layers, augmentation = VARIANTS[name]
        record = self.recorded(name)
        seeds = [seed for seed in SEEDS if seed not in [run["seed"] for run in record["runs"]]]
        if not seeds:
            return
        smooth = any(getattr(x, "activation", None) in ("tanh", "sigmoid") for x in layers)
        shape = (SIZE, SIZE, 3)
        model = build(cifar10.he_start(layers, shape, gain=1.0 if smooth else 2.0), shape)
        record["parameters"] = model.count_params()
        training = cifar10.Training(model, weight_decay=0.0005)

        def validation_error(rate: float) -> float:
            if str(rate) not in record["trials"]:
                trial = self.measure(training, augmentation, rate, TRIAL, self.validation)
                print(f"{name}, rate {rate}: {trial}", flush=True)
                record["trials"][str(rate)] = trial
                records.update(RESULTS, name, self.shared | record | records.surroundings())
            return record["trials"][str(rate)]["error"]

        record["learning_rate"] = best_rate(validation_error)
        for seed in seeds:
            result = self.measure(training, augmentation, record["learning_rate"], seed, self.test)
            record["runs"].append(
                {
                    "seed": seed,
                    "training_error": result["training_error"],
                    "test_error": result["error"],
                }
            )
            print(f"{name}, rate {record['learning_rate']}: {record['runs'][-1]}", flush=True)
            records.update(RESULTS, name, self.shared | record | records.surroundings())

    def measure(self, training, augmentation: dict, rate: float, number: int, tests) -> dict:
        training.restart(seed=number)
        pictures, labels = self.pictures(number)
        lighting = PCALighting.fit([pictures]) if augmentation["lighting"] else None
        chosen = augmentation | {"lighting": lighting}
        batches = cifar10.batches(pictures, labels, SIZE, batch=BATCH, seed=number, **chosen)
        training.train(batches, EPOCHS, -(-len(pictures) // BATCH), rate)
        return {
            "training_error": round(training.error(cifar10.batches(pictures, labels, SIZE)), 4),
            "error": round(training.error(cifar10.batches(*tests, SIZE)), 4),
        }

    def recorded(self, name: str) -> dict:
        """What the file holds of a variant, where it was made with the same settings."""
        results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        record = results.get(name, {})
        same = all(record.get(key) == value for key, value in self.shared.items())
        return record if same and record else {"trials": {}, "runs": []}


def best_rate(error) -> float:
    """The rate of GRID with the smallest error, searched from FIRST_RATES on.

    Args:
        error: rate → error. Asked for the neighbour of an edge as long as no rate inside is better.
    """
    low, high = (GRID.index(FIRST_RATES[i]) for i in (0, -1))
    while True:
        errors = {rate: error(rate) for rate in GRID[low : high + 1]}
        smallest = min(errors.values())
        lower = low > 0 and errors[GRID[low]] == smallest
        higher = high < len(GRID) - 1 and errors[GRID[high]] == smallest
        if not (lower or higher):
            return min(errors, key=errors.get)
        low, high = low - lower, high + higher


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10", help="folder, archive or name (%(default)s)")
    parser.add_argument("--show", action="store_true", help="only print what is recorded")
    given = records.chosen(parser, VARIANTS, "variant", arguments)
    if not given.show:
        experiment = Experiment(given.data)
        for name in given.names:
            experiment.run(name)
    if not RESULTS.exists():
        parser.error(f"nothing is recorded yet: {RESULTS.name} is not there")
    for name, record in json.loads(RESULTS.read_text("utf-8")).items():
        errors = [run["test_error"] for run in record["runs"]]
        print(
            f"{name}: {sum(errors) / len(errors):.1%} (from {min(errors):.1%} to {max(errors):.1%})"
        )


if __name__ == "__main__":
    main()
