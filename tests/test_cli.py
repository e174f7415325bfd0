"""The `alexnet` command: what it prints, where it writes, and how it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from PIL import Image
from typer.testing import CliRunner

from alexnet_lib import architecture, calibration, data, load_model, training
from alexnet_lib.cli import app
from alexnet_lib.preprocessing import preprocess_layer

ALEXNET = Path(sys.executable).with_name("alexnet")
COUNTS = {"red": 5, "green": 8, "blue": 12}


def alexnet(*arguments):
    """What a command does, in this process: `exit_code`, `stdout`, `stderr`.

    The terminal is wide, for the paths of temporary folders are long.
    """
    arguments = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})


def make_pictures(folder, counts, seed=0):
    random = np.random.default_rng(seed)
    colours = dict(zip(tiny.CLASSES, tiny.COLOURS, strict=True))
    for name, count in counts.items():
        tiny.write_pictures(folder, {name: colours[name]}, count, random, noise=20, size=(20, 24))
    return folder


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALEXNET_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures") / "colours", COUNTS)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """A file with a network that tells six colours apart."""
    folder = tmp_path_factory.mktemp("trunk")
    model = tiny.model(dropout=0.1)
    data = tiny.Pictures(180, noise=20.0)
    training.fit(model, data, None, tiny.recipe(epochs=6), run_dir=folder / "run", quiet=True)
    model.save(folder / "trunk.keras")
    return folder / "trunk.keras"


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory, pictures, trunk):
    out = tmp_path_factory.mktemp("finetuned") / "colours.keras"
    result = alexnet("finetune", pictures, "--out", out, "--trunk", trunk, "--head-only")
    assert result.exit_code == 0, result.output
    return out, result


# --- the two commands ----------------------------------------------------------------------------


def test_finetune_writes_one_file_and_says_what_it_did(finetuned):
    out, result = finetuned
    names = ["colours.keras", "colours.report.html"]
    assert sorted(path.name for path in out.parent.iterdir()) == names
    said = " ".join(result.stdout.split())
    assert "3 classes, 19 pictures to learn from, 6 held out for the test." in said
    assert "The classes are uneven: red has 4 pictures, blue 9." in said
    assert "6 images, 1 crop: top-1" in said
    assert re.search(r"6 pictures fix the top-1 accuracy to between [\d.]+% and 100\.0% \(95", said)
    assert said.endswith(f"Next: alexnet predict {out} PICTURE.jpg")
    assert preprocess_layer(load_model(out)).class_names == sorted(COUNTS)


def test_predict_prints_a_table_or_json(finetuned, pictures):
    out, _ = finetuned
    files = [pictures / name / "00.png" for name in ("red", "blue")]
    table = alexnet("predict", out, *files, "--top", 2)
    assert table.exit_code == 0
    rows = [line.split() for line in table.stdout.splitlines() if ".png" in line]
    assert len(rows) == 2
    answer = json.loads(alexnet("predict", out, *files, "--json", "--crops", 10).stdout)
    assert [Path(entry["file"]) for entry in answer] == files
    for entry, name in zip(answer, ("red", "blue"), strict=True):
        assert entry["predictions"][0]["class"] == name
        assert sum(one["probability"] for one in entry["predictions"]) == pytest.approx(1, abs=1e-5)


def test_predict_reads_what_can_be_read_and_names_the_rest(finetuned, pictures, tmp_path):
    out, _ = finetuned
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    good = pictures / "red" / "00.png"
    result = alexnet("predict", out, tmp_path / "broken.jpg", good, "none.png", "--json")
    assert result.exit_code == 2
    broken, read, missing = json.loads(result.stdout)
    assert read["predictions"]
    assert "not a picture" in broken["problem"]
    assert "There is no picture" in missing["problem"]
    assert len(result.stderr.strip().splitlines()) == 2
    nothing = alexnet("predict", out, "none.png")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    nothing = alexnet("predict", out, "none.png", "--json")
    assert [entry["file"] for entry in json.loads(nothing.stdout)] == ["none.png"]


def test_predict_takes_folders_in_batches_and_says_as_evaluate_does(finetuned, pictures, tmp_path):
    out, _ = finetuned
    folder = make_pictures(tmp_path / "new", {"red": 40, "blue": 2}, seed=9)
    (folder / "red" / "notes.txt").write_text("no picture")
    (folder / "red" / ".hidden.png").write_bytes(b"")
    (folder / "red" / "17.png").write_bytes(b"broken")
    (folder / "empty").mkdir()
    (folder / "red" / "@eaDir").mkdir()
    (folder / "red" / "@eaDir" / "thumb.jpg").write_bytes(b"of a disk station")
    result = alexnet("predict", out, folder / "red", folder / "empty", folder / "blue", "--json")
    answers = json.loads(result.stdout)
    asked = [folder / "red" / f"{number:02}.png" for number in range(40)]
    asked += [folder / "empty", folder / "blue" / "00.png", folder / "blue" / "01.png"]
    assert [Path(answer["file"]) for answer in answers] == asked
    problems = [answer for answer in answers if "problem" in answer]
    assert [Path(answer["file"]).name for answer in problems] == ["17.png", "empty"]
    assert "There are no pictures in the folder" in problems[1]["problem"]
    model = load_model(out)
    from alexnet_lib.data.pictures import read

    squares = np.stack(
        [
            read(path, 18)[1:17, 1:17]
            for path in asked
            if path.name != "empty" and path.name != "17.png"
        ]
    ).astype("float32")
    expected = model(squares).numpy().max(1)
    found = [
        answer["predictions"][0]["probability"] for answer in answers if "problem" not in answer
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_predict_answers_as_it_goes(trunk, pictures):
    from alexnet_lib import prediction

    read = []

    def paths():
        for path in [*sorted((pictures / "red").iterdir())] * 60:
            read.append(path)
            yield path

    answers = prediction.predictions(load_model(trunk), paths())
    next(answers)
    # 300 are asked for; the first answer needs one batch, and the next ones are being read.
    assert len(read) <= 3 * prediction.BATCH[1]


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_prediction_is_compiled_as_evaluation_is(trunk, pictures, monkeypatch, kind):
    from alexnet_lib import data, prediction
    from alexnet_lib.training import devices, evaluation, steps

    asked = []

    def forward_step(model, jit):
        asked.append(jit)
        return steps.forward_step(model, jit=False)

    monkeypatch.setattr(devices, "devices_here", lambda: [training.Device(kind, "one of them")])
    for module in (prediction, evaluation):
        monkeypatch.setattr(module, "forward_step", forward_step)
    model = load_model(trunk)
    prediction.predict(model, pictures / "red")
    training.evaluate(model, data.load(pictures, "val", image_size=model.input_shape[1]))
    assert asked == [kind == "GPU"] * 2


def test_a_source_is_opened_once_for_each_part(trunk, pictures, tmp_path, monkeypatch):
    from alexnet_lib.data import dataset

    opened, open_source = [], dataset.open_source

    def counting(source, split, *rest):
        opened.append(split)
        return open_source(source, split, *rest)

    monkeypatch.setattr(dataset, "open_source", counting)
    out = tmp_path / "model.keras"
    result = alexnet("finetune", pictures, "--out", out, "--trunk", trunk, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert opened == ["train", "val"]


def test_a_model_that_has_diverged_gives_no_probabilities(trunk, pictures, tmp_path):
    model = load_model(trunk)
    model.get_layer("fc8").bias.assign(np.full(6, np.nan))
    model.save(tmp_path / "nan.keras")
    result = alexnet("predict", tmp_path / "nan.keras", pictures / "red", "--json")
    assert result.exit_code == 2
    answers = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    assert all("has diverged" in answer["problem"] for answer in answers)
    table = alexnet("predict", tmp_path / "nan.keras", pictures / "red")
    assert "nan%" not in table.stdout


def test_pocket_is_a_model_without_a_file(pictures, tmp_path):
    result = alexnet("predict", "pocket", pictures / "red" / "00.png", "--json", "--top", 2)
    assert result.exit_code == 0, result.output
    from alexnet_lib import pretrained

    (answer,) = json.loads(result.stdout)
    assert {one["class"] for one in answer["predictions"]} <= set(pretrained.class_names("pocket"))
    known = pretrained.class_names("pocket")[:2]
    folder = make_pictures(tmp_path / "some", {"red": 2, "blue": 3})
    for old, new in zip(("red", "blue"), known, strict=True):
        (folder / old).rename(folder / new)
    result = alexnet("evaluate", "pocket", "--data", folder, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["images"], found["part"]) == (5, "all")
    assert {one["class"]: one["images"] for one in found["classes"] if one["images"]} == {
        known[0]: 2,
        known[1]: 3,
    }
    table = alexnet("evaluate", "pocket", "--data", folder)
    assert f"5 images, 1 crop: top-1 {found['top1']:.2%}" in table.stdout
    wrong = alexnet("evaluate", "pocket", "--data", pictures)
    assert wrong.exit_code == 2
    assert "classes that the model does not know: blue, green, red" in wrong.stderr


@pytest.mark.parametrize("crops", [1, 10])
def test_a_prediction_says_how_often_it_is_right_where_that_was_measured(
    trunk, pictures, tmp_path, crops
):
    model = shutil.copy(trunk, tmp_path / "model.keras")
    files = sorted((pictures / "red").glob("*.png"))[:2]
    plain = alexnet("predict", model, *files)
    assert "times in 100" not in plain.stdout
    bins = (calibration.Bin(50, 0.1, 0.2), calibration.Bin(50, 1.0, 0.7))
    measured = calibration.Calibration(bins, "made up", calibration.files.sha256(model))
    calibration.write(measured, model)
    table = alexnet("predict", model, *files, "--crops", crops)
    answers = json.loads(alexnet("predict", model, *files, "--json", "--crops", crops).stdout)
    assert len(answers) == len(files)
    for answer, line in zip(answers, table.stdout.splitlines(), strict=True):
        right = measured.right_at(answer["predictions"][0]["probability"])
        said = f"%, right {100 * right:.0f} times in 100  or "
        # It was measured with one crop; of ten it says nothing.
        assert (said in line) == (crops == 1)
        assert answer.get("right_when_so_sure") == (pytest.approx(right) if crops == 1 else None)


def test_published_networks_have_imagenets_names_and_take_wordnets_numbers(tmp_path, monkeypatch):
    from alexnet_lib import prediction, transfer
    from alexnet_lib.commands import evaluate

    index = tuple((f"n{i:08}", "crane" if i in (1, 4) else f"thing {i}") for i in range(6))
    monkeypatch.setattr(prediction, "imagenet_classes", lambda: index)
    monkeypatch.setattr(transfer, "load_trunk", lambda *_: tiny.model())
    names = preprocess_layer(prediction.load("bvlc")).class_names
    assert names[:2] == ["thing 0", "crane (n00000001)"]
    assert names[4] == "crane (n00000004)"
    monkeypatch.setattr("alexnet_lib.labels.imagenet_classes", lambda: index)
    folders = ["n00000002", "n00000005"]
    assert evaluate._labels("dir", folders, names) == [2, 5]
    with pytest.raises(ValueError, match="or by WordNet's numbers"):
        evaluate._labels("dir", ["cats"], names)


def test_names_with_brackets_are_no_markup(finetuned, pictures, tmp_path):
    out, _ = finetuned
    odd = tmp_path / "[red]花.png"
    odd.write_bytes((pictures / "red" / "00.png").read_bytes())
    assert "[red]花.png" in "".join(alexnet("predict", out, odd).stdout.split())


EVIL = "\x1b]0;owned\x07[bold]\x9b31m\u202e<b>"
"""A title for the window, markup, a colour, a turn of direction, a tag."""


def test_names_of_files_and_classes_are_data(trunk, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_pictures(tmp_path / f"photos{EVIL}", {"red": 6, "blue": 7})
    (folder / "red").rename(folder / f"red{EVIL}")
    (folder / f"red{EVIL}" / f"05{EVIL}.png").write_bytes(b"broken")
    out = f"a{EVIL}.keras"
    command = (
        "finetune",
        folder.name,
        "--out",
        out,
        "--trunk",
        trunk,
        "--head-only",
        "--epochs",
        1,
    )
    results = [alexnet(*command)]
    results += [
        alexnet("evaluate", out, "--data", folder.name),
        alexnet("evaluate", out, "--data", folder.name, "--json"),
        alexnet("predict", out, folder.name),
        alexnet("predict", out, folder.name, "--json"),
        alexnet("predict", EVIL, folder.name),
        alexnet("train", EVIL),
    ]
    for result in results:
        assert result.exit_code in (0, 2), result.output
        for obeyed in "\x1b\x07\x9b\u202e":
            assert obeyed not in result.output
    for result in results[:2]:
        assert "[bold]" in result.stdout
        assert r"\x1b]0;owned" in result.stdout
    assert f"red{EVIL}" in [one["class"] for one in json.loads(results[2].stdout)["classes"]]
    files = [Path(one["file"]) for one in json.loads(results[4].stdout)]
    assert len(files) == 14
    assert all(file.exists() for file in files)


# --- evaluate ------------------------------------------------------------------------------------


def test_evaluate_measures_what_the_model_does(finetuned, pictures, tmp_path):
    out, _ = finetuned
    model = load_model(out)

    def accuracy(files):
        right = []
        for file in files:
            # 20×24 → the central 20×20 → 18×18 → the central 16×16.
            picture = Image.open(file).crop((2, 0, 22, 20)).resize((18, 18), Image.BILINEAR)
            output = model(np.asarray(picture, "float32")[None, 1:17, 1:17]).numpy()[0]
            right.append(sorted(COUNTS)[output.argmax()] == file.parent.name)
        return np.mean(right)

    held_out = [file for name in COUNTS for file in sorted((pictures / name).iterdir())[::5]]
    result = alexnet("evaluate", out, "--data", pictures)
    assert result.exit_code == 0
    assert f"6 images, 1 crop: top-1 {accuracy(held_out):.2%}" in result.stdout
    # A test folder need not have all classes.
    new = make_pictures(tmp_path / "new", {"blue": 6, "red": 5}, seed=7)
    result = alexnet("evaluate", out, "--data", new, "--part", "all", "--crops", 10)
    assert result.exit_code == 0
    assert "11 images, 10 crops: top-1" in result.stdout
    found = dict(re.findall(r"(red|green|blue) +│ +(\d+) ", result.stdout))
    assert found == {"blue": "6", "green": "0", "red": "5"}
    result = alexnet("evaluate", out, "--data", new, "--part", "all")
    assert f"top-1 {accuracy(sorted(new.rglob('*.png'))):.2%}" in result.stdout


def test_evaluate_weights_takes_a_validation_folder(trunk, tmp_path):
    folder = make_pictures(tmp_path / "val", dict.fromkeys(tiny.CLASSES, 2))
    renamed = [f"n0000000{number}" for number in range(6)]
    for old, new in zip(tiny.CLASSES, renamed, strict=True):
        (folder / old).rename(folder / new)
    result = alexnet("evaluate", "--weights", trunk, "--data", folder)
    assert result.exit_code == 0
    assert "on 12 pictures" in result.stdout
    rows = re.findall(r"(centre crop|ten crops) +([\d.]+)% +([\d.]+)%", result.stdout)
    assert [row[0] for row in rows] == ["centre crop", "ten crops"]
    assert all(float(top1) > 50 and float(top5) >= float(top1) for _, top1, top5 in rows)


def test_published_figures_stand_beside_ours(capsys):
    from alexnet_lib import pretrained
    from alexnet_lib.commands.evaluate import _print_accuracies

    result = training.Evaluation(("a",) * 5, 1, 0.0, 0.56, 0.8, np.diag([10] * 5))
    _print_accuracies("bvlc", {1: result}, pretrained.PUBLISHED["bvlc"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["centre", "crop", "56.0%", "80.0%"] in rows
    assert ["published,", "centre", "crop", "57.1%", "80.2%"] in rows


def test_a_part_of_imagenet_is_scored_among_all_its_classes(tmp_path, monkeypatch):
    from alexnet_lib import labels as class_labels
    from alexnet_lib.commands import evaluate

    folder = make_pictures(tmp_path / "some", {"red": 2, "blue": 2})
    (folder / "red").rename(folder / "n00000900")
    (folder / "blue").rename(folder / "n00000007")
    index = tuple((f"n{number:08}", str(number)) for number in range(1000))
    monkeypatch.setattr(class_labels, "imagenet_classes", lambda: index)
    labels = class_labels.imagenet_labels(("n00000007", "n00000900"))
    examples = evaluate._Examples(str(folder), "all", 16)
    examples.labels = labels
    truth = np.concatenate([labels.numpy() for _, labels in examples.epoch(0)])
    assert sorted(truth.tolist()) == [7, 7, 900, 900]


# --- train ---------------------------------------------------------------------------------------


def test_train_trains_evaluates_and_does_not_repeat(pictures, tmp_path, monkeypatch):
    small = replace(architecture.VARIANTS["paper"], input_size=67)
    monkeypatch.setitem(architecture.VARIANTS, "paper", small)
    command = ("train", pictures, "--epochs", 1, "--fc-units", 8, "--batch-size", 8, "--lighting")
    command += ("--run-dir", tmp_path / "run", "--seed", 3)
    first = alexnet(*command)
    assert first.exit_code == 0, first.output
    assert "6 images, 1 crop: top-1" in first.stdout
    assert f"The model: {tmp_path / 'run' / 'last.keras'}" in first.stdout
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    assert description["recipe"]["name"] == "modern"
    assert (description["seed"], description["data"]["training"]["seed"]) == (3, 3)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "of 6 held-out pictures are named right" in page
    again = alexnet(*command)
    assert again.exit_code == 0
    assert "holds a finished run" in again.stdout
    elsewhere = alexnet(*command[:-1], 4)
    assert "holds another run. There, then here: seed: 3 → 4" in elsewhere.stderr
    other = alexnet(*command[:2], "--recipe", "paper", *command[2:])
    assert other.exit_code == 2
    assert "holds another run" in other.stderr
    assert "recipe name: modern → paper" in other.stderr


def test_train_reports_the_last_epoch_and_not_the_best(pictures, tmp_path, monkeypatch):
    """The best epoch was chosen by the pictures of the report."""
    small = replace(architecture.VARIANTS["paper"], input_size=67)
    monkeypatch.setitem(architecture.VARIANTS, "paper", small)
    command = ("train", pictures, "--epochs", 4, "--fc-units", 8, "--batch-size", 8)
    command += ("--learning-rate", 0.2, "--run-dir", tmp_path / "run", "--seed", 1)
    result = alexnet(*command)
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), map(float, rows[-1].split(",")), strict=True))
    assert f"top-1 {last['val_accuracy']:.2%}, loss {last['val_loss']:.4f}" in result.stdout
    assert "best.keras beside it is the best of 4 epochs on these same pictures" in " ".join(
        result.stdout.split()
    )


# --- folders -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def divided(tmp_path_factory, pictures):
    """Parts of other names, one without classes, and something that is no part."""
    root = tmp_path_factory.mktemp("divided") / "set"
    shutil.copytree(pictures, root / "seg_train" / "seg_train")
    make_pictures(root / "seg_test" / "seg_test", {"red": 2, "blue": 1}, seed=9)
    make_pictures(root, {"grey": 3})
    (root / "grey").rename(root / "seg_pred")
    return root


def test_what_was_taken_for_what_is_said_once(divided, trunk, tmp_path):
    result = alexnet(
        "finetune", divided, "--out", tmp_path / "a.keras", "--trunk", trunk, "--head-only"
    )
    assert result.exit_code == 0, result.output
    assert result.stderr.count("note:") == 1
    said = "seg_train/seg_train/ to learn from; seg_test/seg_test/ held out; passed over: seg_pred/"
    assert said in result.stderr
    assert "3 classes, 25 pictures to learn from, 3 held out for the test." in result.stdout


@pytest.fixture(scope="module")
def in_three(tmp_path_factory):
    """Training, validation and test pictures; those of the test are harder to tell apart."""
    root = tmp_path_factory.mktemp("in three") / "set"
    make_pictures(root / "train", {"red": 9, "green": 9})
    make_pictures(root / "val", {"red": 4, "green": 3}, seed=1)
    make_pictures(root / "test", {"red": 5, "green": 6}, seed=2)
    return root


def test_with_three_parts_the_report_is_on_pictures_that_chose_nothing(
    in_three, tmp_path, monkeypatch
):
    small = replace(architecture.VARIANTS["paper"], input_size=67)
    monkeypatch.setitem(architecture.VARIANTS, "paper", small)
    command = ("train", in_three, "--epochs", 4, "--fc-units", 8, "--batch-size", 8)
    command += ("--learning-rate", 0.2, "--run-dir", tmp_path / "run", "--seed", 1)
    result = alexnet(*command, "--patience", 3)
    assert result.exit_code == 0, result.output
    assert "18 pictures to learn from, 7 for validation, 11 held out for the test." in result.stdout
    assert "For validation: val/. Held out: test/." in result.stdout
    best = tmp_path / "run" / "best.keras"
    expected = training.evaluate(load_model(best), data.load(in_three, "test", image_size=67,
                                                             short_side=76))  # fmt: skip
    assert f"11 images, 1 crop: top-1 {expected.top1:.2%}, loss {expected.loss:.4f}" in " ".join(
        result.stdout.split()
    )
    assert f"The model: {best}" in result.stdout
    assert "It is the best of 4 epochs on val/. The figures are those of test/, which has" in (
        result.stdout
    )
    assert "also decided" not in result.stdout
    assert "of 11 held-out pictures" in (tmp_path / "run" / "report.html").read_text("utf-8")
    for part, pictures in (("test", 11), ("val", 7), ("all", 36), (None, 11)):
        chosen = ("--part", part) if part else ()
        found = alexnet("evaluate", best, "--data", in_three, "--json", *chosen)
        assert json.loads(found.stdout)["images"] == pictures


def test_with_three_parts_finetune_reports_the_third(in_three, trunk, tmp_path):
    command = ("finetune", in_three, "--trunk", trunk, "--head-only", "--epochs", 2)
    result = alexnet(*command, "--out", tmp_path / "a.keras")
    assert result.exit_code == 0, result.output
    assert "11 images, 1 crop: top-1" in result.stdout
    assert "The figures are those of test/, which has decided nothing." in result.stdout


def test_what_the_pictures_of_a_report_have_decided_is_said(pictures, trunk, tmp_path):
    command = ("finetune", pictures, "--trunk", trunk, "--head-only", "--epochs", 1)
    out = tmp_path / "a.keras"
    result = alexnet(*command, "--out", out, "--patience", 1)
    assert "These pictures also decided when a stage ended" in result.stdout
    page = (tmp_path / "a.report.html").read_text("utf-8")
    assert page.count("These pictures also decided when a stage ended") == 1
    assert "also decided" not in alexnet(*command, "--out", tmp_path / "b.keras").stdout


def telephone(root):
    """As photographs come from a telephone: HEIC, turned by EXIF, bursts, videos and notes."""
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    random = np.random.default_rng(5)
    for name, colour in (("Mohn (rot)", 0), ("Gra\u0308ser & Co", 1)):
        (root / name).mkdir(parents=True)
        for number in range(10):
            noise = random.normal(0, 20, (60, 80, 3))
            image = Image.fromarray((tiny.COLOURS[colour] + noise).clip(0, 255).astype("uint8"))
            exif = image.getexif()
            exif[0x0112] = (1, 3, 6, 8)[number % 4]
            path = root / name / f"IMG_{number:04}"
            if number % 2:
                image.save(path.with_suffix(".HEIC"), "HEIF", quality=90)
                path.with_suffix(".MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
            else:
                image.save(path.with_suffix(".JPG"), "JPEG", quality=95, exif=exif)
                image.save(f"{path}_BURST (1).jpg", "JPEG", quality=90, exif=exif)
    (root / ".thumbnails").mkdir()
    return root, 30


def download(root):
    """As data sets come: a zip with a folder around it, three parts, and what systems add."""
    pictures = root / "inside"
    for part, count in (("train", 8), ("val", 3), ("test", 4)):
        make_pictures(pictures / part, {"red": count, "green": count}, seed=count)
        for path in sorted(pictures.glob(f"{part}/*/*.png"))[::2]:
            Image.open(path).save(path.with_suffix(".webp"), quality=95)
            path.unlink()
    archive = root / "archive (1).zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(pictures.rglob("*.*")):
            name = f"set/{path.relative_to(pictures).as_posix()}"
            file.write(path, name)
            file.writestr(f"__MACOSX/{name}", b"\0\5\x16\7")
        file.writestr("set/train/red/Thumbs.db", b"\xd0\xcf\x11\xe0")
        file.writestr("set/test/green/broken.webp", b"RIFF\0\0\0\0WEBP")
    shutil.rmtree(pictures)
    return archive, 8


@pytest.mark.parametrize("made", [telephone, download])
def test_two_peoples_photographs_go_through_all_commands(made, trunk, tmp_path, monkeypatch):
    source, count = made(tmp_path / "Fotos vom Juli") if made is telephone else made(tmp_path)
    out = tmp_path / "a model.keras"
    result = alexnet("finetune", source, "--out", out, "--trunk", trunk, "--head-only")
    assert result.exit_code == 0, result.output
    assert "2 classes" in result.stdout
    measured = json.loads(alexnet("evaluate", out, "--data", source, "--json").stdout)
    assert f"{measured['images']} images, 1 crop: top-1 {measured['top1']:.2%}" in result.stdout
    assert measured["top1"] == 1
    if made is telephone:
        said = alexnet("predict", out, source, "--json")
        answers = json.loads(said.stdout)
        assert (said.exit_code, len(answers)) == (0, count)
        for answer in answers:
            folder = unicodedata.normalize("NFC", Path(answer["file"]).parent.name)
            assert answer["predictions"][0]["class"] == folder
    else:
        assert measured["images"] == count
        assert "for validation, 8 held out for the test." in result.stdout
        assert "test/green/broken.webp (cut off or damaged" in result.stderr
    web = alexnet("export", out, "--to", "web")
    assert web.exit_code == 0, web.output
    assert (tmp_path / "a model.web" / "index.html").is_file()
    small = replace(architecture.VARIANTS["paper"], input_size=67)
    monkeypatch.setitem(architecture.VARIANTS, "paper", small)
    run = tmp_path / "a run"
    options = ("--epochs", 1, "--fc-units", 8, "--run-dir", run)
    trained = alexnet("train", source, *options)
    assert trained.exit_code == 0, trained.output
    assert f"{measured['images']} images, 1 crop: top-1" in trained.stdout
    assert (run / "report.html").is_file()


# --- TensorFlow Datasets -------------------------------------------------------------------------


@pytest.fixture
def streamed(monkeypatch):
    """The package tensorflow-datasets, as far as it is asked: two colours in three parts."""
    import tensorflow as tf

    counts = {"train": 16, "validation": 7, "test": 9}

    def as_dataset(split, shuffle_files, read_config, decoders):
        labels = np.arange(counts[split]) % 2
        noise = np.random.default_rng(counts[split]).normal(0, 20, (len(labels), 20, 24, 3))
        pixels = (tiny.COLOURS[labels][:, None, None] + noise).clip(0, 255).astype("uint8")
        encoded = [tf.io.encode_png(one).numpy() for one in pixels]
        return tf.data.Dataset.from_tensor_slices({"image": encoded, "label": labels})

    splits = {name: SimpleNamespace(num_examples=count) for name, count in counts.items()}
    features = {"image": None, "label": SimpleNamespace(names=["red", "green"])}
    info = SimpleNamespace(features=features, splits=splits, full_name="colours/1.0.0")
    builder = SimpleNamespace(info=info, download_and_prepare=lambda: None, as_dataset=as_dataset)
    package = SimpleNamespace(
        builder=lambda name: builder,
        ReadConfig=lambda shuffle_seed: None,
        decode=SimpleNamespace(SkipDecoding=lambda: None),
    )
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", package)


def test_a_small_data_set_that_streams_is_trained_on(streamed, trunk, tmp_path, monkeypatch):
    out = tmp_path / "a.keras"
    command = ("finetune", "tfds:colours", "--trunk", trunk, "--head-only", "--out", out)
    result = alexnet(*command)
    assert result.exit_code == 0, result.output
    assert "16 pictures to learn from, 7 for validation, 9 held out for the test." in result.stdout
    assert "9 images, 1 crop: top-1" in result.stdout
    small = replace(architecture.VARIANTS["paper"], input_size=67)
    monkeypatch.setitem(architecture.VARIANTS, "paper", small)
    command = ("train", "tfds:colours", "--epochs", 1, "--fc-units", 8, "--batch-size", 8)
    result = alexnet(*command, "--run-dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "the best of 1 epochs on validation. The figures are those of test, which" in (
        result.stdout
    )


def test_a_test_folder_is_measured_whatever_it_lacks(finetuned, tmp_path):
    out, _ = finetuned
    folder = make_pictures(tmp_path / "test", {"blue": 1}, seed=7)
    (folder / "red").mkdir()
    result = alexnet("evaluate", out, "--data", folder, "--part", "all")
    assert result.exit_code == 0, result.output
    assert "1 images, 1 crop: top-1" in result.stdout
    make_pictures(folder, {"black": 1})
    result = alexnet("evaluate", out, "--data", folder, "--part", "all")
    assert result.exit_code == 2
    assert "has classes that the model does not know: black." in result.stderr


def test_the_output_may_lie_among_the_data(pictures, trunk, tmp_path):
    folder = tmp_path / "colours"
    shutil.copytree(pictures, folder)
    command = ("finetune", folder, "--out", folder / "m.keras", "--trunk", trunk, "--head-only")
    for _ in range(2):
        result = alexnet(*command, "--run-dir", folder / "kept")
        assert result.exit_code == 0, result.output
        assert "3 classes, 19 pictures" in result.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_knows_few_characters_is_no_error(encoding):
    run = subprocess.run(
        [ALEXNET, "summary"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "120"},
        capture_output=True,
        check=True,
    )
    said = run.stdout.decode(encoding)
    assert "55" in said
    sign = "x" if encoding == "ascii" else "×"
    assert f"227{sign}227" in said
    assert "?" not in said


def test_names_that_a_terminal_cannot_show_become_escapes():
    code = (
        "import json, sys; from alexnet_lib.commands import shared; "
        "shared.write_what_the_terminal_can(); "
        "print(json.dumps(['花', chr(0x1f431), 'ü'], ensure_ascii=False)); "
        "print(chr(0xdce4), file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert json.loads(run.stdout.decode("ascii")) == ["花", "\U0001f431", "ü"]
    assert run.stderr.decode("ascii").strip() == "\\udce4"


def test_runs_of_different_sources_have_different_folders(tmp_path, monkeypatch):
    from alexnet_lib.commands.shared import run_name

    for name in ("a", "a/set.1", "a/set.2", "a/set", "b/set.1", "b/photos"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    sources = ["set.1", "set.2", "set", "../b/set.1", "../b/photos", "photos", "tfds:a/b"]
    names = [run_name(source, "modern") for source in sources]
    assert len(set(names)) == len(sources)
    assert names[0] == run_name("./set.1/", "modern") == "set.1-modern"
    assert names[5] == "photos-modern"
    assert not any(set(name) & set("/:\\") for name in names)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(pictures, trunk, tmp_path):
    out = tmp_path / "a.keras"
    result = alexnet("finetune", pictures, "--out", out, "--trunk", trunk, "--dry-run")
    assert result.exit_code == 0
    assert "19 pictures to learn from, 6 held out" in result.stdout
    assert re.search(r"Recipe fine_tuning: at most 5 epochs of 1 steps of 32", result.stdout)
    run = alexnet("train", pictures, "--run-dir", tmp_path / "run", "--dry-run", "--epochs", 7)
    assert "at most 7 epochs" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_devices_that_are_not_there_are_named():
    code = "import sys; from alexnet_lib.startup import load_tensorflow as l; l(sys.argv[1])"
    said = subprocess.run([sys.executable, "-c", code, "97"], capture_output=True, text=True).stderr
    assert "ValueError: --devices is 97; it must be cpu, or numbers of GPUs" in said
    subprocess.run([sys.executable, "-c", code, "cpu"], check=True)


def test_a_result_that_is_there_is_not_made_again(finetuned, pictures, trunk):
    out, _ = finetuned
    before = out.read_bytes()
    command = ("finetune", pictures, "--out", out, "--trunk", trunk, "--head-only")
    again = alexnet(*command)
    assert again.exit_code == 0
    assert "is there already, made in the same way of the same pictures" in again.stdout
    assert "6 images, 1 crop: top-1" in again.stdout
    assert out.read_bytes() == before
    try:
        other = alexnet(*command, "--seed", 5)
        assert "is there already" not in other.stdout
        assert out.read_bytes() != before
    finally:
        out.write_bytes(before)


def test_finetune_stops_by_patience_and_the_file_says_so(pictures, trunk, tmp_path):
    out = tmp_path / "a.keras"
    # A rate so low that nothing moves: the error never falls after the first epoch.
    command = ("finetune", pictures, "--out", out, "--trunk", trunk, "--head-only")
    command += ("--epochs", 9, "--learning-rate", 1e-12)
    result = alexnet(*command, "--patience", 2)
    assert result.exit_code == 0, result.output
    assert "the validation error has not fallen for 2 epochs" in result.stdout
    with zipfile.ZipFile(out) as file:
        record = json.loads(file.read("run.json"))
    assert (record["made"]["patience"], len(record["history"])) == (2, 3)
    assert "is there already" in alexnet(*command, "--patience", 2).stdout
    assert "is there already" not in alexnet(*command).stdout
    assert alexnet(*command, "--patience", 0).exit_code == 2


def test_two_processes_do_not_make_one_file(pictures, trunk, tmp_path):
    from alexnet_lib import files

    command = ("finetune", pictures, "--out", tmp_path / "a.keras", "--trunk", trunk, "--head-only")
    with files.lock(tmp_path / ".a.keras.lock", ""):
        result = alexnet(*command)
    assert result.exit_code == 2
    assert re.search(r"Another process is making .*a\.keras.*give another name", result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_named(pictures, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "file" / "home"))
    result = alexnet("train", pictures, "--run-dir", tmp_path / "run")
    assert result.exit_code == 2
    assert re.search(r"file/home, cannot be made: Not a directory.*ALEXNET_HOME", result.stderr)


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("finetune", "nowhere", "--out", "a.keras"), r"no folder or archive at 'nowhere'"),
        (("finetune", "flat", "--out", "a.keras"), r"do not lie in class folders"),
        (("finetune", "one", "--out", "a.keras"), r"a single class folder, 'cats'"),
        (("finetune", "hollow", "--out", "a.keras"), r"class folder hollow/dogs is empty"),
        (("finetune", "scarce", "--out", "a.keras"), r"single picture.*Give two or more"),
        (("finetune", "fine", "--out", "no/a.keras"), r"no folder 'no'"),
        (("finetune", "fine", "--out", "a.h5"), r"does not end with \.keras"),
        (("finetune", "fine", "--out", "a.keras", "--crops", 5), r"--crops is 5; it must be 1 or"),
        (("finetune", "fine", "--out", "a.keras", "--trunk", "bvcl"), r"Did you mean 'bvlc'"),
        (("finetune", "fine", "--out", "a.keras", "--trunk", "no.keras"), r"no model at 'no\.ker"),
        (("predict", "no.keras", "a.jpg"), r"no model at 'no\.keras'"),
        (("predict", "text.keras", "a.jpg"), r"not a whole \.keras file"),
        (("evaluate", "text.keras", "--data", "fine"), r"not a whole \.keras file"),
        (("evaluate", "--data", "fine"), r"either MODEL\.keras or --weights"),
        (("evaluate", "--data", "fine", "--weights", "a.npy"), r"a\.npy was not opened.*pickle"),
        (("evaluate", "a.keras", "--data", "fine", "--part", "train"), r"must be test, val or all"),
        (("train", "fine", "--recipe", "secret"), r"--recipe is secret; it must be modern or pap"),
        (("train", "fine", "--variant", "ceffe"), r"Did you mean 'caffe'"),
        (("train", "fine", "--learning-rate", -1), r"cannot be: learning_rate=-1"),
        (("summary", "--input-size", 10), r"\d"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_sentence(tmp_path, monkeypatch, trunk, arguments, message):
    monkeypatch.chdir(tmp_path)
    make_pictures(tmp_path / "fine", {"red": 5, "blue": 5})
    make_pictures(tmp_path / "scarce", {"red": 1, "blue": 1})
    make_pictures(tmp_path / "one", {"red": 2})
    (tmp_path / "one" / "red").rename(tmp_path / "one" / "cats")
    make_pictures(tmp_path / "hollow", {"red": 2})
    (tmp_path / "hollow" / "dogs").mkdir()
    make_pictures(tmp_path / "loose", {"red": 2})
    (tmp_path / "loose" / "red").rename(tmp_path / "flat")
    (tmp_path / "text.keras").write_text("I am a text.")
    (tmp_path / "a.npy").write_text("I am a pickle.")
    if arguments[0] == "finetune" and "--trunk" not in arguments:
        arguments = (*arguments, "--trunk", trunk)
    before = sorted(tmp_path.rglob("*"))
    result = alexnet(*arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"alexnet {arguments[0]}: ")
    assert re.search(message, last)
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_wrong_option_ends_with_2_as_well():
    assert alexnet("train").exit_code == 2
    assert alexnet("predict", "--tops", 3).exit_code == 2
    assert alexnet("dance").exit_code == 2


def test_an_unreadable_picture_is_named_and_left_out(pictures, trunk, tmp_path, monkeypatch):
    # A folder of one's own goes before the data set of the same name.
    monkeypatch.chdir(tmp_path)
    folder = make_pictures(tmp_path / "photos", {"red": 6, "blue": 6})
    (folder / "red" / "03.png").write_bytes(b"")
    command = ("finetune", "photos", "--out", "a.keras", "--trunk", trunk, "--head-only")
    result = alexnet(*command, "--epochs", 1, "--equal-weights")
    assert result.exit_code == 0
    assert "photos: 2 classes, 7 pictures to learn from, 4 held out" in result.stdout
    notes = [line for line in result.stderr.splitlines() if "note:" in line]
    assert len(notes) == 2
    assert re.search(r"alexnet finetune: note: 1 of 8 files .*red/03\.png \(empty file\)", notes[1])
    assert "photos is the folder ./photos, not the data set of this name" in notes[0]


def test_memory_that_is_too_small_is_no_traceback(monkeypatch):
    import tensorflow as tf

    from alexnet_lib.commands import shared

    def too_much(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("alexnet_lib.commands.finetune.start", too_much)
    result = alexnet("finetune", "photos", "--out", "a.keras")
    assert result.exit_code == shared.MISTAKE
    assert "give a smaller --batch-size" in result.stderr


def test_a_defect_of_the_library_is_not_hidden(monkeypatch):
    def broken(*_, **__):
        raise KeyError("a defect")

    monkeypatch.setattr("alexnet_lib.commands.finetune.start", broken)
    result = alexnet("finetune", "photos", "--out", "a.keras")
    assert isinstance(result.exception, KeyError)


# --- help and start ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["summary", "train", "evaluate", "finetune", "predict", "export"]
)
def test_help_shows_an_example(command):
    result = alexnet(command, "--help")
    assert result.exit_code == 0
    assert f"Example: alexnet {command} " in " ".join(result.stdout.split())


def test_help_loads_no_framework():
    code = "import sys; from alexnet_lib import cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "alexnet_lib.commands.finetune" in loaded
    assert not {"tensorflow", "keras", "numpy", "matplotlib"} & set(loaded)


# --- Ctrl-C --------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(pictures, trunk, tmp_path):
    out = tmp_path / "colours.keras"
    command = ["finetune", str(pictures), "--out", str(out), "--trunk", str(trunk)]
    command += ["--epochs", "12"]
    log = tmp_path / "log"
    with open(log, "wb") as stderr:
        process = subprocess.Popen(
            [ALEXNET, *command], stdout=subprocess.DEVNULL, stderr=stderr, env=dict(os.environ)
        )
        second = tmp_path / "colours.run" / "2-fc6" / "checkpoints"
        deadline = time.monotonic() + 240
        while not list(second.glob("epoch00001*.json")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130, log.read_text()
    said = log.read_text()
    assert re.search(r"alexnet finetune: Stopped in epoch \d+, .*Run the same command again", said)
    assert "Traceback" not in said
    assert not out.exists()
    result = alexnet(*command)
    assert result.exit_code == 0, result.output
    assert "1-fc8 holds a finished run" in result.stdout
    # They are removed at the end, so that nothing in them is named.
    assert "best.keras" not in result.stdout
    assert re.search(r"Going on in \S+2-fc6 after epoch", result.stdout)
    left = ["colours.keras", "colours.report.html", "log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
