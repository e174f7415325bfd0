"""TensorFlow loaded without the log of its start."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow(devices: str | None = None, machines: bool = False) -> None:
    """Loads TensorFlow and finds its devices; what it logs meanwhile is dropped.

    Args:
        devices: which ones to use: None for all, `"cpu"` for no GPU, or the numbers of GPUs:
            `"0"`, `"0,2"`.
        machines: whether this process trains together with those that `TF_CONFIG` names. They find
            each other before TensorFlow computes anything.

    Raises:
        ValueError: if `devices` is something else, or there is no such GPU.

    Without a GPU, TensorFlow writes to stderr that it found none, from code that no setting
    reaches; so stderr is turned aside while it loads. Errors are raised as always.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silenced():
        import tensorflow as tf

        if devices is not None:
            _use(devices)
        if machines:
            from .training.devices import strategy

            strategy()
        tf.config.list_logical_devices()
        # TensorFlow 2.20 writes a line when XLA compiles the first function of a process, which
        # grouped convolutions and our own layers bring about; so that happens here.
        with tf.device("CPU"):
            tf.function(lambda: tf.zeros(()), jit_compile=True, autograph=False)()
        # Several runs in one process compile the same step several times, as they have to;
        # TensorFlow warns of that.
        tf.get_logger().setLevel("ERROR")


@contextmanager
def silenced() -> Iterator[None]:
    """Drops what is written to stderr meanwhile, also by code that is not Python."""
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _use(devices: str) -> None:
    import tensorflow as tf

    there = tf.config.list_physical_devices("GPU")
    wanted = [] if devices == "cpu" else devices.split(",")
    unknown = [number for number in wanted if number not in map(str, range(len(there)))]
    if unknown:
        gpus = f"GPUs 0 to {len(there) - 1}" if there else "no GPU that TensorFlow can use"
        raise ValueError(
            f"--devices is {devices}; it must be cpu, or numbers of GPUs such as 0 or 0,1. This "
            f"machine has {gpus}."
        )
    tf.config.set_visible_devices([there[int(number)] for number in wanted], "GPU")
