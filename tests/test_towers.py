"""The two towers, against the network in one piece, and against what gradients say."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_lib import AlexNet, architecture
from alexnet_lib.teaching import towers

ONE_DEVICE = ("CPU:0", "CPU:0")  # both halves on one device: enough for everything but placement
SIZES = {
    variant: architecture.smallest_input(network.layers)
    for variant, network in architecture.VARIANTS.items()
}


def small(variant, **options):
    """The convolutions in full, on the smallest picture, with weights that tell pictures apart."""
    size = SIZES[variant]
    options = {"classes": 6, "fc_units": 10} | options
    keras.utils.set_random_seed(5)
    model = AlexNet(variant=variant, input_shape=(size, size, 3), **options)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            kernel *= np.sqrt(2 / np.prod(kernel.shape[:-1])) / kernel.std()
            kernel *= 0.02 if layer.name == "fc8" else 1  # the scores stay moderate
            layer.set_weights([kernel, bias * 0.1])
    return model


def images(variant, count=2):
    shape = (count, SIZES[variant], SIZES[variant], 3)
    return np.random.default_rng(1).normal(0, 60, shape).astype("float32")


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_two_towers_answer_like_the_whole_network(variant):
    model = small(variant)
    network = towers.Towers(model, ONE_DEVICE)
    expected = np.asarray(model(images(variant)))
    assert expected.std(axis=0).max() > 1e-3  # an answer that depends on the picture
    np.testing.assert_allclose(network(images(variant)), expected, rtol=1e-4, atol=1e-6)
    # What was copied is what the description says has to be.
    described = towers.halves(variant, SIZES[variant], classes=6, fc_units=10)
    assert network.received == {half.name: half.received for half in described if half.received}


def test_the_number_of_classes_may_be_odd():
    model = small("paper", classes=7)
    answer = towers.Towers(model, ONE_DEVICE)(images("paper"))
    np.testing.assert_allclose(answer, model(images("paper")), rtol=1e-4, atol=1e-6)


def test_without_the_top_the_maps_of_both_stand_side_by_side():
    model = small("original", include_top=False)
    network = towers.Towers(model, ONE_DEVICE)
    np.testing.assert_allclose(
        network(images("original")), model(images("original")), rtol=1e-4, atol=1e-5
    )


def test_gradients_flow_through_both_towers():
    model = small("paper")
    pictures = tf.constant(images("paper", 1))

    def gradient(network):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            right = network(pictures)[0, 2]
        return tape.gradient(right, pictures).numpy()

    expected = gradient(model)
    assert np.abs(expected).max() > 0
    actual = gradient(towers.Towers(model, ONE_DEVICE))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_each_tower_works_on_its_own_device():
    script = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from alexnet_lib import AlexNet
from alexnet_lib.teaching import towers
model = AlexNet(variant="original", input_shape=(64, 64, 3), classes=4, fc_units=4)
network = towers.Towers(model, ("CPU:0", "CPU:1"))
network(tf.zeros((1, 64, 64, 3)))
print(set(network.placement.values()))
print({half.kernel.value.device[-5:] for _, half in
       (network.halves[name] for name in ("conv1", "conv3", "fc8"))})
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["{('CPU:0', 'CPU:1')}", "{'CPU:1'}"]


@pytest.mark.parametrize("variant", ["paper", "one_tower", "original"])
def test_both_halves_together_are_the_whole(variant):
    records = architecture.trace(architecture.VARIANTS[variant].input_size, variant)
    for half, record in zip(towers.halves(variant), records, strict=True):
        assert 2 * half.parameters == record.parameters
        assert 2 * half.macs == record.macs
        assert 2 * half.units == record.units


def test_what_crosses_is_what_section_3_2_says():
    """Layer 3 takes input from all maps of layer 2, layers 4 and 5 do not; the dense layers do."""
    received = {half.name: half.received for half in towers.halves("original") if half.received}
    assert received == {"conv3": 13 * 13 * 128, "fc6": 6 * 6 * 128, "fc7": 2048, "fc8": 2048}
    # The paper's formula for the normalization looks two maps past the seam, on both sides.
    paper = {half.name: half.received for half in towers.halves("paper") if half.received}
    assert paper == received | {"norm1": 55 * 55 * 2, "norm2": 27 * 27 * 2}


@pytest.mark.parametrize(
    ("layer", "channels", "crosses"),
    [("conv2", 96, False), ("conv3", 256, True), ("conv4", 384, False), ("conv5", 384, False)],
)
def test_gradients_find_the_groups(layer, channels, crosses):
    model = small("paper", include_top=False)
    maps = np.random.default_rng(2).normal(size=(7, 9, channels)).astype("float32")
    found = towers.connections(model, layer, maps)
    kernel = np.abs(model.get_layer(layer).get_weights()[0]).sum(axis=(0, 1)).T
    filters, seen = kernel.shape
    assert found.shape == (filters, channels)
    if crosses:
        np.testing.assert_allclose(found, kernel, rtol=1e-5)
        return
    first, second = np.split(found, 2)
    assert not first[:, seen:].any()
    assert not second[:, :seen].any()
    np.testing.assert_allclose(first[:, :seen], kernel[: filters // 2], rtol=1e-5)
    np.testing.assert_allclose(second[:, seen:], kernel[filters // 2 :], rtol=1e-5)


@pytest.mark.parametrize(
    ("variant", "seen"), [("paper", range(45, 50)), ("original", range(45, 48))]
)
def test_the_normalization_of_the_paper_looks_past_the_seam(variant, seen):
    model = small(variant, include_top=False)
    maps = np.random.default_rng(3).normal(0, 30, (5, 5, 96)).astype("float32")
    found = towers.connections(model, "norm1", maps)
    assert np.flatnonzero(found[47]).tolist() == list(seen)


def test_what_cannot_be_done_is_said():
    model = small("paper", include_top=False)
    with pytest.raises(ValueError, match=r"You gave CPU:0, GPU:7; TensorFlow has .*CPU:0"):
        towers.Towers(model, ("CPU:0", "GPU:7"))
    with pytest.raises(ValueError, match="fc6 has 9 units; two cards need halves"):
        towers.Towers(small("paper", fc_units=9), ONE_DEVICE)
    with pytest.raises(ValueError, match="fc8 has 7 channels"):
        towers.halves(classes=7)
    with pytest.raises(ValueError, match="'pool1' is no convolution"):
        towers.connections(model, "pool1", np.zeros((5, 5, 96), "float32"))
