"""Which ideas mattered? One network, many times, each time without one idea.

    python results/ablations.py --data cifar10
    python results/ablations.py --show

A network of AlexNet's grammar, small enough for CIFAR-10: four convolutions in two towers, two LRN
layers, two overlapping poolings, dropout. It learns 5,000 pictures, 500 a class, and is tested on
all 10,000 test pictures. So few pictures, because an idea against overfitting can only show its
worth to a network that overfits, as the paper's did. Batches of 64, momentum 0.9, half a cosine
down to 0, weight decay 0.0005, initial values of variance 2 / fan in (1 / fan in for tanh and
sigmoid).

The learning rate is the best of RATES for the whole network, by one run with a seed of its own,
tested on 5,000 other *training* pictures; so is that of tanh and of the sigmoid. The other variants
take the whole network's. Every variant then runs with the same three seeds; the last epoch counts.
Writes ablations.json after each run, and goes on where it was stopped.
"""

import argparse
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
SIZE = 28
PER_CLASS = 500
EPOCHS, BATCH = 20, 64
RATES = (0.005, 0.015, 0.045)
TRIAL_SEED = 100
SEEDS = (0, 1, 2)

# The inputs are divided by 64; α is multiplied by 64², so that LRN acts as it does on the paper's.
ALPHA = 1e-4 * 64**2
WHOLE = (
    Convolution("conv1", 32, kernel=5),
    LocalResponseNorm("norm1", alpha=ALPHA),
    MaxPooling("pool1"),
    Convolution("conv2", 64, kernel=3, padding=1, groups=2),
    LocalResponseNorm("norm2", alpha=ALPHA),
    MaxPooling("pool2"),
    Convolution("conv3", 64, kernel=3, padding=1),
    Convolution("conv4", 64, kernel=3, padding=1, groups=2),
    Flatten("flatten"),
    Dense("fc6", 256),
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


ALL = {"crop": True, "mirror": True, "lighting": True}
VARIANTS = {
    "whole": (WHOLE, ALL),
    "tanh for ReLU": (activated("tanh"), ALL),
    "sigmoid for ReLU": (activated("sigmoid"), ALL),
    "no LRN": (lacking("normalization"), ALL),
    "pooling 2/2": (edited("pooling", kernel=2), ALL),
    "no groups": (edited("convolution", groups=1), ALL),
    "no dropout": (lacking("dropout"), ALL),
    "no conv4": (lacking("conv4"), ALL),
    "no colour noise": (WHOLE, ALL | {"lighting": False}),
    "no mirror images": (WHOLE, ALL | {"mirror": False}),
    "no crops": (WHOLE, ALL | {"crop": False}),
    "no augmentation": (WHOLE, {"crop": False, "mirror": False, "lighting": False}),
}
OWN_RATE = ("whole", "tanh for ReLU", "sigmoid for ReLU")


class Experiment:
    """The data, and what has been recorded of it."""

    def __init__(self, source: str):
        self.train = cifar10.arrays(source, "train", PER_CLASS)
        self.trial = cifar10.arrays(source, "train", PER_CLASS, skip=PER_CLASS)
        self.test = cifar10.arrays(source, "test")
        self.lighting = PCALighting.fit([self.train[0]])
        self.shared = {
            "epochs": EPOCHS,
            "rates": list(RATES),
            "data": cifar10.describe(source, *(part[0] for part in (self.train, self.test))),
            "command": f"python results/ablations.py --data {Path(source).name}",
        }

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
        if name in OWN_RATE and "trials" not in record:
            record["trials"] = {
                str(rate): self.measure(training, augmentation, rate, TRIAL_SEED, self.trial)
                for rate in RATES
            }
        trials = (record if name in OWN_RATE else self.recorded("whole"))["trials"]
        rate = min(RATES, key=lambda rate: trials[str(rate)]["test_error"])
        record["learning_rate"] = rate
        for seed in seeds:
            result = self.measure(training, augmentation, rate, seed, self.test)
            record["runs"].append({"seed": seed} | result)
            print(f"{name}, rate {rate}: {record['runs'][-1]}", flush=True)
            records.update(RESULTS, name, self.shared | record | records.surroundings())

    def measure(self, training, augmentation: dict, rate: float, seed: int, tests) -> dict:
        training.restart(seed)
        chosen = augmentation | {"lighting": self.lighting if augmentation["lighting"] else None}
        batches = cifar10.batches(*self.train, SIZE, batch=BATCH, seed=seed, **chosen)
        training.train(batches, EPOCHS, -(-len(self.train[0]) // BATCH), rate)
        return {
            "training_error": round(training.error(cifar10.batches(*self.train, SIZE)), 4),
            "test_error": round(training.error(cifar10.batches(*tests, SIZE)), 4),
        }

    def recorded(self, name: str) -> dict:
        """What the file holds of a variant, where it was made with the same settings."""
        results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        record = results.get(name, {})
        same = all(record.get(key) == value for key, value in self.shared.items())
        return record if same and record else {"runs": []}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10", help="folder, archive or name (%(default)s)")
    parser.add_argument("--show", action="store_true", help="only print what is recorded")
    given = parser.parse_args(arguments)
    if not given.show:
        experiment = Experiment(given.data)
        for name in VARIANTS:
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
