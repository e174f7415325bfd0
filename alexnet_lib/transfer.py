"""Transfer learning: a network that has learned from many pictures learns your classes from few.

    train, validation = data.load("my_photos", "train"), data.load("my_photos", "val")
    result = fine_tune("pocket", train, validation, out="flowers.keras")
    print(training.evaluate(result.model, validation))

`feature_extraction` leaves the trunk, all layers but the last, as it is; `fine_tune` lets it learn
as well; `from_scratch` is what both have to beat. All three train with `training.fit`, so the same
lines run again go on where they were cut off, and all three write one `.keras` file, which takes
pictures and gives probabilities for your classes.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from . import applications, files, pretrained
from .alexnet import AlexNet
from .architecture import STANDARD_DEVIATION
from .data import Dataset
from .layers import LocalResponseNormalization
from .model import description, load_model
from .model_file import RECORD
from .preprocessing import Prepared, Preprocess, preprocess_layer, with_preprocessing
from .terminal import printable
from .training import checkpoints, fit
from .training.class_weights import ClassWeights, balanced_weights, by_label
from .training.devices import strategy, uses_xla
from .training.evaluation import predictions, without_lost
from .training.recipe import Recipe
from .training.runs import (
    as_begun,
    describe_data,
    describe_model,
    describe_weights,
    keep_listing,
)
from .training.steps import (
    barrier,
    forward_step,
    is_chief,
    is_on_several_machines,
    together,
)
from .training.trainer import expect_patience

__all__ = [
    "HEAD_PASSES",
    "STAGES",
    "Features",
    "Transfer",
    "balanced_weights",
    "check_out",
    "feature_extraction",
    "fine_tune",
    "from_scratch",
    "load_trunk",
    "new_head",
    "unfreeze",
]

STAGES = ("fc8", "fc6", "conv1")
"""Where learning begins, stage by stage: the new layer alone, then all fully connected layers, then
the whole network."""

HEAD_PASSES = 10
"""So many passes over the features make an epoch of the new layer; see `Features`."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """A finished transfer."""

    model: keras.Model
    """From pictures 0..255 to probabilities; what the file holds."""
    path: Path
    """The `.keras` file."""
    history: list[dict]
    """One dictionary an epoch, as in `training.Run.history`, with the name of its `stage`."""


def fine_tune(
    trunk: str | Path | keras.Model,
    train,
    validation=None,
    *,
    out: str | Path,
    stages: str | Sequence[str] = STAGES,
    recipe: Recipe | None = None,
    head_recipe: Recipe | None = None,
    class_weights: ClassWeights = "balanced",
    run_dir: str | Path | None = None,
    patience: int | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Transfer:
    """Puts a new head on a trunk and lets both learn, from the top downwards.

    The new layer learns first, on a trunk that stays as it is: its random initial values would
    otherwise send large gradients through layers that are already good. Then more and more layers
    join it. The weights after the last epoch are kept, whatever the validation accuracy did, so
    that this accuracy is not the best of many and says what to expect of new pictures. With
    `patience` the validation pictures decide which epoch is the last; then only others say that.

    Args:
        trunk: what `load_trunk` takes: `"pocket"` (the weights that travel with the package),
            `"bvlc"`, `"torchvision"`, `"MobileNetV2"`, a file; or a model with a `Preprocess`
            layer, which stays as it is.
        train: as for `training.fit`; `data.load` makes it. Its `class_names` become the model's.
        validation: as for `training.fit`; only reported, but with `patience`.
        out: the `.keras` file to write. An older one is replaced when the new one is finished; one
            that the same call made of the same pictures is returned as it is.
        stages: for each stage the lowest layer that learns; all above it learn, too. A first stage
            of the last layer alone is `feature_extraction`.
        recipe: of each stage after the head's; by default `Recipe.fine_tuning()`.
        head_recipe: of a stage of the head alone; by default `Recipe.new_head()`.
        class_weights: weight of each class in the loss, by its name or its number, 1 where one is
            missing; `"balanced"` as in `balanced_weights`, None for equal weights.
        run_dir: as for `training.fit`, one folder a stage inside. By default the name of `out` with
            the suffix `.run`, and removed at the end.
        patience: end a stage when the validation error has not fallen for so many epochs of it.
        seed: of the new layer's initial values and of dropout.
        quiet: print nothing.

    Raises:
        FileNotFoundError: if there is no such trunk, or `out` lies in a folder that is not there.
        ValueError: if trunk, data, stages or `out` do not go together.
        files.BusyError: if another process is making `out`.
        Further, what `training.fit` raises; `training.TrainingInterrupted` after Ctrl-C.
    """
    stages = (stages,) if isinstance(stages, str) else tuple(stages)
    recipe, head_recipe = recipe or Recipe.fine_tuning(), head_recipe or Recipe.new_head()
    job = _Job(train, validation, out, class_weights, run_dir, patience, seed, quiet)
    model = new_head(_trunk(trunk), train.class_names, precision=recipe.policy(), seed=seed)
    _check_stages(stages, model)
    recipes = {"recipe": recipe.as_dict(), "head": head_recipe.as_dict()}
    with job.begin(model, {"stages": list(stages)} | recipes):
        if job.done:
            return job.done
        for lowest in stages:
            unfreeze(model, lowest)
            if lowest == model.layers[-1].name:
                job.train_head(model, head_recipe)
            else:
                job.fit(lowest, model, job.train, job.validation, recipe)
        return job.finish(model)


def feature_extraction(
    trunk: str | Path | keras.Model,
    train,
    validation=None,
    *,
    out: str | Path,
    recipe: Recipe | None = None,
    class_weights: ClassWeights = "balanced",
    run_dir: str | Path | None = None,
    patience: int | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Transfer:
    """Puts a new head on a trunk and trains the head alone.

    The trunk's outputs for the pictures, their features, are computed once and kept as arrays, so
    that an epoch takes a fraction of a second. Each picture counts as its centre crop.

    Args and what is raised: as for `fine_tune`; `recipe` is by default `Recipe.new_head()`.
    """
    recipe = recipe or Recipe.new_head()
    job = _Job(train, validation, out, class_weights, run_dir, patience, seed, quiet)
    model = new_head(_trunk(trunk), train.class_names, seed=seed)
    with job.begin(model, {"head": recipe.as_dict()}):
        if job.done:
            return job.done
        job.train_head(model, recipe)
        return job.finish(model)


def from_scratch(
    train,
    validation=None,
    *,
    out: str | Path,
    recipe: Recipe | None = None,
    class_weights: ClassWeights = "balanced",
    run_dir: str | Path | None = None,
    patience: int | None = None,
    seed: int = 0,
    quiet: bool = False,
    **options,
) -> Transfer:
    """Trains a network that knows nothing yet: the measure of what a trunk is worth.

    Args and what is raised: as for `fine_tune`; `recipe` is by default `Recipe.modern()`, and
    `options` are those of `Recipe.build`, such as `variant` and `fc_units`.
    """
    recipe = recipe or Recipe.modern()
    job = _Job(train, validation, out, class_weights, run_dir, patience, seed, quiet)
    model = recipe.build(train.class_names, seed=seed, **options)
    with job.begin(model, {"recipe": recipe.as_dict()}):
        if job.done:
            return job.done
        job.fit("all", model, job.train, job.validation, recipe)
        return job.finish(model)


# --- trunk and head ------------------------------------------------------------------------------


def load_trunk(source: str | Path = "pocket", variant: str | None = None) -> keras.Model:
    """A network that has learned something.

    Args:
        source: a `.keras` file of this library; one of `applications.NAMES`, such as
            `"MobileNetV2"`; or what `pretrained.load_weights` takes: `"pocket"`, `"bvlc"`,
            `"torchvision"`, or a file of weights.
        variant: of the network in a file that does not say it, such as `.weights.h5`.

    Returns:
        A model from pictures 0..255 to probabilities, with a `Preprocess` layer. Where a source
        has no class names, classes are named by their numbers.

    Raises:
        FileNotFoundError: if there is no such file, nor a published name.
        ValueError: if the file is damaged, or does not fit.
        downloads.DownloadError: if published weights cannot be fetched.
    """
    if Path(source).suffix == ".keras":
        return load_model(source)
    if str(source) in applications.NAMES:
        return applications.load(str(source))
    file = pretrained.read(source)
    options = pretrained.options(file) | ({"variant": variant} if variant else {})
    network = AlexNet(**options)
    pretrained.assign(network, file)
    names = file.class_names or tuple(map(str, range(network.output_shape[-1])))
    variant = description(network).variant or "paper"
    if str(source) == "pocket":
        network, scale = _rescaled(network, STANDARD_DEVIATION), 1 / STANDARD_DEVIATION
    else:
        scale = 1.0
    return with_preprocessing(network, names, variant, scale)


def _rescaled(network: keras.Model, factor: float) -> keras.Model:
    """The same function, of inputs that are so many times smaller.

    "pocket" was trained on inputs of about unit size and then rewritten for ±128, where the paper's
    α does something. What came after the last normalization takes large values since and has tiny
    weights, so that a learning rate that suits the other layers blows it up. This undoes the
    rewriting: α grows with the square of the factor, biases before the normalizations shrink, and
    the kernel after them grows.
    """

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, LocalResponseNormalization):
            config["alpha"] *= factor**2
        return type(layer).from_config(config)

    rescaled = keras.models.clone_model(network, clone_function=copy)
    normalizing = [isinstance(layer, LocalResponseNormalization) for layer in network.layers]
    last = len(normalizing) - 1 - normalizing[::-1].index(True)
    grown = False
    for place, (old, new) in enumerate(zip(network.layers, rescaled.layers, strict=True)):
        if old.weights:
            kernel, bias = old.get_weights()
            if place < last:
                bias = bias / factor
            elif not grown:
                kernel, grown = kernel * factor, True
            new.set_weights([kernel, bias])
    return rescaled


def new_head(
    trunk: keras.Model, class_names: Sequence[str], *, precision: str = "float32", seed: int = 0
) -> keras.Model:
    """A copy of a model whose last layer is new and tells other classes apart.

    The new layer has the old one's name, weights from N(0, 0.01²) (section 5) and biases 0, so that
    it begins with nearly equal probabilities.

    Args:
        trunk: a model with a `Preprocess` layer, one layer after the other, a dense layer last.
        class_names: the new classes, in the order of the labels.
        precision: a Keras dtype policy.
        seed: of the initial values, and of dropout in the copy.

    Raises:
        ValueError: if the trunk is not such a model, or the names are not all different.
    """
    # A string has letters, which nobody means by classes.
    names = [class_names] if isinstance(class_names, str) else [str(name) for name in class_names]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"A head needs at least two classes with different names; these are "
            f"{', '.join(names) or 'none'}."
        )
    preprocess_layer(trunk)
    old = trunk.layers[-1]
    if not isinstance(old, keras.layers.Dense):
        raise ValueError(
            f"The trunk ends with {old.name!r}, a {type(old).__name__}; a new head takes the place "
            "of a dense layer."
        )
    keras.utils.set_random_seed(seed)
    head = {
        "units": len(names),
        "activation": "softmax",
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.01),
        "bias_initializer": "zeros",
    }
    return _copy(trunk, precision, {old.name: head}, names)


def in_float32(model: keras.Model) -> keras.Model:
    """A copy that computes in float32, for any machine and any program.

    With several machines, each gets one of its own, which needs none of the others.
    """
    several = is_on_several_machines(strategy())
    return _copy(model, "float32", spread=tf.distribute.get_strategy() if several else strategy())


def unfreeze(model: keras.Model, lowest: str) -> None:
    """Lets the layer `lowest` and all layers after it learn, and freezes those before it.

    Raises:
        ValueError: if no layer that can learn has this name.
    """
    learning = False
    if lowest not in (able := [layer.name for layer in model.layers if layer.weights]):
        raise ValueError(f"No layer {lowest!r} can learn here; those that can: {', '.join(able)}.")
    for layer in model.layers:
        learning = learning or layer.name == lowest
        layer.trainable = learning


class Features:
    """What a trunk makes of a data set: an array, computed when it is first needed, then kept.

    It has what `training.fit` asks of data: `epoch`, `size`, `class_names`, `seed`.

    Args:
        trunk: from pictures 0..255 to features.
        data: as for `training.fit`. What `data.load` returned is taken without augmentation.
        passes: how often each picture comes in an epoch. `fit` writes files after every epoch,
            which would take longer than a single pass over arrays.
        seed: of the order.
    """

    def __init__(self, trunk: keras.Model, data, passes: int = 1, seed: int = 0):
        if isinstance(data, Dataset):
            data = replace(data, augment=False, shuffle=False, lighting=None)
        self.trunk, self.data, self.passes, self.seed = trunk, data, passes, seed
        self.class_names = data.class_names

    @property
    def size(self) -> int:
        return self.data.size * self.passes

    @property
    def labels(self) -> np.ndarray:
        return self.data.labels

    def listing(self) -> dict | None:
        return self.data.listing() if isinstance(self.data, Dataset) else None

    @property
    def identity(self) -> dict:
        return {"features of": describe_data(self.data), "passes": self.passes, "seed": self.seed}

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Features float32 `(pictures, ...)` and labels int32 `(pictures,)`."""
        spread = self.trunk.distribute_strategy
        forward = forward_step(self.trunk, uses_xla(spread.num_replicas_in_sync))
        while True:
            try:
                features, labels = predictions(forward, self.data, 1, spread)
            except tf.errors.OpError as error:
                self.data = without_lost(self.data, error, spread)
            else:
                shape = len(labels), *self.trunk.output_shape[1:]
                return features.reshape(shape), labels

    def epoch(self, number: int) -> tf.data.Dataset:
        features, labels = self.arrays
        random = np.random.default_rng([self.seed, number])
        order = np.concatenate([random.permutation(len(labels)) for _ in range(self.passes)])
        return tf.data.Dataset.from_tensor_slices((features[order], labels[order])).batch(64)


