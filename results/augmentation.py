"""Does augmentation help? The same network on the same photographs, with and without it.

    python results/augmentation.py --data flower_photos.tgz

Claim (section 4.1): without augmentation the network "suffers from substantial overfitting"; PCA
lighting takes over one point off the top-1 error. Experiment: the paper's network (fc6 and fc7 of
128 units, pictures of 67×67) on 500 photographs of flowers, 100 a class, tested on the 736 that are
held out. Three conditions, five seeds each (initial values, order, augmentation; the pictures are
the same), the last epoch's weights, one crop and ten. Writes augmentation.json after each run, and
goes on where it was stopped. Fifteen runs of about a minute on two quiet cores.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import records

from alexnet_lib import data, training

RESULTS = Path(__file__).resolve().parent / "augmentation.json"
IMAGE_SIZE, SHORT_SIDE, FC_UNITS = 67, 76, 128
PICTURES_PER_CLASS = 100
SEEDS = range(5)
RECIPE = training.Recipe.modern(epochs=60, learning_rate=0.01)
CONDITIONS = {
    "none": {"augment": False},
    "crops and mirrors": {"augment": True},
    "crops, mirrors, lighting": {"augment": True, "lighting": True},
}


def train(source: str, condition: str, seed: int) -> dict:
    shared = {
        "image_size": IMAGE_SIZE,
        "short_side": SHORT_SIDE,
        "batch_size": RECIPE.batch_size,
        "cache": "memory",
    }
    pictures = data.load(
        source,
        "train",
        seed=seed,
        limit_per_class=PICTURES_PER_CLASS,
        **CONDITIONS[condition],
        **shared,
    )
    test = data.load(source, "test", **shared)
    model = RECIPE.build(
        pictures.class_names,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        fc_units=FC_UNITS,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        # Nothing is decided by the test pictures, so they are not looked at meanwhile.
        run = training.fit(model, pictures, None, RECIPE, run_dir=run_dir, quiet=True)
    one, ten = (training.evaluate(model, test, crops=crops) for crops in (1, 10))
    return {
        "training_examples": pictures.size,
        "test_examples": test.size,
        "training_accuracy": round(run.history[-1]["accuracy"], 4),
        "top1_one_crop": round(one.top1, 4),
        "top1_ten_crops": round(ten.top1, 4),
        "loss_one_crop": round(one.loss, 4),
        "loss_ten_crops": round(ten.loss, 4),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="flowers", help="folder, archive or name (%(default)s)")
    source = parser.parse_args(arguments).data
    shared = {
        "recipe": RECIPE.as_dict(),
        "precision": RECIPE.policy(),
        "data": Path(source).name,
        "pictures_per_class": PICTURES_PER_CLASS,
    }
    for seed in SEEDS:
        for condition in CONDITIONS:
            runs = recorded(condition, shared)
            if seed not in [run["seed"] for run in runs]:
                runs.append({"seed": seed} | train(source, condition, seed))
                print(f"{condition}: {runs[-1]}", flush=True)
                record = shared | {"runs": runs} | records.surroundings()
                records.update(RESULTS, condition, record)
    for condition in CONDITIONS:
        top1 = [run["top1_one_crop"] for run in recorded(condition, shared)]
        print(f"{condition}: {sum(top1) / len(top1):.1%} (from {min(top1):.1%} to {max(top1):.1%})")


def recorded(condition: str, shared: dict) -> list[dict]:
    """The runs of a condition that are in the file already, made with the same settings."""
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    record = results.get(condition, {})
    same = all(record.get(name) == value for name, value in shared.items())
    return record["runs"] if same else []


if __name__ == "__main__":
    main()
