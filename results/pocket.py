"""The weights that travel with the package: `AlexNet(weights="pocket")`.

    python results/pocket.py --flowers FOLDER_OR_ARCHIVE --cifar10 FOLDER_OR_ARCHIVE

One network of the paper's convolutions, with fully connected layers of 512 units, learns 15
classes: the five flowers of TensorFlow's flower_photos and the ten of CIFAR-10, enlarged.

1. `conv1` begins with what patches of the training photographs look like: spherical k-means on
   whitened patches (Coates and Ng 2012). On 53,000 pictures gradient descent alone leaves the noise
   of the initial values in the filters. The 48 less colourful centres go to the first tower, the 48
   more colourful ones to the second: in 2012 that division came about by itself, here it is given.
2. Each step shows two views of every picture of a batch: a random part of it, mirrored or not, at a
   random resolution, in other light and colour, with noise. Of each view the network tells the
   class. And among all views of the batch it finds the other one of the same picture (Chen et al.
   2020): a class alone would teach it to forget whatever else is there to see, and what a trunk has
   forgotten, nobody can learn from it (Islam et al. 2021).
3. While it trains, each layer but the last is batch-normalized, its input is divided by 58, and α
   is multiplied by 58². Afterwards the normalization is folded into kernels and biases, and the
   scale is rewritten to the paper's α = 1e-4 on inputs of ±128: the same function, in the paper's
   network, in which local response normalization has something to do.
4. The kernels are rounded to 8 bits and written to `alexnet_lib/weights/pocket.safetensors`.

The views are made on the device, by `keras.ops`: it trains on every backend of Keras
(`KERAS_BACKEND=jax`, for one). Only the pictures are read by TensorFlow, once, into `RUN_DIR`.

An interrupted run goes on where it was when the same command is given again. What came out is
measured by `results/weights_report.py`.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import ops
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from alexnet_lib import AlexNet, architecture, files, model, preprocess_input, pretrained
from alexnet_lib.architecture import STANDARD_DEVIATION
from alexnet_lib.training import checkpoints

FC_UNITS = 512
PATCHES_A_PICTURE = 25
COMPONENTS = 44
"""Principal components that are kept: waves of up to about two periods on a patch."""
NORMALIZATIONS = ("norm1", "norm2")

SIDE = 227
"""Of a view, in pixels."""
SHORT_SIDES = {"flowers": 240, "cifar10": 32}
"""Of the squares that are read: about as large as the files have them."""
BATCH = {"flowers": 80, "cifar10": 176}
"""Pictures of each set in a step, which shows two views of each."""
STEPS_AN_EPOCH = 284
"""In which as many pictures of CIFAR-10 are shown as it has."""

SMALLEST_PART = {"flowers": 0.15, "cifar10": 0.3}
"""Of a picture's area that a view shows, at least."""
COARSEST = 24
"""Pixels a side from which a view has its detail, at least; the finest has all of a picture's."""
TEMPERATURE = 0.2
CONTRAST = 0.5
"""How much finding the other view counts, beside the classes' 1."""
LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-3
"""Of kernels, beside the momentum: as strong as the paper's 5e-4, which a momentum of 0.9
multiplies by ten."""


def load(arguments) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[str]]:
    """Pictures `(number, side, side, 3)`, uint8, and labels of both sets; and the class names.

    Read once by `alexnet_lib.data`, and kept in the run's folder.
    """
    names = arguments.run_dir / "classes.txt"
    if not names.exists():
        from alexnet_lib import data

        arguments.run_dir.mkdir(parents=True, exist_ok=True)
        class_names = []
        for name, side in SHORT_SIDES.items():
            source = data.load(getattr(arguments, name), "train", short_side=side, image_size=side)
            pictures = np.array([picture for picture, _ in source.pictures().as_numpy_iterator()])
            labels = source.labels + len(class_names)
            for what, array in (("pictures", pictures), ("labels", labels)):
                path = arguments.run_dir / f"{name}_{what}.npy"
                files.write(path, lambda unfinished, array=array: np.save(unfinished, array))
            class_names += source.class_names
        files.write_text(names, "\n".join(class_names))
    sets = {
        name: tuple(
            np.load(arguments.run_dir / f"{name}_{what}.npy") for what in ("pictures", "labels")
        )
        for name in SHORT_SIDES
    }
    return sets, names.read_text("utf-8").split("\n")


