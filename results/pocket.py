"""The weights that travel with the package: `AlexNet(weights="pocket")`.

    python results/pocket.py --flowers FOLDER_OR_ARCHIVE --cifar10 FOLDER_OR_ARCHIVE

One network of the paper's convolutions, with fully connected layers of 512 units, learns 15
classes: the five flowers of TensorFlow's flower_photos and the ten of CIFAR-10, enlarged.

1. `conv1` begins with what patches of the training photographs look like: spherical k-means on
   whitened patches (Coates and Ng 2012). On 53,000 pictures gradient descent alone leaves the noise
   of the initial values in the filters. The 48 less colourful centres go to the first tower, the 48
   more colourful ones to the second: in 2012 that division came about by itself, here it is given.
2. `STAGES`: most epochs on small pictures, which cost a fraction of the arithmetic, the last at
   227×227; `fc6` is stretched from 2×2 to 3×3 to 6×6 places. An epoch shows every picture of
   CIFAR-10 once and every flower six times, in the last stage 28 times: cut from three scales in
   turn, mirrored, with PCA lighting, and with a square missing (cutout; DeVries and Taylor 2017),
   for there are only 2,934.
3. While it trains, each layer but the last is batch-normalized, its input is divided by 58, and α
   is multiplied by 58². Afterwards the normalization is folded into kernels and biases, and the
   scale is rewritten to the paper's α = 1e-4 on inputs of ±128: the same function, in the paper's
   network, in which local response normalization has something to do.
4. The kernels are rounded to 8 bits and written to `alexnet_lib/weights/pocket.safetensors`.

An interrupted run goes on where it was when the same command is given again. What came out is
measured by `results/weights_report.py`.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import growing
import keras
import numpy as np
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from alexnet_lib import AlexNet, architecture, compact, data, model, training
from alexnet_lib.recipe import STANDARD_DEVIATION, Recipe, choose_precision, with_preprocessing

FC_UNITS = 512
PATCHES_A_PICTURE = 25
COMPONENTS = 44
"""Principal components that are kept: waves of up to about two periods on a patch."""
NORMALIZATIONS = ("norm1", "norm2")

BATCH = 64
CUT_OUT = 0.5
"""The side of the square that is missing from each flower, as a share of the picture's."""


@dataclass(frozen=True)
class Stage:
    """Epochs on pictures of one size."""

    epochs: int
    image_size: int
    short_sides: tuple[int, ...]
    """Of the flowers, in turn; CIFAR-10's pictures and those of validation have the first."""
    learning_rate: float
    flowers: int
    """In each batch; the rest is of CIFAR-10."""


STAGES = (
    Stage(12, 99, (112, 136, 168), learning_rate=0.05, flowers=16),
    Stage(5, 147, (166, 194, 228), learning_rate=0.03, flowers=16),
    Stage(1, 227, (256, 288, 320), learning_rate=0.02, flowers=40),
)


