"""Explorers: small interactive figures that answer in a notebook and on the book's static pages.

Each is one front-end module (`NAME.js`, in the anywidget format) beside one Python class
(`NAME.py`), and computes in the browser whatever can be computed there.
"""

from .feature_maps import FeatureMaps
from .occlusion import Occlusion
from .response_normalization import ResponseNormalization
from .shape_calculator import ShapeCalculator

__all__ = ["FeatureMaps", "Occlusion", "ResponseNormalization", "ShapeCalculator"]
