"""The scripts behind the recorded results, on data so small that they take seconds."""

import importlib
import json
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image


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


def tiny(flowers, **changes):
    settings = {"epochs": 3, "short_sides": (72, 80), "batch_size": 8, "learning_rate": 0.01}
    return flowers.Settings(**settings | {"image_size": 67, "fc_units": 16} | changes)


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
    train, test = flowers.load(str(folder), tiny(flowers))
    assert [one.short_side for one in train.datasets] == [72, 80]
    assert train.datasets[0].lighting is train.datasets[1].lighting
    for number in range(3):
        expected = train.datasets[number % 2].epoch(number)
        for got, want in zip(train.epoch(number), expected, strict=True):
            np.testing.assert_array_equal(got[0], want[0])
    assert test.short_side == 72
    assert test.lighting is None


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


def test_augmentation_goes_on_only_with_runs_of_the_same_settings(flowers, tmp_path, monkeypatch):
    augmentation = importlib.import_module("augmentation")
    monkeypatch.setattr(augmentation, "RESULTS", tmp_path / "augmentation.json")
    settings = {"recipe": augmentation.RECIPE.as_dict(), "pictures_per_class": 100}
    assert augmentation.recorded("none", settings) == []
    flowers.records.update(augmentation.RESULTS, "none", settings | {"runs": [{"seed": 0}]})
    assert augmentation.recorded("none", settings) == [{"seed": 0}]
    assert augmentation.recorded("none", settings | {"pictures_per_class": 20}) == []
    assert augmentation.recorded("crops and mirrors", settings) == []


def test_diagnoses_keep_the_epochs_before_a_run_broke(flowers, tmp_path):
    diagnoses = importlib.import_module("diagnoses")
    assert diagnoses.finished_epochs(tmp_path) == []
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2.5\n2,9.75\n")
    assert diagnoses.finished_epochs(tmp_path) == [
        {"epoch": 1, "loss": 2.5},
        {"epoch": 2, "loss": 9.75},
    ]
