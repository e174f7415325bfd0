"""The model that Keras built against the description, ONNX Runtime, and the papers' settings."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from conftest import ROOT

from alexnet_lib import (
    AlexNet,
    GroupedConv2D,
    LocalResponseNormalization,
    MapResponseNormalization,
    architecture,
    preprocess_input,
)
from alexnet_lib.architecture import VARIANTS, trace
from alexnet_lib.model import build

NAMES = [
    *("conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4", "conv5", "pool5"),
    *("fc6", "fc7", "fc8"),
]
SMALL = {"input_shape": (99, 99, 3), "classes": 5, "fc_units": 16}


@pytest.fixture
def policy():
    """Sets the global policy, for one test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def photographs(batch, rows, columns=None, seed=0):
    """Coloured noise with large and small structure, 0..255: no constant, no saturation."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 200, (batch, 8, 8, 3))
    smooth = np.asarray(tf.image.resize(coarse, (rows, columns or rows), "bicubic"))
    return np.clip(smooth + random.normal(0, 25, smooth.shape), 0, 255).astype("float32")


def assert_model_is_the_trace(model, records):
    for record in records:
        layer = model.get_layer(record.name)
        assert layer.output.shape == (None, *record.output_shape), record.name
        assert layer.count_params() == record.parameters, record.name
    helpers = {layer.name for layer in model.layers} - {record.name for record in records}
    assert sum(model.get_layer(name).count_params() for name in helpers) == 0
    assert model.count_params() == sum(record.parameters for record in records)
    assert model.output_shape == (None, *records[-1].output_shape)


# --- The model is the description -------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_full_network_has_every_shape_and_every_parameter(variant):
    size = VARIANTS[variant].input_size
    assert_model_is_the_trace(
        AlexNet(variant=variant, input_shape=(size, size, 3)), trace(size, variant)
    )


@pytest.mark.parametrize("sides", [(227, 227), (224, 224), (224, 227), (131, 187), (96, 101)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_size_has_the_shapes_of_the_trace(variant, sides):
    options = {"classes": 7, "fc_units": 8}
    model = AlexNet(variant=variant, input_shape=(*sides, 3), **options)
    assert_model_is_the_trace(model, trace(sides, variant, **options))


@pytest.mark.parametrize("variant", VARIANTS)
def test_computing_gives_the_shapes_that_were_promised(variant):
    """Shapes again, but of numbers, not of symbols."""
    model = AlexNet(variant=variant, input_shape=(131, 131, 3), classes=7, fc_units=8)
    named = [record.name for record in trace(131, variant, classes=7, fc_units=8)]
    every = keras.Model(model.input, [model.get_layer(name).output for name in named])
    for record, output in zip(
        trace(131, variant, classes=7, fc_units=8), every(photographs(2, 131)), strict=True
    ):
        assert output.shape == (2, *record.output_shape)


def test_one_side_hangs_over_the_edge_and_the_other_does_not():
    """Caffe's pooling on a 224×227 picture is Caffe's pooling along each side."""
    images = photographs(2, 96, 99)
    model = AlexNet(variant="caffe", input_shape=(96, 99, 3), include_top=False)
    before = model.get_layer("norm1").output
    outputs = keras.Model(model.input, [before, model.get_layer("pool1").output])(images)
    maps, pooled = map(np.asarray, outputs)
    for y in range(pooled.shape[1]):
        for x in range(pooled.shape[2]):
            window = maps[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            np.testing.assert_array_equal(pooled[:, y, x], window.max((1, 2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_layers_have_the_promised_names(variant):
    names = [layer.name for layer in AlexNet(variant=variant, **SMALL).layers]
    wanted = [name for name in NAMES if variant != "owt" or not name.startswith("norm")]
    assert [name for name in names if name in NAMES] == wanted


def test_layers_are_of_the_promised_kinds():
    def kinds(variant):
        return {layer.name: type(layer) for layer in AlexNet(variant=variant, **SMALL).layers}

    paper, one_tower, original = kinds("paper"), kinds("one_tower"), kinds("original")
    for name in ("conv2", "conv4", "conv5"):
        assert paper[name] is GroupedConv2D
        assert one_tower[name] is keras.layers.Conv2D
    assert paper["norm1"] is LocalResponseNormalization
    assert original["mapnorm2"] is MapResponseNormalization


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ("paper", (2, 2.0, 1e-4, 0.75, 1)),
        ("caffe", (2, 1.0, 2e-5, 0.75, 1)),
        ("original", (2, 2.0, 2e-5, 0.75, 2)),
    ],
)
def test_normalization_has_the_constants_of_its_source(variant, settings):
    model = AlexNet(variant=variant, **SMALL)
    for name in ("norm1", "norm2"):
        norm = model.get_layer(name)
        found = (norm.depth_radius, norm.bias, norm.alpha, norm.beta, norm.groups)
        assert found == pytest.approx(settings)


def test_padding_of_the_original_hangs_over_the_far_edge():
    """On 224 pixels the last window of conv1 reads three zeros beyond the right and lower edge."""
    model = AlexNet(variant="original", input_shape=(224, 224, 3), include_top=False)
    conv1 = model.get_layer("conv1")
    outputs = np.asarray(keras.Model(model.input, conv1.output)(np.ones((1, 224, 224, 3), "f4")))
    kernel = conv1.get_weights()[0].astype("float64")
    np.testing.assert_allclose(outputs[0, 0, 0], kernel.sum((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(outputs[0, 54, 54], kernel[:8, :8].sum((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(outputs[0, 54, 0], kernel[:8].sum((0, 1, 2)), atol=1e-5)


def test_original_rectifies_conv1_after_the_pool():
    model = AlexNet(variant="original", **SMALL)
    names = ("conv1", "pool1", "relu1")
    maps = keras.Model(model.input, [model.get_layer(name).output for name in names])
    conv1, pool1, relu1 = map(np.asarray, maps(photographs(1, 99) - 128))
    assert conv1.min() < 0
    assert pool1.min() < 0
    np.testing.assert_array_equal(relu1, np.maximum(pool1, 0))


def test_a_changed_description_is_a_changed_network():
    wide = [
        replace(x, filters=128) if x.name == "conv1" else x
        for x in VARIANTS["one_tower"].layers[:3]
    ]
    assert build(wide).get_layer("conv1").output.shape == (None, 55, 55, 128)
    assert build(wide, (99, 99, 1)).get_layer("conv1").kernel.shape == (11, 11, 1, 128)


def test_without_a_top():
    model = AlexNet(include_top=False)
    assert model.output_shape == (None, 6, 6, 256)
    assert model.layers[-1].name == "pool5"


# --- Initial values ---------------------------------------------------------------------------

HIDDEN = ("conv2", "conv4", "conv5", "fc6", "fc7")
INITIAL = {
    "paper": ({}, dict.fromkeys(HIDDEN, 1.0)),
    "one_tower": ({}, dict.fromkeys(HIDDEN, 1.0)),
    "caffe": ({"fc6": 0.005, "fc7": 0.005}, dict.fromkeys(HIDDEN, 0.1)),
    "original": (dict.fromkeys(("conv3", "conv4", "conv5"), 0.03), dict.fromkeys(HIDDEN, 1.0)),
}


@pytest.mark.parametrize("variant", INITIAL)
def test_initial_values_are_those_of_the_source(variant):
    deviations, biases = INITIAL[variant]
    keras.utils.set_random_seed(1)
    model = AlexNet(variant=variant, input_shape=(131, 131, 3), fc_units=256)
    for name in [name for name in NAMES if name.startswith(("conv", "fc"))]:
        kernel, bias = model.get_layer(name).get_weights()
        sigma = deviations.get(name, 0.01)
        # Five standard errors of the estimate, for so many independent draws.
        assert kernel.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * kernel.size)), name
        assert abs(kernel.mean()) < 5 * sigma / np.sqrt(kernel.size), name
        assert np.abs(kernel).max() > 3.5 * sigma, f"{name} is a truncated normal"
        np.testing.assert_array_equal(bias, np.float32(biases.get(name, 0.0)))


def test_torchvisions_initial_values_are_uniform_within_one_over_root_fan_in():
    model = AlexNet(variant="owt", input_shape=(131, 131, 3), fc_units=256)
    for name in [name for name in NAMES if name.startswith(("conv", "fc"))]:
        kernel, bias = model.get_layer(name).get_weights()
        bound = np.prod(kernel.shape[:-1]) ** -0.5
        assert 0.99 * bound < np.abs(kernel).max() <= bound * (1 + 1e-6), name
        assert np.abs(bias).max() <= bound * (1 + 1e-6), name
        assert bias.std() == pytest.approx(bound / np.sqrt(3), rel=0.35), name
        assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.05), name


def test_the_seed_decides_the_weights():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return AlexNet(**SMALL).get_weights()

    first, again, other = weights(3), weights(3), weights(4)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).mean() > 0.99


# --- Arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"input_shape": (227, 227)}, "height, width, channels"),
        ({"input_shape": (30, 30, 3)}, "smallest square input for these layers is 67 pixels"),
        ({"classes": 0}, "classes is 0"),
        ({"variant": "papre"}, "Did you mean 'paper'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, what):
    with pytest.raises(ValueError, match=what):
        AlexNet(**arguments)


def test_weights_that_are_not_there():
    with pytest.raises(FileNotFoundError, match=r"no weights at 'nowhere\.weights\.h5'"):
        AlexNet(weights="nowhere.weights.h5", **SMALL)


def test_weights_of_a_file(tmp_path):
    model = AlexNet(**SMALL)
    model.save_weights(tmp_path / "small.weights.h5")
    for path in (tmp_path / "small.weights.h5", str(tmp_path / "small.weights.h5")):
        back = AlexNet(weights=path, **SMALL)
        for a, b in zip(model.get_weights(), back.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_weights_that_do_not_fit(tmp_path):
    AlexNet(**SMALL).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(ValueError, match="shape"):
        AlexNet(weights=tmp_path / "small.weights.h5", **(SMALL | {"fc_units": 8}))


def test_logits_are_the_probabilities_before_the_softmax():
    logits = AlexNet(classifier_activation=None, **SMALL)
    probabilities = AlexNet(**SMALL)
    probabilities.set_weights(logits.get_weights())
    x = preprocess_input(photographs(2, 99))
    found = np.asarray(logits(x), "float64")
    exponentials = np.exp(found - found.max(-1, keepdims=True))
    np.testing.assert_allclose(
        np.asarray(probabilities(x)), exponentials / exponentials.sum(-1, keepdims=True), rtol=1e-5
    )


def test_dropout_silences_its_share_while_training():
    model = AlexNet(dropout=0.25, **(SMALL | {"fc_units": 2000}))
    layer = model.get_layer("drop6")
    kept = np.asarray(layer(np.ones((10, 2000), "float32"), training=True))
    assert (kept == 0).mean() == pytest.approx(0.25, abs=0.02)
    x = photographs(1, 99)
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x, training=False)))


# --- Preprocessing ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "float64", "float32", "int32"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_preprocessing_takes_the_mean_colour_away(dtype, batch):
    images = np.random.default_rng(0).integers(0, 256, (*batch, 4, 5, 3)).astype(dtype)
    for variant in ("paper", "caffe", "one_tower", "original"):
        found = preprocess_input(images, variant)
        assert found.dtype == "float32"
        mean = np.array([122.679, 116.669, 104.007])
        np.testing.assert_allclose(np.asarray(found), images - mean, atol=1e-4)
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(np.asarray(preprocess_input(images, "owt")), expected, atol=1e-5)


def test_preprocessing_runs_inside_a_pipeline():
    data = tf.data.Dataset.from_tensor_slices(np.full((3, 4, 4, 3), 255, "uint8"))
    (batch,) = data.map(preprocess_input).batch(3)
    np.testing.assert_allclose(batch[0, 0, 0], [132.321, 138.331, 150.993], atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (1, 4, 4, 4), (1, 1, 4, 4, 3), (2, 3, 4, 4)])
def test_preprocessing_refuses_what_is_not_rgb(shape):
    with pytest.raises(ValueError, match="they must be") as caught:
        preprocess_input(np.zeros(shape, "uint8"))
    assert str(shape) in str(caught.value)


def test_preprocessing_knows_its_variants():
    with pytest.raises(ValueError, match="Did you mean 'owt'"):
        preprocess_input(np.zeros((4, 4, 3)), "owtt")


# --- Precision and compilation ----------------------------------------------------------------


# The direction of a gradient that half precision must keep: bfloat16 rounds to 8 bits, five ReLUs
# and three maxima deep.
COSINE = {"mixed_bfloat16": 0.95, "mixed_float16": 0.98}


def gradient_step(model, images, labels):
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
        loss = tf.reduce_mean(losses)
    return probabilities, tape.gradient(loss, [w.value for w in model.trainable_weights])


@pytest.mark.parametrize("variant", VARIANTS)
def test_half_precision_under_xla_trains_like_full_precision(variant, policy):
    """What a GPU does: XLA and a mixed policy together; the reference is neither."""
    options = SMALL | {"input_shape": (67, 67, 3), "dropout": 0.0}
    images, labels = preprocess_input(photographs(2, 67), variant), np.array([1, 3])
    keras.utils.set_random_seed(0)
    full = AlexNet(variant=variant, **options)
    # Scaled up so that the loss reaches conv1 above half precision's smallest numbers.
    gain = 1 if variant == "owt" else 3
    full.set_weights([w * (gain if w.ndim > 1 else 1) for w in full.get_weights()])
    expected, gradients = gradient_step(full, images, labels)
    for name, cosine in COSINE.items():
        policy(name)
        half = AlexNet(variant=variant, **options)
        half.set_weights(full.get_weights())
        assert half.get_layer("conv3").compute_dtype == name.removeprefix("mixed_")
        assert {weight.dtype for weight in half.weights} == {"float32"}
        compiled = tf.function(
            lambda x, y, model=half: gradient_step(model, x, y), jit_compile=True
        )
        found, half_gradients = compiled(images, labels)
        assert found.dtype == "float32"
        np.testing.assert_allclose(np.asarray(found).sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(found, expected, atol=2e-2)
        for weight, wanted, got in zip(full.weights, gradients, half_gradients, strict=True):
            wanted, got = np.ravel(wanted), np.ravel(got)
            assert np.isfinite(got).all(), weight.path
            lengths = np.linalg.norm(wanted), np.linalg.norm(got)
            assert wanted @ got > cosine * np.prod(lengths), f"{name}, {weight.path}"
            assert lengths[1] == pytest.approx(lengths[0], rel=0.1), f"{name}, {weight.path}"


def test_fit_lowers_the_loss():
    keras.utils.set_random_seed(0)
    model = AlexNet(variant="original", **(SMALL | {"dropout": 0.0}))
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    images = preprocess_input(photographs(4, 99))
    history = model.fit(images, np.array([0, 1, 2, 3]), batch_size=4, epochs=6, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


# --- Files, processes, backends ---------------------------------------------------------------

ANSWER_AGAIN = """
import sys, keras, numpy as np, alexnet_lib.layers
for folder in sys.argv[1:]:
    model = keras.saving.load_model(folder + "/model.keras", safe_mode=True)
    arrays = np.load(folder + "/arrays.npz")
    found = model.predict(arrays["x"], verbose=0)
    np.testing.assert_allclose(found, arrays["y"], rtol=1e-4, atol=1e-6)
