"""TensorFlow loaded without the log of its start."""

import os
import tempfile


def load_tensorflow() -> None:
    """Loads TensorFlow and finds its devices; what it logs meanwhile is dropped.

    Without a GPU, TensorFlow writes to stderr that it found none, from code that no setting
    reaches; so stderr is turned aside while it loads. Errors are raised as always.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_logical_devices()
            # TensorFlow 2.20 writes a line when XLA compiles the first function of a process, which
            # grouped convolutions and our own layers bring about; so that happens here.
            with tf.device("CPU"):
                tf.function(lambda: tf.zeros(()), jit_compile=True, autograph=False)()
            # Several runs in one process compile the same step several times, as they have to;
            # TensorFlow warns of that.
            tf.get_logger().setLevel("ERROR")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
