"""The book's figures, one function for each. Each returns a matplotlib `Figure`.

Figures of the network are drawn from its description; none holds a number of its own. They are
narrow, with large type, so that they can be read on a telephone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
