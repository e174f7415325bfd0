"""Training: `fit` a model by a recipe, go on after any interruption, `evaluate` it.

    recipe = Recipe.modern()
    model = recipe.build(train.class_names)
    run = fit(model, train, validation, recipe, run_dir="runs/first")
    print(evaluate(model, test, crops=10))

The same lines run again go on where the last run was cut off, and a finished run is not repeated.
"""

import csv
import io
import json
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from . import checkpoints
from .recipe import (
    PaperSGD,
    Preprocess,
    Recipe,
    choose_precision,
    load_model,
    preprocessing,
    strategy,
    uses_xla,
    with_preprocessing,
)

__all__ = [
    "Evaluation",
    "PaperSGD",
    "Preprocess",
    "Recipe",
    "Run",
    "RunMismatchError",
    "TrainingDivergedError",
    "TrainingInterrupted",
    "choose_precision",
    "evaluate",
    "fit",
    "load_model",
    "preprocessing",
    "strategy",
    "wilson_interval",
    "with_preprocessing",
]


class RunMismatchError(ValueError):
    """The run directory holds a run of another recipe, model or data, or something else."""


class TrainingDivergedError(ArithmeticError):
    """The loss or a weight is no longer a number."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C: the run stopped after a whole step and kept a checkpoint."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    run_dir: Path
    history: list[dict]
    """One dictionary an epoch, as in `history.csv`: `epoch`, `loss` and `accuracy` on the training
    batches as they came (augmented, with dropout), `val_loss`, `val_accuracy`, `learning_rate`,
    `seconds`, `images_per_second`."""
    best_epoch: int
    """The epoch, from 1, with the lowest validation error."""
    stopped: str
    """Why the run ended."""

    @property
    def best(self) -> Path:
        """The model of the best epoch; read it with `load_model`."""
        return self.run_dir / "best.keras"

    @property
    def last(self) -> Path:
        """The model after the last epoch."""
        return self.run_dir / "last.keras"


@dataclass
class _State:
    """All that a run has to remember beside the values of its variables."""

    epoch: int = 0
    step: int = 0
    """Steps done in this epoch."""
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
    class_weights: Mapping[int, float] | None = None,
    tensorboard: bool = False,
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
    them.

    Args:
        model: from pictures 0..255 to probabilities, with a `Preprocess` layer: `recipe.build(...)`
            or `with_preprocessing(...)`. Trained in place. Its precision was chosen when it was
            built.
        train: has `.epoch(n)`, a `tf.data` pipeline of the n-th epoch's batches `(images, labels)`:
            float32 `(batch, height, width, 3)` 0..255, and int32 `(batch,)`; and `.size`,
            `.class_names`. Other batch sizes than the recipe's are regrouped.
        validation: the same, or a `tf.data.Dataset` of such batches, or arrays
            `(images, labels)`; None for no validation.
        recipe: how.
        run_dir: the folder of this run; made if it is not there.
        checkpoint_minutes: how often a checkpoint is written within an epoch; at its end always.
        class_weights: weight of each class in the loss, by label; 1 where a label is missing.
        tensorboard: also write the history for TensorBoard, into `run_dir/tensorboard`.
        quiet: print nothing.

    Returns:
        The finished run. The model holds the weights of the last epoch; `load_model(run.best)`
        reads those of the best one.

    Raises:
        RunMismatchError: if `run_dir` holds a run of another recipe, model or data; the message
            names the difference.
        TrainingDivergedError: if the loss or a weight is no longer a number.
        TrainingInterrupted: after Ctrl-C, with a checkpoint kept.
        ValueError: if the model, the data and the recipe do not go together.
    """
    return _Trainer(
        model,
        train,
        validation,
        recipe,
        Path(run_dir),
        checkpoint_minutes,
        class_weights,
        tensorboard,
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
        tensorboard,
        quiet,
    ):
        _check(model, train, recipe, validation)
        self.model, self.train, self.validation, self.recipe = model, train, validation, recipe
        self.run_dir = run_dir
        self.checkpoint_seconds = 60 * checkpoint_minutes
        self.tensorboard = tensorboard
        self.strategy = model.distribute_strategy
        self.batch_size = _divisible(recipe.batch_size, self.strategy)
        self.steps = math.ceil(train.size / recipe.batch_size)
        self.jit = uses_xla(self.strategy)
        with self.strategy.scope():
            self.optimizer = recipe.optimizer()
            # float16 cannot hold small gradients: the loss is scaled up, the gradients down again.
            if _precision(model) == "mixed_float16":
                self.applier = keras.optimizers.LossScaleOptimizer(self.optimizer)
            else:
                self.applier = self.optimizer
            self.applier.build(model.trainable_variables)
        self.train_step = _train_step(
            model, self.applier, recipe.label_smoothing, class_weights or {}, self.jit
        )
        self.forward = _forward(model, self.jit)
        self.state = _State()
        self.is_chief = _is_chief(self.strategy)
        self.report = _Report(quiet or not self.is_chief, train.size)
        self.description = {
            "recipe": recipe.as_dict(),
            "model": _describe_model(model),
            "data": {
                "class_names": list(train.class_names),
                "training examples": train.size,
                "seed": getattr(train, "seed", None),
                "class weights": {str(k): v for k, v in (class_weights or {}).items()},
            },
        }

    def run(self) -> Run:
        self._start_or_resume()
        if not self.state.stopped:
            self.report.say(self._plan())
        with _Interruption() as interruption, self.report:
            self.interruption = interruption
            while not self.state.stopped:
                self._epoch()
        run = Run(self.run_dir, self.state.history, self.state.best_epoch, self.state.stopped)
        self.report.say(
            f"Finished after epoch {self.state.epoch}: {run.stopped}. "
            f"The best epoch was {run.best_epoch}: {run.best}"
        )
        return run

    # --- one epoch -------------------------------------------------------------------------------

    def _epoch(self) -> None:
        state, started = self.state, time.perf_counter()
        self.pending = []
        self.rate = self._rate_of(max(state.step - 1, 0))
        saved = looked = started
        self.report.begin_epoch(state.epoch, self.recipe.epochs, int(state.sums[2]))
        batches = _padded(
            self.train.epoch(state.epoch), self.recipe.batch_size, self.batch_size, state.step
        )
        for images, labels, weights in batches:
            self.rate = self._rate_of(state.step)
            self.optimizer.learning_rate = self.rate
            parts = _shared_out((images, labels, weights), self.strategy)
            self.pending.append(self.train_step(*parts, tf.reduce_sum(weights)))
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
        if seen != self.train.size:
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
        probabilities, labels = _predictions(
            self.forward,
            self.validation,
            crops=1,
            strategy=self.strategy,
            each=lambda: self.interruption.asked and self._interrupt(whole_epoch=True),
        )
        if not np.isfinite(probabilities).all():
            self._diverged("a probability on the validation set")
        loss = float(_cross_entropy(probabilities, labels).mean())
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
            _expect_same(_read_json(description), self.description, self.run_dir)
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
        _barrier(self.strategy)
        if self.is_chief:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            checkpoints.write_text(description, json.dumps(self.description, indent=1))
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
            checkpoints.write(self.run_dir / name, self.model.save)

    def _write_history(self, row: dict) -> None:
        if not self.is_chief:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.state.history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.state.history)
        checkpoints.write_text(self.run_dir / "history.csv", text.getvalue())
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
        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            device = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        else:
            device = f"CPU, {os.cpu_count()} cores"
        line = (
            f"{self.model.name} on {f'{replicas} × ' if replicas > 1 else ''}{device}: "
            f"{_precision(self.model)}, {'XLA' if self.jit else 'no XLA'}; "
            f"recipe {self.recipe.name!r}, {self.train.size:,} images, {self.steps} steps of "
            f"{self.recipe.batch_size} an epoch."
        )
        if len(gpus) > 1 and replicas == 1:
            line += f" {len(gpus) - 1} GPUs stay idle: build the model with Recipe.build."
        return line

    def _diverged(self, what: str) -> None:
        epoch = self.state.epoch + 1
        kept = (
            f"best.keras and last.keras in {self.run_dir} hold the last good weights."
            if self.state.history
            else "No epoch was finished, so no weights are kept but the first."
        )
        raise TrainingDivergedError(
            f"In epoch {epoch}, at a learning rate of {self.rate:.3g}, {what} was no longer a "
            f"finite number. {kept} Try a learning rate 3 to 10 times lower in a new run_dir "
            f"(Recipe.{self.recipe.name}(learning_rate={self.recipe.learning_rate / 5:.2g})), and "
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


# --- one step ------------------------------------------------------------------------------------


def _train_step(
    model: keras.Model, optimizer, smoothing: float, class_weights: Mapping[int, float], jit: bool
) -> Callable:
    """The step as a graph: (images, labels, weights of one batch, examples) → (loss, right, n)."""
    # On several devices, each draws the dropout masks of its share from the same generator state.
    strategy = model.distribute_strategy
    classes = model.output_shape[-1]
    weight_of = tf.constant([class_weights.get(label, 1.0) for label in range(classes)])

    def replica(images, labels, weights, examples):
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            losses = keras.losses.categorical_crossentropy(
                tf.one_hot(labels, classes), probabilities, label_smoothing=smoothing
            )
            loss = tf.reduce_sum(losses * weights * tf.gather(weight_of, labels))
            # Gradients are summed over the devices, so each divides by the whole batch.
            total = loss / examples
            if model.losses:
                total += tf.add_n(model.losses) / strategy.num_replicas_in_sync
            total = optimizer.scale_loss(total)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(total, variables), variables)
        right = tf.equal(tf.argmax(probabilities, 1, labels.dtype), labels)
        return tf.stack(
            [loss, tf.reduce_sum(tf.cast(right, "float32") * weights), tf.reduce_sum(weights)]
        )

    @tf.function(jit_compile=jit)
    def step(images, labels, weights, examples):
        sums = strategy.run(replica, (images, labels, weights, examples))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    return step


