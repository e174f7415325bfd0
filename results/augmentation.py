"""Does augmentation help? The same network on the same few pictures, with and without it.

    python results/augmentation.py

Claim (section 4.1): without augmentation the network "suffers from substantial overfitting"; PCA
lighting takes over one point off the top-1 error. Experiment: the paper's network (fc6 and fc7 of
128 units, pictures of 67×67) on `photos`, which needs no download, 20 training pictures a class,
tested on 250 pictures of parts of the photographs that training never saw. Three conditions, five
seeds each (initial values, order, augmentation; the pictures are the same), the last epoch's
weights, one crop and ten. Writes augmentation.json, and prints mean and range: minutes on two quiet
cores.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import records

from alexnet_lib import data, training

RESULTS = Path(__file__).resolve().parent / "augmentation.json"
IMAGE_SIZE, SHORT_SIDE, FC_UNITS = 67, 76, 128
PICTURES_PER_CLASS = 20
SEEDS = range(5)
RECIPE = training.Recipe.modern(epochs=30, batch_size=16, learning_rate=0.01)
CONDITIONS = {
    "none": {"augment": False},
    "crops and mirrors": {"augment": True},
    "crops, mirrors, lighting": {"augment": True, "lighting": True},
}


def train(condition: str, seed: int, recipe: training.Recipe = RECIPE) -> dict:
    shared = {
        "image_size": IMAGE_SIZE,
        "short_side": SHORT_SIDE,
        "batch_size": recipe.batch_size,
        "cache": "memory",
    }
    pictures = data.load(
        "photos",
        "train",
        seed=seed,
        limit_per_class=PICTURES_PER_CLASS,
        **CONDITIONS[condition],
        **shared,
    )
    test = data.load("photos", "test", **shared)
    model = recipe.build(
        pictures.class_names,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        fc_units=FC_UNITS,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        # Nothing is decided by the test pictures, so they are not looked at meanwhile.
        run = training.fit(model, pictures, None, recipe, run_dir=run_dir, quiet=True)
    one, ten = (training.evaluate(model, test, crops=crops) for crops in (1, 10))
    return {
        "training_accuracy": round(run.history[-1]["accuracy"], 4),
        "top1_one_crop": round(one.top1, 4),
        "top1_ten_crops": round(ten.top1, 4),
        "loss_one_crop": round(one.loss, 4),
        "loss_ten_crops": round(ten.loss, 4),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    runs = {condition: [] for condition in CONDITIONS}
    for seed in SEEDS:
        for condition, results in runs.items():
            results.append({"seed": seed} | train(condition, seed))
            print(f"seed {seed}, {condition}: {results[-1]}", flush=True)
    for condition, results in runs.items():
        record = {
            "recipe": RECIPE.as_dict(),
            "precision": RECIPE.policy(),
            "pictures_per_class": PICTURES_PER_CLASS,
            "runs": results,
        }
        records.update(RESULTS, condition, record | records.surroundings())
        top1 = [run["top1_one_crop"] for run in results]
        print(f"{condition}: {sum(top1) / len(top1):.1%} (from {min(top1):.1%} to {max(top1):.1%})")


if __name__ == "__main__":
    main()
