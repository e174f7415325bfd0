"""Pictures in, batches out: folders of class folders, archives of them, and data sets by name.

    train = data.load("my_photos", "train")
    for images, labels in train.epoch(0):
        ...

What `load` returns goes into `training.fit` as it is, and its `.batches()` into Keras's `fit`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
