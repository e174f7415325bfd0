"""The weights that travel with the package: `AlexNet(weights="pocket")`.

    python results/pocket.py --pictures FOLDER_OR_ARCHIVE

One network of the paper's convolutions, with fully connected layers of 512 units, learns to name
the things on photographs of 64 × 64 pixels, 270 kinds of them in the set that was used.

1. A twentieth of the training pictures is held out, with all shots of one scene on one side. Every
   choice was made by these; the test pictures are for `results/weights_report.py`.
2. Each step shows one view of every picture of a batch: a random part of it, mirrored or not, at a
   random resolution, in other light and colour, with noise.
3. Most epochs are trained on views of 115 pixels, the last ones on 227; then both once more
   (`STAGES`). On 115 pixels, `conv5` has maps of 6 × 6 already, so `pool5` is left out: all kernels
   fit both sizes.
4. All values begin from normal distributions; `conv1` from N(0, 0.01), as in the paper.
5. While it trains, each layer but the last is batch-normalized, its input is divided by 58, and α
   is multiplied by 58². Afterwards the normalization is folded into kernels and biases, and the
   scale is rewritten to the paper's α = 1e-4 on inputs of ±128: the same function, in the paper's
   network, in which local response normalization has something to do.
6. The kernels are rounded to 8 bits and written to `alexnet_lib/weights/pocket.safetensors`.

An interrupted run goes on where it was when the same command is given again. What came out is
measured by `results/weights_report.py`.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from alexnet_lib import AlexNet, architecture, data, files, model, preprocess_input, pretrained
from alexnet_lib.architecture import STANDARD_DEVIATION
from alexnet_lib.data import similar
from alexnet_lib.training import checkpoints

FC_UNITS = 512
NORMALIZATIONS = ("norm1", "norm2")
PICTURE_SIDE = 64
"""Of the squares that are read, in pixels."""
BATCH = 128
STEPS_A_ROUND = 256
"""After a round of steps there is a checkpoint, and the pictures held out are looked at."""
HELD_OUT = 0.05
"""Of the training pictures, scene by scene."""
WATCHED = 3072
"""Of these, as many are looked at after a round."""


@dataclass(frozen=True)
class Stage:
    """Rounds with views of one size."""

    side: int
    """Of a view, in pixels."""
    rounds: int
    learning_rate: tuple[float, float]
    """At its beginning and at its end; half a cosine between them."""
    smallest_part: float
    """Of a picture's area that a view shows, at least."""


STAGES = (
    Stage(115, 28, (0.1, 0.01), 0.35),
    Stage(227, 4, (0.03, 0.0), 0.35),
    Stage(115, 24, (0.06, 0.005), 0.35),
    Stage(227, 4, (0.03, 0.0), 0.35),
)
"""The second half begins anew with a high rate, from what the first half has learned."""
WARM_UP = 300
"""Steps in which the rate rises to that of the first stage."""
COARSEST = 24
"""Pixels a side from which a view has its detail, at least; the finest has all of a picture's."""
WEIGHT_DECAY = 5e-3
"""Of kernels, beside the momentum: as strong as the paper's 5e-4, which a momentum of 0.9
multiplies by ten."""
DROPOUT = 0.1


