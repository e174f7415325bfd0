"""Several devices give the result of one at the same batch size."""

import csv
import json
import os
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_lib import data

COLOURS = {"red": (220, 40, 40), "blue": (40, 40, 220)}


def _figures(path):
    report = json.loads(path.read_text())
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return report["replicas"], [[row[name] for name in names] for row in report["history"]]


def _finish(*processes):
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0


def _two_machines():
    """What `TF_CONFIG` says on each, as Kubernetes's training operator names them."""
    chief, worker = (f"127.0.0.1:{port}" for port in _free_ports(2))
    cluster = {"chief": [chief], "worker": [worker]}
    return [
        {"cluster": cluster, "task": {"type": kind, "index": 0}} for kind in ("chief", "worker")
    ]


# Of 90 examples in batches of 16, the second machine has two of the last batch; of 86, none. So it
# is with 104 and 70 in batches of 64, by which a model is measured.
@pytest.mark.parametrize(("size", "held_out"), [(90, 104), (86, 70)])
def test_two_devices_and_two_machines_give_the_losses_of_one(size, held_out, tmp_path):
    # Devices draw dropout masks of their own shape, so the comparison is without dropout.
    options = {"dropout": 0.0, "size": size, "held_out": held_out}
    one = tiny.process(tmp_path / "one", tmp_path / "one.json", **options)
    two = tiny.process(tmp_path / "two", tmp_path / "two.json", devices=2, **options)
    _finish(one, two)

    machines = [
        tiny.process(
            tmp_path / "machines", tmp_path / f"machine{index}.json", tf_config=config, **options
        )
        for index, config in enumerate(_two_machines())
    ]
    _finish(*machines)

    replicas, expected = _figures(tmp_path / "one.json")
    assert replicas == 1
    assert expected[-1][0] < 0.8 * expected[0][0]
    for name in ("two", "machine0", "machine1"):
        replicas, figures = _figures(tmp_path / f"{name}.json")
        assert replicas == 2
        np.testing.assert_allclose(figures, expected, rtol=1e-5, err_msg=name)
    # Each machine decoded its half of every batch, in each of the four epochs.
    for index, rows in enumerate([[0, 32], [32, 64]]):
        report = json.loads((tmp_path / f"machine{index}.json").read_text())
        assert report["validation_rows"] == 4 * [rows]


def test_dropout_works_on_two_devices(tmp_path):
    process = tiny.process(tmp_path / "run", tmp_path / "run.json", devices=2, epochs=6)
    _finish(process)
    _, figures = _figures(tmp_path / "run.json")
    assert figures[-1][2] < 0.8 * figures[0][2]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_machine_ends_the_others_and_all_go_on_together(lost, tmp_path):
    options = {"dropout": 0.0, "epochs": 30}

    def start(name):
        return [
            tiny.process(tmp_path / "run", tmp_path / f"{name}{index}", tf_config=config, **options)
            for index, config in enumerate(_two_machines())
        ]

    machines = start("first")
    history = tmp_path / "run" / "history.csv"
    while not history.exists():
        assert all(machine.is_alive() for machine in machines)
        time.sleep(0.05)
    machines[lost].kill()
    other = machines[1 - lost]
    other.join(timeout=120)
    assert other.exitcode == 1
    assert "Another machine of this run is gone" in (tmp_path / f"first{1 - lost}").read_text()
    # 30 epochs were not over.
    assert len(history.read_text().splitlines()) < 31

    _finish(*start("again"))
    one = tiny.process(tmp_path / "one", tmp_path / "one.json", **options)
    _finish(one)
    _, expected = _figures(tmp_path / "one.json")
    for index in range(2):
        _, figures = _figures(tmp_path / f"again{index}")
        np.testing.assert_allclose(figures, expected, rtol=1e-4)