"""

AND_LEARN = """
model.compile("sgd", "sparse_categorical_crossentropy")
assert np.isfinite(model.train_on_batch(arrays["x"], np.zeros(len(arrays["x"]))))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two models in `.keras` files with an answer of each: all our layers; the original network."""
    tensor = images = keras.Input((6, 7, 8))
    for layer in (
        LocalResponseNormalization(3, 1.5, 1e-3, 0.6, groups=2),
        LocalResponseNormalization(),
        MapResponseNormalization(3, 1.5, 1e-3, 0.6),
        GroupedConv2D(12, 3, padding="same", activation="relu"),
        GroupedConv2D(6, 3, groups=3, strides=2),
    ):
        tensor = layer(tensor)
    models = {
        "layers": (keras.Model(images, tensor), np.random.default_rng(0).normal(size=(2, 6, 7, 8))),
        "network": (AlexNet(variant="original", **SMALL), photographs(2, 99) - 128),
    }
    folders = []
    for name, (model, x) in models.items():
        folders.append(tmp_path_factory.mktemp(name))
        model.save(folders[-1] / "model.keras")
        np.savez(folders[-1] / "arrays.npz", x=x.astype("f4"), y=np.asarray(model(x)))
    return folders


@pytest.fixture(scope="module")
def fresh_processes(saved):
    """One process a backend, side by side: most of their time is the import."""
    scripts = {"tensorflow": ANSWER_AGAIN}
    if importlib.util.find_spec("jax"):
        scripts["jax"] = ANSWER_AGAIN + AND_LEARN
    return {
        backend: subprocess.Popen(
            [sys.executable, "-c", script, *map(str, saved)],
            cwd=ROOT,
            env=os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend, script in scripts.items()
    }


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_saved_models_answer_the_same_in_a_fresh_process(backend, fresh_processes):
    if backend not in fresh_processes:
        pytest.skip("the JAX backend is optional, and not installed")
    process = fresh_processes[backend]
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_goes_through_a_file(variant, tmp_path):
    model = AlexNet(variant=variant, **SMALL)
    model.save(tmp_path / "model.keras")
    back = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    x = preprocess_input(photographs(2, 99), variant)
    np.testing.assert_allclose(np.asarray(back(x)), np.asarray(model(x)), rtol=1e-6)
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]


# --- The whole network against ONNX Runtime ---------------------------------------------------

# Our layer → the tensor of the published graph that holds the same numbers.
PUBLISHED = {
    "conv1": "r1", "norm1": "r2", "pool1": "r3", "conv2": "r5", "norm2": "r6", "pool2": "r7",
    "conv3": "r9", "conv4": "r11", "conv5": "r13", "pool5": "r14", "fc6": "r17", "fc7": "r20",
}  # fmt: skip


def published_caffe_network(random):
    """BVLC AlexNet as the onnx package carries it, its constants replaced by random weights that
    keep the activities of every layer near the size where LRN bends them, and its input by 227."""
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx"
    model = onnx.load(path)
    graph = model.graph
    shapes = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    weights = {}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        (name,), shape = node.output, shapes[node.input[0]]
        if name.endswith("_w_0"):
            # He's scale keeps the activities' size; conv1 and conv2 get more, for LRN's sake.
            # and fc8 less, for the softmax's.
            gain = {"conv1_w_0": 1.0, "conv2_w_0": 3.0, "fc8_w_0": 0.03}.get(name, 1.4)
            weights[name] = random.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)
        else:
            weights[name] = random.normal(0, 1.0, shape)
        weights[name] = weights[name].astype("float32")
        graph.node.remove(node)
    del graph.initializer[:]
    graph.initializer.extend(onnx.numpy_helper.from_array(w, n) for n, w in weights.items())
    graph.initializer.append(onnx.numpy_helper.from_array(shapes["OC2_DUMMY_1"], "OC2_DUMMY_1"))
    keep = [i for i in graph.input if i.name == "data_0"]
    for axis in (2, 3):
        keep[0].type.tensor_type.shape.dim[axis].dim_value = 227
    del graph.input[:]
    graph.input.extend(keep)
    del graph.output[:]
    graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in [*PUBLISHED.values(), "r24", "prob_1"]
    )
    model.ir_version = 8  # weights need not be inputs as well
    return model, weights


def test_caffe_network_is_the_published_one():
    random = np.random.default_rng(0)
    published, weights = published_caffe_network(random)
    x = np.asarray(preprocess_input(photographs(1, 227), "caffe"))
    names = [output.name for output in published.graph.output]
    session = onnxruntime.InferenceSession(published.SerializeToString())
    expected = dict(zip(names, session.run(None, {"data_0": x.transpose(0, 3, 1, 2)}), strict=True))

    model = AlexNet(variant="caffe", classifier_activation=None)
    for layer in (model.get_layer(name) for name in NAMES if name.startswith(("conv", "fc"))):
        kernel = weights[f"{layer.name}_w_0"]
        if layer.name == "fc6":
            # Caffe flattens channels first, Keras channels last.
            kernel = kernel.reshape(-1, 256, 6, 6).transpose(0, 2, 3, 1).reshape(-1, 9216)
        kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        layer.set_weights([kernel, weights[f"{layer.name}_b_0"]])
    outputs = keras.Model(
        model.input, {name: model.get_layer(name).output for name in [*PUBLISHED, "fc8"]}
    )(x)

    for name, tensor in {**PUBLISHED, "fc8": "r24"}.items():
        wanted = expected[tensor]
        wanted = np.maximum(wanted, 0) if name == "fc7" else wanted
        wanted = wanted.transpose(0, 2, 3, 1) if wanted.ndim == 4 else wanted
        # Relative to the size of the layer's numbers: sums of thousands of terms cancel.
        tolerance = 1e-4 * np.sqrt(np.mean(wanted**2))
        np.testing.assert_allclose(
            np.asarray(outputs[name]), wanted, rtol=1e-4, atol=tolerance, err_msg=name
        )
    # The comparison means something: LRN changes the numbers, and classes differ.
    for conv, norm in (("r1", "r2"), ("r5", "r6")):
        assert np.linalg.norm(expected[norm]) < 0.9 * np.linalg.norm(expected[conv])
    assert expected["r24"].std() > 0.1
    assert expected["prob_1"].max() < 0.9


def test_one_description_serves_both_the_trace_and_the_model():
    """The tuple of a variant is all there is: no layer is built that it does not name."""
    for variant in VARIANTS:
        described = {layer.name for layer in architecture.describe(variant)}
        built = {layer.name for layer in AlexNet(variant=variant, **SMALL).layers}
        extra = built - described - {"image"}
        assert all(name.split("_")[0] in described for name in extra), extra
