"""A run that dies goes on where it was, and a half-written file is never read."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest
import tiny

from alexnet_lib import load_model, training
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
            return {(path.name, path.stat().st_mtime_ns) for path in folder.glob("*.json")}

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
        ({"train": tiny.Pictures(seed=4)}, r"data seed: 0 → 4"),
        ({"class_weights": {0: 2.0}}, r"data class weights 0: absent → 2.0"),
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
