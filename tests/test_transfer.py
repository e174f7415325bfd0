"""New heads on old trunks: against SciPy, scikit-learn's formula, and the untouched original."""

import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image, ImageFile
from scipy.optimize import minimize
from sklearn.utils.class_weight import compute_class_weight

from alexnet_lib import (
    AlexNet,
    data,
    decode_predictions,
    load_model,
    prediction,
    preprocess_input,
    pretrained,
    training,
    transfer,
)
from alexnet_lib.data import pictures as picture_files
from alexnet_lib.preprocessing import preprocess_layer, with_preprocessing
from alexnet_lib.training import class_weights
from alexnet_lib.training.recipe import Recipe

CLASSES = tiny.CLASSES[:3]


def pictures(size=30, seed=0):
    return tiny.Pictures(size, seed=seed, noise=20.0, class_names=CLASSES)


def recipe(**changes):
    return Recipe.fine_tuning(**{"epochs": 2, "batch_size": 16, "precision": "float32"} | changes)


def values(model, names):
    return {name: [array.copy() for array in model.get_layer(name).get_weights()] for name in names}


def same(one, other):
    return all(
        np.array_equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)
    )


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """A network that tells six colours apart."""
    model = tiny.model(dropout=0.1)
    training.fit(
        model,
        tiny.Pictures(180, noise=20.0),
        None,
        tiny.recipe(epochs=6),
        run_dir=tmp_path_factory.mktemp("trunk"),
        quiet=True,
    )
    return model


# --- the new head --------------------------------------------------------------------------------


def test_the_head_is_new_and_the_rest_is_the_trunk(trunk):
    before = tiny.fingerprint(trunk.variables)
    names = ("花", "dog", "cat", "owl")
    model = transfer.new_head(trunk, names, seed=3)
    assert preprocess_layer(model).class_names == list(names)
    assert preprocess_layer(model).scale == preprocess_layer(trunk).scale
    assert [layer.name for layer in model.layers] == [layer.name for layer in trunk.layers]
    assert same(values(trunk, ("conv1", "fc6")), values(model, ("conv1", "fc6")))
    images = pictures().pictures
    np.testing.assert_allclose(model(images).numpy(), 0.25, atol=0.1)
    assert tiny.fingerprint(trunk.variables) == before
    again = transfer.new_head(trunk, names, seed=3)
    assert tiny.fingerprint(model.weights) == tiny.fingerprint(again.weights)


def test_the_new_layer_starts_as_section_5_has_it():
    old = with_preprocessing(AlexNet(classes=3, input_shape=(67, 67, 3), fc_units=256), list("abc"))
    head = transfer.new_head(old, list(map(str, range(100)))).get_layer("fc8")
    assert head.kernel.numpy().std() == pytest.approx(0.01, rel=0.02)
    assert not head.bias.numpy().any()


@pytest.mark.parametrize("variant", ["paper", "caffe", "one_tower", "owt", "original"])
def test_features_are_the_outputs_of_fc7_in_every_variant(variant):
    size = 67 if variant not in ("owt", "original") else 68
    network = AlexNet(classes=3, input_shape=(size, size, 3), fc_units=8, variant=variant)
    old = with_preprocessing(network, list("abc"), variant, scale=0.5)
    model = transfer.new_head(old, ["x", "y"])
    place = transfer._place_of_head(model)
    images = np.random.default_rng(0).uniform(0, 255, (4, size, size, 3)).astype("float32")
    features = keras.Model(model.input, model.layers[place - 1].output)(images)
    expected = keras.Model(network.input, network.get_layer("fc7").output)(
        preprocess_input(images, variant) * 0.5
    )
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)
    # From the features on, the head alone is the whole model.
    head = transfer._head_alone(model, place)
    np.testing.assert_allclose(head(features), model(images), rtol=1e-4)