def _forward(model: keras.Model, jit: bool) -> Callable:
    """Prediction as a graph: images → probabilities, in the order of the images."""
    strategy = model.distribute_strategy

    @tf.function(jit_compile=jit)
    def forward(images):
        probabilities = strategy.run(lambda share: model(share, training=False), (images,))
        return strategy.gather(probabilities, axis=0)

    return forward


def _padded(
    data: tf.data.Dataset, batch_size: int, padded_size: int, skip: int = 0
) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Batches of one shape: images, labels, weights; blank examples of weight 0 fill them up."""

    def pad(images, labels):
        missing = padded_size - tf.shape(images)[0]
        blank = tf.zeros(tf.concat([[missing], tf.shape(images)[1:]], 0), images.dtype)
        shape = images.shape[1:]
        images = tf.ensure_shape(tf.concat([images, blank], 0), [padded_size, *shape])
        weights = tf.concat([tf.ones(padded_size - missing), tf.zeros(missing)], 0)
        labels = tf.pad(tf.cast(labels, tf.int32), [[0, missing]])
        return (
            tf.cast(images, tf.float32),
            tf.ensure_shape(labels, [padded_size]),
            tf.ensure_shape(weights, [padded_size]),
        )

    # Batches of the right size pass through unchanged.
    return iter(data.rebatch(batch_size).skip(skip).map(pad).prefetch(2))


def _divisible(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size that every device gets an equal share of."""
    replicas = strategy.num_replicas_in_sync
    return math.ceil(batch_size / replicas) * replicas


