"""A run that dies goes on where it was, and a half-written file is never read."""

import contextlib
import json
import os
import random
import signal
import time

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

from alexnet_lib import data, files, load_model, training
from alexnet_lib.training import checkpoints

ARRAYS = {"a": np.arange(12.0).reshape(3, 4), "seed": np.array([1, 2], "uint32")}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    checkpoints.save(tmp_path, "step1", ARRAYS, {"epoch": 3})
    found, damaged = checkpoints.newest(tmp_path)
    assert (found.name, found.state, damaged) == ("step1", {"epoch": 3}, [])
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_only_the_newest_two_stay(tmp_path):
    for number in range(5):
        checkpoints.save(tmp_path, f"step{number}", ARRAYS, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step3.json",
        "step3.npz",
        "step4.json",
        "step4.npz",
    ]


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def _empty(path):
    path.write_bytes(b"")


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", ["npz", "json"])
@pytest.mark.parametrize(
    "damage", [_truncate, _flip_a_bit, os.unlink, lambda p: p.write_bytes(b"")]
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, suffix, damage):
    checkpoints.save(tmp_path, "step1", ARRAYS, {"epoch": 1})
    checkpoints.save(tmp_path, "step2", {"a": np.zeros(9)}, {"epoch": 2})
    damage(tmp_path / f"step2.{suffix}")
    found, damaged = checkpoints.newest(tmp_path)
    # One flipped bit of the JSON may fall into white space, or into the state: it is then either
    # whole or refused, but the arrays are those that belong to it.
    if not (suffix == "json" and damage is _flip_a_bit and found.name == "step2"):
        assert found.name == "step1"
        np.testing.assert_array_equal(found.arrays["a"], ARRAYS["a"])
        assert (suffix, damage) == ("json", os.unlink) or "step2" in damaged[0]


def test_what_a_dead_process_left_is_cleared_away(tmp_path):
    checkpoints.save(tmp_path, "step1", ARRAYS, {})
    (tmp_path / ".unfinished-step2.npz").write_bytes(b"PK half")
    (tmp_path / "step2.npz").write_bytes(b"whole, but its JSON was never written")
    assert checkpoints.newest(tmp_path)[0].name == "step1"
    checkpoints.save(tmp_path, "step3", ARRAYS, {})
    assert not (tmp_path / "step2.npz").exists()


def test_a_pickle_is_never_read(tmp_path):
    checkpoints.save(tmp_path, "step1", {"a": np.array([{}], dtype=object)}, {})
    found, damaged = checkpoints.newest(tmp_path)
    assert found is None
    assert "pickle" in damaged[0]