def test_precision_is_chosen_and_the_ends_stay_exact(trunk):
    model = transfer.new_head(trunk, CLASSES, precision="mixed_bfloat16")
    computes = {layer.name: layer.compute_dtype for layer in model.layers}
    assert computes["conv1"] == computes["fc6"] == "bfloat16"
    assert computes["preprocess"] == computes["fc8"] == "float32"


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "a")])
def test_a_head_needs_different_classes(trunk, names):
    with pytest.raises(ValueError, match="at least two classes with different names"):
        transfer.new_head(trunk, names)


def test_a_trunk_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"no Preprocess layer"):
        transfer.new_head(tiny.network(0.5, 6), CLASSES)
    headless = with_preprocessing(tiny.network(0.5, 6), tiny.CLASSES)
    headless = keras.Model(headless.input, headless.get_layer("pool1").output)
    with pytest.raises(ValueError, match=r"ends with 'pool1', a MaxPooling2D"):
        transfer.new_head(headless, CLASSES)


def test_the_pocket_weights_are_the_default_trunk():
    model = transfer.load_trunk()
    assert model.input_shape == (None, 227, 227, 3)
    settings = preprocess_layer(model)
    assert settings.variant == "paper"
    # In the scale that it learned in; the function is that of the shipped network.
    assert settings.scale == pytest.approx(1 / 58)
    assert len(settings.class_names) == model.output_shape[-1]
    shipped = AlexNet(weights="pocket")
    images = np.random.default_rng(0).uniform(0, 255, (1, 227, 227, 3)).astype("float32")
    np.testing.assert_allclose(model(images), shipped(preprocess_input(images)), rtol=1e-3)
    for name in ("conv3", "fc7"):
        part, whole = (keras.Model(m.input, m.get_layer(name).output) for m in (model, shipped))
        expected = whole(preprocess_input(images)).numpy()
        np.testing.assert_allclose(part(images), expected, rtol=1e-3, atol=1e-4)


def test_a_trunk_from_a_file(trunk, tmp_path):
    trunk.save(tmp_path / "mine.keras")
    assert same(
        values(trunk, ("conv1", "fc8")),
        values(transfer.load_trunk(tmp_path / "mine.keras"), ("conv1", "fc8")),
    )
    with pytest.raises(FileNotFoundError, match=r"'bvcl'.*Did you mean 'bvlc'"):
        transfer.load_trunk("bvcl")


# --- class weights -------------------------------------------------------------------------------


def test_balanced_weights_are_those_of_scikit_learn():
    uneven = pictures(40)
    uneven.labels = np.repeat(np.arange(3), (25, 12, 3)).astype("int32")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=uneven.labels)
    weights = transfer.balanced_weights(uneven)
    assert list(weights) == [0, 1, 2]
    np.testing.assert_allclose(list(weights.values()), expected)
    uneven.labels[uneven.labels == 1] = 0
    with pytest.raises(ValueError, match=r"no training examples of green"):
        transfer.balanced_weights(uneven)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"green": 2.0}, {1: 2.0}),
        ({2: 3, "red": 0.5}, {2: 3.0, 0: 0.5}),
        ({np.int64(1): 2.0}, {1: 2.0}),
    ],
)
def test_class_weights_by_name_or_number(given, expected):
    assert class_weights.by_label(given, pictures()) == expected


def test_balanced_is_a_class_weight_everywhere(tmp_path):
    examples = pictures(30)
    examples.labels = np.repeat(np.arange(3), (15, 10, 5)).astype("int32")
    assert class_weights.by_label("balanced", examples) == transfer.balanced_weights(examples)
    model = tiny.model(class_names=CLASSES)
    run = {"quiet": True, "recipe": tiny.recipe(epochs=1), "validation": None}
    training.fit(model, examples, run_dir=tmp_path / "run", class_weights="balanced", **run)
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["data"]["class weights"]
    # By name: a run that loses pictures has other weights, and is the same run.
    assert kept == "balanced"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"grene": 2.0},
            r"a weight for 'grene', which is no class\. The classes are 0 'red', 1",
        ),
        ({3: 2.0}, r"a weight for 3, which is no class"),
        ({-1: 2.0}, r"a weight for -1, which is no class"),
        ({True: 2.0}, r"a weight for True, which is no class"),
        ({"1": 2.0}, r"a weight for '1', which is no class"),
        ({1: 2.0, "green": 3.0}, r"two weights for 'green'"),
        ({"green": -1.0}, r"-1\.0 for 'green'; a weight is a number from 0"),
        ({"green": float("nan")}, r"nan for 'green'"),
        ("blanced", r"class_weights is 'blanced'; it must be 'balanced', None"),
    ],
)
def test_class_weights_that_mean_nothing_are_an_error(tmp_path, given, message):
    model = tiny.model(class_names=CLASSES)
    with pytest.raises(ValueError, match=message):
        training.fit(
            model,
            pictures(),
            None,
            tiny.recipe(),
            run_dir=tmp_path / "run",
            class_weights=given,
            quiet=True,
        )
    assert not (tmp_path / "run").exists()


