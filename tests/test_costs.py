"""Counts of networks, against our own description and against what others have published."""

import keras
import numpy as np
import pytest

from alexnet_lib import AlexNet, architecture
from alexnet_lib.teaching.costs import GoogLeNet, VisionTransformer, abstract, census

applications = keras.applications

# torchvision's documentation: parameters, and billions of multiply-accumulates ("GFLOPS").
PUBLISHED = {
    "VGG16": (applications.VGG16, {}, 138_357_544, 15.47),
    "ConvNeXt-T": (applications.ConvNeXtTiny, {}, 28_589_128, 4.46),
    "ViT-B/16": (VisionTransformer, {}, 86_567_656, 17.56),
    "ViT-L/16": (VisionTransformer, {"width": 1024, "depth": 24, "heads": 16}, 304_326_632, 61.55),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_that_others_have_published(name):
    build, options, parameters, macs = PUBLISHED[name]
    counted = census(abstract(build, **options))
    assert counted.parameters == parameters
    assert counted.macs / 1e9 == pytest.approx(macs, rel=0.003)


@pytest.mark.parametrize(
    ("build", "macs"),  # of the same networks with other trifles: squeeze layers, where they stride
    [(applications.DenseNet121, 2.83), (applications.MobileNetV2, 0.30)],
)
def test_multiplications_of_near_relatives_agree_roughly(build, macs):
    assert census(abstract(build)).macs / 1e9 == pytest.approx(macs, rel=0.03)


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_alexnet_counted_as_a_keras_model_is_alexnet_as_described(variant):
    size = architecture.VARIANTS[variant].input_size
    records = architecture.trace(size, variant)
    counted = census(abstract(AlexNet, variant=variant, input_shape=(size, size, 3)))
    dense = sum(record.parameters for record in records if record.kind == "dense")
    assert counted.parameters == sum(record.parameters for record in records)
    assert counted.macs == sum(record.macs for record in records)
    assert counted.top_share == pytest.approx(dense / counted.parameters)
    assert counted.activation == "ReLU"
    assert counted.first_window == "11×11/4"
    assert counted.pooling == "3/2"
    assert counted.groups == ("" if variant in ("one_tower", "owt") else "2")
    assert counted.normalization == ("" if variant == "owt" else "LRN")


def test_googlenet_keeps_to_its_budget():
    """Its paper: 1.5 billion multiply-adds. BVLC's replica has 6,998,552 parameters."""
    counted = census(abstract(GoogLeNet))
    assert counted.macs / 1e9 == pytest.approx(1.5, abs=0.1)
    assert counted.parameters == 6_998_552
    assert counted.pooling == "3/2, 3/1"


def test_depthwise_convolutions_and_kinds_of_layers_are_told_apart():
    mobile = census(abstract(applications.MobileNet))
    assert (mobile.groups, mobile.normalization, mobile.activation) == (
        "depthwise",
        "batch",
        "ReLU",
    )
    assert mobile.top_share == pytest.approx(1025 * 1000 / mobile.parameters)
    assert census(abstract(applications.ConvNeXtTiny)).groups == "depthwise"
    vit = census(abstract(VisionTransformer))
    assert (vit.groups, vit.normalization, vit.activation) == ("", "layer", "GELU")


def test_a_small_transformer_runs_and_its_attention_is_counted():
    """One token more than patches; the answer depends on where the patches lie."""
    model = VisionTransformer(input_size=8, patch=4, width=6, depth=1, heads=2, classes=3)
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    places = model.layers[3]
    assert places.places.shape == (1, 5, 6)
    assert not np.allclose(model(image), model(image[:, ::-1]), atol=1e-6)
    tokens, width = 5, 6
    patches = 4 * (4 * 4 * 3) * width
    attention = 4 * tokens * width**2 + 2 * tokens**2 * width
    inner = 2 * tokens * width * 4 * width
    assert census(model).macs == patches + attention + inner + width * 3


def test_an_abstract_model_has_no_values():
    model = abstract(VisionTransformer, width=12, depth=1, heads=2)
    assert model.count_params() > 0
    assert all(variable._value is None for variable in model.variables)


def test_what_cannot_be_counted_is_said():
    with pytest.raises(ValueError, match="takes images of any size"):
        census(abstract(applications.MobileNetV2, input_shape=(None, None, 3), include_top=False))
    with pytest.raises(ValueError, match="do not fill an image of 225"):
        VisionTransformer(input_size=225)
