"""AlexNet, layer by layer.

`import alexnet_lib` is instant: Keras and TensorFlow load when you first build a model.
"""

import lazy_loader

from . import registration

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

registration.register_with_keras()