# --- features and the head on them ---------------------------------------------------------------


def test_features_are_computed_once_in_order_and_shuffled_by_epoch(trunk):
    calls = []

    class Counted(tiny.Pictures):
        def epoch(self, number):
            calls.append(number)
            return super().epoch(number)

    examples = Counted(30, class_names=CLASSES)
    part = keras.Model(trunk.input, trunk.get_layer("fc6").output)
    features = transfer.Features(part, examples, passes=2)
    assert features.size == 60
    order = np.random.default_rng((0, 0)).permutation(30)
    np.testing.assert_allclose(
        features.arrays[0], part(examples.pictures[order]), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(features.arrays[1], examples.labels[order])
    epochs = [list(features.epoch(n).unbatch().as_numpy_iterator()) for n in (0, 1, 0)]
    assert calls == [0]
    first, second, repeated = (np.array([x for x, _ in epoch]) for epoch in epochs)
    np.testing.assert_array_equal(first, repeated)
    assert not np.array_equal(first, second)
    # Each pass has every example once.
    for half in (first[:30], first[30:]):
        np.testing.assert_array_equal(np.sort(half, 0), np.sort(features.arrays[0], 0))


def test_features_of_a_data_set_are_those_of_centre_crops(tmp_path, monkeypatch, trunk):
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    examples = data.load("photos", "train", image_size=16, short_side=18, limit_per_class=2)
    assert examples.augment
    assert examples.shuffle
    part = keras.Model(trunk.input, trunk.get_layer("conv1").output)
    features, labels = transfer.Features(part, examples).arrays
    expected = [part(np.array(p[None, 1:17, 1:17], "float32"))[0] for p, _ in examples.pictures()]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(labels, examples.labels)


def test_the_head_reaches_the_minimum_that_scipy_finds(tmp_path):
    """Without dropout a head is logistic regression: its loss has one minimum."""
    still = tiny.model(dropout=0.0, seed=4)
    train = pictures(60)
    head = Recipe.new_head(epochs=30, weight_decay=0.001)
    result = transfer.feature_extraction(
        still, train, out=tmp_path / "a.keras", recipe=head, class_weights=None, quiet=True
    )
    features = keras.Model(still.input, still.get_layer("fc6").output)(train.pictures).numpy()
    # The penalty is on weights for features of mean square length 1.
    factor = np.mean((features**2).sum(1)) ** -0.5
    inputs = np.hstack([features * factor, np.ones((60, 1))]).astype("float64")

    def loss(flat):
        weights = flat.reshape(inputs.shape[1], 3)
        scores = inputs @ weights
        norm = np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1)) + scores.max(1)
        data_loss = (norm - scores[np.arange(60), train.labels]).mean()
        return data_loss + 0.001 / 2 * (weights[:-1] ** 2).sum()

    best = minimize(loss, np.zeros(inputs.shape[1] * 3))
    kernel, bias = result.model.get_layer("fc8").get_weights()
    ours = loss(np.vstack([kernel / factor, bias]).ravel())
    assert ours == pytest.approx(best.fun, rel=0.01)