def test_a_machine_decodes_its_own_rows_only(tmp_path):
    random = np.random.default_rng(0)
    tiny.write_pictures(tmp_path, COLOURS, 7, random, noise=9, size=(9, 9))
    options = {"image_size": 8, "short_side": 9, "shuffle": True, "augment": True, "seed": 5}
    train = data.load(tmp_path, "all", batch_size=3, **options).lit()
    whole = [(images.numpy(), labels.numpy()) for images, labels in train.epoch(2).rebatch(6)]
    for rows in (slice(0, 2), slice(2, 6)):
        mine = list(train.rows_of_epoch(2, rows, 6))
        # 14 examples: the third batch has two, which are the first machine's.
        assert len(mine) == (3 if rows.start == 0 else 2)
        for (images, labels), (all_images, all_labels) in zip(mine, whole, strict=False):
            np.testing.assert_array_equal(images, all_images[rows])
            np.testing.assert_array_equal(labels, all_labels[rows])

    def fails(rows):
        try:
            for _ in train.rows_of_epoch(2, rows, 6):
                pass
        except tf.errors.OpError:
            return True
        return False

    for path in sorted(tmp_path.glob("*/*.png"))[::4]:
        pixels = path.read_bytes()
        path.unlink()
        # Whoever decodes this picture misses it.
        assert sum(fails(rows) for rows in (slice(0, 2), slice(2, 6))) == 1
        path.write_bytes(pixels)


def test_the_command_trains_on_two_machines(tmp_path):
    random = np.random.default_rng(0)
    tiny.write_pictures(tmp_path / "colours", COLOURS, 6, random, noise=9, size=(32, 32))
    command = ("train", "colours", "--epochs", "2", "--batch-size", "4", "--fc-units", "8")
    chief, worker = _on_two_machines(command, tmp_path)
    assert "2 × CPU" in chief
    assert "top-1" in chief
    assert "top-1" not in worker
    run_dir = tmp_path / "runs" / "colours-modern"
    assert (run_dir / "report.html").exists()
    with open(run_dir / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]


def test_two_machines_fine_tune_as_one(tmp_path):
    one = tiny.process(tmp_path / "one.keras", tmp_path / "one.json", work=tiny.fine_tune)
    _finish(one)
    machines = [
        tiny.process(
            tmp_path / "two.keras",
            tmp_path / f"machine{index}.json",
            work=tiny.fine_tune,
            tf_config=config,
        )
        for index, config in enumerate(_two_machines())
    ]
    _finish(*machines)
    replicas, expected = _figures(tmp_path / "one.json")
    assert (replicas, len(expected)) == (1, 6)
    loss = json.loads((tmp_path / "one.json").read_text())["loss"]
    for index in range(2):
        replicas, figures = _figures(tmp_path / f"machine{index}.json")
        assert replicas == 2
        np.testing.assert_allclose(figures, expected, rtol=1e-4)
        report = json.loads((tmp_path / f"machine{index}.json").read_text())
        assert report["loss"] == pytest.approx(loss, rel=1e-4)
    # The folder of the runs is removed.
    assert not (tmp_path / "two.run").exists()
    assert (tmp_path / "two.keras").exists()


def test_the_command_fine_tunes_on_two_machines(tmp_path):
    random = np.random.default_rng(0)
    tiny.write_pictures(tmp_path / "colours", COLOURS, 6, random, noise=9, size=(32, 32))
    command = ("finetune", "colours", "--out", "m.keras", "--head-only", "--epochs", "1")
    chief, worker = _on_two_machines(command, tmp_path)
    assert "top-1" in chief
    assert "Next: alexnet predict m.keras" in chief
    assert "top-1" not in worker
    assert "Written" not in worker
    assert (tmp_path / "m.keras").exists()
    assert (tmp_path / "m.report.html").exists()
    assert not (tmp_path / "m.run").exists()


def _on_two_machines(command, folder):
    """What `alexnet` says on each of two machines."""
    machines = [
        subprocess.Popen(
            [Path(sysconfig.get_path("scripts")) / "alexnet", *command],
            cwd=folder,
            env=os.environ | {"TF_CONFIG": json.dumps(config), "ALEXNET_HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for config in _two_machines()
    ]
    said = [machine.communicate(timeout=300)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "".join(said)
    return said


def _free_ports(count):
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
