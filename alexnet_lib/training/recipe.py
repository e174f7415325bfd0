"""What a training run is made of: the recipe of 2012, today's, and the model that fits it."""

import math
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import keras

from ..alexnet import AlexNet
from ..architecture import STANDARD_DEVIATION
from ..preprocessing import with_preprocessing
from .devices import choose_precision, strategy
from .optimizer import PaperSGD

Schedule = Literal["plateau", "cosine"]
Initialization = Literal["paper", "he"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. Start from `Recipe.paper()` or `Recipe.modern()`.

    "Section" refers to the paper of 2012; "released source" to the files that came with it
    (repository computerhistory/AlexNet-Source-Code).
    """

    name: str
    epochs: int
    """At most so many passes over the training set. Section 5: roughly 90."""
    batch_size: int
    """Examples to an update. Section 5: 128."""
    learning_rate: float
    """The highest one, ε. Section 5: 0.01."""
    schedule: Schedule
    """`"plateau"`: divided by 10 when the validation error has stopped falling (section 5).
    `"cosine"`: warm-up, then half a cosine down to 0 (Loshchilov & Hutter 2017)."""
    momentum: float = 0.9
    """Section 5."""
    weight_decay: float = 0.0005
    """Section 5; see `PaperSGD`. Kernels only, as in the released source."""
    drops: int = 3
    """For `"plateau"`: so often the rate is divided before the run ends. Section 5: three times
    "prior to termination"."""
    patience: int = 5
    """For `"plateau"`: epochs without a lower validation error that count as "stopped". The paper
    gives no number: a person watched. The released source notes epochs 23, 51 and 78 of 93."""
    warmup_epochs: float = 0.0
    """For `"cosine"`: the rate first grows linearly for so long (Goyal et al. 2017)."""
    label_smoothing: float = 0.0
    """The share of each target that is spread over all classes (Szegedy et al. 2016)."""
    initialization: Initialization = "paper"
    """`"paper"`: the values that the variant describes, for the paper's N(0, 0.01²) and biases of
    0 and 1 (section 5). `"he"`: kernels from N(0, 2 / fan in) (He et al. 2015), biases 0; `conv1`
    and `fc8` stay at N(0, 0.01²). A wide start for `conv1` still shows in its filters at the end,
    and a narrow one for `fc8` starts with about equal probabilities."""
    input_scale: float = 1.0
    """By what `preprocess_input(images)` is multiplied. The paper's network took differences to
    the mean, about ±128 (section 2): 1. He's values expect about unit size: with ±128 the network
    is dead after the first epoch. Ignored for the variant `"owt"`, whose preprocessing
    standardizes by itself."""
    precision: str = "float32"
    """A Keras dtype policy, or `"auto"`: what the device computes fastest; see
    `choose_precision`. The paper's GPUs computed in float32."""
    layer_rates: Mapping[str, float] = field(default_factory=dict)
    """Factors of the learning rate by layer name; see `PaperSGD`. Section 5: equal for all. The
    released source freezes `conv1` before the end and gives biases a rate of their own."""

    def __post_init__(self):
        checks = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "learning_rate": self.learning_rate > 0,
            "schedule": self.schedule in ("plateau", "cosine"),
            "momentum": 0 <= self.momentum < 1,
            "weight_decay": self.weight_decay >= 0,
            "drops": self.drops >= 0,
            "patience": self.patience >= 1,
            "warmup_epochs": 0 <= self.warmup_epochs < self.epochs,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "initialization": self.initialization in ("paper", "he"),
            "input_scale": self.input_scale > 0,
        }
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                checks[name] = False
        wrong = [f"{name}={getattr(self, name)!r}" for name, right in checks.items() if not right]
        if wrong:
            raise ValueError(
                f"The recipe {self.name!r} cannot be: {', '.join(wrong)}. "
                "help(Recipe) says what each field takes."
            )

    @classmethod
    def paper(cls, **changes) -> "Recipe":
        """Section 5 to the letter; `changes` are fields that shall differ."""
        recipe = cls("paper", epochs=90, batch_size=128, learning_rate=0.01, schedule="plateau")
        return replace(recipe, **changes)

    @classmethod
    def modern(cls, **changes) -> "Recipe":
        """The same network as one would train it today; `changes` are fields that shall differ.

        The rate goes with the batch: for batches n times as large, n times as high.
        """
        recipe = cls(
            "modern",
            epochs=25,
            batch_size=32,
            learning_rate=0.02,
            schedule="cosine",
            warmup_epochs=1.0,
            label_smoothing=0.1,
            initialization="he",
            input_scale=1 / STANDARD_DEVIATION,
            precision="auto",
        )
        if changes.get("epochs", recipe.epochs) <= recipe.warmup_epochs:
            changes = {"warmup_epochs": 0.0} | changes
        return replace(recipe, **changes)

    @classmethod
    def new_head(cls, **changes) -> "Recipe":
        """A new last layer on features that stay as they are; `changes` are fields that differ.

        One layer of probabilities is a convex problem (logistic regression), for which a high rate
        is safe; this one is for features of length 1, as `transfer` makes them. The weights decay
        little, because at this scale good ones are large. An epoch of
        `transfer.feature_extraction` is several passes over features computed once.
        """
        recipe = cls(
            "new_head",
            epochs=4,
            batch_size=32,
            learning_rate=3.0,
            schedule="cosine",
            weight_decay=1e-5,
        )
        return replace(recipe, **changes)

    @classmethod
    def fine_tuning(cls, **changes) -> "Recipe":
        """A trained network with a new last layer; `changes` are fields that shall differ.

        The habit of the years of the paper (Girshick et al. 2014; Caffe's examples): a tenth of the
        paper's rate for batches of 128, so a quarter of that for these, and for the new layer ten
        times as much.
        """
        recipe = cls(
            "fine_tuning",
            epochs=5,
            batch_size=32,
            learning_rate=0.00025,
            schedule="cosine",
            precision="auto",
            layer_rates={"fc8": 10.0},
        )
        return replace(recipe, **changes)

    def as_dict(self) -> dict:
        """The fields, ready for JSON."""
        return asdict(self) | {"layer_rates": dict(self.layer_rates)}

    def policy(self) -> str:
        """The Keras dtype policy on this machine."""
        return choose_precision() if self.precision == "auto" else self.precision

    def rate(self, epochs_done: float, drops: int = 0) -> float:
        """The learning rate after so many epochs (fractions count) and so many drops."""
        if self.schedule == "plateau":
            return self.learning_rate / 10**drops
        if epochs_done < self.warmup_epochs:
            return self.learning_rate * epochs_done / self.warmup_epochs
        done = (epochs_done - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.learning_rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2

    def optimizer(self) -> keras.optimizers.Optimizer:
        """A fresh optimizer with the paper's update rule."""
        return PaperSGD(
            self.learning_rate, float(self.momentum), self.weight_decay, dict(self.layer_rates)
        )

    def build(
        self, class_names: Sequence[str], *, variant: str = "paper", seed: int = 0, **options
    ) -> keras.Model:
        """AlexNet as this recipe wants it: initial values, precision, preprocessing, all GPUs.

        Args:
            class_names: the names of the classes, in the order of the labels.
            variant: as for `AlexNet`.
            seed: of the initial values and of dropout. Python's, NumPy's and TensorFlow's
                generators are set to it.
            **options: `input_shape`, `fc_units`, `dropout`, as for `AlexNet`.

        Returns:
            A model from RGB pictures `(batch, height, width, 3)`, 0..255, to probabilities
            `(batch, classes)`.
        """
        keras.utils.set_random_seed(seed)
        scale = 1.0 if variant == "owt" else self.input_scale
        with strategy().scope(), _dtype_policy(self.policy()):
            network = AlexNet(classes=len(class_names), variant=variant, **options)
            if self.initialization == "he":
                _initialize_he(network)
            return with_preprocessing(network, class_names, variant, scale)


def _initialize_he(network: keras.Model) -> None:
    narrow, wide = keras.initializers.RandomNormal(stddev=0.01), keras.initializers.HeNormal()
    layers = [layer for layer in network.layers if hasattr(layer, "kernel")]
    for layer in layers:
        initializer = narrow if layer in (layers[0], layers[-1]) else wide
        # The shape of a grouped kernel counts the channels that one filter sees: its fan in.
        layer.kernel.assign(initializer(layer.kernel.shape))
        layer.bias.assign(keras.ops.zeros_like(layer.bias))


@contextmanager
def _dtype_policy(name: str):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
