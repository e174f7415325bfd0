"""What a trunk is worth, by the number of pictures: records for the chapter on transfer learning.

    python results/transfer.py
    python results/transfer.py "from scratch" "fine-tuning, high rate"

Each way of `WAYS` learns the ten classes of `photos` from 10, 50 and 100 pictures a class, and is
tested on 250 pictures from parts of the photographs that training never saw. Writes transfer.json:
for each way and number the accuracy, the seconds, and what it ran on. Nothing is downloaded. All of
it shows about 20,000 pictures to the network: a few minutes on two quiet cores.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import records

from alexnet_lib import data, training, transfer
from alexnet_lib.training import Recipe

RESULTS = Path(__file__).resolve().parent / "transfer.json"
NUMBERS = (10, 50, 100)
FC_UNITS = 512
"""As many as the trunk "pocket" has."""

SHOWN = {"from scratch": 4000, "fine-tuning": 1000}
"""Pictures that the network is shown, by stage: the same number of updates however many pictures
there are to choose from. Fine-tuning has two stages with pictures."""


def epochs(way: str, number: int, classes: int = 10) -> int:
    return SHOWN[way] // (number * classes)


def from_scratch(pictures, number: int, out: Path):
    recipe = Recipe.modern(epochs=epochs("from scratch", number))
    return transfer.from_scratch(pictures, out=out, recipe=recipe, fc_units=FC_UNITS)


def random_trunk(pictures, number: int, out: Path):
    trunk = Recipe.modern(precision="float32").build(pictures.class_names, fc_units=FC_UNITS)
    return transfer.feature_extraction(trunk, pictures, out=out)


def features(pictures, number: int, out: Path):
    return transfer.feature_extraction("pocket", pictures, out=out)


def fine_tuning(pictures, number: int, out: Path):
    recipe = Recipe.fine_tuning(epochs=epochs("fine-tuning", number))
    return transfer.fine_tune("pocket", pictures, out=out, recipe=recipe)


def fine_tuning_high_rate(pictures, number: int, out: Path):
    """No stage for the new layer, and the rate with which the paper trains from scratch."""
    recipe = Recipe.fine_tuning(learning_rate=0.01, epochs=10)
    return transfer.fine_tune("pocket", pictures, out=out, stages=("conv1",), recipe=recipe)


WAYS = {
    "random trunk": random_trunk,
    "feature extraction": features,
    "fine-tuning, high rate": fine_tuning_high_rate,
    "fine-tuning": fine_tuning,
    "from scratch": from_scratch,
}


def measure(way: str, number: int, test) -> dict:
    pictures = data.load("photos", "train", batch_size=32, limit_per_class=number, cache="memory")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = WAYS[way](pictures, number, Path(folder) / "model.keras")
        seconds = time.perf_counter() - start
        evaluation = training.evaluate(result.model, test)
    return {
        "way": way,
        "pictures_per_class": number,
        "test_examples": evaluation.examples,
        "top1": round(evaluation.top1, 4),
        "seconds": round(seconds, 1),
        "training_accuracy": round(result.history[-1]["accuracy"], 4),
        "precision": training.choose_precision(),
    } | records.surroundings()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ways = records.chosen(parser, WAYS, "way", arguments).names
    test = data.load("photos", "test", batch_size=32, cache="memory")
    for number in NUMBERS:
        for way in ways:
            if way == "fine-tuning, high rate" and number > NUMBERS[0]:
                continue  # a mistake is worth one record
            records.update(RESULTS, f"{way}, {number}", measure(way, number, test))


if __name__ == "__main__":
    main()
