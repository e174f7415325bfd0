"""What the weights that travel with the package are worth: prints it, and writes pocket.json.

    python results/weights_report.py [--flowers PATH] [--cifar10 PATH] [--weights FILE]

(a) conv1: how many filters have structure (the correlation of a filter with itself shifted by one
    tap, mean over both directions and the colours), how many are noise, faint or silent, and how
    the towers divide colour and orientation.
(b) accuracy on the held-out pictures of flower_photos and CIFAR-10, with one and ten crops: among
    all classes of the network, and among the set's own.
(c) a frozen trunk on `photos`, which it never saw, against the same trunk with every layer's
    numbers shuffled: ridge regression on its features, with all training crops and with five a
    class.

A data set that is not given as a path is taken from ALEXNET_HOME, or downloaded. --only picks
parts, and what the others measured before stays in the file. The weights are a `.safetensors` file
of `alexnet_lib.formats.quantization` or a `.keras` file of a training run.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from alexnet_lib import AlexNet, data, files, inspection, load_model, pretrained
from alexnet_lib.preprocessing import preprocess_layer, with_preprocessing

RESULTS = Path(__file__).resolve().parent / "pocket.json"
PARTS = ("conv1", "flowers", "cifar10", "transfer")

STRUCTURED, NOISE = 0.6, 0.2
"""Filters from the first value on have structure; below the second, five standard deviations of
the value of white noise, they are noise."""
FAINT = 0.05
"""A filter is faint whose norm is less than this share of the median norm."""
FEW, DRAWS, SHUFFLED_TRUNKS = 5, 10, 3


def open_model(path):
    """A model from pictures 0..255 to probabilities, with the names of its classes."""
    if path.suffix == ".keras":
        return load_model(path)
    return with_preprocessing(AlexNet(path), pretrained.class_names(path))


def photos(split, image_size):
    return data.load(
        "photos",
        split,
        augment=False,
        shuffle=False,
        image_size=image_size,
        short_side=max(256, image_size),
        batch_size=50,
    )


def conv1(model):
    """Part (a)."""
    kernels = inspection.filters(model)
    structure = inspection.structure(kernels)
    colour = inspection.colourfulness(kernels)
    _, oriented = inspection.orientation(kernels)
    norms = np.sqrt((kernels**2).sum((1, 2, 3)))
    noise, faint = structure < NOISE, norms < FAINT * np.median(norms)
    peaks = np.zeros(len(kernels))
    for pictures, _ in photos("test", model.input_shape[1]).epoch():
        maps = inspection.activations(model, pictures.numpy(), ["conv1"])["conv1"]
        peaks = np.maximum(peaks, maps.max((0, 1, 2)))
    silent = peaks <= 0
    result = {
        "filters": len(kernels),
        "structured": int((structure >= STRUCTURED).sum()),
        "structure": quantiles(structure),
        "noise": int(noise.sum()),
        "faint": int(faint.sum()),
        "silent_on_photos": int(silent.sum()),
        "dead_or_noise": int((noise | faint | silent).sum()),
        "towers": [
            {
                "structured": int((structure[tower] >= STRUCTURED).sum()),
                "structure": quantiles(structure[tower]),
                "colourfulness": quantiles(colour[tower]),
                "orientation": quantiles(oriented[tower]),
            }
            for tower in np.split(np.arange(len(kernels)), 2)
        ],
    }
    print(
        f"conv1: {result['structured']} of {len(kernels)} filters have a structure of "
        f"{STRUCTURED} or more (goal: 80)\n"
        f"       structure: {shown(result['structure'])}\n"
        f"       dead or noise: {result['dead_or_noise']} (goal: at most 6): {result['noise']} "
        f"noise, {result['faint']} faint, {result['silent_on_photos']} silent on photos"
    )
    for number, tower in enumerate(result["towers"], start=1):
        print(
            f"tower {number}: {tower['structured']} structured\n"
            f"       colourfulness: {shown(tower['colourfulness'])}\n"
            f"       clearness of the orientation: {shown(tower['orientation'])}"
        )
    return result


def quantiles(values):
    names, shares = ("least", "quarter", "median", "three_quarters", "most"), (0, 25, 50, 75, 100)
    return dict(zip(names, np.percentile(values, shares).round(3).tolist(), strict=True))


def shown(numbers):
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in numbers.items())


def accuracy(model, name, source, crops, limit):
    """Part (b), for one data set."""
    side = model.input_shape[1]
    dataset = data.load(
        source,
        "test",
        image_size=side,
        short_side=max(256, side),
        batch_size=100,
        limit_per_class=limit,
    )
    names = preprocess_layer(model).class_names
    missing = [class_name for class_name in dataset.class_names if class_name not in names]
    if missing:
        raise SystemExit(
            f"{source} has the classes {', '.join(missing)}, which the network does not know; it "
            f"knows {', '.join(names)}."
        )
    own = np.array([names.index(class_name) for class_name in dataset.class_names])
    forward = tf.function(lambda images: model(images, training=False), reduce_retracing=True)
    outputs, labels = [], []
    start = time.perf_counter()
    # The fifth of the ten crops is the centre.
    batches = dataset.ten_crops() if crops == 10 else dataset.epoch()
    for images, truth in batches:
        if crops == 1:
            images = images[:, None]
        output = forward(tf.reshape(images, (-1, *images.shape[2:]))).numpy()
        outputs.append(output.reshape(len(truth), crops, -1))
        labels.append(truth.numpy())
    outputs, labels = np.concatenate(outputs), np.concatenate(labels)
    result = {"pictures": len(labels), "classes": len(own), "of_classes": len(names)}
    for number in sorted({1, crops}):
        probabilities = outputs.mean(1) if number == 10 else outputs[:, 4 if crops == 10 else 0]
        result[f"crops_{number}"] = scores = {
            "accuracy": round(float((probabilities.argmax(1) == own[labels]).mean()), 4),
            "accuracy_among_own_classes": round(
                float((probabilities[:, own].argmax(1) == labels).mean()), 4
            ),
        }
        print(
            f"{name}, {len(labels):,} pictures, {number:2} crops: {scores['accuracy']:.2%} of all "
            f"{len(names)} classes, {scores['accuracy_among_own_classes']:.2%} of its own "
            f"{len(own)}",
            flush=True,
        )
    print(f"       {time.perf_counter() - start:.0f} s")
    return result


def transfer(model):
    """Part (c)."""
    result = {}
    for layer in ("pool5", "fc7"):
        trained = probe(model, layer)
        shuffled = [
            probe(inspection.randomized(model, seed=seed), layer) for seed in range(SHUFFLED_TRUNKS)
        ]
        result[layer] = {
            "trained": trained,
            "shuffled": {
                name: round(float(np.mean([trunk[name] for trunk in shuffled])), 4)
                for name in trained
            },
        }
        for name in trained:
            print(
                f"photos, ridge regression on {layer}, {name.replace('_', ' ')}: trained trunk "
                f"{trained[name]:.1%}, shuffled {result[layer]['shuffled'][name]:.1%} "
                f"(mean of {SHUFFLED_TRUNKS})",
                flush=True,
            )
    return result


def probe(model, layer):
    """Accuracy on the test crops of `photos` of a linear classifier on a layer's features."""
    (train, labels), (test, truth) = (
        inspection.features(model, photos(split, model.input_shape[1]), layer)
        for split in ("train", "test")
    )
    mean, spread = train.mean(0), train.std(0)
    alive = spread > 1e-6 * spread.max()
    train, test = ((part - mean)[:, alive] / spread[alive] for part in (train, test))
    random = np.random.default_rng(0)
    few = []
    for _ in range(DRAWS):
        chosen = np.concatenate(
            [random.choice(np.flatnonzero(labels == c), FEW, False) for c in np.unique(labels)]
        )
        few.append((ridge(train[chosen], labels[chosen], test) == truth).mean())
    return {
        "all_training_crops": round(float((ridge(train, labels, test) == truth).mean()), 4),
        f"{FEW}_crops_a_class": round(float(np.mean(few)), 4),
    }