class Mixture:
    """Batches of both data sets, the flowers' classes first.

    An epoch shows all of CIFAR-10's pictures, and flowers in proportion.
    """

    def __init__(self, flowers, cifar, flowers_a_batch):
        self.flowers, self.cifar, self.flowers_a_batch = flowers, cifar, flowers_a_batch
        self.class_names = [*flowers.class_names, *cifar.class_names]
        self.steps = cifar.size // (BATCH - flowers_a_batch)
        self.size = self.steps * BATCH
        self.seed = flowers.seed
        self.passes = -(-self.steps * flowers_a_batch // flowers.size)

    def epoch(self, number):
        flowers = self.flowers.epoch(number * self.passes)
        for extra in range(1, self.passes):
            flowers = flowers.concatenate(self.flowers.epoch(number * self.passes + extra))
        pairs = tf.data.Dataset.zip(
            tf.data.Dataset.range(self.steps),
            flowers.rebatch(self.flowers_a_batch),
            self.cifar.epoch(number),
        )

        def join(step, flowers, cifar):
            images = cut_out(flowers[0], seed=[number, step])
            labels = tf.concat([flowers[1], cifar[1] + len(self.flowers.class_names)], 0)
            return tf.concat([images, cifar[0]], 0), labels

        return pairs.map(join).prefetch(2)


def cut_out(images, seed):
    """Each picture without one square, anywhere and perhaps over the edge: its mean is there."""
    side = images.shape[1]
    half = CUT_OUT * side / 2
    centres = tf.random.stateless_uniform((tf.shape(images)[0], 2, 1), seed, 0, side)
    inside = tf.abs(tf.range(side, dtype=tf.float32) + 0.5 - centres) < half
    missing = inside[:, 0, :, None, None] & inside[:, 1, None, :, None]
    return tf.where(missing, tf.reduce_mean(images, (1, 2, 3), keepdims=True), images)


def load(arguments, stage):
    """Training mixture and validation batches of a stage."""
    flowers = growing.at_scales(
        arguments.flowers,
        stage.short_sides,
        image_size=stage.image_size,
        batch_size=stage.flowers,
    )
    shared = {"image_size": stage.image_size, "short_side": stage.short_sides[0]}
    cifar = data.load(arguments.cifar10, "train", batch_size=BATCH - stage.flowers, **shared)
    train = Mixture(flowers, cifar, stage.flowers)
    flowers = data.load(arguments.flowers, "val", batch_size=64, **shared)
    cifar = data.load(arguments.cifar10, "val", batch_size=64, limit_per_class=100, **shared)
    shift = len(flowers.class_names)
    validation = flowers.epoch().concatenate(
        cifar.epoch().map(lambda images, labels: (images, labels + shift))
    )
    return train, validation


def patch_filters(flowers, kernel=11, seed=2012):
    """96 filters `(11, 11, 3, 96)`: the centres of spherical k-means on whitened patches.

    Each answers the patches with a standard deviation of 1 on inputs of unit size.
    """
    random = np.random.default_rng(seed)
    patches = []
    for picture, _ in flowers.pictures().as_numpy_iterator():
        for _ in range(PATCHES_A_PICTURE):
            top, left = random.integers(0, len(picture) - kernel, 2)
            patches.append(picture[top : top + kernel, left : left + kernel].ravel())
    patches = np.array(patches, "float32") / STANDARD_DEVIATION
    patches -= patches.mean(0)
    patches = patches[patches.std(1) > 8 / STANDARD_DEVIATION]  # a bare wall says nothing
    pca = PCA(COMPONENTS, whiten=True, random_state=seed).fit(patches)
    white = pca.transform(patches)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    centres = KMeans(96, n_init=1, max_iter=60, random_state=seed).fit(white).cluster_centers_
    # A little of the spectrum of photographs comes back: less of the finest waves.
    weighted = centres * (pca.explained_variance_ / pca.explained_variance_[0]) ** 0.1
    filters = weighted @ pca.components_
    filters /= (patches @ filters.T).std(0)[:, None]
    filters = filters.reshape(96, kernel, kernel, 3)
    grey = filters.mean(-1, keepdims=True)
    colourfulness = ((filters - grey) ** 2).sum((1, 2, 3)) / (filters**2).sum((1, 2, 3))
    return filters[np.argsort(colourfulness)].transpose(1, 2, 3, 0)


def network(classes, size):
    """The description with He's initial values, batch-normalized, α for activities of unit size."""
    layers = architecture.describe("paper", classes=classes, fc_units=FC_UNITS, dropout=0.3)
    records = architecture.trace_layers(layers, (size, size, 3))
    changed = []
    for layer, record in zip(layers, records, strict=True):
        if layer.name in NORMALIZATIONS:
            layer = replace(layer, alpha=layer.alpha * STANDARD_DEVIATION**2)
        if record.parameters and layer.name != "fc8":
            fan_in = record.macs / record.units
            layer = replace(layer, stddev=(2 / fan_in) ** 0.5, bias=0.0, activation=None)
            changed += [layer, architecture.Activation(f"{layer.name}_relu")]
        else:
            changed.append(layer)

    def normalized(layer, tensor, *args, **kwargs):
        if isinstance(layer, keras.layers.Activation):
            tensor = keras.layers.BatchNormalization(name=f"{layer.name}_bn")(tensor)
        return layer(tensor, *args, **kwargs)

    plain = model.build(changed, (size, size, 3))
    return keras.models.clone_model(plain, call_function=normalized)


def fold(trained, classes):
    """The same function as an `AlexNet()` with the paper's α on `preprocess_input(images)`."""
    paper = AlexNet(classes=classes, fc_units=FC_UNITS)
    for layer in paper.layers:
        if not layer.weights:
            continue
        kernel, bias = trained.get_layer(layer.name).get_weights()
        if layer.name != "fc8":
            normalization = trained.get_layer(f"{layer.name}_relu_bn")
            gamma, beta, mean, variance = normalization.get_weights()
            factor = gamma / np.sqrt(variance + normalization.epsilon)
            kernel, bias = kernel * factor, (bias - mean) * factor + beta
        if layer.name in ("conv1", "conv2"):
            bias = bias * STANDARD_DEVIATION
        if layer.name == "conv3":
            kernel = kernel / STANDARD_DEVIATION
        layer.set_weights([kernel, bias])
    return paper


def main(arguments):
    keras.utils.set_random_seed(2012)
    keras.config.set_dtype_policy(choose_precision())
    trained = None
    for stage in STAGES:
        train, validation = load(arguments, stage)
        fresh = network(len(train.class_names), stage.image_size)
        if trained is None:
            kernel = patch_filters(train.flowers.datasets[0])
            fresh.get_layer("conv1").kernel.assign(kernel)
        else:
            growing.copy_weights(trained, fresh)
        recipe = Recipe.modern(
            epochs=stage.epochs,
            batch_size=BATCH,
            learning_rate=stage.learning_rate,
            warmup_epochs=0.2,
        )
        trained = with_preprocessing(fresh, train.class_names, scale=1 / STANDARD_DEVIATION)
        run_dir = arguments.run_dir / str(stage.image_size)
        training.fit(trained, train, validation, recipe, run_dir=run_dir, checkpoint_minutes=3)
    keras.config.set_dtype_policy("float32")
    paper = fold(trained, len(train.class_names))
    compact.write(paper, arguments.out, train.class_names)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flowers", default="flowers", help="a folder, an archive, or the name")
    parser.add_argument("--cifar10", default="cifar10", help="a folder, an archive, or the name")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--out", type=Path, default=compact.POCKET)
    main(parser.parse_args())