def _shared_out(tensors: tuple, strategy: tf.distribute.Strategy) -> tuple:
    """Each device's share of every tensor. On one device, the tensors themselves."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tensors

    def share(tensor):
        size = tensor.shape[0] // replicas
        return strategy.experimental_distribute_values_from_function(
            lambda context: tensor[
                context.replica_id_in_sync_group * size : (context.replica_id_in_sync_group + 1)
                * size
            ]
        )

    return tuple(share(tensor) for tensor in tensors)


def _is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files: the first of several machines, or the only one."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_id


def _barrier(strategy: tf.distribute.Strategy) -> None:
    @tf.function
    def meet():
        ones = strategy.run(lambda: tf.constant(1.0))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)

    if strategy.num_replicas_in_sync > 1:
        meet()


# --- evaluation ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a model does on a data set. Accuracies are shares, 0..1."""

    class_names: tuple[str, ...]
    crops: int
    loss: float
    """Mean cross-entropy of the averaged probabilities, in nats."""
    top1: float
    top5: float | None
    """None for fewer than five classes."""
    confusion: np.ndarray
    """Integers `(true class, predicted class)`."""

    @property
    def examples(self) -> int:
        return int(self.confusion.sum())

    @property
    def top1_interval(self) -> tuple[float, float]:
        """`wilson_interval` of the top-1 accuracy."""
        return wilson_interval(round(self.top1 * self.examples), self.examples)

    @property
    def recall(self) -> np.ndarray:
        """For each class: the share of its examples that were found. NaN without examples."""
        return _share(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> np.ndarray:
        """For each class: the share of its predictions that were right. NaN without predictions."""
        return _share(np.diag(self.confusion), self.confusion.sum(0))

    def __rich__(self) -> Table:
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.2%}"
        table = Table(
            title=f"{self.examples:,} images, {_counted(self.crops, 'crop')}: "
            f"top-1 {self.top1:.2%}{top5}, loss {self.loss:.4f}"
        )
        table.add_column("class")
        for heading in ("images", "found", "precision"):
            table.add_column(heading, justify="right")
        table.add_column("most often mistaken for")
        for label, name in enumerate(self.class_names):
            row = self.confusion[label].copy()
            row[label] = 0
            wrong = int(row.argmax())
            mistaken = f"{self.class_names[wrong]} ({row[wrong]})" if row[wrong] else ""
            table.add_row(
                name,
                str(self.confusion[label].sum()),
                _percent(self.recall[label]),
                _percent(self.precision[label]),
                mistaken,
            )
        return table

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=100, color_system=None, force_jupyter=False)
        console.print(self)
        return console.file.getvalue().rstrip("\n")


