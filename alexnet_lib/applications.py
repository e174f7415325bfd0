"""The networks of `keras.applications` as trunks, each behind its own preprocessing."""

from importlib import import_module

import keras

from .data.downloads import DownloadError
from .preprocessing import Preprocess

_MODULES = {
    "convnext": (
        "ConvNeXtTiny",
        "ConvNeXtSmall",
        "ConvNeXtBase",
        "ConvNeXtLarge",
        "ConvNeXtXLarge",
    ),
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{number}" for number in range(8)),
    "efficientnet_v2": tuple(
        f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")
    ),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet_v2": ("MobileNetV2",),
    "nasnet": ("NASNetMobile", "NASNetLarge"),
    "resnet": ("ResNet50", "ResNet101", "ResNet152"),
    "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}
"""Where each network's `preprocess_input` is. Those whose last layer is no dense one are left out:
a new head has no place in them."""

_SIZES = {
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
"""Pixels a side, as in training, where they are not 224."""

NAMES = tuple(name for names in _MODULES.values() for name in names)


@keras.saving.register_keras_serializable("alexnet_lib")
class ApplicationPreprocess(Preprocess):
    """`Preprocess` with the `preprocess_input` of a module of `keras.applications`.

    Args:
        class_names: as for `Preprocess`.
        module: its name, such as `"mobilenet_v2"`.
    """

    def __init__(self, class_names=(), module="mobilenet_v2", name="preprocess", **kwargs):
        super().__init__(class_names, name=name, **kwargs)
        # The name may come from a file.
        if module not in _MODULES:
            raise ValueError(f"There is no preprocessing of {module!r} in keras.applications.")
        self.module = module

    def call(self, images):
        prepare = import_module(f"keras.applications.{self.module}").preprocess_input
        return prepare(keras.ops.cast(images, "float32"))

    def get_config(self):
        return super().get_config() | {"module": self.module}


def load(name: str, weights: str | None = "imagenet") -> keras.Model:
    """A network of `keras.applications`, from pictures 0..255 to 1,000 probabilities.

    Args:
        name: one of `NAMES`.
        weights: `"imagenet"`, which Keras downloads once; None for initial values; or a file.

    Raises:
        downloads.DownloadError: if the weights cannot be fetched.
    """
    module = next(module for module, names in _MODULES.items() if name in names)
    side = _SIZES.get(name, 224)
    pictures = keras.Input((side, side, 3), name="pictures")
    preprocess = ApplicationPreprocess(map(str, range(1000)), module)
    network = getattr(keras.applications, name)
    try:
        return network(weights=weights, input_tensor=preprocess(pictures))
    except Exception as error:
        # Keras raises the class itself, where a download fails.
        if type(error) is not Exception:
            raise
        raise DownloadError(
            f"The weights of {name} could not be fetched: {error}. Check the network and try "
            "again; Keras keeps what it has fetched in KERAS_HOME."
        ) from error
