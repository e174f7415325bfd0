"""Decoding and augmenting photographs: this library, Keras's preprocessing layers, Pillow.

    python benchmarks/input_pipeline.py [--data FOLDER]

All three do the same work on the same files: decode, short side to 256, random 227 × 227 crop,
random mirror, float32 batches of 128. Without --data, JPEGs of 500 × 375 are made from the
photographs that scikit-image carries. Prints images a second (the median of --repeats passes after
a warming one, the fastest and slowest in brackets) and the processor time an image.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from rich.console import Console
from rich.table import Table

from alexnet_lib import data

BATCH, SHORT_SIDE, SIZE = 128, 256, 227


def ours(dataset):
    return dataset.epoch(0)


def keras_layers(dataset):
    """`Resizing`, `RandomCrop` and `RandomFlip` in a parallel map, as Keras's guide shows it."""
    resize = keras.layers.Resizing(SHORT_SIDE, SHORT_SIDE, crop_to_aspect_ratio=True)
    crop, mirror = keras.layers.RandomCrop(SIZE, SIZE), keras.layers.RandomFlip("horizontal")

    def prepare(path, label):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return mirror(crop(resize(image), training=True), training=True), label

    files = tf.data.Dataset.from_tensor_slices((dataset.examples.paths, dataset.labels))
    return files.map(prepare, tf.data.AUTOTUNE).batch(BATCH).prefetch(2)


def keras_layers_by_batch(dataset):
    """The same, cropping and mirroring whole batches."""
    resize = keras.layers.Resizing(SHORT_SIDE, SHORT_SIDE, crop_to_aspect_ratio=True)
    crop, mirror = keras.layers.RandomCrop(SIZE, SIZE), keras.layers.RandomFlip("horizontal")

    def prepare(path, label):
        return resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3)), label

    def augment(images, labels):
        return mirror(crop(images, training=True), training=True), labels

    files = tf.data.Dataset.from_tensor_slices((dataset.examples.paths, dataset.labels))
    decoded = files.map(prepare, tf.data.AUTOTUNE).batch(BATCH)
    return decoded.map(augment, tf.data.AUTOTUNE).prefetch(2)


def pillow(dataset):
    """Threads; of the resized picture only the crop is computed."""
    draw = random.Random(0)

    def prepare(path):
        image = Image.open(os.fsdecode(path))
        image.draft("RGB", (SHORT_SIDE, SHORT_SIDE))
        image = image.convert("RGB")
        scale = min(image.size) / SHORT_SIDE
        left, top = ((side - min(image.size)) / 2 for side in image.size)
        left += draw.randint(0, SHORT_SIDE - SIZE) * scale
        top += draw.randint(0, SHORT_SIDE - SIZE) * scale
        box = (left, top, left + SIZE * scale, top + SIZE * scale)
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
        if draw.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(image)

    paths = dataset.examples.paths
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), BATCH):
            crops = np.stack(list(pool.map(prepare, paths[start : start + BATCH])))
            yield crops.astype("float32"), dataset.labels[start : start + BATCH]


CONTESTANTS = {
    "alexnet_lib": ours,
    "keras.layers, image by image": keras_layers,
    "keras.layers, by the batch": keras_layers_by_batch,
    "Pillow in threads": pillow,
}


def one_pass(make, dataset):
    """Images a second, and milliseconds of processor time an image."""
    started, used = time.perf_counter(), time.process_time()
    seen = sum(len(labels) for _, labels in make(dataset))
    assert seen == dataset.size, f"{seen} of {dataset.size} images came"
    seconds, used = time.perf_counter() - started, time.process_time() - used
    return seen / seconds, 1000 * used / seen


def write_photographs(folder):
    """800 JPEGs of a class, 500 × 375: windows of photographs, the size of a picture on the web."""
    for name, image in {"coffee": _photograph("coffee"), "cat": _photograph("chelsea")}.items():
        (folder / name).mkdir()
        place = random.Random(0)
        for number in range(800):
            left, top = place.randint(0, image.width - 400), place.randint(0, image.height - 300)
            window = image.crop((left, top, left + 400, top + 300)).resize((500, 375))
            window.save(folder / name / f"{number:03}.jpg", quality=90)


def _photograph(name):
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of class folders of JPEGs")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data or Path(temporary)
        if arguments.data is None:
            write_photographs(folder)
        dataset = data.load(folder, "train", batch_size=BATCH)
        rounds = arguments.repeats + 1
        results = {name: [] for name in CONTESTANTS}
        # Taking turns, so that a slow minute of the machine hits all of them.
        for _ in range(rounds):
            for name, make in CONTESTANTS.items():
                results[name].append(one_pass(make, dataset))
    table = Table(
        title=f"{dataset.size:,} JPEGs → {SIZE}×{SIZE} crops, {os.cpu_count()} cores, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Pillow {Image.__version__}"
    )
    for heading in ("", "images/s", "(range)", "CPU ms/image", "ours is faster by"):
        table.add_column(heading, justify="right" if heading else "left")
    rates = {name: [rate for rate, _ in passes[1:]] for name, passes in results.items()}
    best = statistics.median(rates["alexnet_lib"])
    for name, passes in results.items():
        rate = statistics.median(rates[name])
        table.add_row(
            name,
            f"{rate:,.0f}",
            f"({min(rates[name]):,.0f} to {max(rates[name]):,.0f})",
            f"{statistics.median(used for _, used in passes[1:]):.2f}",
            f"{best / rate:.2f}×",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