def evaluate(model: keras.Model, data, crops: int = 1) -> Evaluation:
    """Measures a model on a data set.

    Args:
        model: from pictures 0..255 to probabilities, with a `Preprocess` layer.
        data: as `validation` in `fit`; for ten crops it has `.ten_crops()`, a pipeline of batches
            `(crops, labels)` with crops `(batch, 10, height, width, 3)`.
        crops: 1 for the centre, 10 for the mean over four corners, centre and their mirrors
            (section 4.1).

    Raises:
        ValueError: if there are no examples, `crops` is neither 1 nor 10 or the data has no ten
            crops, a label is out of range, or the model's output is not finite.
    """
    if crops not in (1, 10):
        raise ValueError(f"crops is {crops!r}; it must be 1 or 10.")
    if crops == 10 and not hasattr(data, "ten_crops"):
        raise ValueError(
            f"Ten crops need data with .ten_crops(), such as data.load returns; this is a "
            f"{type(data).__name__}."
        )
    names = tuple(preprocessing(model).class_names)
    strategy = model.distribute_strategy
    forward = _forward(model, jit=uses_xla(strategy))
    probabilities, labels = _predictions(forward, data, crops, strategy)
    if not len(labels):
        raise ValueError("The data set has no examples.")
    if not np.isfinite(probabilities).all():
        raise ValueError("The model's output is not finite: its training has diverged.")
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(
            f"The labels run from {labels.min()} to {labels.max()}, but the model has "
            f"{len(names)} classes: 0 to {len(names) - 1}."
        )
    # Equal probabilities stay in the order of the classes: a model that knows nothing is not
    # counted as right everywhere.
    order = np.argsort(-probabilities, axis=1, kind="stable")
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    return Evaluation(
        class_names=names,
        crops=crops,
        loss=float(_cross_entropy(probabilities, labels).mean()),
        top1=float(np.mean(order[:, 0] == labels)),
        top5=float((order[:, :5] == labels[:, None]).any(1).mean()) if len(names) >= 5 else None,
        confusion=confusion,
    )


