"""Charts of healthy and sick training runs, each with one cause, for the training chapter.

    python results/diagnoses.py
    python results/diagnoses.py overfitting

Every run trains the paper's network (fc6 and fc7 of 128 units, pictures of 67×67) on `photos`,
which needs no download, and differs from `healthy` in what its entry of `CASES` says. Writes
diagnoses.json: for each run its recipe, its history and what it ran on. All six show about 90,000
pictures to the network: minutes on two quiet cores.
"""

import argparse
import csv
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import records

from alexnet_lib import architecture, data, training

RESULTS = Path(__file__).resolve().parent / "diagnoses.json"
IMAGE_SIZE, SHORT_SIDE, FC_UNITS = 67, 76, 128
BIASES_OF_ONE = [x.name for x in architecture.PAPER if getattr(x, "bias", 0) == 1]  # section 5


@dataclass(frozen=True)
class Case:
    """A run: its recipe, and how much it gets to see."""

    recipe: training.Recipe
    images_per_class: int = 100
    augment: bool = True
    dropout: float = 0.5
    biases: float | None = None
    """Where the paper starts with biases of 1, instead of what the recipe gives them."""


# Without label smoothing, so that the losses on training and validation pictures are one measure.
HEALTHY = training.Recipe.modern(epochs=15, learning_rate=0.01, label_smoothing=0.0)

CASES = {
    "healthy": Case(HEALTHY),
    # ±128 at the input, biases of 1, weights of 0.01: made for a million pictures.
    "plateau": Case(training.Recipe.paper(epochs=15, batch_size=32, patience=15)),
    "rate too low": Case(replace(HEALTHY, learning_rate=HEALTHY.learning_rate / 50)),
    "rate too high": Case(replace(HEALTHY, learning_rate=HEALTHY.learning_rate * 8)),
    "overfitting": Case(replace(HEALTHY, epochs=60), 6, augment=False, dropout=0.0),
    "learning-rate drops": Case(
        replace(HEALTHY, epochs=24, schedule="plateau", patience=3, warmup_epochs=0.0)
    ),
}


def train(case: Case, run_dir: Path) -> dict:
    shared = {
        "image_size": IMAGE_SIZE,
        "short_side": SHORT_SIDE,
        "batch_size": case.recipe.batch_size,
        "cache": "memory",
    }
    pictures = data.load(
        "photos",
        "train",
        augment=case.augment,
        limit_per_class=case.images_per_class,
        **shared,
    )
    test = data.load("photos", "test", **shared)
    model = case.recipe.build(
        pictures.class_names,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        fc_units=FC_UNITS,
        dropout=case.dropout,
    )
    if case.biases is not None:
        start_biases(model, case.biases)
    try:
        run = training.fit(model, pictures, test, case.recipe, run_dir=run_dir)
        rows, stopped = run.history, run.stopped
    except training.TrainingDivergedError as error:
        rows, stopped = finished_epochs(run_dir), str(error).replace(str(run_dir), "the run_dir")
    return {
        "case": asdict(case) | {"recipe": case.recipe.as_dict()},
        "precision": case.recipe.policy(),
        "classes": len(pictures.class_names),
        "training_examples": pictures.size,
        "test_examples": test.size,
        "stopped": stopped,
        "history": records.history(rows),
    } | records.surroundings()


def start_biases(model, value: float) -> None:
    """Gives the biases that are 1 in the paper this value instead."""
    for variable in model.trainable_variables:
        layer, kind = variable.path.split("/")[-2:]
        if kind == "bias" and layer in BIASES_OF_ONE:
            variable.assign([value] * variable.shape[0])


def finished_epochs(run_dir: Path) -> list[dict]:
    """The history of a run that broke, from its file."""
    path = run_dir / "history.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [row | {"epoch": int(row["epoch"])} for row in rows]


def record(cases: dict[str, Case], path: Path, what: str, about: str, arguments) -> None:
    """The program: trains the cases that are named, or all, and writes a record for each."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    for name in records.chosen(parser, cases, what, arguments).names:
        with tempfile.TemporaryDirectory() as folder:
            records.update(path, name, train(cases[name], Path(folder) / "run"))


def main(arguments: list[str] | None = None) -> None:
    record(CASES, RESULTS, "run", __doc__, arguments)


if __name__ == "__main__":
    main()