class Batches(keras.utils.PyDataset):
    """The batches of one epoch: a function of the epoch's number alone."""

    def __init__(self, sets, epoch: int):
        super().__init__(workers=4)
        self.sets, self.epoch = sets, epoch

    def __len__(self):
        return STEPS_AN_EPOCH

    def __getitem__(self, step):
        random = np.random.default_rng([self.epoch, step])
        pictures, labels = {}, []
        for name, (examples, their_labels) in self.sets.items():
            chosen = random.choice(len(examples), BATCH[name], replace=False)
            pictures[name] = examples[chosen]
            labels.append(their_labels[chosen])
        return pictures, np.concatenate(labels)


class Views(keras.layers.Layer):
    """Random views of pictures `(batch, height, width, 3)`: float32 `(batch, SIDE, SIDE, 3)`.

    Both are on the scale 0..255.

    Args:
        smallest_part: of the picture's area.
        seed: of the layer's generator.
    """

    def __init__(self, smallest_part, seed, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.smallest_part = smallest_part
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, pictures):
        number, height, width = ops.shape(pictures)[0], *pictures.shape[1:3]
        area = self.between(number, self.smallest_part, 1.0)
        ratio = ops.exp(self.between(number, -np.log(4 / 3), np.log(4 / 3)))
        mirrored = self.between(number, 0.0, 1.0) < 0.5
        finest = ops.exp(self.between(number, np.log(COARSEST), np.log(SIDE)))
        sharp = self.between(number, 0.0, 1.0) < 0.5
        details = ops.where(sharp, float(SIDE), finest)
        rows, columns = (
            self.resampling(pixels, ops.minimum(ops.sqrt(extent), 1.0), details, turned)
            for pixels, extent, turned in (
                (height, area * ratio, ops.zeros_like(mirrored)),
                (width, area / ratio, mirrored),
            )
        )
        views = ops.einsum("nyh,nhwc->nywc", rows, ops.cast(pictures, "float32"))
        return self.relit(ops.einsum("nxw,nywc->nyxc", columns, views))

    def between(self, number, low, high):
        """Random numbers, one an example."""
        return keras.random.uniform((number,), low, high, seed=self.generator)

    def resampling(self, pixels, extent, details, turned):
        """Matrices `(number, SIDE, pixels)` that take the views from the pictures' rows or columns.

        A view's pixel is a mean of the picture's, weighted by a triangle: bilinear where a view
        enlarges, without aliasing where it reduces, and wider where it shall have fewer `details`.
        """
        first = self.between(ops.shape(extent)[0], 0.0, 1.0) * (1 - extent)
        places = (np.arange(SIDE, dtype="float32") + 0.5) / SIDE
        places = ops.where(turned[:, None], 1 - places, places)
        centres = (first[:, None] + extent[:, None] * places) * pixels
        reach = ops.maximum(extent * pixels / details, 1.0)
        distance = ops.abs(centres[:, :, None] - (np.arange(pixels, dtype="float32") + 0.5))
        weights = ops.relu(1 - distance / reach[:, None, None])
        return weights / ops.sum(weights, -1, keepdims=True)

    def relit(self, views):
        """Brightness, contrast and saturation of each view changed, and noise added to half."""
        number = ops.shape(views)[0]
        contrast, brightness, saturation, grey, noisy, level = (
            self.between(number, low, high)[:, None, None, None]
            for low, high in ((0.6, 1.4), (0.6, 1.4), (0.5, 1.5), (0, 1), (0, 1), (0, 12))
        )
        views = views * brightness
        mean = ops.mean(views, (1, 2, 3), keepdims=True)
        views = mean + (views - mean) * contrast
        luminance = ops.mean(views, -1, keepdims=True)
        views = luminance + (views - luminance) * ops.where(grey < 0.1, 0.0, saturation)
        noise = keras.random.normal(ops.shape(views), seed=self.generator)
        return ops.clip(views + noise * ops.where(noisy < 0.5, 0.0, level), 0, 255)