def wilson_interval(right: int, examples: int) -> tuple[float, float]:
    """Which accuracies would make `right` of `examples` nothing unusual: 95 %, by Wilson (1927).

    It holds for examples drawn one by one. Where several are parts of one photograph, the truth is
    less certain than this says.

    Returns:
        The lower and the upper end, 0..1.
    """
    z, share = 1.96, right / examples
    centre = (share + z * z / (2 * examples)) / (1 + z * z / examples)
    spread = math.sqrt(share * (1 - share) / examples + z * z / (4 * examples * examples))
    half = z / (1 + z * z / examples) * spread
    return max(0.0, centre - half), min(1.0, centre + half)


def _predictions(
    forward: Callable,
    data,
    crops: int,
    strategy: tf.distribute.Strategy,
    each: Callable[[], object] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `(examples, classes)`, averaged over the crops, and labels, in order."""
    # Ten crops make ten images of one: about as many to a batch as without.
    batch_size = 64 if crops == 1 else 6
    padded_size = _divisible(batch_size, strategy)
    probabilities, labels = [], []
    for images, truth, weights in _padded(_pipeline(data, crops), batch_size, padded_size):
        each()
        real = int(tf.reduce_sum(weights))
        if crops > 1:
            images = tf.reshape(images, (-1, *images.shape[2:]))
        output = forward(*_shared_out((images,), strategy)).numpy()
        output = output.reshape(padded_size, crops, -1).mean(1)
        probabilities.append(output[:real])
        labels.append(truth.numpy()[:real])
    if not labels:
        return np.zeros((0, 1), "float32"), np.zeros(0, "int32")
    return np.concatenate(probabilities), np.concatenate(labels)


def _pipeline(data, crops: int) -> tf.data.Dataset:
    if crops > 1:
        return data.ten_crops()
    if hasattr(data, "epoch"):
        return data.epoch(0)
    if isinstance(data, tf.data.Dataset):
        return data
    images, labels = data
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(64)


def _cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each example, in nats. A probability of 0 counts as 1e-7, as in Keras."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- what a run is -------------------------------------------------------------------------------


def _check(model: keras.Model, train, recipe: Recipe, validation) -> None:
    names = preprocessing(model).class_names
    if list(train.class_names) != names:
        raise ValueError(
            f"The model's classes are {_some(names)}, the data's {_some(train.class_names)}."
        )
    if getattr(model.layers[-1], "activation", None) is not keras.activations.softmax:
        raise ValueError(
            f"The model ends with the layer {model.layers[-1].name!r}, which does not give "
            "probabilities; build it with classifier_activation='softmax'."
        )
    if train.size < 1:
        raise ValueError("The training set has no examples.")
    if recipe.schedule == "plateau" and validation is None:
        raise ValueError(
            f"The recipe {recipe.name!r} lowers the learning rate when the validation error stops "
            "falling: give validation data, or take schedule='cosine'."
        )


def _some(names) -> str:
    names = list(names)
    return ", ".join(map(str, names[:6])) + (f", ... ({len(names)})" if len(names) > 6 else "")


def _precision(model: keras.Model) -> str:
    """The dtype policy of the layers that compute: the first layer only preprocesses."""
    policies = [layer.dtype_policy.name for layer in model.layers if layer.weights]
    return policies[0] if policies else "float32"


def _describe_model(model: keras.Model) -> dict:
    """Layer by layer what makes the model this model, as JSON gives it back."""
    layers = {}
    for layer in model.layers:
        config = layer.get_config() | {"trainable": layer.trainable}
        serialized = keras.saving.serialize_keras_object(config)
        layers[layer.name] = {"class": type(layer).__name__} | serialized
    return json.loads(json.dumps(layers))


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunMismatchError(
            f"{path} is damaged ({error}); start again in another run_dir."
        ) from None


def _expect_same(there: dict, here: dict, run_dir: Path) -> None:
    differences = _differences(there, json.loads(json.dumps(here)))
    if differences:
        shown = "; ".join(differences[:5])
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise RunMismatchError(
            f"{run_dir} holds another run. There, then here: {shown}{more}. "
            "Give another run_dir, or make the command the same as before."
        )


def _differences(there, here, name: str = "") -> list[str]:
    """Each difference as `name: there → here`."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*here, *(key for key in there if key not in here)]
        return [
            difference
            for key in keys
            for difference in _differences(
                there.get(key, "absent"), here.get(key, "absent"), f"{name} {key}".strip()
            )
        ]
    if there == here:
        return []
    return [f"{name}: {_short(there)} → {_short(here)}"]


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- while it runs -------------------------------------------------------------------------------


class _Interruption:
    """Turns the first Ctrl-C into a request, so that no step is cut in two; a second one acts."""

    asked = False

    def __enter__(self):
        # Python lets only the main thread handle signals.
        self.handles = threading.current_thread() is threading.main_thread()
        if self.handles:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.before)

    def __exit__(self, *_):
        if self.handles:
            signal.signal(signal.SIGINT, self.before)


