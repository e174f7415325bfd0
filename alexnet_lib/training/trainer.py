"""`fit`: trains a model by a recipe, and goes on after any interruption."""

import csv
import io
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from .. import files
from ..preprocessing import preprocess_layer
from . import checkpoints
from .class_weights import ClassWeights, by_label
from .devices import devices_here, uses_xla
from .evaluation import cross_entropy, predictions, without_lost
from .examples import as_examples
from .progress import Interruption, Report
from .recipe import Recipe
from .runs import (
    Run,
    RunMismatchError,
    as_begun,
    describe_data,
    describe_model,
    describe_weights,
    expect_same,
    keep_listing,
    read_description,
)
from .steps import (
    barrier,
    batches,
    built_for,
    forward_step,
    is_chief,
    precision,
    together,
    train_step,
)


class TrainingDivergedError(ArithmeticError):
    """The loss or a weight is no longer a number."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C: the run stopped after a whole step and kept a checkpoint."""


@dataclass
class _State:
    """All that a run has to remember beside the values of its variables."""

    epoch: int = 0
    step: int = 0
    """Steps done in this epoch."""
    size: int = 0
    """Examples of the training set when this epoch began."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """In this epoch: sum of losses, right answers, examples."""
    drops: int = 0
    waited: int = 0
    """Epochs since the lowest validation error at this learning rate."""
    lowest_error: float | None = None
    best: list[float] | None = None
    """Error and loss of the best epoch."""
    best_epoch: int = 0
    history: list[dict] = field(default_factory=list)
    stopped: str = ""


def fit(
    model: keras.Model,
    train,
    validation,
    recipe: Recipe,
    *,
    run_dir: str | Path,
    checkpoint_minutes: float = 10.0,
    class_weights: ClassWeights = None,
    seed: int | None = None,
    patience: int | None = None,
    tensorboard: bool = False,
    temporary: bool = False,
    quiet: bool = False,
) -> Run:
    """Trains a model, or goes on with a run that was cut off.

    `run_dir` receives `run.json` (what is trained, by what, on what), `history.csv`, `best.keras`,
    `last.keras` and `checkpoints/`. A process that is killed at any moment loses at most the work
    since the last checkpoint; started again, it ends with the same weights and figures as if it had
    never stopped, bit for bit on a CPU with the same number of threads. For that, a checkpoint
    holds the weights, the momentum, the state of dropout's generators, the schedule and the place
    in the epoch; the order of the examples depends on the epoch's number alone.

    No example is lost: the last batch of an epoch is filled up with blank images of weight 0, so
    that all steps have one shape and XLA compiles once. On several devices a batch is divided among
    them; with several machines, each decodes its own part of the pictures only.

    Args:
        model: from pictures 0..255 to probabilities, with a `Preprocess` layer: `recipe.build(...)`
            or `with_preprocessing(...)`. Trained in place. Its precision was chosen when it was
            built.
        train: has `.epoch(n)`, a `tf.data` pipeline of the n-th epoch's batches `(images, labels)`:
            float32 `(batch, height, width, 3)` 0..255, and int32 `(batch,)`; and `.size`,
            `.class_names`: what `data.load` returns. Or a `tf.data.Dataset` of such batches, which
            is read once in every epoch and counted once before the first; or arrays
            `(images, labels)`, in a new order in every epoch. Other batch sizes than the recipe's
            are regrouped.
        validation: the same, or a `tf.data.Dataset` of such batches, or arrays
            `(images, labels)`; None for no validation.
        recipe: how.
        run_dir: the folder of this run; made if it is not there.
        checkpoint_minutes: how often a checkpoint is written within an epoch; at its end always.
        class_weights: weight of each class in the loss, by its name or its number, 1 where one is
            missing; or `"balanced"`, see `balanced_weights`.
        seed: that the model was built with; kept in `run.json`, so that a run with another one is
            told from this.
        patience: end the run when the validation error has not fallen for so many epochs.
        tensorboard: also write the history for TensorBoard, into `run_dir/tensorboard`.
        temporary: whether the caller removes `run_dir` afterwards: no file in it is then named.
        quiet: print nothing.

    Returns:
        The finished run. The model holds the weights of the last epoch; `load_model(run.best)`
        reads those of the best one.

    Raises:
        RunMismatchError: if `run_dir` holds a run of another recipe, model or data; the message
            names the difference.
        TrainingDivergedError: if the loss or a weight is no longer a number.
        TrainingInterrupted: after Ctrl-C, with a checkpoint kept.
        files.BusyError: if another process trains in `run_dir`.
        ConnectionError: if one of several machines is gone.
        files.DiskFullError: if there is no room for a file; older ones stay as they were.
        ValueError: if the model, the data and the recipe do not go together.
        TypeError: if the training examples are none of the three.
    """
    return _Trainer(
        model,
        train,
        validation,
        recipe,
        Path(run_dir),
        checkpoint_minutes,
        class_weights,
        seed,
        patience,
        tensorboard,
        temporary,
        quiet,
    ).run()


class _Trainer:
    def __init__(
        self,
        model,
        train,
        validation,
        recipe,
        run_dir,
        checkpoint_minutes,
        class_weights,
        seed,
        patience,
        tensorboard,
        temporary,
        quiet,
    ):
        train = as_examples(train, preprocess_layer(model).class_names, recipe.batch_size)
        check(model, train)
        expect_patience(patience, validation)
        if recipe.schedule == "plateau" and validation is None:
            raise ValueError(
                f"The recipe {recipe.name!r} lowers the learning rate when the validation error "
                "stops falling: give validation data, or take schedule='cosine'."
            )
        train, validation, self.gone = as_begun(run_dir, train, validation)
        class_weights = by_label(class_weights, train)
        self.model, self.train, self.validation, self.recipe = model, train, validation, recipe
        self.run_dir = run_dir
        self.checkpoint_seconds = 60 * checkpoint_minutes
        self.tensorboard, self.temporary, self.patience = tensorboard, temporary, patience
        self.strategy = model.distribute_strategy
        self.steps = math.ceil(train.size / recipe.batch_size)
        self.jit = uses_xla(self.strategy.num_replicas_in_sync)
        with self.strategy.scope():
            self.optimizer = recipe.optimizer()
        self.applier = built_for(model, self.optimizer)
        self.train_step = train_step(
            model, self.applier, recipe.label_smoothing, class_weights, self.jit
        )
        self.forward = forward_step(model, self.jit)
        self.state = _State()
        self.rate = self._rate_of(0)
        self.is_chief = is_chief(self.strategy)
        self.report = Report(quiet or not self.is_chief, train.size)
        self.description = {
            "recipe": self.recipe.as_dict(),
            "precision": precision(model),
            "seed": seed,
            "patience": patience,
            "data": {
                "class_names": list(train.class_names),
                "training": describe_data(train),
                "validation": describe_data(validation),
                "class weights": describe_weights(class_weights, train),
            },
            "model": describe_model(model),
        }

    def run(self) -> Run:
        if not self.is_chief:
            return self._run()
        self.run_dir.mkdir(parents=True, exist_ok=True)
        busy = (
            f"Another process is training in {self.run_dir}. Wait until it has ended, or give "
            "another run_dir."
        )
        with files.lock(self.run_dir / ".lock", busy):
            for folder in (self.run_dir, self.run_dir / "checkpoints"):
                if folder.is_dir():
                    files.clear_unfinished(folder)
            return self._run()

    def _run(self) -> Run:
        self._start_or_resume()
        if not self.state.stopped:
            self.report.say(self._plan())
        with Interruption() as interruption, self.report, together(self.run_dir):
            self.interruption = interruption
            while not self.state.stopped:
                self._epoch()
        run = Run(self.run_dir, self.state.history, self.state.best_epoch, self.state.stopped)
        self.report.say(
            f"Finished after epoch {self.state.epoch}: {run.stopped}. "
            f"The best epoch was {run.best_epoch}{'.' if self.temporary else f': {run.best}'}"
        )
        return run

    # --- one epoch -------------------------------------------------------------------------------

    def _epoch(self) -> None:
        state, started = self.state, time.perf_counter()
        self.pending = []
        self.rate = self._rate_of(max(state.step - 1, 0))
        saved = looked = started
        self.report.begin_epoch(state.epoch, self.recipe.epochs, int(state.sums[2]))
        if not state.step:
            state.size = self.train.size
        for batch in self._batches():
            self.rate = self._rate_of(state.step)
            self.optimizer.learning_rate = self.rate
            self.pending.append(self.train_step(*batch))
            state.step += 1
            now = time.perf_counter()
            # Reading the figures waits for the device, so they are read a few times a second.
            if now - looked > 0.3:
                looked = now
                self._collect()
                self.report.step(state.sums)
            if self.interruption.asked:
                self._interrupt()
            if now - saved > self.checkpoint_seconds and state.step < self.steps:
                self._collect()
                self._save()
                saved = time.perf_counter()
        self._collect()
        self._check_size()
        self.report.step(state.sums)
        self._end_epoch(started)

    def _batches(self) -> Iterator[tuple]:
        """What is left of this epoch; without pictures that vanish or break meanwhile."""
        while True:
            try:
                yield from batches(
                    self.train,
                    self.state.epoch,
                    self.recipe.batch_size,
                    self.strategy,
                    self.state.step,
                )
                return
            except tf.errors.OpError as error:
                self.train = without_lost(self.train, error, self.strategy)
            self.steps = math.ceil(self.train.size / self.recipe.batch_size)
            self._collect()

    def _rate_of(self, step: int) -> float:
        # The middle of the step: neither the first nor the last one has a rate of 0.
        done = self.state.epoch + (step + 0.5) / self.steps
        return self.recipe.rate(done, self.state.drops)

    def _collect(self) -> None:
        """Adds up what the steps since the last time returned, in order."""
        for sums in self.pending:
            values = sums.numpy().astype("float64").tolist()
            self.state.sums = [a + b for a, b in zip(self.state.sums, values, strict=True)]
        self.pending = []
        if not math.isfinite(self.state.sums[0]):
            self._diverged("the loss")

    def _check_size(self) -> None:
        seen = int(self.state.sums[2])
        # Where pictures were lost, the epoch began in an order and went on in another.
        if seen != self.train.size == self.state.size:
            raise ValueError(
                f"Epoch {self.state.epoch + 1} had {seen} examples, but train.size is "
                f"{self.train.size}. A run can only go on exactly where every epoch has all."
            )

    def _end_epoch(self, started: float) -> None:
        state = self.state
        loss, right, examples = state.sums
        training_rate = self.report.images_per_second()
        row = {
            "epoch": state.epoch + 1,
            "loss": loss / examples,
            "accuracy": right / examples,
        }
        standing = [row["loss"]]
        if self.validation is not None:
            row["val_loss"], row["val_accuracy"] = self._validate()
            standing = [1 - row["val_accuracy"], row["val_loss"]]
        row |= {
            "learning_rate": self.rate,
            "seconds": round(time.perf_counter() - started, 2),
            "images_per_second": round(training_rate, 1),
        }
        arrays = self._variables()
        state.history.append(row)
        state.epoch, state.step, state.sums = state.epoch + 1, 0, [0.0, 0.0, 0.0]
        if self.validation is None or state.best is None or standing < state.best:
            state.best, state.best_epoch = standing, state.epoch
            self._write_model("best.keras")
        self._write_model("last.keras")
        self._decide(standing)
        self._write_history(row)
        # Last of all: a run that dies before this line does the epoch again, to the same end.
        self._save(arrays)
        self.report.end_epoch(row, self.recipe.epochs)

    def _validate(self) -> tuple[float, float]:
        while True:
            try:
                probabilities, labels = predictions(
                    self.forward,
                    self.validation,
                    crops=1,
                    strategy=self.strategy,
                    each=lambda: self.interruption.asked and self._interrupt(whole_epoch=True),
                )
                break
            except tf.errors.OpError as error:
                self.validation = without_lost(self.validation, error, self.strategy)
        if not np.isfinite(probabilities).all():
            self._diverged("a probability on the validation set")
        loss = float(cross_entropy(probabilities, labels).mean())
        return loss, float(np.mean(probabilities.argmax(1) == labels))

    def _decide(self, standing: list[float]) -> None:
        """Lowers the learning rate or ends the run, as section 5 has it."""
        state = self.state
        if self.recipe.schedule == "plateau":
            if state.lowest_error is None or standing[0] < state.lowest_error:
                state.lowest_error, state.waited = standing[0], 0
            else:
                state.waited += 1
            if state.waited >= self.recipe.patience:
                if state.drops == self.recipe.drops:
                    state.stopped = (
                        "the validation error stopped falling at the lowest learning rate"
                    )
                else:
                    state.drops, state.waited = state.drops + 1, 0
        if self.patience and state.epoch - state.best_epoch >= self.patience:
            state.stopped = f"the validation error has not fallen for {self.patience} epochs"
        if state.epoch == self.recipe.epochs and not state.stopped:
            state.stopped = f"all {state.epoch} epochs are done"

    # --- files -----------------------------------------------------------------------------------

    def _start_or_resume(self) -> None:
        description = self.run_dir / "run.json"
        newest = None
        try:
            there = [path for path in self.run_dir.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            there = []
        if description in there:
            known = read_description(description)
            if self.gone:
                # What is left of the same pictures, in the same parts.
                for part in ("training", "validation"):
                    self.description["data"][part] = known.get("data", {}).get(part)
            expect_same(known, self.description, self.run_dir)
            newest, damaged = checkpoints.newest(self.run_dir / "checkpoints")
            for problem in damaged:
                self.report.say(f"Passed over a damaged checkpoint, {problem}.")
            if newest:
                self._restore(newest)
        elif there:
            raise RunMismatchError(
                f"{self.run_dir} holds other files ({there[0].name}, ...) and no run.json, so it "
                "is not the folder of a run. Give another run_dir."
            )
        # With several machines, nobody writes before all have read.
        barrier(self.strategy)
        if self.is_chief:
            files.write_text(description, json.dumps(self.description, indent=1))
            keep_listing(self.run_dir, self.train, self.validation)
        if self.state.stopped:
            self.report.say(f"{self.run_dir} holds a finished run: {self.state.stopped}.")
        elif newest:
            self.report.say(
                f"Going on in {self.run_dir} after epoch {self.state.epoch}, step "
                f"{self.state.step} of {self.steps}."
            )
        else:
            self._save()

    def _named_variables(self) -> dict[str, keras.Variable]:
        """Everything that a step changes: weights, dropout's generators, momentum, loss scale."""
        # Keras numbers generators through a whole process; a second model in it has other numbers.
        variables = [*self.model.variables, *self.applier.variables]
        return {
            f"{place:03d} {re.sub(r'_[0-9]+/', '/', variable.path)}": variable
            for place, variable in enumerate(variables)
        }

    def _variables(self) -> dict[str, np.ndarray]:
        arrays = {name: v.numpy() for name, v in self._named_variables().items()}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                self._diverged(name.split(" ", 1)[1])
        return arrays

    def _save(self, arrays: dict[str, np.ndarray] | None = None) -> None:
        arrays = arrays or self._variables()
        if self.is_chief:
            name = f"epoch{self.state.epoch:05d}-step{self.state.step:07d}"
            checkpoints.save(self.run_dir / "checkpoints", name, arrays, asdict(self.state))

    def _restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        variables = self._named_variables()
        if variables.keys() != checkpoint.arrays.keys():
            different = sorted(variables.keys() ^ checkpoint.arrays.keys())
            raise RunMismatchError(
                f"The checkpoint {checkpoint.name} in {self.run_dir} has other variables than this "
                f"model: {', '.join(different[:4])}."
            )
        for name, variable in variables.items():
            variable.assign(checkpoint.arrays[name])
        self.state = _State(**checkpoint.state)

    def _write_model(self, name: str) -> None:
        if self.is_chief:
            files.write(self.run_dir / name, self.model.save, 4 * self.model.count_params())

    def _write_history(self, row: dict) -> None:
        if not self.is_chief:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.state.history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.state.history)
        files.write_text(self.run_dir / "history.csv", text.getvalue())
        if self.tensorboard:
            # Written as protocol buffers: tf.summary.scalar wants TensorBoard itself installed.
            values = [
                tf.compat.v1.Summary.Value(tag=tag, simple_value=value)
                for tag, value in row.items()
            ]
            summary = tf.compat.v1.Summary(value=values).SerializeToString()
            with tf.summary.create_file_writer(str(self.run_dir / "tensorboard")).as_default():
                tf.summary.experimental.write_raw_pb(summary, step=row["epoch"])

    # --- words -----------------------------------------------------------------------------------

    def _plan(self) -> str:
        replicas = self.strategy.num_replicas_in_sync
        devices = devices_here()
        scaling = " with loss scaling" if self.applier is not self.optimizer else ""
        line = (
            f"{self.model.name} on {f'{replicas} × ' if replicas > 1 else ''}{devices[0].name}: "
            f"{precision(self.model)}{scaling}, {'XLA' if self.jit else 'no XLA'}; "
            f"recipe {self.recipe.name!r}, {self.train.size:,} images, {self.steps} steps of "
            f"{self.recipe.batch_size} an epoch."
        )
        if len(devices) > 1 and replicas == 1:
            line += f" {len(devices) - 1} GPUs stay idle: build the model with Recipe.build."
        return line

    def _diverged(self, what: str) -> None:
        epoch = self.state.epoch + 1
        kept = (
            f"best.keras and last.keras in {self.run_dir} hold the last good weights."
            if self.state.history
            else "No epoch was finished, so no weights are kept but the first."
        )
        lower = self.recipe.learning_rate / 5
        raise TrainingDivergedError(
            f"In epoch {epoch}, at a learning rate of {self.rate:.3g}, {what} was no longer a "
            f"finite number. {kept} Try a learning rate 3 to 10 times lower in a new run_dir "
            f"(Recipe.{self.recipe.name}(learning_rate={float(f'{lower:.2g}'):g})), and "
            "check that images are 0..255 and labels run from 0."
        )

    def _interrupt(self, whole_epoch: bool = False) -> None:
        # While validating, all steps are done but the epoch is not closed: a run that goes on
        # starts with the validation.
        self._collect()
        self._save()
        where = "after its last step" if whole_epoch else f"step {self.state.step} of {self.steps}"
        raise TrainingInterrupted(
            f"Stopped in epoch {self.state.epoch + 1}, {where}. Run the same command again to go "
            f"on; the checkpoint is in {self.run_dir}."
        )


def check(model: keras.Model, train) -> None:
    """Raises a `ValueError` if the model cannot be trained, or not on this data."""
    names = preprocess_layer(model).class_names
    if list(train.class_names) != names:
        raise ValueError(
            f"The model's classes are {_some(names)}, the data's {_some(train.class_names)}."
        )
    if getattr(model.layers[-1], "activation", None) is not keras.activations.softmax:
        raise ValueError(
            f"The model ends with the layer {model.layers[-1].name!r}, which does not give "
            "probabilities; build it with classifier_activation='softmax'."
        )
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise ValueError(
                f"The weights {weight.path} of the model {model.name!r} hold numbers that are "
                "infinite or no number, before any training. Build or load the model again."
            )
    if train.size < 1:
        raise ValueError("The training set has no examples.")


def expect_patience(patience: int | None, validation) -> None:
    """Raises a `ValueError` if no run can end by this patience."""
    if patience is not None and (patience < 1 or validation is None):
        raise ValueError(
            f"patience is {patience!r}; it must be at least 1, and needs validation data."
        )


def _some(names) -> str:
    names = list(names)
    return ", ".join(map(str, names[:6])) + (f", ... ({len(names)})" if len(names) > 6 else "")
