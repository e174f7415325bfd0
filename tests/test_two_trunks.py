"""The modern network that results/two_trunks.py reads: its size, and its file, without PyTorch."""

import importlib
import json
import os
import pickle

import numpy as np
import pytest
from published import save_as_old_torch
from tiny import write_pictures

from alexnet_lib.formats import WeightsError


@pytest.fixture(scope="module")
def two_trunks():
    return importlib.import_module("two_trunks")


@pytest.fixture(scope="module")
def network(two_trunks):
    return two_trunks.EfficientNetLite0()


def tensors_of(network):
    """What a file of the network holds, by PyTorch's names and in its order of axes."""
    random = np.random.default_rng(0)
    tensors = {}
    for layer in network.layers:
        shapes = [tuple(weights.shape) for weights in layer.weights]
        if len(shapes) == 4:
            for part in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{layer.name}.{part}"] = random.uniform(0.5, 1, shapes[0])
            tensors[f"{layer.name}.num_batches_tracked"] = np.array(0, "int64")
        elif len(shapes) == 2:
            tensors[f"{layer.name}.weight"] = random.normal(0, 0.1, shapes[0][::-1])
            tensors[f"{layer.name}.bias"] = random.normal(0, 0.1, shapes[1])
        elif shapes:
            rows, columns, channels, filters = shapes[0]
            if "depthwise" in layer.name:
                channels, filters = filters, channels
            tensors[f"{layer.name}.weight"] = random.normal(
                0, 0.1, (filters, channels, rows, columns)
            )
    # Every matrix lies there transposed, as in files that were made from TensorFlow's.
    return {
        name: values if values.dtype == np.int64 else values.astype("float32", order="F")
        for name, values in tensors.items()
    }


def test_the_network_is_as_large_as_it_was_published(network):
    """4.7 million parameters, 407 million multiply-accumulates (TensorFlow's page of the model)."""
    from alexnet_lib.teaching import costs

    counted = costs.census(network)
    trainable = sum(np.prod(weights.shape) for weights in network.trainable_weights)
    assert trainable == 4_652_008
    # The publication does not say what it counts beside the products of convolutions and fc.
    assert counted.macs == pytest.approx(407e6, rel=0.06)


def test_a_weight_file_is_read_whatever_the_order_of_its_numbers(
    two_trunks, network, tmp_path, monkeypatch
):
    tensors = tensors_of(network)
    save_as_old_torch(tmp_path / "weights.pth", tensors, monkeypatch)
    for name, values in two_trunks.read_tensors(tmp_path / "weights.pth").items():
        np.testing.assert_array_equal(values, tensors[name], err_msg=name)
    loaded = two_trunks.load(tmp_path / "weights.pth")
    kernel = loaded.get_layer("_blocks.2._depthwise_conv").get_weights()[0]
    expected = tensors["_blocks.2._depthwise_conv.weight"]
    np.testing.assert_array_equal(kernel[1, 2, 5, 0], expected[5, 0, 1, 2])


def test_a_file_that_calls_something_is_refused(two_trunks, tmp_path):
    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "called"),)

    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Call()))
    with pytest.raises(WeightsError, match="wants to run"):
        two_trunks.read_tensors(tmp_path / "bad.pth")
    assert not (tmp_path / "called").exists()


def test_both_trunks_learn_from_the_same_pictures(two_trunks, network, tmp_path, monkeypatch):
    colours = {"red": (200, 30, 30), "blue": (30, 30, 200)}
    folder = tmp_path / "two_colours"
    write_pictures(folder, colours, 15, np.random.default_rng(0), noise=30, size=(84, 90))
    save_as_old_torch(tmp_path / "weights.pth", tensors_of(network), monkeypatch)
    monkeypatch.setattr(two_trunks, "RESULTS", tmp_path / "two_trunks.json")
    two_trunks.main(["--weights", str(tmp_path / "weights.pth"), "--transfer", f"colours={folder}"])
    record = json.loads(two_trunks.RESULTS.read_text())
    assert str(tmp_path) not in two_trunks.RESULTS.read_text()
    assert record["networks"]["EfficientNet-Lite0"]["macs"] > 0
    found = record["sets"]["colours"]
    assert found["classes"] == 2
    assert found["training_pictures"] == 24
    assert found["test_pictures"] + found["left_out_as_nearly_the_same"] == 6
    assert list(found["accuracies"]) == [
        "AlexNet, fc7",
        "AlexNet, pool5",
        "EfficientNet-Lite0",
        "EfficientNet-Lite0, 64 pixels",
    ]
    # Two colours are told apart by whatever sees colours, weights of noise included.
    assert all(min(shares) > 0.9 for shares in found["accuracies"].values())
