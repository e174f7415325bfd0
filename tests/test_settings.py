"""The network under settings of Keras that people have: the right result, or one sentence."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

BUILD = """
import sys
import keras, numpy as np
{setting}
from alexnet_lib import AlexNet, layers, preprocess_input
keras.utils.set_random_seed(3)
model = AlexNet(
    variant="original", classes=5, fc_units=7, input_shape=(99, 102, 3),
    classifier_activation=None,
)
random = np.random.default_rng(0)
model.set_weights([random.normal(0, 0.05, w.shape) for w in model.get_weights()])
picture = random.integers(0, 256, (2, 99, 102, 3))
answer = keras.ops.convert_to_numpy(model(preprocess_input(picture)))
np.save(sys.argv[1], answer.astype("float32"))
"""


def answers(tmp_path, name, setting="", **environment):
    file = tmp_path / f"{name}.npy"
    run = subprocess.run(
        [sys.executable, "-c", BUILD.format(setting=setting), str(file)],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | environment,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return np.load(file)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return answers(tmp_path_factory.mktemp("plain"), "plain")


def test_channels_first_in_keras_json_changes_nothing(expected, tmp_path):
    home = tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({"image_data_format": "channels_first"}))
    found = answers(tmp_path, "first", KERAS_HOME=str(home))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_half_precision_as_the_type_of_all_variables(expected, tmp_path):
    found = answers(tmp_path, "half", "keras.config.set_floatx('float16')")
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_answers_the_same(expected, tmp_path, backend):
    pytest.importorskip(backend, reason=f"{backend} is optional, and not installed")
    found = answers(tmp_path, backend, KERAS_BACKEND=backend)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "room", ["training.fit", "transfer.fine_tune", "inspection.activations", "prediction.predict"]
)
def test_what_needs_tensorflow_says_so(room):
    """Without another backend installed: what Keras would say of it is put in its place."""
    code = (
        "import keras; keras.backend.backend = lambda: 'jax'\n"
        f"import alexnet_lib; alexnet_lib.{room}"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert "run on TensorFlow, and Keras is set to 'jax': set KERAS_BACKEND=tensorflow" in last
