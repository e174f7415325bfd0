"""Looks inside a network: filters, feature maps, what a unit wants, what an answer rests on.

    pictures = skimage.data.chelsea()[None, :227, 100:327]
    maps = activations(model, pictures, ["conv1", "conv5"])
    heat = occlusion(model, pictures[0], target=3)

Arrays go in, arrays come out; `alexnet_lib.teaching.plots` draws them. A model is any that this
library makes: what `AlexNet` or `build` returns, the same behind a `Preprocess` layer, or a
`.keras` file that `load_model` read. *Pictures* are always what the model takes: RGB, 0..255, with
a `Preprocess` layer, and `preprocess_input` of such pictures without.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
