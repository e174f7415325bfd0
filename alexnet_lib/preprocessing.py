"""What a picture goes through before `conv1`: `preprocess_input`, and a layer that does it.

Keras alone: it works on every backend.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from .architecture import variant_named


def preprocess_input(images, variant: str = "paper"):
    """Makes pictures what the network takes.

    The paper's network, and Caffe's, take the difference to ImageNet's mean colour, on the scale
    0..255; torchvision's network takes standardized values. `architecture.VARIANTS` has the
    constants.

    Args:
        images: RGB, 0..255, `(batch, height, width, 3)` or `(height, width, 3)`, any real dtype;
            NumPy arrays and tensors alike.
        variant: as for `AlexNet`.

    Returns:
        float32 of the same shape: the images less the variant's mean colour, divided by its
        deviation.

    Raises:
        ValueError: if the last axis does not hold three colours, or the variant is unknown.
    """
    constants = variant_named(variant)
    if len(images.shape) not in (3, 4) or images.shape[-1] != 3:
        raise ValueError(
            f"The images have shape {tuple(images.shape)}; they must be (batch, height, width, 3) "
            "or (height, width, 3), RGB."
        )
    mean, deviation = (
        ops.convert_to_tensor(np.array(values, "float32"))
        for values in (constants.mean, constants.deviation)
    )
    return (ops.cast(images, "float32") - mean) / deviation


@keras.saving.register_keras_serializable("alexnet_lib")
class Preprocess(keras.layers.Layer):
    """The first layer of a trained model: takes pictures, gives the network what it learned on.

    It has no weights; its settings travel in the `.keras` file, so that a prediction needs that
    file and a picture, nothing else.

    Args:
        class_names: the names of the model's classes, in the order of its outputs.
        variant: as for `preprocess_input`.
        scale: by what the result of `preprocess_input` is multiplied.

    Input: RGB pictures, 0..255, `(batch, height, width, 3)`. Output: float32, the same shape,
    whatever the precision of the layers after it.
    """

    def __init__(self, class_names=(), variant="paper", scale=1.0, name="preprocess", **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        self.class_names = [str(class_name) for class_name in class_names]
        self.variant = variant
        self.scale = float(scale)

    def call(self, images):
        return preprocess_input(images, self.variant) * self.scale

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "class_names": self.class_names,
            "variant": self.variant,
            "scale": self.scale,
        }


@keras.saving.register_keras_serializable("alexnet_lib")
class Prepared(Preprocess):
    """Stands in for `Preprocess` where features enter instead of pictures, and scales them.

    How long feature vectors are differs a hundredfold between trunks, and with it the learning rate
    that suits them. Divided by the root of their mean square length, all take the same one.

    Args:
        trunk: which trunk the features are of, so that a run does not go on with another.
    """

    def __init__(self, class_names=(), trunk="", name="prepared", **kwargs):
        super().__init__(class_names, name=name, **kwargs)
        self.trunk = trunk

    def build(self, input_shape):
        # A variable, so that checkpoints hold it: a finished run does not compute features again.
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False, name="factor")

    def call(self, features):
        return features * self.factor

    def get_config(self):
        return super().get_config() | {"trunk": self.trunk}


def with_preprocessing(
    network: keras.Model, class_names: Sequence[str], variant: str = "paper", scale: float = 1.0
) -> keras.Model:
    """A copy of a functional network behind a `Preprocess` layer: it takes pictures, 0..255.

    The layers keep their names and values; `get_layer("conv1")` works as before. `network` itself
    stays as it is.

    Args:
        network: a functional model, such as `AlexNet` or `build` returns.
        class_names: one for each output.
        variant: as for `preprocess_input`.
        scale: as for `Preprocess`.

    Raises:
        ValueError: if the class names are not one for each output, or not all different.
    """
    # A string has letters, which nobody means by classes.
    class_names = [class_names] if isinstance(class_names, str) else list(class_names)
    classes = network.output_shape[-1]
    if len(class_names) != classes or len(set(class_names)) != classes:
        raise ValueError(
            f"The network tells {classes} classes apart; it needs as many different names, and was "
            f"given {len(class_names)} ({len(set(class_names))} of them different)."
        )
    preprocess = Preprocess(class_names, variant, scale)

    def call(layer, tensor, *args, **kwargs):
        enters = isinstance(tensor._keras_history.operation, keras.layers.InputLayer)
        return layer(preprocess(tensor) if enters else tensor, *args, **kwargs)

    model = keras.models.clone_model(network, call_function=call)
    model.set_weights(network.get_weights())
    return model


def preprocess_layer(model: keras.Model) -> Preprocess:
    """The `Preprocess` layer of a model; its `class_names` name the outputs.

    Raises:
        ValueError: if the model has none.
    """
    for layer in model.layers:
        if isinstance(layer, Preprocess):
            return layer
    raise ValueError(
        f"The model {model.name!r} has no Preprocess layer, so nobody knows how its pictures are "
        "to be scaled. Build it with Recipe.build, or put the layer in front with "
        "with_preprocessing(model, class_names)."
    )
