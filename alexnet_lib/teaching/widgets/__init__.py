"""Explorers: small interactive figures that answer in a notebook and on the book's static pages.

Each is one front-end module (`NAME.js`, in the anywidget format) beside one Python class
(`NAME.py`), and computes in the browser whatever can be computed there.
"""

from .activations import Activations
from .augmentation import Augmentation
from .dropout_masks import Dropout
from .feature_maps import FeatureMaps
from .flow import Flow
from .network_map import NetworkMap
from .occlusion import Occlusion
from .one_number import OneNumber
from .pooling import Pooling
from .response_normalization import ResponseNormalization
from .shape_calculator import ShapeCalculator
from .training_runs import TrainingRuns

__all__ = [
    "Activations",
    "Augmentation",
    "Dropout",
    "FeatureMaps",
    "Flow",
    "NetworkMap",
    "Occlusion",
    "OneNumber",
    "Pooling",
    "ResponseNormalization",
    "ShapeCalculator",
    "TrainingRuns",
]