# --- one transfer --------------------------------------------------------------------------------


class _Job:
    """What the three ways have in common: data, files, words."""

    done: Transfer | None = None
    """What is there already, made by the same call."""

    def __init__(self, train, validation, out, class_weights, run_dir, patience, seed, quiet):
        self.is_chief = is_chief(strategy())
        self.quiet, self.seed, self.patience = quiet or not self.is_chief, seed, patience
        self.out = check_out(Path(out))
        expect_patience(patience, validation)
        self.keep = run_dir is not None
        self.run_dir = Path(run_dir) if self.keep else run_dir_of(self.out)
        self.train, self.validation, _ = as_begun(self.run_dir, train, validation)
        self.class_weights = by_label(class_weights, self.train)
        self.history: list[dict] = []
        self.stages = 0

    def begin(self, model: keras.Model, how: dict) -> ExitStack:
        """Locks `out` as long as the job is at work, and looks whether it is there already."""
        described = {
            "model": describe_model(model),
            "trunk": _digest(model.layers[:-1]),
            "seed": self.seed,
            "patience": self.patience,
            "training": describe_data(self.train),
            "validation": describe_data(self.validation),
            "class weights": describe_weights(self.class_weights, self.train),
        }
        self.made = json.loads(json.dumps(how | described))
        stack = ExitStack()
        if self.is_chief:
            busy = (
                f"Another process is making {self.out}. Wait until it has ended, or give another "
                "name."
            )
            stack.enter_context(files.lock(self.out.with_name(f".{self.out.name}.lock"), busy))
            files.clear_unfinished(self.out.parent, self.out.name)
        there = _record_in(self.out)
        if there and there["made"] == self.made:
            self._say(
                f"{self.out} is there already, made in the same way of the same pictures. Remove "
                "it to train again."
            )
            self.done = Transfer(load_model(self.out), self.out, there["history"])
            self._clear()
        elif self.is_chief:
            keep_listing(self.run_dir, self.train, self.validation)
        return stack

    def fit(self, name: str, model, train, validation, recipe: Recipe) -> None:
        run = fit(
            model,
            train,
            validation,
            recipe,
            run_dir=self._folder(name),
            class_weights=self.class_weights,
            seed=self.seed,
            patience=self.patience,
            temporary=not self.keep,
            quiet=self.quiet,
        )
        self.history += [{"stage": name} | row for row in run.history]
        self.stages += 1

    def _folder(self, name: str) -> Path:
        return self.run_dir / f"{self.stages + 1}-{name}"

    def _is_finished(self, name: str) -> bool:
        newest, _ = checkpoints.newest(self._folder(name) / "checkpoints")
        return newest is not None and bool(newest.state["stopped"])

    def train_head(self, model: keras.Model, recipe: Recipe) -> None:
        """Trains what comes after the trunk on the trunk's features, which are computed once."""
        place = _place_of_head(model)
        with strategy().scope():
            trunk = keras.Model(model.input, model.layers[place - 1].output)
        train = Features(trunk, self.train, HEAD_PASSES, self.seed)
        validation = None if self.validation is None else Features(trunk, self.validation)
        head, name = _head_alone(model, place), model.layers[-1].name
        # Before `fit`, which would answer Ctrl-C only after its first step. A finished run needs
        # no features.
        if not self._is_finished(name):
            self._say(
                f"Computing the features of {self.train.size:,} pictures, once. An epoch of the "
                f"new layer is {HEAD_PASSES} passes over them."
            )
            with together(self.run_dir):
                for features in filter(None, (train, validation)):
                    features.arrays  # noqa: B018
            _scale(head, train.arrays[0])
        self.fit(name, head, train, validation, recipe)
        # The whole model has no place for the factor but the weights.
        kernel, bias = head.layers[-1].get_weights()
        model.layers[-1].set_weights([kernel * head.layers[1].factor.numpy(), bias])

    def finish(self, model: keras.Model) -> Transfer:
        """Writes the file, in float32 and with every layer free to learn, for any machine."""
        whole = in_float32(model)
        whole.trainable = True
        record = json.dumps({"made": self.made, "history": self.history})

        def write(unfinished: Path) -> None:
            whole.save(unfinished)
            # How it was made travels in the file: a call that finds it there need not train.
            with zipfile.ZipFile(unfinished, "a") as file:
                file.writestr(RECORD, record)

        if self.is_chief:
            files.write(self.out, write, 4 * whole.count_params())
            self._say(f"Written: {self.out}.")
        self._clear()
        # Nobody looks for the file before it is there.
        barrier(strategy())
        return Transfer(whole, self.out, self.history)

    def _clear(self) -> None:
        if self.is_chief and not self.keep and self.run_dir.is_dir():
            shutil.rmtree(self.run_dir)
            self._say(f"The folder of its runs, {self.run_dir}, is removed.")

    def _say(self, line: str) -> None:
        console = Console(quiet=self.quiet, highlight=False, soft_wrap=True)
        console.print(printable(line, lines=True), markup=False)


