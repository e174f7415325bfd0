"""The scripts behind the recorded results, on data so small that they take seconds."""

import argparse
import importlib
import json
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from alexnet_lib import AlexNet


@pytest.fixture(scope="module")
def flowers():
    sys.path.insert(0, str(ROOT / "results"))
    return importlib.import_module("flowers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noisy pictures of one colour, 15 a class: 12 to train, 3 held out."""
    root = tmp_path_factory.mktemp("data") / "two_colours"
    random = np.random.default_rng(0)
    for name, colour in {"red": (200, 30, 30), "blue": (30, 30, 200)}.items():
        (root / name).mkdir(parents=True)
        for number in range(15):
            pixels = (np.array(colour) + random.normal(0, 30, (84, 90, 3))).clip(0, 255)
            Image.fromarray(pixels.astype("uint8")).save(root / name / f"{number:02}.png")
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


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory):
    """Ten classes of 32×32 pixels: four to train and two to test in each."""
    root = tmp_path_factory.mktemp("small") / "ten_greys"
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for label in range(10):
            folder = root / split / f"grey{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = (25 * label + random.normal(0, 5, (32, 32, 3))).clip(0, 255)
                Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    return root


def test_cifar10_is_read_class_by_class(flowers, small_pictures):
    cifar10 = importlib.import_module("cifar10")
    pictures, labels = cifar10.arrays(str(small_pictures), "train", per_class=1, skip=2)
    assert labels.tolist() == list(range(10))
    for label, picture in zip(labels, pictures, strict=True):
        file = small_pictures / "train" / f"grey{label}" / "2.png"
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
        "PER_CLASS": 2,
        "EPOCHS": 1,
        "RATES": (0.01,),
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


def test_each_ablation_changes_the_network_or_its_pictures(flowers):
    ablations = importlib.import_module("ablations")
    variants = [(list(layers), pictures) for layers, pictures in ablations.VARIANTS.values()]
    assert all(variants.count(variant) == 1 for variant in variants)
    kinds = [layer.kind for layer in ablations.VARIANTS["no LRN"][0]]
    assert "normalization" not in kinds


@pytest.fixture
def pocket(flowers, monkeypatch):
    module = importlib.import_module("pocket")
    monkeypatch.setattr(module, "BATCH", 8)
    return module


def test_pocket_mixes_two_data_sets(pocket, folder, small_pictures):
    sources = argparse.Namespace(flowers=str(folder), cifar10=str(small_pictures))
    stage = pocket.Stage(1, 67, (72, 80), learning_rate=0.01, flowers=3)
    train, validation = pocket.load(sources, stage)
    assert train.class_names[:3] == ["blue", "red", "grey0"]
    assert (train.steps, train.size) == (8, 64)  # 40 pictures of the second set, five a batch
    batches = [(images.numpy(), labels.numpy()) for images, labels in train.epoch(1)]
    assert len(batches) == 8
    for images, labels in batches:
        assert images.shape == (8, 67, 67, 3)
        assert (labels[:3] < 2).all()
        assert (labels[3:] >= 2).all()
    seen = np.sort(np.concatenate([labels[3:] for _, labels in batches]))
    np.testing.assert_array_equal(seen, np.repeat(np.arange(2, 12), 4))
    for (images, labels), again in zip(batches, train.epoch(1), strict=True):
        np.testing.assert_array_equal(images, again[0])
        np.testing.assert_array_equal(labels, again[1])
    held_out = np.concatenate([labels for _, labels in validation])
    np.testing.assert_array_equal(np.bincount(held_out), [3] * 2 + [2] * 10)


def test_pocket_cuts_one_square_out_of_each_flower(pocket):
    images = np.random.default_rng(0).random((30, 20, 20, 3), "float32")
    cut = pocket.cut_out(images, seed=[0, 1]).numpy()
    np.testing.assert_array_equal(cut, pocket.cut_out(images, seed=[0, 1]))
    sizes = set()
    for before, after in zip(images, cut, strict=True):
        rows, columns = np.nonzero((before != after).any(-1))
        square = np.ix_(np.unique(rows), np.unique(columns))
        np.testing.assert_allclose(after[square], before.mean(), rtol=1e-5)
        assert len(rows) == np.prod(after[square].shape[:2]), "nothing outside it has changed"
        sizes.update(after[square].shape[:2])
    assert max(sizes) == 10  # half of the side, or less at an edge
    assert min(sizes) >= 5