def test_feature_extraction_leaves_the_trunk_and_learns(trunk, tmp_path):
    before = tiny.fingerprint(trunk.variables)
    result = transfer.feature_extraction(
        trunk, pictures(60), pictures(seed=1), out=tmp_path / "a.keras", quiet=True
    )
    assert tiny.fingerprint(trunk.variables) == before
    assert same(values(trunk, ("conv1", "fc6")), values(result.model, ("conv1", "fc6")))
    assert [row["stage"] for row in result.history] == ["fc8"] * Recipe.new_head().epochs
    loaded = load_model(tmp_path / "a.keras")
    assert preprocess_layer(loaded).class_names == list(CLASSES)
    assert training.evaluate(loaded, pictures(seed=1)).top1 > 0.95
    assert result.history[-1]["val_accuracy"] > 0.95
    assert list(tmp_path.iterdir()) == [result.path]


# --- fine-tuning ---------------------------------------------------------------------------------


def test_stages_thaw_from_the_top_down(trunk, tmp_path):
    arguments = {"out": tmp_path / "a.keras", "recipe": recipe(), "quiet": True}
    half = transfer.fine_tune(trunk, pictures(), stages=("fc8", "fc6"), **arguments)
    assert same(values(trunk, ("conv1",)), values(half.model, ("conv1",)))
    assert not same(values(trunk, ("fc6",)), values(half.model, ("fc6",)))
    whole = transfer.fine_tune(
        trunk, pictures(), pictures(seed=1), run_dir=tmp_path / "run", **arguments
    )
    assert not same(values(trunk, ("conv1",)), values(whole.model, ("conv1",)))
    assert [row["stage"] for row in whole.history] == ["fc8"] * 4 + ["fc6"] * 2 + ["conv1"] * 2
    folders = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert folders == ["1-fc8", "2-fc6", "3-conv1"]
    assert training.evaluate(whole.model, pictures(seed=1)).top1 > 0.95
    # The last stage goes on where the one before it ended.
    thawed = load_model(tmp_path / "run" / "2-fc6" / "last.keras")
    assert same(values(thawed, ("conv1",)), values(trunk, ("conv1",)))


def test_the_new_layer_learns_ten_times_as_fast(trunk, tmp_path):
    """One step of the paper's rule, by hand: batch = all pictures, no momentum yet."""
    train = pictures(16)
    one = recipe(epochs=1, schedule="plateau", learning_rate=0.01, weight_decay=0.0)
    still = transfer.new_head(tiny.model(dropout=0.0), CLASSES)
    result = transfer.fine_tune(
        still,
        train,
        train,
        out=tmp_path / "a.keras",
        stages=("conv1",),
        recipe=one,
        class_weights=None,
        quiet=True,
    )
    start = transfer.new_head(still, CLASSES)
    with tf.GradientTape() as tape:
        probabilities = start(train.pictures)
        loss = -tf.reduce_mean(tf.math.log(tf.gather(probabilities, train.labels, batch_dims=1)))
    gradients = tape.gradient(loss, start.trainable_variables)
    for variable, gradient in zip(start.trainable_variables, gradients, strict=True):
        layer, kind = variable.path.split("/")[-2:]
        now = getattr(result.model.get_layer(layer), kind).numpy()
        step = {"fc8": 0.1}.get(layer, 0.01) * gradient.numpy()
        np.testing.assert_allclose(now, variable.numpy() - step, rtol=1e-3, atol=1e-6)


def test_the_result_runs_anywhere_and_can_be_a_trunk_again(trunk, tmp_path):
    result = transfer.fine_tune(
        trunk,
        pictures(),
        out=tmp_path / "a.keras",
        stages=("fc6",),
        recipe=recipe(epochs=1, precision="mixed_bfloat16"),
        quiet=True,
    )
    assert {layer.compute_dtype for layer in result.model.layers} == {"float32"}
    assert all(layer.trainable for layer in result.model.layers)
    again = transfer.feature_extraction(
        tmp_path / "a.keras", tiny.Pictures(24), out=tmp_path / "b.keras", quiet=True
    )
    assert again.model.output_shape == (None, 6)