class _Report:
    """Tells how a run goes: a bar in a terminal, else a line an epoch, and a line a minute."""

    def __init__(self, quiet: bool, images: int):
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.images = images
        self.bar = None
        if self.console.is_terminal and not quiet:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("", total=images, figures="")

    def __enter__(self):
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False)

    def begin_epoch(self, epoch: int, epochs: int, done: int) -> None:
        self.name, self.epochs_left = f"epoch {epoch + 1}/{epochs}", epochs - epoch - 1
        self.first = self.latest = None
        self.said = time.perf_counter()
        if self.bar:
            self.bar.update(self.task, description=self.name, completed=done, figures="")

    def step(self, sums: list[float]) -> None:
        loss, right, done = sums
        self.latest = (time.perf_counter(), done)
        # The first steps include compiling: the speed is counted from here.
        self.first = self.first or self.latest
        speed = self.images_per_second()
        figures = f"loss {loss / done:.4f}, accuracy {right / done:.1%}"
        if speed:
            left = (self.images - done + self.epochs_left * self.images) / speed
            figures += f", {speed:.0f} images/s, {_duration(left)} left"
        if self.bar:
            self.bar.update(self.task, completed=done, figures=figures)
        elif time.perf_counter() - self.said > 60:
            self.said = time.perf_counter()
            self.say(f"{self.name}, {int(done):,} of {self.images:,} images: {figures}")

    def images_per_second(self) -> float:
        """In this epoch, without the first steps; 0 where a third of a second did for all."""
        if self.latest is None or self.latest == self.first:
            return 0.0
        return (self.latest[1] - self.first[1]) / (self.latest[0] - self.first[0])

    def end_epoch(self, row: dict, epochs: int) -> None:
        line = (
            f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.1%}"
        )
        if "val_loss" in row:
            line += f"  validation loss {row['val_loss']:.4f}  accuracy {row['val_accuracy']:.1%}"
        line += f"  rate {row['learning_rate']:.2g}  {_duration(row['seconds'])}"
        if row["images_per_second"]:
            line += f"  {row['images_per_second']:.0f} images/s"
        self.say(line)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