_LONGEST_RECORD = 2**24
"""Bytes. A history of a thousand epochs has some 300,000."""


def _record_in(path: Path) -> dict | None:
    """How a `.keras` file was made, where it says so."""
    try:
        with zipfile.ZipFile(path) as file, file.open(RECORD) as record:
            # The file may be somebody else's: what is longer is not read to its end.
            known = json.loads(record.read(_LONGEST_RECORD))
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile):
        return None
    return known if isinstance(known, dict) and {"made", "history"} <= known.keys() else None


def _digest(layers: Sequence[keras.layers.Layer]) -> str:
    """A hash of the values of all weights."""
    digest = hashlib.sha256()
    for layer in layers:
        for values in layer.get_weights():
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]


def _trunk(trunk: str | Path | keras.Model) -> keras.Model:
    return trunk if isinstance(trunk, keras.Model) else load_trunk(trunk)


def _copy(
    model: keras.Model,
    precision: str,
    changes: Mapping[str, dict] | None = None,
    class_names: Sequence[str] | None = None,
    spread: tf.distribute.Strategy | None = None,
) -> keras.Model:
    """The same layers in another precision, with the same values but where `changes` is at work.

    The first layer and the last compute in float32 whatever the precision of the others. `spread`
    says over which devices the copy is; by default, over all.
    """
    changes = changes or {}
    last = model.layers[-1]

    def copy(layer):
        config = layer.get_config() | changes.get(layer.name, {})
        if isinstance(layer, Preprocess):
            config |= {"class_names": list(class_names or layer.class_names)}
        elif not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = "float32" if layer is last else precision
        return type(layer).from_config(config)

    with (spread or strategy()).scope():
        copied = keras.models.clone_model(model, clone_function=copy)
    for old, new in zip(model.layers, copied.layers, strict=True):
        new.trainable = True
        if old.name not in changes:
            new.set_weights(old.get_weights())
    return copied


