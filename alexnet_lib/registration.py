"""Our classes known to Keras as soon as Keras is there.

A `.keras` file names its classes, and Keras finds those that were registered. It does not import
this library by itself, and this library does not import Keras until it is needed, for that takes
seconds. So whichever comes second brings the two together.
"""

import importlib
import importlib.abc
import importlib.util
import sys

_MODULES = ("layers", "preprocessing", "training.optimizer", "applications")
"""Those whose classes may stand in a file."""


def register_with_keras() -> None:
    """Registers the classes now, where Keras is loaded, or right after it will have been."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Finder())


def _register() -> None:
    for module in _MODULES:
        importlib.import_module(f"{__package__}.{module}")


class _Finder(importlib.abc.MetaPathFinder):
    """Waits for the import of Keras, lets the usual finders do it, and then registers."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                _register()

            spec.loader.exec_module = execute_and_register
        return spec
