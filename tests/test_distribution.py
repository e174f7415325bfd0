"""Several devices give the result of one at the same batch size."""

import json
import socket

import numpy as np
import tiny


def _figures(path):
    report = json.loads(path.read_text())
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return report["replicas"], [[row[name] for name in names] for row in report["history"]]


def _finish(*processes):
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0


def test_two_devices_and_two_machines_give_the_losses_of_one(tmp_path):
    # Devices draw dropout masks of their own shape, so the comparison is without dropout.
    one = tiny.process(tmp_path / "one", tmp_path / "one.json", dropout=0.0)
    two = tiny.process(tmp_path / "two", tmp_path / "two.json", dropout=0.0, devices=2)
    _finish(one, two)

    addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    machines = [
        tiny.process(
            tmp_path / "machines",
            tmp_path / f"machine{index}.json",
            dropout=0.0,
            tf_config={
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            },
        )
        for index in range(2)
    ]
    _finish(*machines)

    replicas, expected = _figures(tmp_path / "one.json")
    assert replicas == 1
    assert expected[-1][0] < 0.8 * expected[0][0]
    for name in ("two", "machine0", "machine1"):
        replicas, figures = _figures(tmp_path / f"{name}.json")
        assert replicas == 2
        np.testing.assert_allclose(figures, expected, rtol=1e-5, err_msg=name)


def test_dropout_works_on_two_devices(tmp_path):
    process = tiny.process(tmp_path / "run", tmp_path / "run.json", devices=2, epochs=6)
    _finish(process)
    _, figures = _figures(tmp_path / "run.json")
    assert figures[-1][2] < 0.8 * figures[0][2]


def _free_ports(count):
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