def test_from_scratch_has_the_same_manners(tmp_path, monkeypatch):
    monkeypatch.setattr(Recipe, "build", lambda self, names, seed: tiny.model(class_names=names))
    result = transfer.from_scratch(
        pictures(), out=tmp_path / "a.keras", recipe=tiny.recipe(epochs=2), quiet=True
    )
    assert list(tmp_path.iterdir()) == [result.path]
    assert preprocess_layer(load_model(result.path)).class_names == list(CLASSES)


# --- interrupted ---------------------------------------------------------------------------------


class CtrlC(tiny.Pictures):
    """Presses Ctrl-C when the second epoch of a stage with pictures begins."""

    def epoch(self, number):
        if number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().epoch(number)


def test_an_interrupted_transfer_goes_on_to_the_same_bits(trunk, tmp_path):
    settings = {"stages": ("fc8", "fc6"), "recipe": recipe(), "quiet": True}
    (tmp_path / "a.keras").write_bytes(b"an older result")
    pressed = CtrlC(30, noise=20.0, class_names=CLASSES)
    with pytest.raises(training.TrainingInterrupted, match=r"a\.run/2-fc6"):
        transfer.fine_tune(trunk, pressed, out=tmp_path / "a.keras", **settings)
    assert (tmp_path / "a.keras").read_bytes() == b"an older result"
    before = (tmp_path / "a.run" / "1-fc8" / "last.keras").stat().st_mtime_ns

    class Once(tiny.Pictures):
        """The features are there; only the second epoch is asked for."""

        def epoch(self, number):
            assert number == 1
            return super().epoch(number)

    moved = tiny.model(dropout=0.1, seed=9)
    with pytest.raises(training.RunMismatchError, match=r"model prepared trunk: \w+ → \w+"):
        transfer.fine_tune(moved, pictures(), out=tmp_path / "a.keras", **settings)
    assert (tmp_path / "a.run" / "1-fc8" / "last.keras").stat().st_mtime_ns == before

    rest = Once(30, noise=20.0, class_names=CLASSES)
    resumed = transfer.fine_tune(trunk, rest, out=tmp_path / "a.keras", **settings)
    unbroken = transfer.fine_tune(trunk, pictures(), out=tmp_path / "b.keras", **settings)
    assert tiny.fingerprint(resumed.model.weights) == tiny.fingerprint(unbroken.model.weights)
    assert tiny.without_times(resumed.history) == tiny.without_times(unbroken.history)
    assert not (tmp_path / "a.run").exists()


def test_patience_ends_a_stage_and_a_transfer_goes_on_with_it(trunk, tmp_path):
    # Pictures that nothing tells apart: the error does not fall for long.
    validation = pictures(12, seed=1)
    validation.pictures[:], validation.labels[:] = 128, 0
    settings = {"stages": ("fc6",), "recipe": recipe(epochs=30), "quiet": True}
    settings |= {"validation": validation, "patience": 2}
    pressed = CtrlC(30, noise=20.0, class_names=CLASSES)
    with pytest.raises(training.TrainingInterrupted):
        transfer.fine_tune(trunk, pressed, out=tmp_path / "a.keras", **settings)
    other = settings | {"patience": 3}
    with pytest.raises(training.RunMismatchError, match="patience: 2 → 3"):
        transfer.fine_tune(trunk, pictures(), out=tmp_path / "a.keras", **other)
    resumed = transfer.fine_tune(trunk, pictures(), out=tmp_path / "a.keras", **settings)
    unbroken = transfer.fine_tune(trunk, pictures(), out=tmp_path / "b.keras", **settings)
    assert len(resumed.history) < 30
    best = min(resumed.history, key=lambda row: (-row["val_accuracy"], row["val_loss"]))
    assert len(resumed.history) == best["epoch"] + 2
    assert tiny.without_times(resumed.history) == tiny.without_times(unbroken.history)
    assert tiny.fingerprint(resumed.model.weights) == tiny.fingerprint(unbroken.model.weights)

    # The file knows: with the same patience it is there already, without it is another one.
    there = transfer.fine_tune(trunk, pictures(), out=tmp_path / "a.keras", **settings)
    assert there.history == resumed.history
    patient = settings | {"patience": None, "recipe": recipe(epochs=2)}
    result = transfer.fine_tune(trunk, pictures(), out=tmp_path / "a.keras", **patient)
    assert len(result.history) == 2


