"""A network and a data set so small that a test trains in a second, also in another process.

`process` trains in a process of its own; tests kill it, give it two devices, or start two of them.
"""

import hashlib
import json
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from alexnet_lib import architecture, files, load_model, training, transfer
from alexnet_lib.model import build
from alexnet_lib.preprocessing import with_preprocessing

SIDE = 16
CLASSES = ("red", "green", "blue", "grey", "white", "black")
COLOURS = np.array(
    [(220, 40, 40), (40, 220, 40), (40, 40, 220), (128, 128, 128), (240, 240, 240), (10, 10, 10)]
)


def write_pictures(folder, colours, number, random, noise, size):
    """Noisy pictures of one colour, of `size` (rows, columns): so many of each class."""
    for name, colour in colours.items():
        (folder / name).mkdir(parents=True)
        for place in range(number):
            pixels = (np.array(colour) + random.normal(0, noise, (*size, 3))).clip(0, 255)
            Image.fromarray(pixels.astype("uint8")).save(folder / name / f"{place:02}.png")


class Pictures:
    """Noisy pictures of one colour: `data.load`'s interface, from memory."""

    def __init__(self, size=90, seed=0, batch_size=16, noise=60.0, class_names=CLASSES):
        random = np.random.default_rng(seed)
        self.size, self.seed, self.batch_size = size, seed, batch_size
        self.class_names = list(class_names)
        self.labels = (np.arange(size) % len(class_names)).astype("int32")
        pictures = COLOURS[self.labels][:, None, None] + random.normal(
            0, noise, (size, SIDE, SIDE, 3)
        )
        self.pictures = pictures.clip(0, 255).astype("float32")
        self.rows = []
        """Which rows of a batch were asked for; empty where all were."""

    def epoch(self, number):
        order = np.random.default_rng((self.seed, number)).permutation(self.size)
        arrays = self.pictures[order], self.labels[order]
        return tf.data.Dataset.from_tensor_slices(arrays).batch(self.batch_size)

    def rows_of_epoch(self, number, rows, batch_size):
        self.rows.append([rows.start, rows.stop])
        whole = self.epoch(number).rebatch(batch_size)
        mine = whole.map(lambda images, labels: (images[rows], labels[rows])).unbatch()
        return mine.batch(len(range(batch_size)[rows]))


def network(dropout, classes):
    """One layer of each kind that AlexNet has."""
    return build(
        (
            architecture.Convolution("conv1", filters=8, kernel=3, stride=2, stddev=0.1),
            architecture.LocalResponseNorm("norm1"),
            architecture.MaxPooling("pool1"),
            architecture.Flatten("flatten"),
            architecture.Dense("fc6", units=16, stddev=0.1, bias=0.1),
            architecture.Dropout("drop6", rate=dropout),
            architecture.Dense("fc8", units=classes, activation="softmax"),
        ),
        (SIDE, SIDE, 3),
    )


def model(dropout=0.5, seed=0, scale=1 / 58, class_names=CLASSES):
    keras.utils.set_random_seed(seed)
    return with_preprocessing(network(dropout, len(class_names)), class_names, scale=scale)


def recipe(**changes):
    settings = {"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "label_smoothing": 0.0}
    return training.Recipe.modern(**settings | changes)


def fingerprint(variables):
    """The SHA-256 of the values, bit for bit."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def without_times(history):
    """The figures of a history that do not depend on how busy the machine was."""
    return [
        {name: row[name] for name in row if name not in ("seconds", "images_per_second")}
        for row in history
    ]


def train(
    run_dir, result, *, devices=1, tf_config=None, dropout=0.5, size=90, held_out=31, **settings
):
    """Trains in a process of its own and writes what came out into the file `result`.

    `settings`: `epochs`, and what `fit` takes. 90 and 31 are no multiples of the batch size: the
    last batches are filled up.
    """
    if tf_config:
        os.environ["TF_CONFIG"] = json.dumps(tf_config)
    if devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        part = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [part] * devices)
        # As for the kernels of a large network, which would make the tests slow.
        training.optimizer.WORTH_COMPILING = 0
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])
    else:
        strategy = training.strategy()
    epochs = settings.pop("epochs", 4)
    with strategy.scope():
        trained = model(dropout)
    validation = Pictures(held_out, seed=1)
    try:
        run = training.fit(
            trained,
            Pictures(size),
            validation,
            recipe(epochs=epochs),
            run_dir=run_dir,
            quiet=True,
            **settings,
        )
    except ConnectionError as error:
        Path(result).write_text(str(error))
        raise
    report = {
        "replicas": strategy.num_replicas_in_sync,
        "history": without_times(run.history),
        "best_epoch": run.best_epoch,
        "validation_rows": validation.rows,
        "variables": fingerprint(trained.variables),
        "best": fingerprint(load_model(run.best).weights),
    }
    files.write_text(Path(result), json.dumps(report))


def fine_tune(out, result, *, tf_config=None):
    """Fine-tunes in a process of its own and writes what came out into the file `result`."""
    if tf_config:
        os.environ["TF_CONFIG"] = json.dumps(tf_config)
    strategy = training.strategy()
    validation = Pictures(31, seed=1)
    done = transfer.fine_tune(
        model(dropout=0.0, seed=1),
        Pictures(90),
        validation,
        out=out,
        recipe=training.Recipe.fine_tuning(epochs=2, precision="float32"),
        head_recipe=training.Recipe.new_head(epochs=2),
        quiet=True,
    )
    report = {
        "replicas": strategy.num_replicas_in_sync,
        "history": without_times(done.history),
        # The finished model needs no other machine.
        "loss": training.evaluate(done.model, validation).loss,
    }
    files.write_text(Path(result), json.dumps(report))


def process(*arguments, work=train, **settings):
    """A started process that runs `work`. TensorFlow is imported once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "alexnet_lib.training"])
    started = context.Process(target=work, args=arguments, kwargs=settings, daemon=True)
    started.start()
    return started
