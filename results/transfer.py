"""Fine-tuning, a new head and training from scratch, where pictures are few.

    python results/transfer.py [--pictures SOURCE] [WAY ...]

A source is a name, a folder or an archive of class folders, as `data.load` takes it; by default
`flowers`, which is downloaded. Each way of `WAYS` learns its classes from 10 and from 50 pictures
per class, with three seeds. A seed draws the training pictures, the same ones for every way, and
all initial values. The test pictures, the first 40 of each class among those held out, are always
the same, and are looked at once per run, after the last epoch.

- "feature extraction" and "random trunk" train a new `fc8` on a frozen trunk: that of the shipped
  weights, or one with He's initial values.
- "fine-tuning" goes on from there in two stages of `Recipe.fine_tuning`, each with 500 pictures
  shown, however many there are to choose from.
- "from scratch" trains a network of the same layers on pictures of 115 pixels. It costs a quarter
  at that size, and so can be shown 3,000.
- the others leave out the stage for the new layer, or take the rate with which the paper trains
  from scratch. Each learns from 10 pictures per class, with 500 shown. "rates" in the record says
  which rate `fc8` had, and which one all other layers had.

Everything is computed in one precision, which the record names, and tested in float32. Writes
transfer.json after each run, and goes on where it was stopped; runs on other pictures or weights
are replaced.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import records

from alexnet_lib import data, files, pretrained, training, transfer
from alexnet_lib.training import Recipe

RESULTS = Path(__file__).resolve().parent / "transfer.json"
NUMBERS = (10, 50)
"""Training pictures per class."""
SEEDS = (0, 1, 2)
TESTED = 40
"""Test pictures per class."""
FC_UNITS = 512
"""As many as the shipped trunk has."""
SCRATCH_SIDE = 115
STAGE, SCRATCH = 500, 3000
"""Pictures shown in a stage of fine-tuning, and to a network from scratch."""
HIGH, LOW = 0.01, 0.001
"""The paper's rate (section 5), and a tenth of it."""


def epochs(shown: int, pictures) -> int:
    return max(1, round(shown / pictures.size))


@dataclass(frozen=True)
class Way:
    """One way to learn."""

    stages: tuple[str, ...]
    """As for `transfer.fine_tune`; none for a network from scratch."""
    trunk: str | None
    """`"pocket"`, `"random"`, or None."""
    rates: tuple[float, float] | None = None
    """The learning rate of the trunk's layers and of `fc8`; None for those of `recipe`."""
    from_few: bool = False
    """Whether it learns from the smallest of `NUMBERS` only."""

    def recipe(self, pictures, precision: str) -> Recipe:
        if not self.stages:
            return Recipe.modern(epochs=epochs(SCRATCH, pictures), precision=precision)
        recipe = Recipe.fine_tuning(epochs=epochs(STAGE, pictures), precision=precision)
        if self.rates is None:
            return recipe
        trunk, head = self.rates
        return replace(recipe, learning_rate=trunk, layer_rates={"fc8": head / trunk})

    def learn(self, pictures, seed: int, precision: str, out: Path) -> transfer.Transfer:
        options = {"out": out, "seed": seed, "quiet": True}
        recipe = self.recipe(pictures, precision)
        if not self.stages:
            shape = (SCRATCH_SIDE, SCRATCH_SIDE, 3)
            return transfer.from_scratch(
                pictures, recipe=recipe, fc_units=FC_UNITS, input_shape=shape, **options
            )
        trunk = self.trunk
        if trunk == "random":
            untrained = Recipe.modern(precision=precision)
            trunk = untrained.build(pictures.class_names, fc_units=FC_UNITS, seed=seed)
        return transfer.fine_tune(trunk, pictures, stages=self.stages, recipe=recipe, **options)

    def shown(self, pictures, precision: str) -> int | None:
        """Pictures that layers before `fc8` learn from, each as often as it is shown."""
        stages = [stage for stage in self.stages or ("conv1",) if stage != "fc8"]
        return len(stages) * self.recipe(pictures, precision).epochs * pictures.size or None

    def true_rates(self, pictures, precision: str) -> dict[str, float] | None:
        """The highest rate of each layer where the whole network learns."""
        if "conv1" not in self.stages:
            return None
        recipe = self.recipe(pictures, precision)
        rates = {name: recipe.learning_rate * f for name, f in recipe.layer_rates.items()}
        return {"all other layers": recipe.learning_rate} | rates


