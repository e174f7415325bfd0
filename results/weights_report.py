"""What the weights that travel with the package are worth: prints it, and writes pocket.json.

    python results/weights_report.py [--pictures SOURCE [--one-crop]] [--sharp SOURCE ...]
        [--transfer NAME=SOURCE ...]

A source is a folder, an archive or a name, as `data.load` takes it. What is measured is what there
are pictures for; what the file says of these weights otherwise stays.

1. conv1, always: how many filters have structure (the correlation of a filter with itself shifted
   by one tap, mean over both directions and the colours), how many cycles they hold, which are
   nearly the same, and how the towers divide colour and orientation.
2. `--pictures`: top-1 and top-5 on the test split, with one and ten crops, with Wilson's intervals;
   and how often the network is right when it is so sure, which is also written beside the weights,
   for `pretrained.calibration`.
3. `--sharp`: large photographs as they are, and reduced to 64 pixels a side and enlarged again. How
   often the answer stays the same; and the accuracy on both, where the network knows the classes.
4. `--transfer`: logistic regression on the frozen `fc7` and `pool5`, on sets that the network never
   saw, against the same trunk with its numbers shuffled, a random one (He's initial values), a
   colour histogram and HOG. Each seed holds out another fifth of the training pictures, by which
   the strength of the penalty is chosen, and draws another shuffled and random trunk. The test
   pictures are looked at once per seed, and a second time reduced as in 3.

The weights are a `.safetensors` file of `alexnet_lib.formats.quantization` or a `.keras` file of a
training run.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression

from alexnet_lib import (
    AlexNet,
    calibration,
    data,
    files,
    inspection,
    load_model,
    prediction,
    pretrained,
    training,
)
from alexnet_lib.preprocessing import preprocess_layer, with_preprocessing

RESULTS = Path(__file__).resolve().parent / "pocket.json"

STRUCTURED, NOISE = 0.6, 0.2
"""Filters from the first value on have structure; below the second, five standard deviations of
the value of white noise, they are noise."""
FAINT = 0.05
"""A filter is faint whose norm is less than this share of the median norm."""
GRATING = 1.5
"""A filter that holds as many cycles is a grating."""
DUPLICATE = 0.9
"""Two filters are nearly the same whose correlation is larger."""

REDUCED = 64
"""Pixels a side that are left of a reduced photograph."""
LAYERS = ("fc7", "pool5")
SEEDS = (0, 1, 2)
HELD_OUT = 0.2
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Values of C that are tried, for features of a mean square length of 1: the larger, the less is
the classifier held back."""
HOG_SIDE = 128
COLOURS = 8
"""Bins of the histogram for each of red, green and blue."""


def open_model(path: Path) -> keras.Model:
    """A model from pictures 0..255 to probabilities, with the names of its classes."""
    if path.suffix == ".keras":
        return load_model(path)
    return with_preprocessing(AlexNet(path), pretrained.class_names(path))


def opened(model: keras.Model, source: str, split: str, limit: int | None, **options):
    """Pictures in order, as large as the model takes them."""
    side = model.input_shape[1]
    return data.load(
        source,
        split,
        augment=False,
        shuffle=False,
        image_size=side,
        short_side=prediction.short_side(side),
        batch_size=50,
        limit_per_class=limit,
        **options,
    )


# --- conv1 ---------------------------------------------------------------------------------------


def conv1(model: keras.Model) -> dict:
    kernels = inspection.filters(model)
    structure, cycles = inspection.structure(kernels), inspection.cycles(kernels)
    colour = inspection.colourfulness(kernels)
    _, oriented = inspection.orientation(kernels)
    norms = np.sqrt((kernels**2).sum((1, 2, 3)))
    noise, faint = structure < NOISE, norms < FAINT * np.median(norms)
    peaks = np.zeros(len(kernels))
    for pictures, _ in opened(model, "photos", "test", None).epoch():
        maps = inspection.activations(model, pictures.numpy(), ["conv1"])["conv1"]
        peaks = np.maximum(peaks, maps.max((0, 1, 2)))
    silent = peaks <= 0
    with np.errstate(invalid="ignore"):  # a filter of zeros is like no other
        alike = np.corrcoef(kernels.reshape(len(kernels), -1))[np.triu_indices(len(kernels), 1)]
    result = {
        "filters": len(kernels),
        "structured": int((structure >= STRUCTURED).sum()),
        "structure": quantiles(structure),
        "gratings": int((cycles >= GRATING).sum()),
        "cycles": quantiles(cycles),
        "duplicate_pairs": int((alike > DUPLICATE).sum()),
        "opposite_pairs": int((alike < -DUPLICATE).sum()),
        "noise": int(noise.sum()),
        "faint": int(faint.sum()),
        "silent_on_photos": int(silent.sum()),
        "dead_or_noise": int((noise | faint | silent).sum()),
        "towers": [
            {
                "structured": int((structure[tower] >= STRUCTURED).sum()),
                "structure": quantiles(structure[tower]),
                "cycles": quantiles(cycles[tower]),
                "colourfulness": quantiles(colour[tower]),
                "orientation": quantiles(oriented[tower]),
            }
            for tower in np.split(np.arange(len(kernels)), 2)
        ],
    }
    print(
        f"conv1: {result['structured']} of {len(kernels)} filters have a structure of "
        f"{STRUCTURED} or more; {shown(result['structure'])}\n"
        f"       {result['gratings']} hold {GRATING} cycles or more; {shown(result['cycles'])}\n"
        f"       pairs with a correlation above {DUPLICATE}: {result['duplicate_pairs']}, below "
        f"-{DUPLICATE}: {result['opposite_pairs']}\n"
        f"       dead or noise: {result['dead_or_noise']}: {result['noise']} noise, "
        f"{result['faint']} faint, {result['silent_on_photos']} silent on photos"
    )
    for number, tower in enumerate(result["towers"], start=1):
        print(
            f"tower {number}: {tower['structured']} structured\n"
            f"       colourfulness: {shown(tower['colourfulness'])}\n"
            f"       clearness of the orientation: {shown(tower['orientation'])}",
            flush=True,
        )
    return result