def test_patience_needs_pictures_to_go_by(trunk, tmp_path):
    for wrong in ({"patience": 0, "validation": pictures(6)}, {"patience": 3, "validation": None}):
        for way in (transfer.fine_tune, transfer.feature_extraction):
            with pytest.raises(ValueError, match=r"patience is \d; it must be at least 1, and"):
                way(trunk, pictures(), out=tmp_path / "a.keras", quiet=True, **wrong)
    assert list(tmp_path.iterdir()) == []


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"out": "model.h5"}, ValueError, r"'model\.h5' does not end with \.keras"),
        ({"out": "no/such/a.keras"}, FileNotFoundError, r"no folder 'no/such'"),
        ({"stages": ()}, ValueError, r"stages are none"),
        ({"stages": ("fc8", "pool1")}, ValueError, r"one of the layers conv1, fc6, fc8"),
        ({"stages": ("fc6", "fc8")}, ValueError, r"do not go from the top down"),
        ({"stages": ("fc6", "fc6")}, ValueError, r"do not go from the top down"),
        ({"trunk": "nowhere.keras"}, FileNotFoundError, r"no model at 'nowhere\.keras'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    trunk, tmp_path, monkeypatch, changes, error, message
):
    monkeypatch.chdir(tmp_path)
    arguments = {"trunk": trunk, "train": pictures(), "out": "a.keras", "quiet": True} | changes
    with pytest.raises(error, match=message):
        transfer.fine_tune(**arguments)
    assert not list(tmp_path.iterdir())


def test_thawing_needs_a_layer_that_learns(trunk):
    model = transfer.new_head(trunk, CLASSES)
    transfer.unfreeze(model, "fc6")
    assert [v.path.split("/")[-2] for v in model.trainable_variables] == ["fc6"] * 2 + ["fc8"] * 2
    with pytest.raises(ValueError, match=r"No layer 'norm1'.*conv1, fc6, fc8"):
        transfer.unfreeze(model, "norm1")


# --- predictions ---------------------------------------------------------------------------------


def test_predictions_are_the_models_and_a_broken_file_stops_nobody(trunk, tmp_path):
    squares = {}
    for name, colour in zip(tiny.CLASSES, tiny.COLOURS, strict=True):
        squares[name] = np.tile(colour.astype("uint8"), (18, 18, 1))
        squares[name][:, :9] //= 2
        Image.fromarray(squares[name]).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    paths = [tmp_path / f"{name}.png" for name in tiny.CLASSES]
    (tmp_path / "empty").mkdir()
    paths[2:2] = [tmp_path / "broken.jpg", tmp_path / "none.png", tmp_path / "empty"]
    for crops in (1, 10):
        found = prediction.predict(trunk, paths, top=2, crops=crops)
        assert [one.path for one in found] == paths
        for part, message in zip(
            found[2:5],
            ("not a picture", "There is no picture", "no pictures in the folder"),
            strict=True,
        ):
            assert message in part.problem
            assert not part.ranking
        for one in found[:2] + found[5:]:
            picture = squares[one.path.stem].astype("float32")
            corners = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)] if crops == 10 else [(1, 1)]
            windows = [picture[y : y + 16, x : x + 16] for y, x in corners]
            windows += [window[:, ::-1] for window in windows] if crops == 10 else []
            expected = trunk(np.stack(windows)).numpy().mean(0)
            best = np.argsort(-expected)[:2]
            assert [name for name, _ in one.ranking] == [tiny.CLASSES[i] for i in best]
            np.testing.assert_allclose(
                [share for _, share in one.ranking], expected[best], rtol=1e-4
            )
    for wrong in ({"crops": 5}, {"top": 0}):
        with pytest.raises(ValueError, match=r"must be"):
            prediction.predict(trunk, paths, **wrong)