def at_once(trunk: float, fc8: float) -> Way:
    return Way(("conv1",), "pocket", (trunk, fc8), from_few=True)


WAYS = {
    "feature extraction": Way(("fc8",), "pocket"),
    "fine-tuning": Way(transfer.STAGES, "pocket"),
    "from scratch": Way((), None),
    "random trunk": Way(("fc8",), "random"),
    f"all at once, {LOW}": at_once(LOW, LOW),
    f"all at once, {HIGH}": at_once(HIGH, HIGH),
    f"all at once, {HIGH}, fc8 ten times that": at_once(HIGH, 10 * HIGH),
    f"head first, then {HIGH}": Way(("fc8", "conv1"), "pocket", (HIGH, HIGH), from_few=True),
}


def drawn(pool, number: int, seed: int):
    """So many pictures of each class, drawn by the seed."""
    of_class: dict[str, list[str]] = {name: [] for name in pool.class_names}
    for path, (*_, name) in pool.listing().items():
        of_class[name].append(path)
    random = np.random.default_rng(seed)
    paths = [
        path for members in of_class.values() for path in random.choice(members, number, False)
    ]
    return pool.taken(pool, paths).cached("memory")


def smaller(pictures):
    """The same pictures for a network from scratch."""
    return replace(pictures, image_size=SCRATCH_SIDE, short_side=SCRATCH_SIDE * 256 // 227)


def measure(way: Way, pictures, test, seed: int, precision: str, folder: Path) -> dict:
    if not way.stages:
        pictures, test = smaller(pictures), smaller(test)
    start = time.perf_counter()
    result = way.learn(pictures, seed, precision, folder / "model.keras")
    seconds = time.perf_counter() - start
    return {
        "seed": seed,
        "top1": round(training.evaluate(result.model, test).top1, 4),
        "training_accuracy": round(result.history[-1]["accuracy"], 4),
        "seconds": round(seconds, 1),
    }


def remembered(name: str, setting: dict) -> list[dict]:
    """The runs of a record that were made in this setting."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    record = known.get(name, {})
    return record["runs"] if setting.items() <= record.items() else []


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", default="flowers", help="a name, a folder or an archive")
    given = records.chosen(parser, WAYS, "way", arguments)
    pool = data.load(given.pictures, "train", batch_size=32)
    if pool.listing() is None:
        parser.error(f"{given.pictures} holds no picture files; give a folder or an archive.")
    if (fewest := min(pool.counts.values())) < max(NUMBERS):
        parser.error(f"{given.pictures} has a class of {fewest}; each needs {max(NUMBERS)}.")
    test = data.load(given.pictures, "test", batch_size=50, limit_per_class=TESTED)
    test = test.cached("memory")
    precision = training.choose_precision()
    for seed in SEEDS:
        for number in NUMBERS:
            pictures = drawn(pool, number, seed)
            for name in given.names:
                if number == min(NUMBERS) or not WAYS[name].from_few:
                    one(name, number, pictures, test, seed, precision, given.pictures)


def one(name: str, number: int, pictures, test, seed: int, precision: str, source: str) -> None:
    """Adds the run of one seed to its record, if it is not there yet."""
    way = WAYS[name]
    setting = {
        "way": name,
        "pictures_per_class": number,
        "trunk": files.sha256(pretrained.POCKET) if way.trunk == "pocket" else way.trunk,
        "stages": list(way.stages),
        "pictures_shown": way.shown(pictures, precision),
        "rates": way.true_rates(pictures, precision),
        "precision": precision,
        "data": records.source(source)
        | {"classes": len(pictures.class_names), "test_pictures": test.size},
    }
    key = f"{name}, {number}"
    runs = remembered(key, setting)
    if seed in [run["seed"] for run in runs]:
        return
    with tempfile.TemporaryDirectory() as folder:
        run = measure(way, pictures, test, seed, precision, Path(folder))
    runs = sorted([*runs, run], key=lambda run: run["seed"])
    command = f"python results/transfer.py --pictures {Path(source).name}"
    records.update(
        RESULTS, key, setting | {"runs": runs, "command": command} | records.surroundings()
    )
    print(f"{key}, seed {seed}: {run['top1']:.1%}, {run['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