def _place_of_head(model: keras.Model) -> int:
    """Where the head begins: after the last layer with weights before the last layer of all.

    Maps that are averaged after that, as in today's networks, are features as averages: a
    forty-ninth of the numbers.
    """
    places = [place for place, layer in enumerate(model.layers) if layer.weights]
    if len(places) < 2:
        raise ValueError(f"The model {model.name!r} has a single layer that learns, and no trunk.")
    averaging = [
        place
        for place, layer in enumerate(model.layers)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    ]
    return max(places[-2], *averaging, 0) + 1


def _head_alone(model: keras.Model, place: int) -> keras.Model:
    """The layers from `place` on as a model of its own, from features to probabilities."""
    tensor = inputs = keras.Input(model.layers[place - 1].output.shape[1:], name="features")
    prepared = Prepared(preprocess_layer(model).class_names, _digest(model.layers[:place]))
    with strategy().scope():
        tensor = prepared(tensor)
        for layer in model.layers[place:]:
            config = layer.get_config() | {"dtype": "float32", "trainable": True}
            tensor = type(layer).from_config(config)(tensor)
        head = keras.Model(inputs, tensor, name=f"{model.name}_head")
    for layer in model.layers[place:]:
        head.get_layer(layer.name).set_weights(layer.get_weights())
    return head