def _wait_for(event, process, seconds=120):
    """Whether it came true before the process ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if event():
            return True
        if process.exitcode is not None:
            return False
        time.sleep(0.002)
    raise AssertionError("The process neither wrote a checkpoint nor ended.")


def test_killed_at_any_moment_a_run_ends_with_the_same_bits(tmp_path):
    # A checkpoint after every step: a kill often falls into the writing of one.
    settings = {"epochs": 6, "checkpoint_minutes": 0.0}
    unbroken = tiny.process(tmp_path / "unbroken", tmp_path / "unbroken.json", epochs=6)
    unbroken.join()
    moments = random.Random(20120930)
    run_dir, result = tmp_path / "killed", tmp_path / "killed.json"
    kills = []
    while not result.exists():
        process = tiny.process(run_dir, result, **settings)
        folder = run_dir / "checkpoints"

        def files(folder=folder):
            found = set()
            for path in folder.glob("[!.]*.json"):
                with contextlib.suppress(FileNotFoundError):  # removed, as old ones are
                    found.add((path.name, path.stat().st_mtime_ns))
            return found

        before = files()
        # The first kill falls between the checkpoint of the initial values and the first step, or
        # thereabouts; each later one up to a few dozen steps after the first new checkpoint.
        delay = moments.uniform(0, 0.4)
        if len(kills) < 4 and _wait_for(lambda before=before: files() != before, process):
            time.sleep(delay)
            process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            newest, _ = checkpoints.newest(folder)
            kills.append(newest.name)
        else:
            assert process.exitcode == 0
    assert len(set(kills)) == 4, kills
    assert json.loads(result.read_text()) == json.loads((tmp_path / "unbroken.json").read_text())


class _CtrlC(tiny.Pictures):
    """Presses Ctrl-C when the second epoch begins."""

    def epoch(self, number):
        if number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().epoch(number)


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(tmp_path):
    settings = {"validation": tiny.Pictures(20, seed=1), "recipe": tiny.recipe(), "quiet": True}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(training.TrainingInterrupted, match=r"epoch 2, step 1 of 6.*same command"):
        training.fit(tiny.model(), _CtrlC(), run_dir=tmp_path / "a", **settings)
    assert signal.getsignal(signal.SIGINT) is before
    # Another seed: all that counts comes from the checkpoint.
    model, unbroken = tiny.model(seed=5), tiny.model()
    resumed = training.fit(model, tiny.Pictures(), run_dir=tmp_path / "a", **settings)
    run = training.fit(unbroken, tiny.Pictures(), run_dir=tmp_path / "b", **settings)
    assert tiny.without_times(resumed.history) == tiny.without_times(run.history)
    assert tiny.fingerprint(model.variables) == tiny.fingerprint(unbroken.variables)


def test_a_finished_run_is_not_repeated(tmp_path, capsys):
    settings = {
        "validation": tiny.Pictures(20, seed=1),
        "recipe": tiny.recipe(epochs=1),
        "run_dir": tmp_path / "run",
    }
    first = training.fit(tiny.model(), tiny.Pictures(), quiet=True, **settings)

    class Untouched(tiny.Pictures):
        def epoch(self, number):
            raise AssertionError("A finished run reads no data.")

    model = tiny.model(seed=3)
    again = training.fit(model, Untouched(), **settings)
    assert again == first
    assert "holds a finished run: all 1 epochs are done" in capsys.readouterr().out
    best = load_model(first.best)
    assert tiny.fingerprint(best.weights) == tiny.fingerprint(model.weights)


class Swapped(tiny.Pictures):
    """The same pictures, and the labels of two of them exchanged."""

    def __init__(self):
        super().__init__()
        self.labels[[0, 1]] = self.labels[[1, 0]]


def in_bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return tiny.model()
    finally:
        keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("started")
    training.fit(
        tiny.model(), tiny.Pictures(), None, tiny.recipe(epochs=1), run_dir=run_dir, quiet=True
    )
    return run_dir


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"recipe": tiny.recipe(epochs=1, learning_rate=0.3)}, r"learning_rate: 0.05 → 0.3"),
        ({"model": lambda: tiny.model(dropout=0.25)}, r"model drop6 rate: 0.5 → 0.25"),
        ({"model": lambda: tiny.model(scale=1.0)}, r"model preprocess scale: 0.01\d+ → 1.0"),
        ({"train": tiny.Pictures(80)}, r"data training examples: 90 → 80"),
        ({"train": tiny.Pictures(seed=4)}, r"data training seed: 0 → 4"),
        ({"class_weights": {0: 2.0}}, r"data class weights 0: absent → 2.0"),
        ({"train": Swapped()}, r"data training labels: \w+ → \w+"),
        ({"validation": tiny.Pictures(20)}, r"data validation: None → .*examples.*20"),
        ({"seed": 1}, r"seed: None → 1"),
        (
            {"model": in_bfloat16},
            r"computes in float32, and this one would go on in mixed_bfloat16.*precision='float32'",
        ),
    ],
)
def test_another_run_is_refused_and_the_difference_named(started, changes, difference):
    untouched = {path: path.stat().st_mtime_ns for path in started.rglob("*")}
    arguments = {
        "model": tiny.model,
        "train": tiny.Pictures(),
        "validation": None,
        "recipe": tiny.recipe(epochs=1),
    } | changes
    arguments["model"] = arguments["model"]()
    with pytest.raises(training.RunMismatchError, match=difference):
        training.fit(**arguments, run_dir=started, quiet=True)
    assert untouched == {path: path.stat().st_mtime_ns for path in started.rglob("*")}


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(training.RunMismatchError, match=r"thesis\.txt.*no run\.json"):
        training.fit(tiny.model(), tiny.Pictures(), None, tiny.recipe(), run_dir=tmp_path)


# --- picture files -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twenty files in two classes; every fifth of a class is held out."""
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    random = np.random.default_rng(0)
    for name in ("blue", "red"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 255, (20, 20, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02}.png")
    return tmp_path / "photos"


def parts(folder, **options):
    options = {"image_size": 16, "short_side": 18, "batch_size": 4} | options
    return [data.load(folder, part, **options) for part in ("train", "val")]


def trained(folder, run_dir, sets=None, **options):
    train, validation = sets or parts(folder)
    model = tiny.model(class_names=("blue", "red"))
    settings = {"epochs": 2, "batch_size": 4} | options
    return training.fit(
        model, train, validation, tiny.recipe(**settings), run_dir=run_dir, quiet=True
    )


def _swap(folder):
    one, other = folder / "red" / "03.png", folder / "blue" / "03.png"
    one.rename(folder / "kept.png")
    other.rename(one)
    (folder / "kept.png").rename(other)


def _replace(folder):
    Image.new("RGB", (20, 20)).save(folder / "red" / "03.png")


def _add(folder):
    Image.new("RGB", (20, 20)).save(folder / "red" / "99.png")


@pytest.mark.parametrize("change", [_swap, _replace, _add])
def test_other_pictures_of_the_same_names_are_another_run(folder, tmp_path, change):
    trained(folder, tmp_path / "run")
    change(folder)
    with pytest.raises(training.RunMismatchError, match=r"pictures \(names, sizes, times"):
        trained(folder, tmp_path / "run")


def test_another_crop_or_order_is_another_run(folder, tmp_path):
    trained(folder, tmp_path / "run")
    for options, said in (({"lighting": True}, "lighting: None → 0.1"), ({"seed": 2}, "seed")):
        with pytest.raises(training.RunMismatchError, match=f"data training {said}"):
            trained(folder, tmp_path / "run", parts(folder, **options))


def test_a_folder_that_was_moved_is_the_same(folder, tmp_path):
    trained(folder, tmp_path / "run")
    folder.rename(tmp_path / "elsewhere")
    assert len(trained(tmp_path / "elsewhere", tmp_path / "run").history) == 2


class _Losing:
    """A data set that loses a file when its second epoch begins, or breaks it."""

    def __init__(self, dataset, lose):
        self.dataset, self.lose = dataset, lose

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def epoch(self, number):
        if number == 1:
            self.lose()
        return self.dataset.epoch(number)


@pytest.mark.parametrize("cache", [None, "memory", "disk"])
@pytest.mark.parametrize("how", ["vanishes", "breaks"])
def test_a_picture_lost_meanwhile_is_left_out_and_the_run_goes_on(
    folder, tmp_path, recwarn, how, cache
):
    sets = parts(folder, cache=cache)
    lost = [folder / "red" / "03.png", folder / "blue" / "00.png"]

    def lose():
        for path in lost:
            path.unlink() if how == "vanishes" else path.write_bytes(path.read_bytes()[:60])

    if cache:
        # Pictures that are kept are decoded at the start.
        lose()
    else:
        sets[0] = _Losing(sets[0], lose)
    run = trained(folder, tmp_path / "run", sets)
    assert [row["epoch"] for row in run.history] == [1, 2]
    said = [str(warning.message) for warning in recwarn if warning.category is UserWarning]
    assert len(said) == 2
    assert all("1 of" in line and "left out from here on" in line for line in said)
    assert str(lost[0]) in said[0]
    assert str(lost[1]) in said[1]


def test_a_run_goes_on_with_the_pictures_that_are_left_and_tests_with_the_same(folder, tmp_path):
    sets = parts(folder)
    held_out = set(sets[1].listing())

    def press():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(training.TrainingInterrupted):
        trained(folder, tmp_path / "run", [_Losing(sets[0], press), sets[1]])
    (folder / "red" / "00.png").unlink()
    # Now another every fifth file would be held out.
    sets = parts(folder)
    assert not set(sets[1].listing()) <= held_out
    with pytest.warns(UserWarning, match=r"began with 20 pictures, of which 1 can no longer be"):
        train, validation, gone = training.as_begun(tmp_path / "run", *sets)
    assert gone == (str(folder / "red" / "00.png"),)
    assert set(validation.listing()) == held_out - set(gone)
    assert not set(train.listing()) & set(validation.listing())
    with pytest.warns(UserWarning, match="divided as before"):
        run = trained(folder, tmp_path / "run", sets)
    assert [row["epoch"] for row in run.history] == [1, 2]


# --- two processes, full disks, numbers that are none --------------------------------------------


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    with (
        files.lock(tmp_path / ".lock", ""),
        pytest.raises(files.BusyError, match="another run_dir"),
    ):
        training.fit(
            tiny.model(), tiny.Pictures(), None, tiny.recipe(epochs=1), run_dir=tmp_path, quiet=True
        )
    assert os.listdir(tmp_path) == []


def test_what_killed_runs_left_is_cleared_away(tmp_path):
    arguments = (tiny.Pictures(), None, tiny.recipe(epochs=1))
    training.fit(tiny.model(), *arguments, run_dir=tmp_path, quiet=True)
    for name in (".unfinished-1-best.keras", "checkpoints/.unfinished-2-a.npz"):
        (tmp_path / name).write_bytes(b"half")
    training.fit(tiny.model(), *arguments, run_dir=tmp_path, quiet=True)
    assert not list(tmp_path.rglob(".*"))


def test_a_weight_that_is_no_number_is_named_before_anything_is_written(tmp_path):
    model = tiny.model()
    kernel = model.get_layer("fc6").kernel
    kernel.assign(kernel.numpy() * np.nan)
    with pytest.raises(ValueError, match=r"weights \S*fc6/kernel .*before any training"):
        training.fit(
            model, tiny.Pictures(), None, tiny.recipe(), run_dir=tmp_path / "run", quiet=True
        )
    assert not (tmp_path / "run").exists()
