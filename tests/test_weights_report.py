"""The report on the shipped weights, on a network and pictures so small that it takes seconds."""

import importlib
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tiny import write_pictures

from alexnet_lib import architecture, files, pretrained
from alexnet_lib.model import build
from alexnet_lib.preprocessing import with_preprocessing

NAMES = ("brown", "cyan", "green", "grey", "pink", "white")
COLOURS = (
    (120, 70, 30),
    (40, 200, 200),
    (40, 160, 40),
    (120, 120, 120),
    (240, 120, 180),
    (250,) * 3,
)
SIDE = 32


@pytest.fixture(scope="module")
def report():
    return importlib.import_module("weights_report")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Six colours: ten pictures to train and five to test of each."""
    root = tmp_path_factory.mktemp("data") / "six_colours"
    random = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 5)):
        colours = dict(zip(NAMES, COLOURS, strict=True))
        write_pictures(root / split, colours, count, random, noise=25, size=(40, 36))
    return root


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = (
        architecture.Convolution("conv1", filters=8, kernel=5, stride=2, stddev=0.01),
        architecture.MaxPooling("pool5"),
        architecture.Flatten("flatten"),
        architecture.Dense("fc7", units=16, stddev=0.02),
        architecture.Dense("fc8", units=len(NAMES), stddev=0.3, activation="softmax"),
    )
    return with_preprocessing(build(layers, (SIDE, SIDE, 3)), NAMES)


@pytest.fixture
def weights(model, tmp_path):
    path = tmp_path / "six.keras"
    model.save(path)
    return path


def opened_test(report, model, source):
    (batch,) = report.opened(model, str(source), "test", None).epoch().as_numpy_iterator()
    return batch


def test_it_measures_and_records_all_that_there_are_pictures_for(
    report, model, pictures, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(report, "SEEDS", (0, 1))
    out = tmp_path / "report.json"
    call = ["--weights", str(weights), "--out", str(out)]
    source = str(pictures)
    report.main([*call, "--pictures", source, "--sharp", source, "--transfer", f"six={source}"])
    results = json.loads(out.read_text("utf-8"))
    assert results["weights"]["sha256"] == files.sha256(weights)
    assert results["weights"]["classes"] == 6
    assert str(tmp_path) not in out.read_text("utf-8")
    assert str(pictures.parent) not in out.read_text("utf-8")
    assert results["accuracy"]["command"] == (
        "python results/weights_report.py --pictures six_colours --sharp six_colours --transfer "
        "six=six_colours"
    )
    assert results["conv1"]["filters"] == 8
    assert results["conv1"]["gratings"] <= 8

    images, truth = opened_test(report, model, pictures)
    probabilities = model.predict(images, verbose=0)
    order = np.argsort(-probabilities, axis=1)
    accuracy = results["accuracy"]
    assert accuracy["pictures"] == 30
    assert accuracy["data"] == {"name": "six_colours", "sha256": None}
    assert accuracy["hardware"]["cores"] >= 1
    one = accuracy["crops_1"]
    assert one["top1"] == pytest.approx(np.mean(order[:, 0] == truth), abs=1e-4)
    assert one["top5"] == pytest.approx(np.mean(order[:, :5] == truth[:, None]) * 5, abs=1e-4)
    assert one["top5_interval"][0] < one["top5"] <= one["top5_interval"][1]
    assert 0 <= accuracy["crops_10"]["top1"] <= 1

    measured = pretrained.calibration(weights)
    assert [part["pictures"] for part in results["calibration"]["bins"]] == [
        part.pictures for part in measured.bins
    ]
    assert sum(part.pictures for part in measured.bins) == 30
    assert measured.data == "six_colours, test split"

    coarse = model.predict(report.reduced(images), verbose=0)
    sharpness = results["sharpness"]["six_colours"]
    same = np.mean(coarse.argmax(1) == order[:, 0])
    assert sharpness["same_answer"] == pytest.approx(same, abs=1e-4)
    known = sharpness["top1_of_known_classes"]
    assert known["pictures"] == 30
    assert known["sharp"] == one["top1"]
    assert known["reduced"] == pytest.approx(np.mean(coarse.argmax(1) == truth), abs=1e-4)

    transfer = results["transfer"]["six"]
    assert (transfer["training_pictures"], transfer["test_pictures"]) == (60, 30)
    accuracies = transfer["accuracies"]
    trunks = {f"{n}, {w}" for n in report.LAYERS for w in ("trained", "shuffled", "random")}
    trunks |= {f"{n}, trained, test pictures reduced" for n in report.LAYERS}
    assert set(accuracies) == trunks | {"colour histogram", "HOG", "colour histogram and HOG"}
    assert all(len(scores["seeds"]) == 2 for scores in accuracies.values())
    # Colour is all that tells the classes apart.
    assert accuracies["colour histogram"]["mean"] > 0.9
    assert accuracies["HOG"]["mean"] < 0.5

    # What is not measured again stays; a quick look leaves the calibration alone.
    before = report.calibration.path_beside(weights).read_bytes()
    report.main([*call, "--pictures", source, "--one-crop", "--limit-per-class", "2"])
    again = json.loads(out.read_text("utf-8"))
    assert again["accuracy"]["pictures"] == 12
    assert "crops_10" not in again["accuracy"]
    assert "--one-crop" in again["accuracy"]["command"]
    assert again["accuracy"]["command"].endswith("--limit-per-class 2")
    assert again["transfer"] == results["transfer"]
    assert report.calibration.path_beside(weights).read_bytes() == before


def test_what_was_measured_of_other_weights_is_dropped(report, weights, tmp_path):
    out = tmp_path / "report.json"
    out.write_text(json.dumps({"weights": {"sha256": "others"}, "accuracy": {}}), "utf-8")
    report.main(["--weights", str(weights), "--out", str(out)])
    assert set(json.loads(out.read_text("utf-8"))) == {"weights", "conv1"}
    assert not report.calibration.path_beside(weights).exists()


def test_classes_that_the_network_does_not_know_count_as_no_accuracy(
    report, model, pictures, tmp_path
):
    for number, split in enumerate(("train", "test")):
        for name, known in (("cyan", "cyan"), ("purple", "pink")):
            folder = tmp_path / "two" / split / name
            folder.mkdir(parents=True)
            for place in range(3):
                picture = pictures / "train" / known / f"{3 * number + place:02}.png"
                (folder / f"{place}.png").write_bytes(picture.read_bytes())
    measured = report.sharpness(model, str(tmp_path / "two"), None)
    assert measured["pictures"] == 6
    assert measured["top1_of_known_classes"]["pictures"] == 3
    with pytest.raises(ValueError, match="classes that the model does not know: purple"):
        report.accuracy(model, str(tmp_path / "two"), None, (1,))


def test_a_source_for_transfer_needs_a_name(report, weights, capsys):
    with pytest.raises(SystemExit):
        report.main(["--weights", str(weights), "--transfer", "clothing.tgz"])
    assert "'clothing.tgz' is not NAME=SOURCE" in capsys.readouterr().err


def test_a_reduced_picture_has_lost_its_fine_waves_and_nothing_else(report):
    row = np.arange(256)
    fine, coarse = (128 + 100 * np.cos(2 * np.pi * waves * row / 256) for waves in (100, 4))
    pictures = np.broadcast_to(np.stack([fine, coarse])[:, None, :, None], (2, 256, 256, 3))
    lost, kept = report.reduced(tf.constant(pictures, tf.float32)).numpy()
    assert np.abs(lost - 128).max() < 30
    assert np.abs(kept - pictures[1])[:, 8:-8].max() < 5


def test_features_of_the_trunk_are_those_of_the_layers(report, model, pictures):
    images, _ = opened_test(report, model, pictures)
    found = report.trunk_features(model, report.opened(model, str(pictures), "test", None))
    for layer, units in (("fc7", 16), ("pool5", 6 * 6 * 8)):
        expected = keras.Model(model.input, model.get_layer(layer).output)(images)
        np.testing.assert_allclose(
            found[layer], np.reshape(expected, (30, units)), rtol=1e-4, atol=1e-4
        )


def test_the_histogram_is_numpys(report, model, pictures):
    images, _ = opened_test(report, model, pictures)
    found = report.plain_features(report.opened(model, str(pictures), "test", None))
    edges = [np.arange(0, 257, 32)] * 3
    for picture, histogram in zip(images, found["colour histogram"], strict=True):
        counts, _ = np.histogramdd(picture.reshape(-1, 3), edges)
        np.testing.assert_allclose(histogram**2, counts.ravel() / SIDE**2, atol=1e-6)
    assert found["HOG"].std(0).min() > 0
    assert found["colour histogram and HOG"].shape == (30, 512 + 7 * 7 * 4 * 9)


def test_a_random_trunk_has_hes_values_and_repeats_with_its_seed(report, model):
    one, again, other = (report.random_trunk(model, seed) for seed in (0, 0, 1))
    kernels = [trunk.get_layer("fc7").kernel.numpy() for trunk in (one, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()
    assert kernels[0].std() == pytest.approx(np.sqrt(2 / kernels[0].shape[0]), rel=0.05)
    assert not one.get_layer("fc7").bias.numpy().any()


def test_a_feature_that_hardly_ever_differs_is_left_out(report):
    features = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    features[:, 2] *= 1e-5
    scaled = report.scaled(features)(features)
    np.testing.assert_allclose(scaled.std(0), 3**-0.5, rtol=1e-5)
    assert scaled.shape == (50, 3)


def three_classes(each, number, apart, fresh):
    """Features `(3 * each, number)` of three classes, their labels; `fresh` features of none."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), each)
    features = random.normal(size=(3 * each, number)).astype("float32")
    features[np.arange(3 * each), labels] += apart
    return features, labels, random.normal(size=(fresh, number)).astype("float32")


