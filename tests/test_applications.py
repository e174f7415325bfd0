"""The networks of keras.applications as trunks: preprocessing, weights in their places, heads."""

import json

import keras
import numpy as np
import pytest
import tiny
from keras.src.legacy.saving import legacy_h5_format
from test_cli import alexnet, make_pictures

from alexnet_lib import applications, load_model, prediction, transfer
from alexnet_lib.preprocessing import preprocess_layer


@pytest.fixture(scope="module")
def small():
    """A narrow MobileNetV2 for small pictures, behind its preprocessing."""
    keras.utils.set_random_seed(0)
    preprocess = applications.ApplicationPreprocess(map(str, range(10)), "mobilenet_v2")
    tensor = preprocess(keras.Input((32, 32, 3), name="pictures"))
    return keras.applications.MobileNetV2(weights=None, alpha=0.35, classes=10, input_tensor=tensor)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 3)).astype("float32")


def test_the_names_are_kerass_and_the_last_layer_is_dense():
    assert all(callable(getattr(keras.applications, name)) for name in applications.NAMES)
    assert len(applications.NAMES) == len(set(applications.NAMES)) >= 30


@pytest.mark.parametrize("module", applications._MODULES)
def test_the_preprocessing_is_that_of_the_module(module):
    # By the published formulas, in NumPy.
    images = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    kind = {
        "mobilenet_v2": "unit",
        "inception_v3": "unit",
        "inception_resnet_v2": "unit",
        "xception": "unit",
        "nasnet": "unit",
        "resnet_v2": "unit",
        "resnet": "caffe",
        "vgg16": "caffe",
        "vgg19": "caffe",
        "densenet": "torch",
    }.get(module, "inside")
    expected = {
        "unit": images / 127.5 - 1,
        "caffe": images[..., ::-1] - [103.939, 116.779, 123.68],
        "torch": (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "inside": images,
    }[kind]
    found = applications.ApplicationPreprocess("ab", module)(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="no preprocessing of 'os'"):
        applications.ApplicationPreprocess("ab", "os")


def test_published_weights_come_into_their_places(pictures, tmp_path):
    """A file as Keras publishes it, put behind our layer, gives what Keras's own network gives."""
    import h5py

    own = keras.applications.MobileNetV2(weights=None)
    random = np.random.default_rng(1)
    for variable in own.weights:
        spread = random.uniform(0.5, 1.5, variable.shape)
        variable.assign(variable.numpy() * spread + 0.01 * random.uniform(size=variable.shape))
    with h5py.File(tmp_path / "published.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, own)
    ours = applications.load("MobileNetV2", weights=str(tmp_path / "published.h5"))
    expected = own(pictures / 127.5 - 1).numpy()
    np.testing.assert_allclose(ours(pictures).numpy(), expected, rtol=1e-4, atol=1e-8)


def test_a_head_on_it_learns_from_averaged_features(small, tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(transfer, "load_trunk", lambda *_: small)
    folder = make_pictures(tmp_path / "colours", {"red": 6, "blue": 6})
    out = tmp_path / "a.keras"
    # Whatever the kernels are, average colours differ.
    result = alexnet("finetune", folder, "--out", out, "--trunk", "MobileNetV2")
    assert result.exit_code == 0, result.output
    assert "1-fc8" not in result.stdout
    model = load_model(out)
    assert preprocess_layer(model).module == "mobilenet_v2"
    assert preprocess_layer(model).class_names == ["blue", "red"]
    place = transfer._place_of_head(model)
    assert model.layers[place - 1].output.shape == (None, 1280)
    answers = json.loads(alexnet("predict", out, folder, "--json").stdout)
    right = [one["predictions"][0]["class"] in one["file"] for one in answers]
    assert sum(right) >= 10


def test_it_names_imagenets_classes(monkeypatch):
    index = tuple((f"n{i:08}", f"thing {i}") for i in range(1000))
    monkeypatch.setattr(prediction, "imagenet_classes", lambda: index)
    monkeypatch.setattr(applications, "load", lambda name: tiny.model())
    assert preprocess_layer(prediction.load("ResNet50")).class_names[7] == "thing 7"


def test_a_download_that_fails_is_told(monkeypatch):
    def fails(*_, **__):
        raise Exception("URL fetch failure on https://x")

    monkeypatch.setattr(keras.applications, "MobileNetV2", fails)
    with pytest.raises(OSError, match=r"weights of MobileNetV2 could not be fetched: URL fetch"):
        applications.load("MobileNetV2")
