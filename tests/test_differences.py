"""The table of departures, row by row, against what others wrote.

The numbers of other programs are written here as their files have them, and the files are named:

- the paper: Krizhevsky, Sutskever, Hinton, NIPS 2012, sections and figure 2;
- the released source: repository computerhistory/AlexNet-Source-Code, layers/layers-145.cfg,
  layers/layer-params-145-2010.cfg, layer.py, convdata.py;
- Caffe: models/bvlc_alexnet/train_val.prototxt; the published graph itself travels with the onnx
  package and is read here;
- CaffeNet: models/bvlc_reference_caffenet/train_val.prototxt and its readme.md;
- torchvision: torchvision/models/alexnet.py, references/classification/presets.py and train.py.
"""

from math import ceil
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from alexnet_lib import data
from alexnet_lib.augmentation import PCALighting
from alexnet_lib.teaching import differences
from alexnet_lib.training import Recipe

COLUMNS = ("paper", "source of 2012", "Caffe", "CaffeNet", "torchvision", "this book")
ROWS = {row.name: row for row in differences.departures()}


def cells(name):
    return ROWS[name].cells


def graph_of_caffe():
    """BVLC's AlexNet as published: (operator, attributes) in order."""
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx"
    return [
        (node.op_type, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute})
        for node in onnx.load(path).graph.node
        if node.op_type != "ConstantOfShape"
    ]


def test_every_row_has_every_column_and_its_evidence():
    assert len(ROWS) == 14
    for row in ROWS.values():
        assert tuple(row.cells) == COLUMNS
        assert all(row.cells.values())
        assert row.evidence
        shown = row.as_dict()
        assert list(shown) == ["fact", *COLUMNS, "evidence"]
        assert (shown["fact"], shown["evidence"]) == (row.name, row.evidence)


def sizes(size, rounds, padding=0, pooling_rounds=None):
    """input → conv1 → pool1 → pool2 → pool5 by the formulas of the programs."""
    pooling_rounds = pooling_rounds or rounds
    found = [size, 1 + rounds((size + 2 * padding - 11) / 4)]
    for _ in range(3):  # the convolutions between keep the size
        found.append(1 + pooling_rounds((found[-1] - 3) / 2))
    return " → ".join(map(str, found))


def test_input_and_sizes():
    row = cells("input and sizes")
    # Section 3.5 prints 224×224×3; nothing in the paper says how a remainder is rounded.
    assert row["paper"] == sizes(224, int)
    # layer.py: modulesX = 1 + ceil((2·padding + imgSize - filterSize) / stride); pools likewise.
    assert row["source of 2012"] == sizes(224, ceil)
    # train_val.prototxt: crop_size 227; pooling_layer.cpp rounds up, conv_layer.cpp down.
    assert row["Caffe"] == row["CaffeNet"] == sizes(227, int, pooling_rounds=ceil)
    # alexnet.py: Conv2d(3, 64, kernel_size=11, stride=4, padding=2), MaxPool2d(3, 2); 224 pixels.
    assert row["torchvision"] == sizes(224, int, padding=2)
    # Figure 2 prints 55, 27, 13 for the maps, and section 3.5 follows.
    assert row["this book"] == "227 → 55 → 27 → 13 → 6"


def test_rounding():
    row = cells("rounding")
    assert row["paper"] == "not said"
    assert row["source of 2012"] == "up"
    assert row["Caffe"] == row["CaffeNet"] == "down, poolings up"
    assert row["torchvision"] == row["this book"] == "down"
    # Where rounding plays a part: 224 in conv1 differs, 227 and its maps do not.
    assert sizes(224, ceil) != sizes(224, int)
    assert sizes(227, ceil) == sizes(227, int)


def told_constants(text):
    """k, n, β and the factor of Σa² as numbers."""
    settings, factor = text.split(", ")
    k, n, beta = (float(setting.split("=")[1]) for setting in settings.split())
    return k, n, beta, float(factor.removesuffix("·Σa²"))