def quantiles(values: np.ndarray) -> dict:
    names, shares = ("least", "quarter", "median", "three_quarters", "most"), (0, 25, 50, 75, 100)
    return dict(zip(names, np.percentile(values, shares).round(3).tolist(), strict=True))


def shown(numbers: dict) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in numbers.items())


# --- what it knows -------------------------------------------------------------------------------


def accuracy(model: keras.Model, source: str, limit: int | None, all_crops: tuple[int, ...]):
    """Top-1 and top-5 of the test split; and the evaluation with one crop."""
    names = preprocess_layer(model).class_names
    pictures = opened(model, source, "test", limit, class_names=names)
    result = {"pictures": pictures.size, "classes": len(set(pictures.labels.tolist()))}
    evaluations = {}
    for crops in all_crops:
        evaluations[crops] = found = training.evaluate(model, pictures, crops)
        result[f"crops_{crops}"] = scores = {
            "top1": share(found.top1),
            "top1_interval": list(map(share, found.top1_interval)),
        }
        said = f"top-1 {found.top1:.2%}"
        if found.top5 is not None:
            right = round(found.top5 * found.examples)
            interval = training.wilson_interval(right, found.examples)
            scores |= {"top5": share(found.top5), "top5_interval": list(map(share, interval))}
            said += f", top-5 {found.top5:.2%}"
        print(f"{pictures.size:,} test pictures, {crops:2} crops: {said}", flush=True)
    return result, evaluations[1]


def share(value: float) -> float:
    return round(float(value), 4)


def calibrated(evaluation, source: str, digest: str) -> calibration.Calibration:
    """How often the network is right when it is so sure, with one crop."""
    found = calibration.measure(
        evaluation.probabilities, evaluation.labels, f"{Path(source).name}, test split", digest
    )
    for part in found.bins:
        if part.pictures:
            print(
                f"it says {part.probability:.0%}: right {part.right:.0%} of {part.pictures:,} times"
            )
    print(f"expected calibration error: {found.expected_error:.3f}", flush=True)
    return found


# --- sharp and reduced ---------------------------------------------------------------------------


def reduced(images: tf.Tensor) -> tf.Tensor:
    """What is left of pictures on `REDUCED` pixels a side, enlarged again."""
    side = images.shape[1]
    small = tf.image.resize(images, (REDUCED, REDUCED), "area")
    return tf.image.resize(small, (side, side), "bilinear")


def sharpness(model: keras.Model, source: str, limit: int | None) -> dict:
    pictures = opened(model, source, "test", limit)
    names = preprocess_layer(model).class_names
    forward = inspection.models.compiled(model)
    outputs = ([], [])
    for images, _ in pictures.epoch():
        for kept, view in zip(outputs, (images, reduced(images)), strict=True):
            kept.append(np.asarray(forward(view)))
    sharp, coarse = map(np.concatenate, outputs)
    result = {
        "pictures": len(sharp),
        "same_answer": share((sharp.argmax(1) == coarse.argmax(1)).mean()),
        "mean_probability": {
            "sharp": share(sharp.max(1).mean()),
            "reduced": share(coarse.max(1).mean()),
        },
    }
    said = f"{source_name(source)}, sharp and reduced: {result['same_answer']:.1%} the same answer"
    # A class that the network does not know is none of its outputs.
    own = np.array([names.index(n) if n in names else -1 for n in pictures.class_names])
    truth = own[pictures.labels]
    if known := int((truth >= 0).sum()):
        scores = {
            which: share((output.argmax(1) == truth)[truth >= 0].mean())
            for which, output in (("sharp", sharp), ("reduced", coarse))
        }
        result["top1_of_known_classes"] = scores | {"pictures": known}
        said += f"; of {known:,} of known classes {scores['sharp']:.1%} and "
        said += f"{scores['reduced']:.1%} right"
    print(said, flush=True)
    return result