def ridge(train, labels, test):
    """Classes by ridge regression on one-hot targets, in the dual form: examples are few."""
    targets = np.eye(labels.max() + 1)[labels]
    kernel = train.astype("float64") @ train.T
    # As strong as the average feature dimension: the mean eigenvalue.
    solved = np.linalg.solve(
        kernel + np.trace(kernel) / len(kernel) * np.eye(len(kernel)), targets - targets.mean(0)
    )
    return (test.astype("float64") @ (train.T @ solved)).argmax(1)


def main(arguments):
    keras.config.set_dtype_policy("float32")
    model = open_model(arguments.weights)
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results["parameters"] = model.count_params()
    results["megabytes"] = round(arguments.weights.stat().st_size / 1e6, 2)
    measures = {
        "conv1": lambda: conv1(model),
        "flowers": lambda: accuracy(
            model, "flowers", arguments.flowers, arguments.crops, arguments.limit_per_class
        ),
        "cifar10": lambda: accuracy(
            model, "cifar10", arguments.cifar10, arguments.crops, arguments.limit_per_class
        ),
        "transfer": lambda: transfer(model),
    }
    for part in arguments.only:
        results[part] = measures[part]()
        if arguments.out:
            files.write_text(arguments.out, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flowers", default="flowers", help="a folder, an archive, or the name")
    parser.add_argument("--cifar10", default="cifar10", help="a folder, an archive, or the name")
    parser.add_argument("--weights", type=Path, default=pretrained.POCKET)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--crops", type=int, choices=(1, 10), default=10)
    parser.add_argument("--limit-per-class", type=int, help="for a quick look")
    parser.add_argument("--out", type=Path, default=RESULTS)
    main(parser.parse_args())