def load(arguments) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Pictures `(number, side, side, 3)`, uint8, their labels, which are held out; class names.

    Read once by `alexnet_lib.data`, and kept in the run's folder.
    """
    folder = arguments.run_dir
    names = folder / "classes.txt"
    if not names.exists():
        folder.mkdir(parents=True, exist_ok=True)
        source = data.load(
            arguments.pictures, "train", short_side=PICTURE_SIDE, image_size=PICTURE_SIDE
        )
        shape = (source.size, PICTURE_SIDE, PICTURE_SIDE, 3)
        pictures = np.empty(shape, "uint8")
        for number, (picture, _) in enumerate(source.pictures().as_numpy_iterator()):
            pictures[number] = picture
        arrays = {"pictures": pictures, "labels": source.labels, "held_out": held_out(source)}
        for what, array in arrays.items():
            files.write(folder / f"{what}.npy", lambda path, array=array: np.save(path, array))
        files.write_text(names, "\n".join(source.class_names))
    pictures, labels, out = (
        np.load(folder / f"{what}.npy") for what in ("pictures", "labels", "held_out")
    )
    return pictures, labels, out, names.read_text("utf-8").split("\n")


def held_out(source) -> np.ndarray:
    """Which pictures are held out: in each class, scenes by chance that stay below the share."""
    random = np.random.default_rng(2012)
    headers = np.array(source.examples.headers, object)
    out = np.zeros(source.size, bool)
    for label in range(len(source.class_names)):
        members = np.flatnonzero(source.labels == label)
        looks, digests = zip(*((h.look, h.digest) for h in headers[members]), strict=True)
        scenes = similar.scenes(looks, digests)
        order = random.permutation(np.unique(scenes))
        counts = np.cumsum([np.sum(scenes == scene) for scene in order])
        out[members] = np.isin(scenes, order[: np.searchsorted(counts, HELD_OUT * len(members))])
    return out


class Views(keras.layers.Layer):
    """Random views of pictures `(batch, height, width, 3)`: float32 `(batch, side, side, 3)`.

    Both are on the scale 0..255.

    Args:
        side: of a view, in pixels.
        smallest_part: of the picture's area.
        seed: of the layer's generator.
    """

    def __init__(self, side, smallest_part, seed, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.side, self.smallest_part = side, smallest_part
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, pictures):
        number, height, width = ops.shape(pictures)[0], *pictures.shape[1:3]
        area = self.between(number, self.smallest_part, 1.0)
        ratio = ops.exp(self.between(number, -np.log(4 / 3), np.log(4 / 3)))
        mirrored = self.between(number, 0.0, 1.0) < 0.5
        finest = ops.exp(self.between(number, np.log(COARSEST), np.log(self.side)))
        sharp = self.between(number, 0.0, 1.0) < 0.7
        details = ops.where(sharp, float(self.side), finest)
        rows, columns = (
            self.resampling(pixels, ops.minimum(ops.sqrt(extent), 1.0), details, turned)
            for pixels, extent, turned in (
                (height, area * ratio, ops.zeros_like(mirrored)),
                (width, area / ratio, mirrored),
            )
        )
        # Light and colour commute with resampling, and are cheaper on the few pixels of a picture.
        views = ops.einsum("nyh,nhwc->nywc", rows, self.relit(ops.cast(pictures, "float32")))
        views = ops.einsum("nxw,nywc->nyxc", columns, views)
        # One pattern of noise a batch: normal numbers are dear.
        noise = keras.random.normal((1, *views.shape[1:]), seed=self.generator)
        level = self.between(number, -10.0, 10.0)
        return ops.clip(views + noise * level[:, None, None, None], 0, 255)

    def between(self, number, low, high):
        """Random numbers, one an example."""
        return keras.random.uniform((number,), low, high, seed=self.generator)

    def resampling(self, pixels, extent, details, turned):
        """Matrices `(number, side, pixels)` that take the views from the pictures' rows or columns.

        A view's pixel is a mean of the picture's, weighted by a triangle: bilinear where a view
        enlarges, without aliasing where it reduces, and wider where it shall have fewer `details`.
        """
        first = self.between(ops.shape(extent)[0], 0.0, 1.0) * (1 - extent)
        places = (np.arange(self.side, dtype="float32") + 0.5) / self.side
        places = ops.where(turned[:, None], 1 - places, places)
        centres = (first[:, None] + extent[:, None] * places) * pixels
        reach = ops.maximum(extent * pixels / details, 1.0)
        distance = ops.abs(centres[:, :, None] - (np.arange(pixels, dtype="float32") + 0.5))
        weights = ops.relu(1 - distance / reach[:, None, None])
        return weights / ops.sum(weights, -1, keepdims=True)

    def relit(self, pictures):
        """Brightness, contrast and saturation of each picture changed."""
        number = ops.shape(pictures)[0]
        contrast, brightness, saturation, grey = (
            self.between(number, low, high)[:, None, None, None]
            for low, high in ((0.7, 1.3), (0.7, 1.3), (0.6, 1.4), (0.0, 1.0))
        )
        saturation = ops.where(grey < 0.05, 0.0, saturation)
        mean = ops.mean(pictures, (1, 2, 3), keepdims=True)
        luminance = ops.mean(pictures, -1, keepdims=True)
        pictures = luminance + (pictures - luminance) * saturation
        return ops.clip(brightness * (mean + (pictures - mean) * contrast), 0, 255)


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, by TensorFlow's fused kernel where it trains on maps: 1.3 times the speed of
    the whole step on a CPU."""

    def call(self, inputs, training=False, mask=None):
        if not training or len(inputs.shape) != 4:
            return super().call(inputs, training=training)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, "float32"),
            offset=tf.cast(self.beta, "float32"),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs


def network(classes, side):
    """The description with batch normalization, α for activities of unit size, and no softmax.

    Returns:
        A model from images of unit size to logits.
    """
    layers = architecture.describe(
        "paper", classes=classes, fc_units=FC_UNITS, dropout=DROPOUT, classifier_activation=None
    )
    records = architecture.trace_layers(layers, (227, 227, 3))
    changed = []
    for layer, record in zip(layers, records, strict=True):
        if layer.name in NORMALIZATIONS:
            layer = replace(layer, alpha=layer.alpha * STANDARD_DEVIATION**2)
        if layer.name == "pool5" and side == 115:
            continue
        if record.parameters and layer.name != "fc8":
            he = (2 / (record.macs / record.units)) ** 0.5
            stddev = 0.01 if layer.name == "conv1" else he
            layer = replace(layer, stddev=stddev, bias=0.0, activation=None)
            changed += [layer, architecture.Activation(f"{layer.name}_relu")]
        else:
            changed.append(layer)

    def normalized(layer, tensor, *args, **kwargs):
        if isinstance(layer, keras.layers.Activation):
            tensor = FusedBatchNormalization(momentum=0.98, name=f"{layer.name}_bn")(tensor)
        return layer(tensor, *args, **kwargs)

    plain = model.build(changed, (side, side, 3))
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


