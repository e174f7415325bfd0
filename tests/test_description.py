"""`model.description` is `model.build` backwards, whatever happened to the model in between."""

from dataclasses import replace

import keras
import pytest

from alexnet_lib import AlexNet, architecture, load_model
from alexnet_lib.architecture import CAFFENET, PAPER, VARIANTS, describe
from alexnet_lib.model import build, description
from alexnet_lib.preprocessing import with_preprocessing

SMALL = {"classes": 3, "fc_units": 5}


def described(variant, shape, **options):
    model = AlexNet(variant=variant, input_shape=shape, **options)
    found = description(model)
    assert found.variant == variant
    assert found.input_shape == shape
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "classifier_activation": None}])
def test_a_variant_comes_back_as_it_was(variant, options):
    side = VARIANTS[variant].input_size
    found = described(variant, (side, side, 3), **SMALL, **options)
    assert found.layers == describe(variant, **SMALL, **options)
    assert found.trace() == architecture.trace_layers(found.layers, (side, side, 3))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(131, 187, 3), (96, 99, 3), (232, 227, 3)])
def test_odd_sizes(variant, shape):
    """Rows and columns may round differently, and a pooling may then be two of Keras's."""
    found = described(variant, shape, **SMALL)
    assert found.layers == describe(variant, **SMALL)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_without_the_top(variant, pooling):
    found = described(variant, (99, 99, 3), include_top=False, pooling=pooling)
    assert found.layers == describe(variant, include_top=False, pooling=pooling)


CHANGED = {
    "wider": [replace(x, filters=128) if x.name == "conv1" else x for x in PAPER],
    "CaffeNet": CAFFENET,
    "without LRN": [x for x in PAPER if x.kind != "normalization"],
    "other constants": [replace(x, alpha=0.3) if x.name == "norm1" else x for x in PAPER],
    "tanh": [replace(x, activation="tanh") if x.name == "conv2" else x for x in PAPER],
    "stride 2 and padding": [
        replace(x, stride=2, padding=3, rounding="ceil") if x.name == "conv3" else x for x in PAPER
    ],
}


@pytest.mark.parametrize("change", CHANGED)
def test_changed_descriptions_come_back_and_are_no_variant(change):
    layers = [replace(x, units=4) if x.kind == "dense" else x for x in CHANGED[change]]
    found = description(build(layers, (227, 227, 3)))
    assert found.variant is None
    records = architecture.trace_layers(layers, (227, 227, 3))
    # Without a variant nobody can know how a window would round that fits exactly.
    expected = [
        replace(layer, rounding="ceil" if any(record.overhang) else "floor")
        if hasattr(layer, "rounding")
        else layer
        for layer, record in zip(layers, records, strict=True)
    ]
    assert list(found.layers) == expected


@pytest.mark.parametrize("variant", ["paper", "owt", "original"])
def test_neither_name_nor_history_of_the_model_matters(variant, tmp_path):
    network = AlexNet(variant=variant, name="something_else", **SMALL)
    wanted = description(network)
    assert wanted.variant == variant
    behind = with_preprocessing(network, list("abc"), variant)
    behind.save(tmp_path / "alexnet_caffe.keras")
    loaded = load_model(tmp_path / "alexnet_caffe.keras")
    within = keras.Sequential([keras.Input(network.input_shape[1:]), network])
    for other in (keras.models.clone_model(network), behind, loaded, within):
        assert description(other) == wanted


def test_a_model_on_a_given_tensor():
    images = keras.Input((99, 99, 3))
    model = AlexNet(input_tensor=images, variant="caffe", **SMALL)
    assert model.input is images
    assert description(model).variant == "caffe"


def test_half_precision_changes_no_description():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert description(AlexNet(**SMALL)).layers == describe("paper", **SMALL)
    finally:
        keras.config.set_dtype_policy("float32")


def add(tensor, *layers):
    inputs = keras.Input(tensor)
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name="stranger")


def branches():
    inputs = keras.Input((9, 9, 3))
    maps = keras.layers.Conv2D(2, 3, name="left")(inputs)
    other = keras.layers.Conv2D(2, 3, name="right")(inputs)
    return keras.Model(inputs, keras.layers.Add(name="sum")([maps, other]), name="stranger")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            lambda: add((9, 9, 3), keras.layers.BatchNormalization(name="bn")),
            "bn is a BatchNormalization",
        ),
        (branches, "right takes in the output of .*, not of left before it"),
        (
            lambda: add((9, 9, 3), keras.layers.Conv2D(2, 4, padding="same", name="even")),
            "even pads with padding='same'",
        ),
        (
            lambda: add((9, 9, 3), keras.layers.Conv2D(2, (3, 1), name="oblong")),
            r"oblong has windows or steps of \(3, 1\)",
        ),
        (lambda: add((9, 9, 3)), "'stranger' has no layers"),
    ],
)
def test_strangers_are_an_error_that_names_the_layer(model, says):
    with pytest.raises(ValueError, match=says):
        description(model())


def test_a_sixth_variant_needs_no_other_list(monkeypatch):
    """What belongs to a variant is one record, from which everything else takes it."""
    import numpy as np

    from alexnet_lib import preprocess_input
    from alexnet_lib.teaching.widgets import NetworkMap, ResponseNormalization, ShapeCalculator

    sixth = architecture.Variant("CaffeNet", CAFFENET, deviation=(2.0, 2.0, 2.0))
    monkeypatch.setitem(VARIANTS, "caffenet", sixth)
    model = AlexNet(variant="caffenet", **SMALL)
    assert model.name == "alexnet_caffenet"
    assert description(model).layers == describe("caffenet", **SMALL)
    grey = np.full((2, 2, 3), 100.0)
    np.testing.assert_allclose(
        preprocess_input(grey, "caffenet"), (grey - architecture.ILSVRC_MEAN) / 2, rtol=1e-6
    )
    for explorer in (
        NetworkMap(variant="paper"),
        ShapeCalculator(),
        ResponseNormalization([1.0, 2.0, 3.0]),
    ):
        shown = getattr(explorer, "networks", None) or explorer.presets
        assert shown["caffenet"]["label"] == "CaffeNet"
