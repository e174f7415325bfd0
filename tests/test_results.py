"""The scripts behind the recorded results, on data so small that they take seconds."""

import argparse
import importlib
import json
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import special, stats
from tiny import write_pictures

from alexnet_lib import AlexNet, files, pretrained
from alexnet_lib.formats import quantization


@pytest.fixture(scope="module")
def flowers():
    return importlib.import_module("flowers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noisy pictures of one colour, 15 a class: 12 to train, 3 held out."""
    root = tmp_path_factory.mktemp("data") / "two_colours"
    random = np.random.default_rng(0)
    colours = {"red": (200, 30, 30), "blue": (30, 30, 200)}
    write_pictures(root, colours, 15, random, noise=30, size=(84, 90))
    return root


def tiny(flowers):
    """Two stages: fc6 has one place, then four."""
    stages = (flowers.Stage(1, 67, (72,), 0.01), flowers.Stage(2, 99, (108, 120), 0.01))
    return flowers.Settings(stages, batch_size=8, fc_units=16)


def test_flowers_trains_records_and_goes_on(flowers, folder, tmp_path, monkeypatch, capsys):
    results = tmp_path / "flowers.json"
    monkeypatch.setattr(flowers, "RESULTS", results)
    monkeypatch.setattr(flowers, "RUNS", {"a run": tiny(flowers)})
    call = ["--data", str(folder), "--runs", str(tmp_path / "runs")]
    flowers.main(call)
    first = json.loads(results.read_text())["a run"]
    assert first["command"] == 'python results/flowers.py --data two_colours "a run"'
    assert str(tmp_path) not in results.read_text()
    assert first["epochs"] == len(first["history"]) == 3
    assert [row["epoch"] for row in first["history"]] == [1, 2, 3]
    assert [row["image_size"] for row in first["history"]] == [67, 99, 99]
    assert first["images_seen"] == 3 * 24
    assert first["data"]["training_examples"] == 24
    assert first["data"]["test_examples"] == 6
    assert first["seconds"] == pytest.approx(
        sum(row["seconds"] for row in first["history"]), abs=0.06
    )
    assert first["wall_seconds"] > first["seconds"]
    # The last epoch's weights, not the best one's, are measured.
    assert first["top1_one_crop"] == pytest.approx(first["history"][-1]["val_accuracy"], abs=1e-4)

    capsys.readouterr()
    flowers.main([*call, "a run"])
    assert "holds a finished run" in capsys.readouterr().out
    again = json.loads(results.read_text())["a run"]
    assert again["wall_seconds"] is None
    for name in ("history", "seconds", "top1_one_crop", "top1_ten_crops", "loss_ten_crops"):
        assert again[name] == first[name], name

    flowers.main(["--show"])
    assert "a run" in capsys.readouterr().out


def test_flowers_takes_its_picture_sizes_in_turn(flowers, folder):
    settings = tiny(flowers)
    train, test = flowers.load(str(folder), settings, settings.stages[1])
    assert [one.short_side for one in train.datasets] == [108, 120]
    assert train.datasets[0].lighting is train.datasets[1].lighting
    for number in range(3):
        expected = train.datasets[number % 2].epoch(number)
        for got, want in zip(train.epoch(number), expected, strict=True):
            np.testing.assert_array_equal(got[0], want[0])
    assert test.short_side == 108
    assert test.lighting is None


def test_a_network_grows_with_its_pictures(flowers):
    small, large = (
        AlexNet(input_shape=(side, side, 3), classes=2, fc_units=8) for side in (67, 99)
    )
    flowers.growing.copy_weights(small, large)
    for layer in small.layers:
        if layer.weights and layer.name != "fc6":
            for got, want in zip(
                large.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
            ):
                np.testing.assert_array_equal(got, want)
    # A pool5 that is the same everywhere excites fc6 as much as the one place did.
    place = np.random.default_rng(0).random(256, "float32")
    one, four = (model.get_layer("fc6").get_weights()[0] for model in (small, large))
    np.testing.assert_allclose(np.tile(place, 4) @ four, place @ one, rtol=1e-4)


def test_flowers_names_the_runs_it_knows(flowers, capsys):
    with pytest.raises(SystemExit):
        flowers.main(["worst"])
    assert "there is no run 'worst'" in capsys.readouterr().err


def test_flowers_records_runs_side_by_side(flowers, tmp_path):
    path = tmp_path / "flowers.json"
    flowers.records.update(path, "one", {"epochs": 1})
    flowers.records.update(path, "two", {"epochs": 2})
    flowers.records.update(path, "one", {"epochs": 3})
    assert json.loads(path.read_text()) == {"one": {"epochs": 3}, "two": {"epochs": 2}}


def test_diagnoses_keep_the_epochs_before_a_run_broke(flowers, tmp_path):
    diagnoses = importlib.import_module("diagnoses")
    assert diagnoses.finished_epochs(tmp_path) == []
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2.5\n2,9.75\n")
    assert diagnoses.finished_epochs(tmp_path) == [
        {"epoch": 1, "loss": 2.5},
        {"epoch": 2, "loss": 9.75},
    ]


def test_the_biases_that_are_one_start_elsewhere(flowers):
    diagnoses = importlib.import_module("diagnoses")
    recipe = diagnoses.CASES["plateau"].recipe
    model = recipe.build(["a", "b"], input_shape=(67, 67, 3), fc_units=8)
    diagnoses.start_biases(model, 0.25)
    found = {
        path.split("/")[-2]: set(np.array(variable))
        for variable in model.trainable_variables
        if (path := variable.path).endswith("bias")
    }
    # Section 5: ones in the second, fourth and fifth convolution and the hidden dense layers.
    changed = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert found == {
        name: {0.25 if name in changed else 0.0} for name in (*changed, "conv1", "conv3", "fc8")
    }


def test_the_cases_of_the_plateau_differ_in_what_they_say(flowers, capsys):
    plateau = importlib.import_module("plateau")
    rates = {name: case.recipe.learning_rate for name, case in plateau.CASES.items()}
    assert rates == {name: 0.001 if "tenth" in name else 0.01 for name in plateau.CASES}
    recorded = json.loads(plateau.RESULTS.read_text("utf-8"))
    assert list(recorded) == list(plateau.CASES)
    for name, case in plateau.CASES.items():
        assert recorded[name]["case"]["recipe"] == case.recipe.as_dict()
        assert recorded[name]["case"]["biases"] == case.biases
        assert len(recorded[name]["history"]) == case.recipe.epochs
    with pytest.raises(SystemExit):
        plateau.main(["worst"])
    assert "there is no case 'worst'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory):
    """Ten classes of 32×32 pixels: four to train and two to test in each."""
    root = tmp_path_factory.mktemp("small") / "ten_greys"
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        greys = {f"grey{label}": 25 * label for label in range(10)}
        write_pictures(root / split, greys, count, random, noise=5, size=(32, 32))
    return root


def test_cifar10_is_read_class_by_class(flowers, small_pictures):
    cifar10 = importlib.import_module("cifar10")
    pictures, labels = cifar10.arrays(str(small_pictures), "train", per_class=1, skip=2)
    assert labels.tolist() == list(range(10))
    for label, picture in zip(labels, pictures, strict=True):
        file = small_pictures / "train" / f"grey{label}" / "02.png"
        np.testing.assert_array_equal(picture, np.asarray(Image.open(file)))


def test_cifar10_batches_repeat_by_their_seed_and_differ_by_epoch(flowers, small_pictures):
    cifar10 = importlib.import_module("cifar10")
    examples = cifar10.arrays(str(small_pictures), "train")
    plain = np.concatenate([x for x, _ in cifar10.batches(*examples, 28, batch=16)])
    np.testing.assert_allclose(plain, (examples[0][:, 2:30, 2:30] - 120.0) / 64, rtol=1e-6)
    first, second = (
        cifar10.batches(*examples, 28, seed=1, crop=True, mirror=True) for _ in range(2)
    )
    one, again, same = (np.concatenate([x for x, _ in run]) for run in (first, first, second))
    np.testing.assert_array_equal(one, same)
    assert (one != again).any()


def test_a_training_starts_afresh_from_each_seed(flowers, small_pictures):
    cifar10 = importlib.import_module("cifar10")
    figure1 = importlib.import_module("figure1")
    examples = cifar10.arrays(str(small_pictures), "train")
    training = cifar10.Training(figure1.network("relu", "today"))
    starts = []
    for seed in (0, 1, 0):
        training.restart(seed)
        starts.append(training.model.get_layer("conv1").get_weights()[0])
    np.testing.assert_array_equal(starts[0], starts[2])
    assert (starts[0] != starts[1]).any()
    one, again = (figure1.train(training, examples, 0.01, 0, 2) for _ in range(2))
    assert one == again
    assert len(one) == 2
    wrong = [
        np.argmax(training.model(x), 1) != y for x, y in cifar10.batches(*examples, 24, batch=1)
    ]
    assert training.error(cifar10.batches(*examples, 24)) == pytest.approx(np.mean(wrong))


def test_figure1_records_what_it_ran(flowers, small_pictures, tmp_path, monkeypatch):
    figure1 = importlib.import_module("figure1")
    for name, value in {
        "RESULTS": tmp_path / "figure1.json",
        "RATES": (1e-4, 0.02),
        "TRIAL_EPOCHS": 1,
        "SEEDS": (0,),
        "MAX_EPOCHS": 2,
        "STARTS": ("today",),
        "ACTIVATIONS": ("relu",),
    }.items():
        monkeypatch.setattr(figure1, name, value)
    figure1.main(["--data", str(small_pictures)])
    record = json.loads(figure1.RESULTS.read_text())["relu, today"]
    assert record["learning_rate"] in figure1.RATES
    (run,) = record["runs"]
    reached = run["training_errors"][-1] <= figure1.GOAL
    assert run["epochs_to_goal"] == (len(run["training_errors"]) if reached else None)
    assert str(tmp_path) not in figure1.RESULTS.read_text()


def test_ablations_go_on_where_they_stopped(flowers, small_pictures, tmp_path, monkeypatch):
    ablations = importlib.import_module("ablations")
    for name, value in {
        "RESULTS": tmp_path / "ablations.json",
        "PER_CLASS": 1,
        "VALIDATION_PER_CLASS": 1,
        "TRIAL": 2,
        "EPOCHS": 1,
        "GRID": (0.01,),
        "FIRST_RATES": (0.01,),
        "SEEDS": (0,),
        "VARIANTS": {name: ablations.VARIANTS[name] for name in ("whole", "no dropout")},
    }.items():
        monkeypatch.setattr(ablations, name, value)
    call = ["--data", str(small_pictures)]
    ablations.main(call)
    first = json.loads(ablations.RESULTS.read_text())
    monkeypatch.setattr(ablations, "SEEDS", (0, 1))
    ablations.main(call)
    second = json.loads(ablations.RESULTS.read_text())
    for name in ablations.VARIANTS:
        assert [run["seed"] for run in second[name]["runs"]] == [0, 1]
        assert second[name]["runs"][0] == first[name]["runs"][0]
        assert second[name]["learning_rate"] == 0.01
        assert list(second[name]["trials"]) == ["0.01"]
        assert second[name]["data"]["training_examples"] == 10


def test_runs_of_an_ablation_share_no_pictures(flowers, small_pictures, monkeypatch):
    ablations = importlib.import_module("ablations")
    for name, value in {"PER_CLASS": 1, "VALIDATION_PER_CLASS": 1, "TRIAL": 2}.items():
        monkeypatch.setattr(ablations, name, value)
    experiment = ablations.Experiment(str(small_pictures))
    parts = [experiment.pictures(number)[0] for number in range(3)]
    shown = [picture.tobytes() for part in (*parts, experiment.validation[0]) for picture in part]
    assert len(set(shown)) == len(shown) == 40


@pytest.mark.parametrize(
    ("best", "asked"),
    [
        (0.04, {0.02, 0.04, 0.08}),
        (0.01, {0.005, 0.01, 0.02, 0.04, 0.08}),
        (0.32, {0.02, 0.04, 0.08, 0.16, 0.32, 0.64}),
    ],
)
def test_the_best_rate_of_an_ablation_has_a_worse_one_on_both_sides(flowers, best, asked):
    ablations = importlib.import_module("ablations")
    tried = {}

    def error(rate):
        return tried.setdefault(rate, abs(np.log(rate / best)))

    assert ablations.best_rate(error) == best
    assert set(tried) == asked
    # One that never learns is tried with all rates.
    tried.clear()
    ablations.best_rate(lambda rate: tried.setdefault(rate, 0.9))
    assert set(tried) == set(ablations.GRID)


def test_each_ablation_changes_the_network_or_its_pictures(flowers):
    ablations = importlib.import_module("ablations")
    variants = [(list(layers), pictures) for layers, pictures in ablations.VARIANTS.values()]
    assert all(variants.count(variant) == 1 for variant in variants)
    kinds = [layer.kind for layer in ablations.VARIANTS["no LRN"][0]]
    assert "normalization" not in kinds


def test_pooling_compares_two_windows_on_the_same_pictures(
    flowers, small_pictures, tmp_path, monkeypatch
):
    pooling = importlib.import_module("pooling")
    for name, value in {
        "RESULTS": tmp_path / "pooling.json",
        "PER_CLASS": 2,
        "EPOCHS": 1,
        "RATES": (1e-4, 0.01),
        "SEEDS": (0, 1),
    }.items():
        monkeypatch.setattr(pooling, name, value)
    pooling.main(["--data", str(small_pictures)])
    recorded = json.loads(pooling.RESULTS.read_text())
    wide, narrow = recorded["3/2"], recorded["2/2"]
    assert wide["parameters"] == narrow["parameters"]
    assert wide["data"]["training_examples"] == wide["data"]["test_examples"] == 20
    for record in recorded.values():
        assert str(record["learning_rate"]) == min(record["trials"], key=record["trials"].get)
        assert [run["seed"] for run in record["runs"]] == [0, 1]
    # What one network gets right and the other does not is all that their errors differ by.
    for one, other in zip(wide["runs"], narrow["runs"], strict=True):
        gained = (one["only_this_right"] - other["only_this_right"]) / 20
        assert other["test_error"] - one["test_error"] == pytest.approx(gained, abs=1e-3)
    assert str(tmp_path) not in pooling.RESULTS.read_text()


def test_pooling_changes_nothing_but_the_window(flowers):
    pooling = importlib.import_module("pooling")
    wide, narrow = (pooling.network(window) for window in pooling.WINDOWS)
    assert [x.output.shape for x in wide.layers] == [x.output.shape for x in narrow.layers]
    windows = [wide.get_layer("pool1").pool_size, narrow.get_layer("pool1").pool_size]
    assert windows == [(3, 3), (2, 2)]


@pytest.fixture
def few(flowers, tmp_path, monkeypatch):
    module = importlib.import_module("transfer")
    for name, value in {
        "RESULTS": tmp_path / "transfer.json",
        "NUMBERS": (2, 3),
        "SEEDS": (0,),
        "TESTED": 2,
        "STAGE": 4,
        "SCRATCH": 6,
        "FC_UNITS": 8,
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_few_pictures_are_learned_in_several_ways(few, folder, monkeypatch):
    at_once = f"all at once, {few.HIGH}"
    call = ["--pictures", str(folder), "feature extraction", "random trunk", "from scratch"]
    few.main([*call, at_once])
    recorded = json.loads(few.RESULTS.read_text())
    names = ("feature extraction", "random trunk", "from scratch")
    assert set(recorded) == {f"{n}, {k}" for n in names for k in (2, 3)} | {f"{at_once}, 2"}
    assert str(folder.parent) not in few.RESULTS.read_text()
    for record in recorded.values():
        assert record["data"] | {"sha256": None} == {
            "name": "two_colours",
            "sha256": None,
            "classes": 2,
            "test_pictures": 4,
        }
        (run,) = record["runs"]
        assert (run["seed"], 0 <= run["top1"] <= 1) == (0, True)
    assert len({record["precision"] for record in recorded.values()}) == 1
    shipped = files.sha256(pretrained.POCKET)
    assert recorded["feature extraction, 2"]["trunk"] == shipped
    assert recorded["random trunk, 2"]["trunk"] == "random"
    assert recorded[f"{at_once}, 2"]["pictures_shown"] == 4
    assert recorded["from scratch, 3"]["pictures_shown"] == 6

    # What is there is not trained again; another seed joins it.
    monkeypatch.setattr(few, "SEEDS", (0, 1))
    monkeypatch.setattr(few, "measure", lambda way, *_: {"seed": 1, "top1": 0.5, "seconds": 0.0})
    few.main([*call[:2], "random trunk"])
    both = json.loads(few.RESULTS.read_text())["random trunk, 2"]["runs"]
    assert both == [*recorded["random trunk, 2"]["runs"], {"seed": 1, "top1": 0.5, "seconds": 0.0}]
    # Runs on other weights are no seeds of the same experiment.
    setting = {name: recorded["feature extraction, 2"][name] for name in ("way", "trunk")}
    assert few.remembered("feature extraction, 2", setting)
    assert not few.remembered("feature extraction, 2", setting | {"trunk": "0" * 64})


def test_every_layer_has_the_rate_that_is_recorded(few, folder):
    pictures = few.drawn(few.data.load(str(folder), "train"), 2, 0)
    for name, way in few.WAYS.items():
        rates = way.true_rates(pictures, "float32")
        assert (rates is None) == (name in ("feature extraction", "random trunk", "from scratch"))
        if rates:
            optimizer = way.recipe(pictures, "float32").optimizer()
            factor = optimizer.layer_rates["fc8"]
            assert rates["all other layers"] == pytest.approx(float(optimizer.learning_rate))
            assert rates["fc8"] == pytest.approx(float(optimizer.learning_rate) * factor)
    doubled = few.WAYS[f"all at once, {few.HIGH}, fc8 ten times that"]
    assert doubled.true_rates(pictures, "float32") == {"all other layers": 0.01, "fc8": 0.1}


def test_a_seed_draws_the_training_pictures(few, folder):
    pool = few.data.load(str(folder), "train")
    first, again, other = (few.drawn(pool, 5, seed) for seed in (0, 0, 1))
    assert np.bincount(first.labels).tolist() == [5, 5]
    assert list(first.listing()) == list(again.listing())
    assert set(first.listing()) < set(pool.listing())
    assert set(first.listing()) != set(other.listing())


@pytest.fixture
def pocket(flowers, monkeypatch):
    module = importlib.import_module("pocket")
    last = module.Stage(227, 1, (0.03, 0.0), 0.35)
    stages = (
        module.Stage(115, 2, (0.1, 0.01), 0.35),
        last,
        module.Stage(115, 1, (0.06, 0.005), 0.35),
        replace(last),
    )
    for name, value in {
        "BATCH": 8,
        "STEPS_A_ROUND": 2,
        "STAGES": stages,
        "WARM_UP": 2,
        "HELD_OUT": 0.2,
        "FC_UNITS": 8,
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two classes of 20 scenes each, of which every one was photographed twice."""
    root = tmp_path_factory.mktemp("data") / "scenes"
    random = np.random.default_rng(1)
    for name in ("blue", "red"):
        (root / name).mkdir(parents=True)
        for scene in range(20):
            blocks = Image.fromarray(random.integers(0, 256, (5, 5, 3), "uint8"))
            picture = np.array(blocks.resize((80, 80), Image.Resampling.BICUBIC))
            picture[..., 0 if name == "blue" else 2] //= 4
            for shot in range(2):
                brighter = np.clip(picture.astype(int) + 3 * shot, 0, 255).astype("uint8")
                Image.fromarray(brighter).save(root / name / f"{scene:02}-{shot}.png")
    return root


def pocket_arguments(folder, tmp_path):
    return argparse.Namespace(
        pictures=str(folder),
        precision="float32",
        run_dir=tmp_path / "run",
        out=tmp_path / "pocket.safetensors",
    )


def test_pocket_holds_out_scenes_as_a_whole(pocket, scenes, tmp_path):
    arguments = pocket_arguments(scenes, tmp_path)
    pictures, labels, out, names = pocket.load(arguments)
    assert names == ["blue", "red"]
    assert pictures.shape[1:] == (64, 64, 3)
    assert pictures.dtype == np.uint8
    red, _, blue = pictures.mean((1, 2)).T
    np.testing.assert_array_equal(red > blue, labels == 1)
    for label in (0, 1):
        members = labels == label
        wanted = pocket.HELD_OUT * members.sum()
        assert wanted - 2 <= out[members].sum() <= wanted + 2, "a scene more or less"
    flat = pictures.reshape(len(pictures), -1).astype(float)
    same_scene = np.corrcoef(flat) > 0.99
    assert (same_scene.sum(1) == 2).all()
    assert (out[same_scene.argmax(0)] == out).all(), "no scene is on both sides"
    for again, array in zip(pocket.load(arguments), (pictures, labels, out, names), strict=True):
        np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize("pixels", [32, 227, 600])
def test_a_view_is_resampled_as_pillow_does(pocket, pixels):
    signal = np.random.default_rng(0).uniform(0, 255, pixels).astype("float32")
    views = pocket.Views(227, smallest_part=1.0, seed=0)
    whole, side = np.ones(2, "float32"), np.full(2, 227, "float32")
    matrices = views.resampling(pixels, whole, side, np.array([False, True]))
    plain, turned = np.asarray(matrices) @ signal
    picture = Image.fromarray(signal[None], "F")
    expected = np.asarray(picture.resize((227, 1), Image.Resampling.BILINEAR))[0]
    np.testing.assert_allclose(plain, expected, atol=1e-2)
    np.testing.assert_allclose(turned, expected[::-1], atol=1e-2)


def test_views_show_a_part_at_every_resolution(pocket, monkeypatch):
    monkeypatch.setattr(keras.random, "normal", lambda shape, seed: np.zeros(shape, "float32"))
    # A picture of its own coordinates: red grows to the right, green downwards, from 50 to 200.
    ramp = np.linspace(50, 200, 64, dtype="float32")
    picture = np.stack([*np.meshgrid(ramp, ramp), np.full((64, 64), 125.0)], -1)
    views = pocket.Views(115, smallest_part=0.35, seed=3)
    views.relit = lambda images: images
    shown = np.asarray(views(np.repeat(picture[None], 200, 0)))
    assert shown.shape == (200, 115, 115, 3)
    width, height = (np.ptp(shown[..., channel], (1, 2)) / 150 for channel in (0, 1))
    assert (width * height).min() > 0.35 * 0.85
    assert width.min() < 0.7
    assert width.max() > 0.9
    mirrored = shown[:, 0, 0, 0] > shown[:, 0, -1, 0]
    assert 70 < mirrored.sum() < 130
    assert (shown[:, 0, 0, 1] < shown[:, -1, 0, 1]).all(), "none stands on its head"

    noise = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    rough = np.abs(np.diff(views(np.repeat(noise, 200, 0)), axis=2)).mean((1, 2, 3))
    assert rough.max() > 3 * rough.min()


def test_views_are_noisy_by_different_amounts(pocket):
    views = pocket.Views(67, smallest_part=1.0, seed=0)
    views.relit = lambda images: images
    noise = np.asarray(views(np.full((200, 8, 8, 3), 128, "float32"))).std((1, 2, 3))
    assert noise.min() < 0.5
    assert 9 < noise.max() < 11


def test_views_are_relit(pocket):
    grey = np.full((200, 8, 8, 3), 100, "float32")
    grey[..., 0] = 160
    relit = np.asarray(pocket.Views(115, smallest_part=1.0, seed=0).relit(grey))
    assert 0 <= relit.min() < relit.max() <= 255
    brightness = relit.mean((1, 2, 3)) / 120
    assert 0.65 < brightness.min() < 0.75
    assert 1.2 < brightness.max() < 1.35
    saturation = (relit[..., 0] - relit[..., 1]).mean((1, 2)) / 60 / brightness
    assert 2 < (np.abs(saturation) < 0.05).sum() < 30


def test_rounds_go_through_all_pictures_epoch_by_epoch(pocket):
    learned = np.arange(100, 124)
    rounds = [list(pocket.batches(learned, number)) for number in range(3)]
    assert [len(steps) for steps in rounds] == [2, 2, 2]
    steps = [step for one in rounds for step in one]
    for epoch in (steps[:3], steps[3:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), learned)
    assert (np.concatenate(steps[:3]) != np.concatenate(steps[3:])).any()
    np.testing.assert_array_equal(next(pocket.batches(learned, 1)), steps[2])


def test_the_rate_rises_once_and_falls_in_each_stage(pocket):
    first, last = pocket.STAGES[0], pocket.STAGES[-1]
    rates = [pocket.learning_rate(first, number, step) for number in range(2) for step in range(2)]
    assert rates[0] < rates[1] > rates[2] > rates[3] > 0.01
    assert rates[2] == pytest.approx((0.1 + 0.01) / 2)
    assert pocket.learning_rate(last, 0, 0) == pytest.approx(0.03)
    assert pocket.learning_rate(last, 0, 1) == pytest.approx(0.015)


def test_conv1_begins_with_the_noise_of_2012(pocket):
    keras.utils.set_random_seed(0)
    kernel = np.asarray(pocket.network(3, 115).get_layer("conv1").kernel)
    assert kernel.std() == pytest.approx(0.01, rel=0.03)
    assert abs(kernel.mean()) < 3e-4


def test_pocket_trains_goes_on_and_folds(pocket, scenes, tmp_path, monkeypatch, capsys):
    made = {"train": [], "fold": []}
    for name, results in made.items():
        function = getattr(pocket, name)
        monkeypatch.setattr(
            pocket, name, lambda *a, f=function, kept=results: kept.append(f(*a)) or kept[-1]
        )
    save = pocket.checkpoints.save

    def interrupted(folder, name, *others):
        save(folder, name, *others)
        if name in ("round-001", "round-004"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pocket.checkpoints, "save", interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                pocket.main(pocket_arguments(scenes, tmp_path))
    # Two stages that are alike are two all the same; and what is finished is not done again.
    for _ in range(2):
        pocket.main(pocket_arguments(scenes, tmp_path))
    said = re.findall(r"^\d+ px, round \d of \d", capsys.readouterr().out, re.MULTILINE)
    assert said == [
        "115 px, round 1 of 2",
        "115 px, round 2 of 2",
        "227 px, round 1 of 1",
        "115 px, round 1 of 1",
        "227 px, round 1 of 1",
    ]
    _, description = quantization.read(tmp_path / "pocket.safetensors")
    assert description["class_names"] == ["blue", "red"]

    trained, folded = made["train"][-1], made["fold"][-1]
    images = np.random.default_rng(0).uniform(0, 255, (4, 227, 227, 3)).astype("float32")
    inputs = pocket.preprocess_input(images)
    logits = np.asarray(trained(inputs / pocket.STANDARD_DEVIATION, training=False))
    np.testing.assert_allclose(folded(inputs), softmax(logits), atol=1e-4)


@pytest.fixture(scope="module")
def unsure():
    return importlib.import_module("unsure")


def softmax(scores):
    return special.softmax(scores, axis=1)


def known_and_unknown(random, spread, lift):
    """Answers to 900 pictures of 15 classes, and to as many of 40 others, which are less sure."""
    known, unknown = random.normal(0, 1, (2, 900, 15))
    labels, others = random.integers(0, 15, 900), random.integers(0, 40, 900)
    known[np.arange(900), labels] += 7
    unknown[np.arange(900), others % 15] += lift + random.uniform(0, spread, 900)
    return (softmax(known), labels.astype(str)), (softmax(unknown), others.astype(str))


def test_how_sure_an_answer_is(unsure):
    random = np.random.default_rng(3)
    answers = softmax(random.normal(0, 3, (50, 15)))
    two = np.sort(np.log(answers), axis=1)[:, [-1, -2]]
    expected = np.column_stack([two, stats.entropy(answers, axis=1)])
    np.testing.assert_allclose(unsure.features(answers), expected, atol=1e-5)
    certain = np.eye(15)[:1]
    assert np.isfinite(unsure.features(certain)).all()

    known, unknown = known_and_unknown(random, 6, 0)
    judge = unsure.measure(known, unknown)
    assert judge["known"]["unsure"] == pytest.approx(unsure.ALLOWED, abs=0.03)
    assert judge["unknown"]["unsure"] > 0.6
    assert (judge["known"]["classes"], judge["unknown"]["classes"]) == (15, 40)
    areas = judge["area_under_roc"]
    assert areas["sum"] > max(areas.values()) - 0.01 > 0.9
    # A network that answers everything alike cannot tell.
    alike = unsure.measure(*known_and_unknown(random, 0, 7))
    assert alike["unknown"]["unsure"] == pytest.approx(alike["known"]["unsure"], abs=0.04)
    assert alike["area_under_roc"]["entropy"] == pytest.approx(0.5, abs=0.06)

    # What no picture may do: be the surer, the more alike all classes are.
    for one in (judge, alike):
        weights = np.array([one["coefficients"][name] for name in unsure.FEATURES])
        peaks = softmax(np.linspace(0, 12, 40)[:, None] * np.eye(15)[0])
        assert (np.diff(unsure.features(peaks) @ weights) >= -1e-9).all()
    assert unsure.features(peaks)[0] @ weights < one["threshold"]


def test_every_class_counts_alike(unsure):
    weights = unsure.alike(np.array(["a", "b", "b", "b"]))
    np.testing.assert_allclose(weights, [1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert unsure.quantile(np.array([3.0, 1.0, 2.0, 4.0]), weights, 0.2) == 2.0


class Reddish:
    """As a network from pictures to probabilities: how red, how blue."""

    input_shape = (None, 67, 67, 3)

    def __call__(self, images, training):
        means = keras.ops.mean(keras.ops.convert_to_tensor(images, "float32"), (1, 2))[:, ::2]
        return means / keras.ops.sum(means, 1, keepdims=True)


def test_only_what_is_known_or_only_the_rest_is_answered(unsure, folder):
    answers, labels = unsure.answers(Reddish(), str(folder), ["red", "green"], None, 2)
    assert labels.tolist() == ["red", "red"]
    assert (answers[:, 0] > 0.7).all()
    answers, labels = unsure.answers(Reddish(), str(folder), ["red", "green"], [], 2)
    assert labels.tolist() == ["blue", "blue"]
    assert (answers[:, 1] > 0.7).all()
    with pytest.raises(SystemExit, match="no other classes; it has blue, red"):
        unsure.answers(Reddish(), str(folder), ["red"], ["blue"], 2)
    with pytest.raises(SystemExit, match="none of the network's classes; it has blue, red"):
        unsure.answers(Reddish(), str(folder), ["cat"], None, 2)