def test_a_classifier_needs_no_more_features_than_there_are_examples(report):
    features, labels, fresh = three_classes(each=20, number=500, apart=3.0, fresh=40)
    whole = report.scaled(features)
    turned = report.spanned(whole, features)
    assert turned(fresh).shape == (40, 60)
    probabilities = [
        LogisticRegression(C=10.0, max_iter=5000, tol=1e-8)
        .fit(scale(features).astype("float64"), labels)
        .predict_proba(scale(fresh).astype("float64"))
        for scale in (whole, turned)
    ]
    np.testing.assert_allclose(*probabilities, atol=1e-4)
    # Where there are fewer features, nothing is turned.
    few = report.scaled(features[:, :50])
    assert report.spanned(few, features[:, :50]) is few


def test_the_penalty_is_chosen_by_pictures_that_the_classifier_did_not_learn(report):
    features, labels, fresh = three_classes(each=40, number=60, apart=2.0, fresh=300)
    predicted = report.fitted(features, labels, seed=3)(fresh)

    generator, out = np.random.default_rng(3), np.zeros(120, bool)
    for label in range(3):
        out[generator.permutation(np.flatnonzero(labels == label))[:8]] = True
    scaler = StandardScaler().fit(features[~out])
    train, held_out, asked = (
        scaler.transform(part) / 60**0.5 for part in (features[~out], features[out], fresh)
    )
    tried = [
        LogisticRegression(C=c, max_iter=5000, tol=1e-6).fit(train, labels[~out])
        for c in report.PENALTIES
    ]
    scores = [classifier.score(held_out, labels[out]) for classifier in tried]
    assert len(set(scores)) > 1
    expected = tried[int(np.argmax(scores))].predict(asked)
    assert np.mean(predicted == expected) > 0.97