def learning_rate(stage, number, step):
    """Of one step of a round."""
    first, last = stage.learning_rate
    done = (number * STEPS_A_ROUND + step) / (stage.rounds * STEPS_A_ROUND)
    rate = last + (first - last) * (1 + np.cos(np.pi * done)) / 2
    if stage is STAGES[0]:
        rate *= min(1.0, (number * STEPS_A_ROUND + step + 1) / WARM_UP)
    return rate


def train(pictures, labels, out, classes, arguments) -> keras.Model:
    """The trained network; after each round a checkpoint is written, where a later call goes on."""
    learned, watched = np.flatnonzero(~out), np.flatnonzero(out)
    watched = np.random.default_rng(0).permutation(watched)[:WATCHED]
    folder = arguments.run_dir / "checkpoints"
    last, _ = checkpoints.newest(folder)
    finished = last.state["rounds"] if last else 0
    for place, stage in enumerate(STAGES):
        earlier = sum(one.rounds for one in STAGES[:place])
        if finished >= earlier + stage.rounds and stage is not STAGES[-1]:
            continue
        trained = network(classes, stage.side)
        views = Views(stage.side, stage.smallest_part, seed=stage.side)
        optimizer = keras.optimizers.SGD(
            0.0, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        optimizer.build(trained.trainable_variables)
        variables = [*trained.variables, *optimizer.variables, views.generator.state]
        if last:
            # Each stage draws its views by a generator of its own.
            kept = variables if finished > earlier else variables[:-1]
            for number, variable in enumerate(kept):
                variable.assign(last.arrays[str(number)])
        step = compiled_step(trained, views, optimizer)
        for number in range(max(finished - earlier, 0), stage.rounds):
            start = time.perf_counter()
            loss, right = 0.0, 0.0
            for index, chosen in enumerate(batches(learned, earlier + number)):
                optimizer.learning_rate.assign(learning_rate(stage, number, index))
                sums = step(tf.constant(pictures[chosen]), tf.constant(labels[chosen])).numpy()
                loss, right = loss + sums[0], right + sums[1]
            top1, top5 = accuracy(trained, pictures[watched], labels[watched], stage.side)
            print(
                f"{stage.side} px, round {number + 1} of {stage.rounds}: loss "
                f"{loss / STEPS_A_ROUND:.3f}, accuracy {right / STEPS_A_ROUND:.3f}, held out "
                f"{top1:.3f} and {top5:.3f} among five, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
            arrays = {str(n): ops.convert_to_numpy(value) for n, value in enumerate(variables)}
            finished = earlier + number + 1
            checkpoints.save(folder, f"round-{finished:03}", arrays, {"rounds": finished})
        last, _ = checkpoints.newest(folder)
    return trained


def batches(learned, number):
    """The examples of each step of a round, counted from the first: epochs, cut into rounds."""
    for step in range(number * STEPS_A_ROUND, (number + 1) * STEPS_A_ROUND):
        epoch, place = divmod(step, len(learned) // BATCH)
        if step == number * STEPS_A_ROUND or place == 0:
            order = np.random.default_rng([2012, epoch]).permutation(learned)
        yield order[place * BATCH : (place + 1) * BATCH]


def compiled_step(trained, views, optimizer):
    """One step as a graph: pictures, labels → the mean loss, and the share that was right."""

    @tf.function
    def step(pictures, labels):
        images = preprocess_input(views(pictures)) / STANDARD_DEVIATION
        with tf.GradientTape() as tape:
            logits = tf.cast(trained(images, training=True), "float32")
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        variables = trained.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        right = tf.equal(tf.argmax(logits, 1, labels.dtype), labels)
        return tf.stack([loss, tf.reduce_mean(tf.cast(right, "float32"))])

    return step


def accuracy(trained, pictures, labels, side):
    """Among the first and the five likeliest, of whole pictures that are enlarged."""

    @tf.function
    def forward(pictures):
        images = tf.image.resize(tf.cast(pictures, "float32"), (side, side))
        return trained(preprocess_input(images) / STANDARD_DEVIATION, training=False)

    logits = np.concatenate(
        [
            forward(tf.constant(pictures[start : start + BATCH])).numpy().astype("float32")
            for start in range(0, len(pictures), BATCH)
        ]
    )
    place = (logits > logits[np.arange(len(labels)), labels][:, None]).sum(1)
    return (place == 0).mean(), (place < 5).mean()


def main(arguments):
    keras.utils.set_random_seed(2012)
    keras.config.set_dtype_policy(arguments.precision)
    pictures, labels, out, class_names = load(arguments)
    trained = train(pictures, labels, out, len(class_names), arguments)
    keras.config.set_dtype_policy("float32")
    paper = fold(trained, len(class_names))
    pretrained.save(paper, arguments.out, class_names, eight_bits=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", required=True, help="a folder, an archive, or a name")
    parser.add_argument("--precision", default="mixed_bfloat16", help="a Keras dtype policy")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--out", type=Path, default=pretrained.POCKET)
    main(parser.parse_args())