def _scale(head: keras.Model, features: np.ndarray) -> None:
    """Scales what enters a head, and its weights the other way: the function stays the same."""
    length = float(np.sqrt(np.square(features).sum() / len(features)))
    if not length:
        raise ValueError("The trunk gives 0 for every picture: it is dead, or was never trained.")
    kernel, bias = head.layers[-1].get_weights()
    head.layers[1].factor.assign(1 / length)
    head.layers[-1].set_weights([kernel * length, bias])


def _check_stages(stages: Sequence[str], model: keras.Model) -> None:
    names = [layer.name for layer in model.layers if layer.weights]
    unknown = [name for name in stages if name not in names]
    if not stages or unknown:
        raise ValueError(
            f"The stages are {', '.join(map(str, stages)) or 'none'}; each names one of the layers "
            f"{', '.join(names)}."
        )
    places = [names.index(name) for name in stages]
    if places != sorted(set(places), reverse=True):
        raise ValueError(
            f"The stages {', '.join(stages)} do not go from the top down: each begins lower than "
            "the one before."
        )


def run_dir_of(out: Path) -> Path:
    """Where the runs are kept whose result goes into a file, until it is written."""
    return out.with_suffix(".run")


def check_out(out: Path) -> Path:
    """Before hours of training: whether the result can be written where it is to go."""
    if out.suffix != ".keras":
        raise ValueError(f"The result is a .keras file; {out.name!r} does not end with .keras.")
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(out.parent)!r} for {out.name}; make it, or give another."
        )
    if out.is_dir():
        raise ValueError(f"{out} is a folder; give the name of a file.")
    return out