def test_lrn_constants():
    row = {column: cells("LRN constants")[column] for column in COLUMNS}
    assert told_constants(row["paper"]) == (2, 5, 0.75, 1e-4)  # section 3.3
    assert row["this book"] == row["paper"]
    # layer-params-145-2010.cfg: scale=0.0001, pow=0.75, minDiv=2; layers-145.cfg: size=5;
    # layer.py divides a cmrnorm's scale by its size.
    assert told_constants(row["source of 2012"]) == pytest.approx((2, 5, 0.75, 0.0001 / 5))
    norms = [attributes for kind, attributes in graph_of_caffe() if kind == "LRN"]
    assert len(norms) == 2
    for norm in norms:  # ONNX's alpha is divided by size, as Caffe's is
        published = (norm["bias"], norm["size"], norm["beta"], norm["alpha"] / norm["size"])
        assert told_constants(row["Caffe"]) == pytest.approx(published)
    # bvlc_reference_caffenet: local_size: 5, alpha: 0.0001, beta: 0.75; caffe.proto: k = 1.
    assert told_constants(row["CaffeNet"]) == pytest.approx((1, 5, 0.75, 0.0001 / 5))
    assert row["torchvision"] == "no LRN"  # alexnet.py has none


def test_scope_of_lrn():
    row = cells("LRN sums over")
    # Section 3.3: N is "the total number of kernels in the layer".
    assert row["paper"] == row["this book"] == row["Caffe"] == row["CaffeNet"] == "all channels"
    # layers-145.cfg: rnorm1a and rnorm1b, channels=48; rnorm2a and rnorm2b, channels=128.
    assert row["source of 2012"] == "one tower"
    assert row["torchvision"] == "no LRN"


def between_convolutions(which):
    """Caffe's operators from one convolution to the next, in this table's words."""
    words = {"Relu": "ReLU", "LRN": "LRN", "MaxPool": "pool"}
    kinds = [kind for kind, _ in graph_of_caffe()]
    places = [i for i, kind in enumerate(kinds) if kind == "Conv"]
    start, end = places[which - 1 : which + 1]
    return ", ".join(words[kind] for kind in kinds[start + 1 : end])


# layers-145.cfg: pool1a has neuron=relu and takes rnorm1a, which takes conv1a; conv2a has
# neuron=relu, then rnorm2a, cnorm2a, pool2a. CaffeNet: relu1, pool1, norm1. alexnet.py: no LRN.
@pytest.mark.parametrize(
    ("which", "source"), [(1, "LRN, pool, ReLU"), (2, "ReLU, LRN, norm in maps, pool")]
)
def test_order_of_relu_lrn_and_pool(which, source):
    row = cells(f"after conv{which}")
    assert row["source of 2012"] == source
    assert row["Caffe"] == between_convolutions(which) == "ReLU, LRN, pool"
    assert row["CaffeNet"] == "ReLU, pool, LRN"
    assert row["torchvision"] == "ReLU, pool"
    # Section 3.5: pooling follows "both response-normalization layers"; the ReLU "is applied to
    # the output of every convolutional" layer.
    assert row["paper"] == row["this book"] == "ReLU, LRN, pool"


def test_second_normalization():
    row = cells("second normalization")
    # layers-145.cfg: cnorm2a, type=rnorm, size=5; layer-params: scale=0.001, pow=0.75 and no
    # minDiv, whose default is 1; layer.py divides an rnorm's scale by size².
    words = row["source of 2012"]
    assert words.startswith("5×5 positions, k=1 β=0.75, ")
    factor = float(words.rsplit(", ", 1)[1].removesuffix("·Σa²"))
    assert factor == pytest.approx(0.001 / 5**2)
    assert {row[column] for column in COLUMNS if column != "source of 2012"} == {"none"}


def test_groups():
    row = cells("groups")
    convolutions = [attributes for kind, attributes in graph_of_caffe() if kind == "Conv"]
    two = [f"conv{i}" for i, a in enumerate(convolutions, 1) if a.get("group", 1) == 2]
    assert row["Caffe"] == row["CaffeNet"] == "two in " + ", ".join(two)
    # layers-145.cfg: conv3a and conv3b take pool2a,pool2b; conv2, conv4, conv5 their own side.
    # Section 3.5 says the same of the paper's network.
    assert row["source of 2012"] == row["paper"] == row["this book"] == row["Caffe"]
    assert row["torchvision"] == "none"


def test_initial_weights():
    row = cells("initial weights, σ")
    assert row["paper"] == row["this book"] == "0.01"  # section 5
    assert row["source of 2012"] == "0.01; 0.03 in conv3, conv4, conv5"  # layers-145.cfg: initW
    # Both train_val.prototxt: std 0.005 in fc6 and fc7, 0.01 elsewhere.
    assert row["Caffe"] == row["CaffeNet"] == "0.01; 0.005 in fc6, fc7"
    assert row["torchvision"] == "uniform ±1/√(fan in)"  # PyTorch's default of Conv2d and Linear