def test_each_file_is_decoded_once_in_order(trunk, tmp_path, monkeypatch):
    """Of all formats, more than a batch; what is broken counts once at most and stops nobody."""
    random = np.random.default_rng(0)
    paths, kinds = [], [("JPEG", 3), ("JPEG", 1), ("PNG", 6), ("WEBP", 1), ("TIFF", 8)]
    for number in range(70):
        kind, orientation = kinds[number % len(kinds)]
        image = Image.fromarray(random.integers(0, 256, (60, 90, 3), "uint8"))
        exif = image.getexif()
        exif[0x0112] = orientation
        paths.append(tmp_path / f"{number:02}.{kind.lower()}")
        image.save(paths[-1], kind, exif=exif)
    examples = [(picture_files.inspect(path), tf.io.read_file(str(path))) for path in paths]
    squares = [
        picture_files.square(
            contents, header.height, header.width, header.orientation, header.plain, 18
        )
        for header, contents in examples
    ]
    expected = trunk(np.stack(squares)[:, 1:17, 1:17].astype("float32"), training=False).numpy()
    for broken in (paths[3], paths[40]):
        broken.write_bytes(broken.read_bytes()[:-80])
    paths[50].write_text("no picture")
    decoded = []

    def counting(decode):
        return lambda *given, **options: decoded.append("JPEG") or decode(*given, **options)

    def load(image):
        decoded.extend(["other"] if image.tile else [])
        return decode(image)

    decode = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for name in ("decode_jpeg", "decode_and_crop_jpeg"):
        monkeypatch.setattr(tf.io, name, counting(getattr(tf.io, name)))
    found = prediction.predict(trunk, paths, top=6)
    assert [one.path for one in found] == paths
    assert [one.path for one in found if one.problem] == [paths[3], paths[40], paths[50]]
    for one, row in zip(found, expected, strict=True):
        if not one.problem:
            np.testing.assert_allclose(sorted(dict(one.ranking).values()), np.sort(row), atol=1e-5)
    # Number 3 is damaged where it begins. Number 40 does not end as a JPEG does, and Pillow tries.
    assert (decoded.count("JPEG"), decoded.count("other")) == (28 - 2, 42 - 1 + 1)


def test_a_string_is_one_name_and_one_picture(trunk, tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (18, 18), (220, 40, 40)).save(path)
    for one in (path, str(path)):
        (found,) = prediction.predict(trunk, one)
        assert found.ranking[0][0] == "red"
    for use in (
        lambda: transfer.new_head(trunk, "cats"),
        lambda: with_preprocessing(tiny.network(0.5, 4), "cats"),
        lambda: decode_predictions(np.full((1, 4), 0.25), class_names="cats"),
        lambda: pretrained.save(
            AlexNet(classes=4, fc_units=4, input_shape=(67, 67, 3)),
            tmp_path / "a.safetensors",
            "cats",
        ),
    ):
        with pytest.raises(ValueError, match=r"cats|given 1|and 1 names"):
            use()
    result = transfer.fine_tune(
        trunk, pictures(), out=tmp_path / "a.keras", stages="fc8", quiet=True
    )
    assert {row["stage"] for row in result.history} == {"fc8"}


def test_published_networks_see_the_sizes_they_were_trained_with():
    assert [prediction.short_side(size) for size in (224, 227, 67)] == [256, 256, 76]


def test_the_interval_is_wilsons():
    from scipy.stats import binomtest

    for right, n in ((0, 9), (7, 9), (231, 250), (40, 40)):
        evaluation = training.Evaluation(("a", "b"), 1, 0.0, right / n, None, np.diag([n, 0]))
        expected = binomtest(right, n).proportion_ci(0.95, "wilson")
        np.testing.assert_allclose(training.wilson_interval(right, n), expected, atol=1e-4)
        assert evaluation.top1_interval == training.wilson_interval(right, n)
