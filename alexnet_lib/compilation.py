"""Parts of a network that XLA compiles whatever surrounds them.

A chain of elementwise operations is one pass over the memory where XLA fuses it, and as many passes
as it has operations where nothing does, as in TensorFlow's graphs. Under XLA a whole training step
is slow on a CPU, though, because of its convolutions. So a layer that is such a chain asks for XLA
itself, and leaves the rest of the step to what is best for the rest.
"""

from collections.abc import Callable

import keras


def fuses() -> bool:
    """Whether what `compiled` returns becomes few loops: on JAX, and in TensorFlow's graphs.

    Not in eager TensorFlow, where the layers are called with pictures of many sizes, and compiling
    would take longer than computing; nor in a TensorFlow without XLA; nor on PyTorch.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.test.is_built_with_xla() and not tf.executing_eagerly()
    return keras.backend.backend() == "jax"


def compiled(function: Callable) -> Callable:
    """`function` of tensors, compiled by XLA where `fuses()`; else as it is.

    On JAX it is as it is, too: Keras compiles the whole step there.
    """
    if fuses() and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    return function
