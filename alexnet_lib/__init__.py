"""AlexNet, layer by layer.

`import alexnet_lib` is instant: Keras and TensorFlow load when you first build a model.
"""

import importlib

_HOME_OF = {
    "AlexNet": "model",
    "decode_predictions": "pretrained",
    "preprocess_input": "model",
    "GroupedConv2D": "layers",
    "LocalResponseNormalization": "layers",
    "MapResponseNormalization": "layers",
    "trace": "architecture",
}
_MODULES = (
    "architecture",
    "augmentation",
    "data",
    "exercises",
    "inspection",
    "layers",
    "model",
    "notebook",
    "plots",
    "pretrained",
    "training",
    "transfer",
)

__all__ = [*_HOME_OF, *_MODULES]


def __getattr__(name: str):
    """Loads a public name, or a module, when it is first asked for (PEP 562)."""
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
