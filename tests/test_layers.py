"""The layers against NumPy from the paper's formula, ONNX Runtime, SciPy, and Keras itself."""

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import scipy.signal
import tensorflow as tf

from alexnet_lib.layers import GroupedConv2D, LocalResponseNormalization, MapResponseNormalization

ROOT = Path(__file__).parents[1]
HOWS = ["eager", "graph", "XLA"]
POLICIES = {"float32": 1e-5, "mixed_bfloat16": 2e-2, "mixed_float16": 2e-2}


def normal(*shape, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


def lrn(a, k=2.0, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Section 3.3 in float64, channel by channel, and what its backward step needs."""
    channels = a.shape[-1]
    per_group = channels // groups
    scale = np.full(a.shape, k, "float64")
    windows = []
    for i in range(channels):
        first, last = i // per_group * per_group, (i // per_group + 1) * per_group - 1
        windows.append(range(max(first, i - n // 2), min(last, i + n // 2) + 1))
        for j in windows[i]:
            scale[..., i] += alpha * a[..., j] ** 2
    return a / scale**beta, scale, windows


def lrn_gradient(a, g, **constants):
    """Σ_i g_i ∂b_i/∂a_j, the quotient rule written out."""
    alpha, beta = constants.get("alpha", 1e-4), constants.get("beta", 0.75)
    _, scale, windows = lrn(a, **constants)
    gradient = g / scale**beta
    for i, window in enumerate(windows):
        for j in window:
            share = g[..., i] * a[..., i] * scale[..., i] ** (-beta - 1)
            gradient[..., j] -= 2 * alpha * beta * a[..., j] * share
    return gradient


def map_norm(a, k=1.0, size=5, alpha=1e-3 / 25, beta=0.75):
    scale = np.full(a.shape, k, "float64")
    _, rows, columns, _ = a.shape
    for y in range(rows):
        for x in range(columns):
            for v in range(max(0, y - size // 2), min(rows, y + size // 2 + 1)):
                for u in range(max(0, x - size // 2), min(columns, x + size // 2 + 1)):
                    scale[:, y, x] += alpha * a[:, v, u] ** 2
    return a / scale**beta


def forward_and_gradient(layer, inputs, upstream):
    inputs = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        # As a model calls it that trains: some layers compute in another way then.
        trains = {"training": True} if isinstance(layer, LocalResponseNormalization) else {}
        outputs = layer(inputs, **trains)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * tf.cast(upstream, "float32"))
    return outputs, tape.gradient(loss, inputs)


def step(layer, how):
    """`forward_and_gradient` of a layer: eagerly, in a graph, or in a graph under XLA."""
    if how == "eager":
        return lambda inputs, upstream: forward_and_gradient(layer, inputs, upstream)
    return tf.function(
        lambda inputs, upstream: forward_and_gradient(layer, inputs, upstream),
        jit_compile=how == "XLA",
    )


def assert_close(actual, expected, tolerance):
    """Relative to the size of each number, and of the whole where numbers cancel."""
    actual = np.asarray(tf.cast(actual, "float64"))
    assert np.isfinite(actual).all()
    floor = tolerance * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=floor)


# --- Local response normalization -------------------------------------------------------------

LRN_CASES = {
    "paper": ({}, (2, 4, 5, 16), 30),
    "paper, small activities": ({}, (2, 4, 5, 16), 0.1),
    "activities of 1e4": ({}, (2, 3, 3, 16), 1e4),
    "caffe": ({"k": 1.0, "alpha": 2e-5}, (2, 4, 5, 16), 100),
    "one channel": ({}, (2, 3, 3, 1), 100),
    "fewer channels than the window": ({}, (2, 3, 3, 3), 100),
    "window of one": ({"n": 1}, (2, 3, 3, 8), 100),
    "window of nine": ({"n": 9, "alpha": 1e-3}, (2, 3, 3, 20), 30),
    "two towers": ({"groups": 2}, (2, 3, 3, 12), 100),
    "two towers, fewer channels than the window": ({"groups": 2}, (2, 3, 3, 4), 100),
    "other beta": ({"beta": 0.5, "alpha": 1e-2}, (2, 3, 3, 12), 30),
    "beta of one": ({"beta": 1.0, "k": 0.5}, (2, 3, 3, 12), 100),
    "beta of nought": ({"beta": 0.0}, (2, 3, 3, 12), 100),
}


def lrn_layer(constants, dtype="float32"):
    return LocalResponseNormalization(
        depth_radius=constants.get("n", 5) // 2,
        bias=constants.get("k", 2.0),
        alpha=constants.get("alpha", 1e-4),
        beta=constants.get("beta", 0.75),
        groups=constants.get("groups", 1),
        dtype=dtype,
    )


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", LRN_CASES)
def test_lrn_is_the_papers_formula(case, policy, how):
    constants, shape, scale = LRN_CASES[case]
    compute_dtype = keras.dtype_policies.get(policy).compute_dtype
    # The oracle starts from the numbers that the layer sees, rounded to its own precision.
    inputs = tf.cast(normal(*shape, scale=scale), compute_dtype)
    upstream = normal(*shape, seed=1)
    exact = np.asarray(tf.cast(inputs, "float64"))
    outputs, gradient = step(lrn_layer(constants, policy), how)(inputs, upstream)
    assert outputs.dtype == compute_dtype
    assert_close(outputs, lrn(exact, **constants)[0], POLICIES[policy])
    assert_close(gradient, lrn_gradient(exact, upstream, **constants), POLICIES[policy])


@pytest.mark.parametrize("policy", POLICIES)
def test_lrn_of_zeros_is_zero_and_its_gradient_is_that_of_a_constant_divisor(policy):
    zeros = np.zeros((1, 2, 2, 8), "float32")
    outputs, gradient = forward_and_gradient(lrn_layer({}, policy), zeros, np.ones_like(zeros))
    assert not np.asarray(outputs).any()
    assert_close(gradient, np.full(zeros.shape, 2.0**-0.75), POLICIES[policy])


def test_lrn_oracle_gradient_is_the_slope_of_the_oracle():
    a, g = normal(1, 2, 2, 7, scale=60), normal(1, 2, 2, 7, seed=1)
    constants = {"groups": 1, "alpha": 1e-3}
    slopes = np.zeros_like(a)
    for place in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[place] = 1e-4
        difference = lrn(a + step, **constants)[0] - lrn(a - step, **constants)[0]
        slopes[place] = (g * difference).sum() / 2e-4
    np.testing.assert_allclose(lrn_gradient(a, g, **constants), slopes, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "channels"), [(5, 24), (3, 24), (5, 3), (7, 10)])
def test_lrn_is_onnxs_with_alpha_over_n(n, channels):
    value, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=n, alpha=1e-3, beta=0.75, bias=2.0)
    inputs = normal(2, 4, 5, channels, scale=40).astype("float32")
    (expected,) = run_onnx(
        onnx.helper.make_graph(
            [node], "lrn", [value("x", floats, None)], [value("y", floats, None)]
        ),
        {"x": inputs.transpose(0, 3, 1, 2)},
    )
    outputs = lrn_layer({"n": n, "alpha": 1e-3 / n})(inputs)
    assert_close(outputs, expected.transpose(0, 2, 3, 1).astype("float64"), 1e-5)


def test_lrn_is_tensorflows_with_the_same_alpha():
    inputs = normal(2, 4, 5, 16, scale=40).astype("float32")
    expected = tf.nn.local_response_normalization(inputs, 2, 2.0, 1e-4, 0.75)
    assert_close(lrn_layer({})(inputs), np.asarray(expected, "float64"), 1e-5)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("constants", [{}, {"groups": 2, "alpha": 1e-3, "beta": 0.6}], ids=str)
def test_lrn_keeps_double_precision(constants, how):
    a, g = normal(2, 3, 3, 8, scale=100), normal(2, 3, 3, 8, seed=1)
    layer = lrn_layer(constants, "float64")

    def outputs_and_gradient(inputs, upstream):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
        return outputs, tape.gradient(outputs, inputs, upstream)

    if how != "eager":
        outputs_and_gradient = tf.function(outputs_and_gradient, jit_compile=how == "XLA")
    outputs, gradient = outputs_and_gradient(tf.constant(a), tf.constant(g))
    assert_close(outputs, lrn(a, **constants)[0], 1e-12)
    assert_close(gradient, lrn_gradient(a, g, **constants), 1e-12)


def slope_of_lrn_gradient(a, g, direction, **constants):
    """How the gradient changes along `direction`, from the formula in float64."""
    step = 1e-3 * direction
    return (lrn_gradient(a + step, g, **constants) - lrn_gradient(a - step, g, **constants)) / 2e-3


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("constants", [{}, {"groups": 2, "alpha": 1e-3, "beta": 0.6}], ids=str)
def test_lrn_has_a_second_derivative(constants, how):
    a, g, direction = (normal(1, 3, 3, 8, scale=s, seed=i) for i, s in enumerate((60, 1, 1)))
    layer = lrn_layer(constants, "float64")

    def product_with_the_hessian(inputs, upstream, direction):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = layer(inputs)
            gradient = inner.gradient(outputs, inputs, upstream)
        return outer.gradient(gradient, inputs, direction)

    if how != "eager":
        product_with_the_hessian = tf.function(product_with_the_hessian, jit_compile=how == "XLA")
    found = product_with_the_hessian(*map(tf.constant, (a, g, direction)))
    # The Hessian of Σ g b is symmetric, so its product with a direction is the gradient's slope.
    assert_close(found, slope_of_lrn_gradient(a, g, direction, **constants), 1e-6)


def functions_under_xla(concrete):
    """The names of the functions in a graph that have to be compiled."""
    library = concrete.graph.as_graph_def().library
    return [f.signature.name for f in library.function if f.attr["_XlaMustCompile"].b]


def test_lrn_is_compiled_where_a_graph_is_and_only_there(monkeypatch):
    """The layer's share of a training step, with no word about XLA from whoever trains.

    A graph that only answers has no such part, for TFLite and ONNX know none.
    """
    layer, shape = lrn_layer({}), (2, 4, 5, 16)
    inputs, upstream = (tf.constant(normal(*shape, seed=i), "float32") for i in range(2))
    graph = step(layer, "graph")
    concrete = graph.get_concrete_function(inputs, upstream)
    assert len(functions_under_xla(concrete)) >= 2, "forwards and backwards"
    assert "MatMul" not in str(concrete.graph.as_graph_def())
    answering = tf.function(layer).get_concrete_function(inputs)
    assert not functions_under_xla(answering)
    assert_close(answering(inputs), np.asarray(layer(inputs, training=True), "float64"), 1e-5)
    results = [graph(inputs, upstream), forward_and_gradient(layer, inputs, upstream)]
    # A TensorFlow that was built without XLA, as for Windows, trains as well.
    monkeypatch.setattr(tf.test, "is_built_with_xla", lambda: False)
    without = step(layer, "graph")
    assert not functions_under_xla(without.get_concrete_function(inputs, upstream))
    results.append(without(inputs, upstream))
    for outputs, gradient in results[1:]:
        assert_close(outputs, np.asarray(results[0][0], "float64"), 1e-5)
        assert_close(gradient, np.asarray(results[0][1], "float64"), 1e-5)


# What every backend computes of one layer: outputs, gradient, and how the gradient changes along a
# direction. Arguments: a file with inputs and a configuration, a file for the answers.
ON_JAX = """
import json, sys
import jax, keras, numpy as np
from alexnet_lib.layers import LocalResponseNormalization

given = np.load(sys.argv[1])
answers = {}
for name, config in json.loads(str(given["configs"])).items():
    layer = LocalResponseNormalization.from_config(config)
    layer.build(given["a"].shape)
    a, g, d = (keras.ops.cast(given[key], layer.compute_dtype) for key in "agd")
    gradient = lambda a, g: jax.vjp(layer.call, a)[1](g)[0]
    second = lambda a, g, d: jax.vjp(lambda a: gradient(a, g), a)[1](d)[0]
    for how, compiled in {"plain": lambda f: f, "compiled": jax.jit}.items():
        found = compiled(layer.call)(a), compiled(gradient)(a, g), compiled(second)(a, g, d)
        assert {str(one.dtype) for one in found} == {layer.compute_dtype}
        for key, one in zip(("outputs", "gradient", "second"), found):
            answers[f"{name} {how} {key}"] = np.asarray(one, "float64")
np.savez(sys.argv[2], **answers)
"""

ON_TORCH = """
import json, sys
import keras, numpy as np, torch
from alexnet_lib.layers import LocalResponseNormalization

given = np.load(sys.argv[1])
answers = {}
for name, config in json.loads(str(given["configs"])).items():
    layer = LocalResponseNormalization.from_config(config)
    dtype = getattr(torch, layer.compute_dtype)
    a, g, d = (torch.tensor(given[key], dtype=dtype) for key in "agd")
    a.requires_grad_()
    outputs = layer(a)
    (gradient,) = torch.autograd.grad(outputs, a, g, create_graph=True)
    (second,) = torch.autograd.grad(gradient, a, d)
    for key, one in {"outputs": outputs, "gradient": gradient, "second": second}.items():
        assert one.dtype == dtype
        answers[f"{name} plain {key}"] = one.detach().to(torch.float64).numpy()
np.savez(sys.argv[2], **answers)
"""


@pytest.mark.parametrize(("backend", "script"), [("jax", ON_JAX), ("torch", ON_TORCH)])
def test_lrn_is_the_papers_formula_on_other_backends(backend, script, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"the {backend} backend is optional, and not installed")
    a, g, d = (normal(2, 3, 4, 12, scale=s, seed=i) for i, s in enumerate((60, 1, 1)))
    cases = {
        f"{number} {policy}": (constants, policy)
        for number, constants in enumerate([{}, {"groups": 2, "alpha": 1e-3, "beta": 0.6}])
        for policy in POLICIES
    }
    configs = {name: lrn_layer(*case).get_config() for name, case in cases.items()}
    for config in configs.values():
        config["dtype"] = config["dtype"]["config"]["name"]
    np.savez(tmp_path / "given.npz", a=a, g=g, d=d, configs=json.dumps(configs))
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "given.npz", tmp_path / "answers.npz"],
        check=True,
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        timeout=300,
    )
    answers = dict(np.load(tmp_path / "answers.npz"))
    hows = ["plain", "compiled"] if backend == "jax" else ["plain"]
    for (name, (constants, policy)), how in itertools.product(cases.items(), hows):
        dtype = keras.dtype_policies.get(policy).compute_dtype
        exact, upstream, along = (
            np.asarray(tf.cast(tf.cast(x, dtype), "float64")) for x in (a, g, d)
        )
        expected = {
            "outputs": lrn(exact, **constants)[0],
            "gradient": lrn_gradient(exact, upstream, **constants),
            "second": slope_of_lrn_gradient(exact, upstream, along, **constants),
        }
        for key, numbers in expected.items():
            assert_close(answers.pop(f"{name} {how} {key}"), numbers, POLICIES[policy])
    assert not answers


@pytest.mark.parametrize(
    "arguments", [{"depth_radius": -1}, {"bias": 0}, {"alpha": -1e-4}, {"groups": 0}]
)
def test_lrn_names_a_wrong_argument(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        LocalResponseNormalization(**arguments)


def test_lrn_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="3 groups must divide the 8 channels"):
        LocalResponseNormalization(groups=3)(np.zeros((1, 2, 2, 8), "float32"))


# --- Normalization within a map ---------------------------------------------------------------

MAP_CASES = {
    "released source": ({}, (2, 7, 8, 3), 30),
    "map smaller than the square": ({}, (2, 3, 2, 4), 100),
    "one pixel": ({}, (2, 1, 1, 4), 100),
    "activities of 1e4": ({}, (1, 6, 6, 2), 1e4),
    "square of three": ({"size": 3, "alpha": 1e-2, "beta": 0.5, "k": 2.0}, (2, 6, 5, 3), 10),
}


def map_layer(constants, dtype="float32"):
    return MapResponseNormalization(
        size=constants.get("size", 5),
        bias=constants.get("k", 1.0),
        alpha=constants.get("alpha", 1e-3 / 25),
        beta=constants.get("beta", 0.75),
        dtype=dtype,
    )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", MAP_CASES)
def test_map_normalization_sums_over_the_square_that_lies_on_the_map(case, policy):
    constants, shape, scale = MAP_CASES[case]
    compute_dtype = keras.dtype_policies.get(policy).compute_dtype
    inputs = tf.cast(normal(*shape, scale=scale), compute_dtype)
    outputs = map_layer(constants, policy)(inputs)
    assert outputs.dtype == compute_dtype
    exact = np.asarray(tf.cast(inputs, "float64"))
    assert_close(outputs, map_norm(exact, **constants), POLICIES[policy])


def test_map_normalization_has_the_formulas_gradient():
    a, g = normal(1, 4, 5, 2, scale=60), normal(1, 4, 5, 2, seed=1)
    slopes = np.zeros_like(a)
    for place in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[place] = 1e-3
        slopes[place] = (g * (map_norm(a + step) - map_norm(a - step))).sum() / 2e-3
    _, gradient = forward_and_gradient(map_layer({}), a.astype("float32"), g)
    assert_close(gradient, slopes, 1e-5)


@pytest.mark.parametrize("arguments", [{"size": 4}, {"size": -1}, {"bias": 0}, {"alpha": -1}])
def test_map_normalization_names_a_wrong_argument(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        MapResponseNormalization(**arguments)


# --- Grouped convolution ----------------------------------------------------------------------


def run_onnx(graph, feeds):
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    )
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


def with_random_weights(layer, inputs):
    """Builds the layer on `inputs`; returns its kernel and bias, drawn at random."""
    layer.build(inputs.shape)
    kernel, bias = (
        normal(*weight.shape, seed=i).astype("float32") for i, weight in enumerate(layer.weights)
    )
    layer.set_weights([kernel, bias])
    return kernel, bias


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding"),
    [(3, 1, "same"), (5, 1, "same"), (3, 1, "valid"), (3, 2, "valid"), ((3, 5), (2, 3), "valid")],
)
def test_grouped_convolution_is_onnxs(groups, kernel_size, strides, padding):
    inputs = normal(2, 9, 11, 12).astype("float32")
    layer = GroupedConv2D(
        18, kernel_size, groups=groups, strides=strides, padding=padding, dtype="float32"
    )
    kernel, bias = with_random_weights(layer, inputs)
    assert kernel.shape == (*layer.kernel_size, 12 // groups, 18)
    value, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    node = onnx.helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        group=groups,
        strides=layer.strides,
        pads=[side // 2 if padding == "same" else 0 for side in layer.kernel_size * 2],
    )
    graph = onnx.helper.make_graph(
        [node],
        "convolution",
        [value(name, floats, None) for name in "xwb"],
        [value("y", floats, None)],
    )
    (expected,) = run_onnx(
        graph,
        {"x": inputs.transpose(0, 3, 1, 2), "w": kernel.transpose(3, 2, 0, 1), "b": bias},
    )
    assert_close(layer(inputs), expected.transpose(0, 2, 3, 1).astype("float64"), 1e-5)


def test_grouped_convolution_is_two_convolutions_of_scipys():
    inputs = normal(1, 7, 8, 6).astype("float32")
    layer = GroupedConv2D(4, 3, groups=2)
    kernel, bias = with_random_weights(layer, inputs)
    outputs = np.asarray(layer(inputs))
    for group in range(2):
        seen = inputs[0, :, :, group * 3 : group * 3 + 3].astype("float64")
        for filter_ in range(group * 2, group * 2 + 2):
            expected = bias[filter_] + sum(
                scipy.signal.correlate(seen[..., c], kernel[..., c, filter_], mode="valid")
                for c in range(3)
            )
            assert_close(outputs[0, ..., filter_], expected, 1e-5)


def test_a_tower_does_not_see_the_other():
    inputs = normal(1, 6, 6, 8).astype("float32")
    layer = GroupedConv2D(10, 3, groups=2)
    with_random_weights(layer, inputs)
    changed = inputs.copy()
    changed[..., 4:] += 1
    before, after = np.asarray(layer(inputs)), np.asarray(layer(changed))
    assert (before[..., :5] == after[..., :5]).all()
    assert (before[..., 5:] != after[..., 5:]).all()


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_grouped_convolution_shares_weights_and_gradients_with_keras(strides, padding):
    inputs, settings = (
        normal(2, 8, 9, 4).astype("float32"),
        {"strides": strides, "padding": padding},
    )
    ours = GroupedConv2D(6, 3, groups=2, activation="relu", **settings)
    theirs = keras.layers.Conv2D(6, 3, groups=2, activation="relu", **settings)
    with_random_weights(ours, inputs)
    theirs.build(inputs.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    theirs.set_weights(ours.get_weights())
    results = []
    for layer in (ours, theirs):
        x = tf.constant(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
            loss = tf.reduce_sum(outputs**2)
        results.append([outputs, *tape.gradient(loss, [x])])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        results[-1] += tape.gradient(loss, [w.value for w in layer.trainable_weights])
    assert len(results[0]) == 4
    for mine, other in zip(*results, strict=True):
        assert_close(mine, np.asarray(other, "float64"), 1e-5)


def test_grouped_convolution_refuses_channels_first():
    """It would split the rows of the picture between the towers, and say nothing."""
    with pytest.raises(ValueError, match="channels_last"):
        GroupedConv2D(4, 3, data_format="channels_first")


def test_groups_must_divide_filters_and_channels():
    with pytest.raises(ValueError, match="groups"):
        GroupedConv2D(5, 3, groups=2)
    with pytest.raises(ValueError, match="groups"):
        GroupedConv2D(4, 3, groups=2)(np.zeros((1, 4, 4, 5), "float32"))


# --- What every layer of Keras can do ---------------------------------------------------------

LAYERS = {
    "lrn": lambda **kw: LocalResponseNormalization(3, 1.5, 1e-3, 0.6, groups=2, **kw),
    "lrn of the paper": lambda **kw: LocalResponseNormalization(**kw),
    "map": lambda **kw: MapResponseNormalization(3, 1.5, 1e-3, 0.6, **kw),
    "grouped": lambda **kw: GroupedConv2D(
        12, 3, groups=2, padding="same", activation="relu", kernel_initializer="ones", **kw
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_configuration_goes_round(name):
    layer = LAYERS[name](name="layer", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    back = keras.saving.deserialize_keras_object(config, safe_mode=True)
    assert type(back) is type(layer)
    assert back.get_config() == layer.get_config()
    assert back.dtype_policy.name == "mixed_bfloat16"
    x = normal(1, 5, 5, 8).astype("float32")
    np.testing.assert_array_equal(tf.cast(layer(x), "float32"), tf.cast(back(x), "float32"))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(None, 6, 7, 8), (None, None, None, 8), (3, 6, None, 8)])
def test_output_shape_is_known_without_computing(name, shape):
    layer = LAYERS[name]()
    expected = (*shape[:3], 12 if name == "grouped" else 8)
    assert tuple(layer.compute_output_shape(shape)) == expected
    assert LAYERS[name]()(keras.KerasTensor(shape)).shape == expected


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_pictures_of_any_size_pass_one_model(name, jit_compile):
    """A model without a fixed size, traced once with unknown rows, columns and batch."""
    images = keras.Input((None, None, 8))
    model = keras.Model(images, LAYERS[name]()(images))
    call = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 8))])
    compiled = tf.function(model, jit_compile=True)
    for shape in [(1, 5, 6, 8), (3, 9, 4, 8)]:
        x = normal(*shape).astype("float32")
        found = (compiled if jit_compile else call)(x)
        assert_close(found, np.asarray(model(x), "float64"), 1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_layers_train_under_every_policy(name, policy, jit_compile):
    """What Keras does by itself where there is a GPU, and never on a CPU unless asked."""
    x = normal(2, 6, 7, 8, scale=20).astype("float32")
    upstream = normal(2, 6, 7, 12 if name == "grouped" else 8, seed=1).astype("float32")
    reference = forward_and_gradient(LAYERS[name](), x, upstream)
    layer = LAYERS[name](dtype=policy)
    layer.build(x.shape)
    step = tf.function(lambda a, g: forward_and_gradient(layer, a, g), jit_compile=jit_compile)
    # bfloat16 keeps 8 bits of the 36 terms that a convolution adds.
    tolerance = 3 * POLICIES[policy] if name == "grouped" else POLICIES[policy]
    outputs, gradient = step(x, upstream)
    assert outputs.dtype == layer.compute_dtype
    assert_close(outputs, np.asarray(reference[0], "float64"), tolerance)
    assert_close(gradient, np.asarray(reference[1], "float64"), tolerance)
