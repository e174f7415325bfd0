"""What serves the book and not the library's users: figures, explorers, exercises, counts.

Nothing outside the book and `results/` imports it. It needs packages that the library does not:
`pip install 'alexnet-lib[teaching]'`.
"""

import importlib.util

import lazy_loader

_NEEDED = ("anywidget", "IPython", "matplotlib", "pandas", "traitlets")

if _missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
    raise ImportError(
        f"alexnet_lib.teaching, which serves the book, needs {', '.join(_missing)}: "
        "pip install 'alexnet-lib[teaching]'."
    )

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
