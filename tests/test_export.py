"""Exports, read by the programs that they are for."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tiny
from typer.testing import CliRunner

from alexnet_lib import AlexNet, export
from alexnet_lib.cli import app
from alexnet_lib.preprocessing import with_preprocessing


@pytest.fixture(scope="module")
def model():
    """A small AlexNet whose probabilities depend on the picture: kernels wider than the paper's."""
    keras.utils.set_random_seed(0)
    network = AlexNet(classes=3, fc_units=8, input_shape=(67, 67, 3))
    for layer in network.layers:
        if layer.weights:
            kernel = keras.initializers.HeNormal(seed=1)(layer.kernel.shape)
            layer.kernel.assign(kernel)
    return with_preprocessing(network, ["cat\nfish", "dog", "château"], scale=1 / 58)


@pytest.fixture(scope="module")
def pictures(model):
    return np.random.default_rng(3).uniform(0, 255, (3, 67, 67, 3)).astype("float32")


def read(path, to, pictures):
    """What the format's own program computes."""
    if to == "savedmodel":
        loaded = tf.saved_model.load(path)
        return loaded.serve(pictures).numpy()
    if to == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: pictures})[0]
    interpreter = tf.lite.Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    (output,) = runner(**{name: pictures}).values()
    return output


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("to", ["savedmodel", "tflite", "onnx"])
def test_the_formats_compute_what_the_model_computes(model, pictures, tmp_path, to):
    expected = model(pictures).numpy()
    assert np.abs(expected - expected[:1]).max() > 0.01, "the picture has to make a difference"
    result = export.export(model, to, tmp_path / "a.x")
    assert result.difference <= 1e-5
    np.testing.assert_allclose(read(result.path, to, pictures), expected, atol=1e-5)
    assert result.labels.read_text("utf-8").split("\n") == [r"cat\nfish", "dog", "château", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.x", "a.x.labels.txt"]
    if to == "onnx":
        (props,) = onnx.load(result.path).metadata_props
        assert json.loads(props.value)[1] == "dog"


def test_what_computes_something_else_is_not_kept(model, tmp_path, monkeypatch):
    monkeypatch.setitem(
        export._WRITERS, "savedmodel", lambda *_: np.full((export._PICTURES, 3), 1 / 3)
    )
    with pytest.raises(ValueError, match=r"differs by up to 0\.\d+ in a probability"):
        export.export(model, "savedmodel", tmp_path / "a.savedmodel")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_what_to_type(model, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"tf2onnx is not installed: pip install tf2onnx onnxrun"):
        export.export(model, "onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_told(model, tmp_path):
    with pytest.raises(ValueError, match="must be one of savedmodel, tflite, onnx, web"):
        export.export(model, "word", tmp_path / "a")
    with pytest.raises(FileExistsError, match="is a folder; remove it"):
        export.export(model, "onnx", tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        export.export(model, "onnx", tmp_path / "no" / "a.onnx")


def test_the_command_says_where_it_is_and_how_close(tmp_path):
    tiny.model().save(tmp_path / "a.keras")
    result = CliRunner().invoke(
        app, ["export", str(tmp_path / "a.keras"), "--to", "savedmodel"], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 0, result.output
    assert f"Written: {tmp_path / 'a.savedmodel'}" in result.stdout
    assert "RGB pictures of 16×16, 0 to 255" in result.stdout
    assert "no probability differs by more than" in result.stdout
    assert (tmp_path / "a.savedmodel.labels.txt").read_text().split() == list(tiny.CLASSES)
