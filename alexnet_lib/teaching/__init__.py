"""What serves the book and not the library's users: figures, explorers, exercises, counts.

Nothing outside the book and `results/` imports it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
