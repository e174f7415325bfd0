"""What looking inside asks of every model: its layers, its input, and batches that fit it."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from .. import tensorflow_only  # noqa: F401
from ..architecture import LayerTrace
from ..model import description
from ..preprocessing import Preprocess, preprocess_input


def as_pictures(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """What the model takes, turned back into RGB, 0..255: undoes `preprocess_input`.

    Behind a `Preprocess` layer there is nothing to undo.

    Raises:
        ValueError: as `black_and_white`.
    """
    black, white = black_and_white(model)
    return (255 * (pictures - black) / (white - black)).clip(0, 255).astype("float32")


def black_and_white(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """The two colours as the model takes them, float32 `(3,)` each.

    Raises:
        ValueError: if the model has no `Preprocess` layer and is none of the variants.
    """
    if _preprocess(model):
        return np.zeros(3, "float32"), np.full(3, 255, "float32")
    variant = description(model).variant
    if variant is None:
        raise ValueError(
            f"{model.name} is none of the variants and has no Preprocess layer, so nobody knows on "
            "which scale it takes its pictures. Put the layer in front: "
            "with_preprocessing(model, class_names, variant)."
        )
    return _preprocessed_ends(variant)


def neutral_colour(model: keras.Model) -> np.ndarray:
    """The colour that is 0 after the preprocessing, as the model takes it: float32 `(3,)`."""
    preprocess = _preprocess(model)
    if preprocess is None:
        return np.zeros(3, "float32")
    # The preprocessing is linear: where it is 0 lies by its ends.
    black, white = _preprocessed_ends(preprocess.variant)
    return -255 * black / (white - black)


def _preprocess(model: keras.Model) -> Preprocess | None:
    return next((layer for layer in model.layers if isinstance(layer, Preprocess)), None)


def _preprocessed_ends(variant: str) -> tuple[np.ndarray, np.ndarray]:
    """Black and white after the preprocessing of a variant."""
    ends = np.array([[[[0.0] * 3, [255.0] * 3]]], "float32")
    black, white = keras.ops.convert_to_numpy(preprocess_input(ends, variant))[0, 0]
    return black, white


def layer_named(model: keras.Model, name: str) -> keras.layers.Layer:
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(f"There is no layer {name!r} in {model.name}; it has {', '.join(names)}.")
    return model.get_layer(name)


def part_of(model: keras.Model, outputs) -> Callable:
    """The model up to some of its tensors, as it computes when it does not train."""
    part = keras.Model(model.input, outputs)
    return lambda pictures: part(pictures, training=False)


def compiled(model: keras.Model, output=None) -> Callable:
    """The model up to a tensor, or the whole of it, as one graph for batches of any number."""
    forward = model if output is None else keras.Model(model.input, output)
    graph = tf.function(lambda pictures: forward(pictures, training=False))
    # A concrete function is traced once, here; a plain one would warn when the next model comes.
    return graph.get_concrete_function(tf.TensorSpec(model.input_shape, tf.float32))


def linear_output(model: keras.Model, name: str):
    """A layer's output before its activation: for the last layer the scores before the softmax."""
    layer = layer_named(model, name)
    if not hasattr(layer, "activation") or not hasattr(layer, "kernel"):
        raise ValueError(f"{name} is neither a convolution nor fully connected.")
    linear = type(layer).from_config(layer.get_config() | {"activation": None})
    output = linear(layer.input)
    linear.set_weights(layer.get_weights())
    return output


def as_batch(model: keras.Model, pictures: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pictures as a float32 batch, and whether they were a single one."""
    pictures = np.asarray(pictures, "float32")
    one = pictures.ndim == 3
    if one:
        pictures = pictures[None]
    if pictures.ndim != 4 or pictures.shape[1:] != tuple(model.input_shape[1:]):
        wanted = "×".join(map(str, model.input_shape[1:]))
        raise ValueError(
            f"The pictures have the shape {pictures.shape[1:] if one else pictures.shape}; "
            f"{model.name} takes {wanted}, or a batch of such. augmentation.resize_short_side and "
            "center_crop bring a photograph to size."
        )
    return pictures, one


def batches_of(model: keras.Model, data) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches `(pictures, labels)` as arrays, of whatever holds them; label -1 where it is none."""
    batches: Iterable = data.epoch(0) if hasattr(data, "epoch") else data
    for batch in batches:
        pictures, labels = batch if isinstance(batch, tuple | list) else (batch, None)
        pictures, _ = as_batch(model, pictures)
        yield pictures, np.full(len(pictures), -1) if labels is None else np.asarray(labels)


def record_named(records: Sequence[LayerTrace], layer: str) -> LayerTrace:
    for record in records:
        if record.name == layer:
            return record
    names = ", ".join(record.name for record in records)
    raise ValueError(f"There is no layer {layer!r}; there are {names}.")


def check_target(model: keras.Model, target: int) -> None:
    if len(model.output_shape) != 2:
        raise ValueError(f"{model.name} has no classes; build it with include_top=True.")
    if not 0 <= target < model.output_shape[-1]:
        raise ValueError(
            f"target is {target}; {model.name} has the classes 0 to {model.output_shape[-1] - 1}."
        )


def check_units(output, units: Sequence[int]) -> None:
    channels = (output.output_shape if isinstance(output, LayerTrace) else output.shape)[-1]
    if not len(units) or min(units) < 0 or max(units) >= channels:
        raise ValueError(f"units are {list(units)}; the layer has the units 0 to {channels - 1}.")
