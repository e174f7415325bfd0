"""AlexNet from scratch on 2,934 photographs of flowers: accuracy against time.

    python results/flowers.py --data flower_photos.tgz
    python results/flowers.py --data flower_photos.tgz best
    python results/flowers.py --show

Trains the paper's network on TensorFlow's flower_photos (five classes; the first and then every
fifth file of a class, 736 photographs, is held out) by `Recipe.modern` with batches of 64, and
measures the weights of the *last* epoch on the held-out photographs: no epoch is chosen by them.
There is one run for each entry of `RUNS`:

    5 epochs     some minutes on two cores
    24 epochs    five times as long
    best         78 epochs, most of them on small pictures, and each from another scale

What the runs really took, and scored, stands in flowers.json, which this script updates after each
run and prints with --show. Checkpoints are kept in runs/: a run that was cut off goes on when the
same command is given again, and one that is finished is only measured again.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import growing
import records
from rich.console import Console
from rich.table import Table

from alexnet_lib import data, training

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "flowers.json"


@dataclass(frozen=True)
class Stage:
    """Epochs on pictures of one size."""

    epochs: int
    image_size: int = 227
    short_sides: tuple[int, ...] = (256,)
    """The training pictures' short side, one for each epoch in turn. Crops from a larger picture
    show less of the flower: the scale jittering of Simonyan & Zisserman (2015), by the epoch."""
    learning_rate: float = 0.02
    """At its highest, after the warm-up. With 0.04 the loss diverged in the third epoch."""


@dataclass(frozen=True)
class Settings:
    """What makes one run differ from another."""

    stages: tuple[Stage, ...]
    """One after the other, from small pictures to large ones."""
    batch_size: int = 64
    weight_decay: float = 0.0005
    fc_units: int = 4096

    def recipe(self, stage: Stage) -> training.Recipe:
        return training.Recipe.modern(
            epochs=stage.epochs,
            batch_size=self.batch_size,
            learning_rate=stage.learning_rate,
            weight_decay=self.weight_decay,
        )


RUNS = {
    "5 epochs": Settings((Stage(5),)),
    "24 epochs": Settings((Stage(24),)),
    "best": Settings(
        (
            Stage(50, 115, (130, 146, 162)),
            Stage(20, 163, (184, 207, 230), learning_rate=0.01),
            Stage(8, 227, (256, 288, 320), learning_rate=0.007),
        )
    ),
}


def load(source: str, settings: Settings, stage: Stage) -> tuple[growing.InTurn, data.Dataset]:
    """The training set with PCA lighting, and the held-out set; decoded pictures stay in memory."""
    common = {"image_size": stage.image_size, "batch_size": settings.batch_size}
    train = growing.at_scales(source, stage.short_sides, **common)
    test = data.load(source, "test", short_side=stage.short_sides[0], cache="memory", **common)
    return train, test


def measure(name: str, settings: Settings, source: str, run_dir: Path) -> dict:
    """Trains, or goes on, and returns the record of the run.

    `seconds` are those of the epochs, the look at the held-out photographs after each included, as
    the run's history has them, also where it was cut off between. `wall_seconds` is the whole
    process, loading, compiling and checkpoints included; None where the run was cut off.
    """
    started, cut_off = time.perf_counter(), run_dir.exists()
    model, history = None, []
    for number, stage in enumerate(settings.stages):
        train, test = load(source, settings, stage)
        recipe = settings.recipe(stage)
        grown = recipe.build(
            train.class_names,
            input_shape=(stage.image_size, stage.image_size, 3),
            fc_units=settings.fc_units,
        )
        if model:
            growing.copy_weights(model, grown)
        model = grown
        run = training.fit(model, train, test, recipe, run_dir=run_dir / f"stage-{number + 1}")
        history += [
            row | {"epoch": len(history) + row["epoch"], "image_size": stage.image_size}
            for row in run.history
        ]
    wall_seconds = None if cut_off else round(time.perf_counter() - started, 1)
    one, ten = (training.evaluate(model, test, crops=crops) for crops in (1, 10))
    print(f"{name}: {ten}")
    return {
        "settings": asdict(settings),
        "recipes": [settings.recipe(stage).as_dict() for stage in settings.stages],
        "precision": recipe.policy(),
        "lighting": True,
        "epochs": len(history),
        "images_seen": len(history) * train.size,
        "top1_one_crop": round(one.top1, 4),
        "top1_ten_crops": round(ten.top1, 4),
        "loss_ten_crops": round(ten.loss, 4),
        "recall_ten_crops": dict(
            zip(test.class_names, [round(share, 4) for share in ten.recall.tolist()], strict=True)
        ),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "wall_seconds": wall_seconds,
        "images_per_second": median([row["images_per_second"] for row in history]),
        "data": describe_data(source, train, test),
        "history": records.history(history),
    } | records.surroundings()


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def describe_data(source: str, train: growing.InTurn, test: data.Dataset) -> dict:
    """What was trained on."""
    return records.source(source) | {
        "class_names": list(train.class_names),
        "training_examples": train.size,
        "test_examples": test.size,
    }


def command(source: str, name: str) -> str:
    """The command that repeats the run, wherever the data lies."""
    quoted = f'"{name}"' if " " in name else name
    return f"python results/flowers.py --data {Path(source).name} {quoted}"


def table(results: dict) -> Table:
    shown = Table(title="AlexNet from scratch on flower_photos, held-out photographs")
    shown.add_column("run")
    for heading in ("epochs", "minutes", "images/s", "top-1", "ten crops"):
        shown.add_column(heading, justify="right")
    for name, run in results.items():
        shown.add_row(
            name,
            str(run["epochs"]),
            f"{run['seconds'] / 60:.1f}",
            f"{run['images_per_second']:.0f}",
            f"{run['top1_one_crop']:.1%}",
            f"{run['top1_ten_crops']:.1%}",
        )
    return shown


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="flowers", help="folder, archive or name (%(default)s)")
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs", help="checkpoints")
    parser.add_argument("--show", action="store_true", help="only print what is recorded")
    given = records.chosen(parser, RUNS, "run", arguments)
    for name in [] if given.show else given.names:
        run = measure(
            name, RUNS[name], given.data, given.runs / f"flowers-{name.replace(' ', '-')}"
        )
        records.update(RESULTS, name, {"command": command(given.data, name)} | run)
    if not RESULTS.exists():
        parser.error(f"nothing is recorded yet: {RESULTS.name} is not there")
    Console(width=100).print(table(json.loads(RESULTS.read_text("utf-8"))))


if __name__ == "__main__":
    main()
