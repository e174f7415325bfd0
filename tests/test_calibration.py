"""How sure a network is and how often it is right, against scikit-learn and counting by hand."""

import json
import shutil

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from alexnet_lib import AlexNet, calibration, decode_predictions, pretrained
from alexnet_lib.calibration import Bin, Calibration
from alexnet_lib.labels import in_words


def answers(pictures=4000, classes=7, sharpness=3.0, seed=0):
    """Probabilities of a network that is too sure, and true classes."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1, (pictures, classes))
    truth = np.array([random.choice(classes, p=np.exp(s) / np.exp(s).sum()) for s in scores])
    powers = np.exp(sharpness * scores)
    return powers / powers.sum(1, keepdims=True), truth


@pytest.mark.parametrize("bins", [10, 15])
def test_the_bins_are_those_of_scikit_learn(bins):
    probabilities, truth = answers()
    measured = calibration.measure(probabilities, truth, "made up", "-", bins)
    right = probabilities.argmax(1) == truth
    shares, means = calibration_curve(right, probabilities.max(1), n_bins=bins)
    filled = [part for part in measured.bins if part.pictures]
    assert len(measured.bins) == bins
    assert sum(part.pictures for part in filled) == len(truth)
    np.testing.assert_allclose([part.right for part in filled], shares, atol=1e-4)
    np.testing.assert_allclose([part.probability for part in filled], means, atol=1e-4)


def test_the_expected_error_is_that_of_a_loop():
    probabilities, truth = answers()
    measured = calibration.measure(probabilities, truth, "made up", "-")
    expected = 0
    for number in range(10):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(probabilities, truth, strict=True)
            if number / 10 < row.max() <= (number + 1) / 10
        ]
        if inside:
            sure, right = np.mean(inside, axis=0)
            expected += abs(sure - right) * len(inside) / len(truth)
    assert expected > 0.2, "this network is far too sure"
    assert measured.expected_error == pytest.approx(expected, abs=1e-4)
    honest, truth = answers(sharpness=1.0)
    assert calibration.measure(honest, truth, "made up", "-").expected_error < 0.03


def test_between_the_bins_it_is_interpolated_and_small_bins_say_nothing():
    bins = (Bin(0, 0.0, 0.0), Bin(100, 0.4, 0.2), Bin(3, 0.5, 1.0), Bin(400, 0.8, 0.7))
    measured = Calibration(bins, "made up", "-")
    for probability, right in ((0.1, 0.2), (0.4, 0.2), (0.5, 0.325), (0.8, 0.7), (1.0, 0.7)):
        assert measured.right_at(probability) == pytest.approx(right)
    assert Calibration(bins[:1] + bins[2:3], "made up", "-").right_at(0.5) is None
    with pytest.raises(ValueError, match=r"probability is 61; it must be between 0 and 1"):
        measured.right_at(61)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((3, 2)) / 2, [0, 1], r"shape \(3, 2\) and the labels \(2,\)"),
        (np.ones(3), [0, 1, 0], r"shape \(3,\)"),
        (np.ones((0, 2)), [], "of one picture at least"),
        ([[4.0, -1.0]], [0], "go from -1 to 4"),
        ([[np.nan, 0.5]], [0], "go from nan"),
    ],
)
def test_what_cannot_be_measured_is_refused(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        calibration.measure(probabilities, np.array(labels, int), "made up", "-")


@pytest.fixture
def weights(tmp_path):
    """A file of weights with its calibration beside it."""
    path = tmp_path / "small.safetensors"
    network = AlexNet(classes=7, fc_units=8, input_shape=(67, 67, 3))
    pretrained.save(network, path, list("abcdefg"), eight_bits=True)
    digest = calibration.files.sha256(path)
    calibration.write(calibration.measure(*answers(), "made up", digest), path)
    return path


def test_it_is_kept_beside_the_weights(weights):
    (beside,) = set(weights.parent.iterdir()) - {weights}
    assert beside.name == "small.calibration.json"
    assert beside.stat().st_size < 2000
    measured = pretrained.calibration(weights)
    assert measured == calibration.measure(*answers(), "made up", measured.weights)
    beside.unlink()
    assert pretrained.calibration(weights) is None
    assert pretrained.calibration("bvlc") is None


def test_the_shipped_one_belongs_to_the_shipped_weights():
    measured = pretrained.calibration("pocket")
    there = calibration.path_beside(pretrained.POCKET).exists()
    assert (measured is not None) == there
    if measured:
        assert measured.expected_error < 0.15
        assert 0 <= measured.right_at(0.5) <= 1


def test_one_of_other_weights_or_a_damaged_one_is_refused(weights):
    others = weights.with_name("other.safetensors")
    pretrained.save(AlexNet(classes=7, fc_units=8, input_shape=(67, 67, 3)), others)
    beside = calibration.path_beside(others)
    shutil.copy(calibration.path_beside(weights), beside)
    with pytest.raises(ValueError, match=r"with other weights than other\.safetensors"):
        pretrained.calibration(others)
    values = json.loads(beside.read_text("utf-8"))
    for damaged in (
        "{",
        "[]",
        json.dumps(values | {"bins": [{}]}),
        json.dumps(values | {"bins": []}),
    ):
        beside.write_text(damaged, "utf-8")
        with pytest.raises(ValueError, match="holds no calibration"):
            pretrained.calibration(others)


def test_a_line_says_how_often_it_is_right_only_where_that_was_measured():
    row = np.array([[0.61, 0.04, 0.2, 0.15]])
    (predictions,) = decode_predictions(row, 3, ("cat", "lynx", "fox", "dog"))
    assert in_words(predictions) == "cat 61%, fox 20%, dog 15%."
    measured = Calibration((Bin(500, 0.5, 0.47), Bin(500, 0.72, 0.69)), "made up", "-")
    assert in_words(predictions, measured) == (
        "cat 61%, fox 20%, dog 15%. When it says 61%, it is right 58 times in 100."
    )
    unsure = Calibration((Bin(2, 0.5, 0.5),), "made up", "-")
    assert in_words(predictions, unsure) == "cat 61%, fox 20%, dog 15%."
    with pytest.raises(ValueError, match="no predictions"):
        in_words([])