class Learner(keras.Model):
    """A network that names the class of each view, and finds the other view of its picture.

    Args:
        network: gives logits and the activities of `fc7`.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.views = {
            name: Views(part, seed, name=f"views_{name}")
            for seed, (name, part) in enumerate(SMALLEST_PART.items())
        }
        self.projection = keras.layers.Dense(128, use_bias=False, dtype="float32")

    def call(self, pictures, training=False):
        views = [self.views[name](pictures[name]) for _ in range(2) for name in self.views]
        images = preprocess_input(ops.concatenate(views)) / STANDARD_DEVIATION
        logits, activities = self.network(images, training=training)
        return ops.cast(logits, "float32"), self.projection(activities)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, embeddings = y_pred
        labels = ops.concatenate([y, y])
        classes = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return ops.mean(classes) + CONTRAST * self.contrast(embeddings)

    def contrast(self, embeddings):
        """The mean cross-entropy of finding each view's partner, half the batch away, by cosine."""
        number = ops.shape(embeddings)[0]
        embeddings = ops.normalize(embeddings, axis=-1)
        similarities = ops.matmul(embeddings, ops.transpose(embeddings)) / TEMPERATURE
        others = similarities - 1e9 * ops.eye(number)
        partner = ops.roll(ops.arange(number), number // 2)
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(partner, others, from_logits=True)
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, ops.concatenate([y, y]), y_pred[0], sample_weight)


def patch_filters(flowers, kernel=11, seed=2012):
    """96 filters `(11, 11, 3, 96)`: the centres of spherical k-means on whitened patches.

    Each answers the patches with a standard deviation of 1 on inputs of unit size.
    """
    random = np.random.default_rng(seed)
    patches = []
    for picture in flowers:
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


def network(classes):
    """The description with He's initial values, batch-normalized, α for activities of unit size.

    Returns:
        A model from images of unit size to logits and to the activities of `fc7`.
    """
    layers = architecture.describe(
        "paper", classes=classes, fc_units=FC_UNITS, dropout=0.3, classifier_activation=None
    )
    records = architecture.trace_layers(layers, (SIDE, SIDE, 3))
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

    plain = model.build(changed, (SIDE, SIDE, 3))
    whole = keras.models.clone_model(plain, call_function=normalized)
    return keras.Model(whole.inputs, [whole.output, whole.get_layer("fc7_relu").output])


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


def train(sets, classes, arguments) -> keras.Model:
    """The trained network; after each epoch a checkpoint is written, where a later call goes on."""
    plain = network(classes)
    plain.get_layer("conv1").kernel.assign(patch_filters(sets["flowers"][0]))
    learner = Learner(plain)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        arguments.epochs * STEPS_AN_EPOCH - STEPS_AN_EPOCH // 2,
        warmup_target=LEARNING_RATE,
        warmup_steps=STEPS_AN_EPOCH // 2,
    )
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    learner.compile(optimizer, metrics=["accuracy"])
    learner({name: pictures[:1] for name, (pictures, _) in sets.items()})
    optimizer.build(learner.trainable_variables)
    variables = [*learner.variables, *optimizer.variables]
    folder = arguments.run_dir / "checkpoints"
    last, _ = checkpoints.newest(folder)
    if last:
        for number, variable in enumerate(variables):
            variable.assign(last.arrays[str(number)])
    for epoch in range(last.state["epochs"] if last else 0, arguments.epochs):
        start = time.perf_counter()
        history = learner.fit(Batches(sets, epoch), verbose=0).history
        figures = ", ".join(f"{name} {values[-1]:.3f}" for name, values in history.items())
        print(f"epoch {epoch + 1}: {figures}, {time.perf_counter() - start:.1f} s", flush=True)
        arrays = {str(n): ops.convert_to_numpy(value) for n, value in enumerate(variables)}
        checkpoints.save(folder, f"epoch-{epoch + 1:03}", arrays, {"epochs": epoch + 1})
    return plain


def main(arguments):
    keras.utils.set_random_seed(2012)
    keras.config.set_dtype_policy(arguments.precision)
    sets, class_names = load(arguments)
    trained = train(sets, len(class_names), arguments)
    keras.config.set_dtype_policy("float32")
    paper = fold(trained, len(class_names))
    pretrained.save(paper, arguments.out, class_names, eight_bits=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flowers", default="flowers", help="a folder, an archive, or the name")
    parser.add_argument("--cifar10", default="cifar10", help="a folder, an archive, or the name")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--precision", default="mixed_bfloat16", help="a Keras dtype policy")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--out", type=Path, default=pretrained.POCKET)
    main(parser.parse_args())