# --- what others can learn from it ---------------------------------------------------------------


def transfer(model: keras.Model, name: str, source: str, limit: int | None) -> dict:
    train, test = (opened(model, source, split, limit) for split in ("train", "test"))

    def both(trunk: keras.Model) -> tuple[dict, dict]:
        return trunk_features(trunk, train), trunk_features(trunk, test)

    trained, plain = both(model), (plain_features(train), plain_features(test))
    coarse = trunk_features(model, test, reduced)
    accuracies: dict[str, list[float]] = {}
    for seed in SEEDS:
        trunks = {
            "trained": trained,
            "shuffled": both(inspection.randomized(model, seed=seed)),
            "random": both(random_trunk(model, seed)),
        }
        ways = {
            f"{layer}, {what}": (learned[layer], {"": asked[layer]})
            for layer in LAYERS
            for what, (learned, asked) in trunks.items()
        }
        for layer in LAYERS:
            ways[f"{layer}, trained"][1][", test pictures reduced"] = coarse[layer]
        ways |= {what: (learned, {"": plain[1][what]}) for what, learned in plain[0].items()}
        for what, (learned, asked) in ways.items():
            classify = fitted(learned, train.labels, seed)
            for where, features in asked.items():
                right = np.mean(classify(features) == test.labels)
                accuracies.setdefault(what + where, []).append(share(right))
    for what, values in accuracies.items():
        each = ", ".join(f"{value:.1%}" for value in values)
        print(f"{name}, {what}: {np.mean(values):.1%} ({each})", flush=True)
    return {
        "classes": len(train.class_names),
        "training_pictures": train.size,
        "test_pictures": test.size,
        "accuracies": {
            what: {"mean": share(np.mean(values)), "seeds": values}
            for what, values in accuracies.items()
        },
    }


def trunk_features(model: keras.Model, pictures, view: Callable = tf.identity) -> dict:
    """What leaves each of `LAYERS`, float32 `(pictures, numbers)`, in one pass."""
    forward = inspection.models.compiled(model, [model.get_layer(n).output for n in LAYERS])
    found = [forward(view(images)) for images, _ in pictures.epoch()]
    return {
        layer: np.concatenate([np.reshape(part, (len(part), -1)) for part in parts])
        for layer, parts in zip(LAYERS, zip(*found, strict=True), strict=True)
    }


def plain_features(pictures) -> dict:
    """Of each picture a histogram of its colours, its histograms of oriented gradients, and both.

    Of the shares of colours the square roots are taken, as is usual for histograms.
    """
    colours, gradients = [], []
    for batch, _ in pictures.epoch():
        small = tf.image.resize(batch, (HOG_SIDE, HOG_SIDE), "area").numpy()
        for picture, smaller in zip(batch.numpy(), small, strict=True):
            red, green, blue = (picture.reshape(-1, 3) * (COLOURS / 256)).astype(int).T
            counts = np.bincount((red * COLOURS + green) * COLOURS + blue, minlength=COLOURS**3)
            colours.append(np.sqrt(counts / counts.sum()))
            gradients.append(hog(smaller, 9, (16, 16), (2, 2), channel_axis=-1))
    colours, gradients = np.array(colours, "float32"), np.array(gradients, "float32")
    both = np.concatenate([colours, gradients], axis=1)
    return {"colour histogram": colours, "HOG": gradients, "colour histogram and HOG": both}


def random_trunk(model: keras.Model, seed: int) -> keras.Model:
    """The same network before any training: He's initial values, biases of 0."""
    copy = keras.models.clone_model(model)
    initializer = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))
    for layer in copy.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(initializer(layer.kernel.shape))
            layer.bias.assign(keras.ops.zeros_like(layer.bias))
    return copy


def fitted(features: np.ndarray, labels: np.ndarray, seed: int) -> Callable:
    """A linear classifier of features, which learned from four fifths of each class.

    The other fifth chooses C; of two that are as good, the smaller.
    """
    random = np.random.default_rng(seed)
    out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        out[members[: max(1, round(HELD_OUT * len(members)))]] = True
    scale = spanned(scaled(features[~out]), features[~out])
    train, held_out = scale(features[~out]), scale(features[out])
    classifier = LogisticRegression(max_iter=1000, warm_start=True)
    best = (-1.0, None, None)
    for penalty in PENALTIES:
        # From the solution of the stronger penalty on: a few steps instead of hundreds.
        classifier.set_params(C=penalty).fit(train, labels[~out])
        right = classifier.score(held_out, labels[out])
        if right > best[0]:
            best = (right, classifier.coef_.copy(), classifier.intercept_.copy())
    classifier.coef_, classifier.intercept_ = best[1:]
    return lambda asked: classifier.predict(scale(asked))