def test_initial_biases():
    row = cells("initial biases")
    ones = "0; 1 in conv2, conv4, conv5, fc6, fc7"
    # Section 5: one in the second, fourth and fifth convolution and the hidden dense layers.
    # layers-145.cfg: initB=1 there, and in no other layer. CaffeNet's train_val.prototxt: value: 1.
    assert row["paper"] == row["this book"] == row["source of 2012"] == row["CaffeNet"] == ones
    # bvlc_alexnet/train_val.prototxt: value: 0.1.
    assert row["Caffe"] == ones.replace("1 in", "0.1 in")
    assert row["torchvision"] == "uniform ±1/√(fan in)"


def test_learning_rate_of_biases():
    row = cells("learning rate of biases")
    # Section 5: "We used an equal learning rate for all layers".
    # torchvision, references/classification/train.py: one `lr` for all parameters.
    assert row["paper"] == row["torchvision"] == "as the weights"
    # layer-params-145-2010.cfg: epsB=0.002 and epsW=0.00001 wherever conv1's zeros do not stand.
    assert row["source of 2012"] == "its own: 0.002 at the end, weights 0.00001"
    # Both train_val.prototxt: lr_mult is 1 for the kernel and 2 for the bias of each layer.
    assert row["Caffe"] == row["CaffeNet"] == "twice the weights'"
    # Ours: without decay, equal gradients move kernel and bias equally far.
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    before = [np.array(variable) for variable in layer.variables]
    Recipe.paper(weight_decay=0.0).optimizer().apply(
        [keras.ops.ones_like(variable) for variable in layer.variables], layer.variables
    )
    kernel, bias = (float(np.sum(b - a)) for b, a in zip(before, layer.variables, strict=True))
    assert kernel == pytest.approx(bias)
    assert kernel > 0
    assert row["this book"] == "as the weights"


def test_colour_noise():
    row = cells("colour noise")
    assert row["paper"] == "N(0, 0.1)·λ"  # section 4.1
    # convdata.py: randn times pca_stdevs times color_noise (0.1 in the run notes), all divided by
    # 1 + color_noise.
    assert row["source of 2012"] == f"N(0, 0.1)·√λ, then all / {1 + 0.1:g}"
    # Both readme.md: "not training with the relighting data-augmentation". presets.py: none.
    assert row["Caffe"] == row["CaffeNet"] == row["torchvision"] == "none"
    # Ours: the shifts of many pictures have the standard deviation 0.1 · λ along each component.
    lighting = PCALighting(np.array([0.2, 0.02, 0.01]), np.eye(3), np.zeros(3))
    # Far enough from the source's square roots, which are more than twice as large.
    shifts = np.array([lighting.shift((0, example)) for example in range(80)]) / 255
    assert shifts.std(0) == pytest.approx(0.1 * lighting.eigenvalues, rel=0.3)
    assert row["this book"] == "N(0, 0.1)·λ, if asked for"
    assert data.load("photos", limit_per_class=1).lighting is None


def test_crops_in_training():
    row = cells("crops in training")
    assert row["paper"] == "224 of 256, mirrored"  # section 4.1
    # convdata.py: inner_size = img_size - 2 · crop_border, 256 - 2·16; crop_chunk = 32.
    assert row["source of 2012"] == f"{256 - 2 * 16} of 256, mirrored; 32 pictures alike"
    assert row["Caffe"] == row["CaffeNet"] == "227 of 256, mirrored"  # crop_size: 227, mirror: true
    # presets.py: RandomResizedCrop, whose scale is (0.08, 1.0), to 224; RandomHorizontalFlip.
    assert row["torchvision"] == "8 to 100 % of the area, to 224, mirrored"
    pictures = data.load("photos", limit_per_class=1)
    assert row["this book"] == f"{pictures.image_size} of {pictures.short_side}, mirrored"
    assert pictures.augment


def test_crops_in_testing():
    row = cells("crops in testing")
    # Section 4.1 averages ten; without, 39.0 % instead of 37.5 %. The run notes have "multiview"
    # and "center patch".
    assert row["paper"] == row["source of 2012"] == "ten; centre"
    # The readme.md of both: "using just the center crop". presets.py: CenterCrop.
    assert row["Caffe"] == row["CaffeNet"] == row["torchvision"] == "centre"
    assert row["this book"] == "centre; ten if asked for"
    pictures = data.load("photos", "test", limit_per_class=1, batch_size=10)
    (crops, _), (centre, _) = next(iter(pictures.ten_crops())), next(iter(pictures.epoch(0)))
    assert crops.shape == (1, 10, 227, 227, 3)  # ten crops each, so a tenth of the pictures
    np.testing.assert_array_equal(crops[0, 4], centre[0])