def scaled(features: np.ndarray) -> Callable:
    """A function that standardizes each feature, and scales to a mean square length of 1."""
    mean, spread = features.mean(0), features.std(0)
    # One that hardly ever differs would become the loudest where it does.
    alive = spread > 1e-3 * spread.max()
    factors = spread[alive] * np.sqrt(alive.sum(), dtype="float32")
    return lambda given: (given - mean)[:, alive] / factors


def spanned(scale: Callable, features: np.ndarray) -> Callable:
    """`scale`, turned into the space that the examples span, where there are more features.

    A penalty on squares keeps the weights of a linear classifier in that space, and a rotation
    changes no square: the classifier is the same, from as many features as there are examples.
    """
    examples = scale(features)
    if examples.shape[1] <= len(examples):
        return scale
    axes, _ = np.linalg.qr(examples.T)
    return lambda given: scale(given) @ axes


# --- the record ----------------------------------------------------------------------------------


def command(arguments: argparse.Namespace) -> str:
    """What repeats the measurement, wherever the data lies."""
    words = ["python results/weights_report.py"]
    if arguments.pictures:
        words += ["--pictures", source_name(arguments.pictures)]
    if arguments.one_crop:
        words.append("--one-crop")
    if arguments.sharp:
        words += ["--sharp", *map(source_name, arguments.sharp)]
    if arguments.transfer:
        words.append("--transfer")
        words += [f"{name}={source_name(source)}" for name, source in arguments.transfer]
    if arguments.limit_per_class:
        words += ["--limit-per-class", str(arguments.limit_per_class)]
    return " ".join(words)


def source_name(source: str) -> str:
    return Path(source).name


def named_source(text: str) -> tuple[str, str]:
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SOURCE, such as flowers=flowers")
    return name, source


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", help="of its classes: a folder, an archive or a name")
    parser.add_argument(
        "--one-crop",
        action="store_true",
        help="without ten crops, which take ten times as long",
    )
    parser.add_argument("--sharp", nargs="+", default=[], help="large photographs, likewise")
    parser.add_argument(
        "--transfer", nargs="+", default=[], type=named_source, metavar="NAME=SOURCE"
    )
    parser.add_argument("--weights", type=Path, default=pretrained.POCKET)
    parser.add_argument(
        "--limit-per-class", type=int, help="for a quick look, which is not kept as calibration"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    keras.config.set_dtype_policy("float32")
    model, digest = open_model(arguments.weights), files.sha256(arguments.weights)
    limit = arguments.limit_per_class
    results = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    weights = {
        "file": arguments.weights.name,
        "sha256": digest,
        "megabytes": round(arguments.weights.stat().st_size / 1e6, 2),
        "parameters": model.count_params(),
        "classes": model.output_shape[-1],
    }
    # What was measured of other weights says nothing of these.
    if results.get("weights", {}).get("sha256") != digest:
        results = {}
    results["weights"] = weights

    def keep(part: str, measured: dict, start: float, source: str | None = None, name: str = ""):
        measured = measured | {
            "data": records.source(source) if source else None,
            "command": command(arguments),
            "seconds": round(time.perf_counter() - start, 1),
        }
        measured |= records.surroundings()
        if name:
            results.setdefault(part, {})[name] = measured
        else:
            results[part] = measured
        files.write_text(arguments.out, json.dumps(results, indent=1, ensure_ascii=False) + "\n")

    start = time.perf_counter()
    keep("conv1", conv1(model), start)
    if arguments.pictures:
        start = time.perf_counter()
        measured, evaluation = accuracy(
            model, arguments.pictures, limit, (1,) if arguments.one_crop else (1, 10)
        )
        keep("accuracy", measured, start, arguments.pictures)
        start = time.perf_counter()
        found = calibrated(evaluation, arguments.pictures, digest)
        error = {"expected_calibration_error": share(found.expected_error)}
        keep(
            "calibration",
            error | {"bins": [asdict(part) for part in found.bins]},
            start,
            arguments.pictures,
        )
        if limit is None:
            calibration.write(found, arguments.weights)
    for source in arguments.sharp:
        start = time.perf_counter()
        keep("sharpness", sharpness(model, source, limit), start, source, source_name(source))
    for name, source in arguments.transfer:
        start = time.perf_counter()
        keep("transfer", transfer(model, name, source, limit), start, source, name)


if __name__ == "__main__":
    main()
