"""What each class counts in the loss."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

ClassWeights = Mapping[int | str, float] | Literal["balanced"] | None


def balanced_weights(data) -> dict[int, float]:
    """Class weights n / (classes · nᵢ): rare classes count more, an example counts 1 on average.

    The formula of scikit-learn's `class_weight="balanced"` (King and Zeng 2001).

    Args:
        data: has `labels`, one a training example, and `class_names`.

    Raises:
        ValueError: if a class has no example.
    """
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    if not counts.all():
        missing = [name for name, count in zip(data.class_names, counts, strict=True) if not count]
        raise ValueError(f"There are no training examples of {', '.join(missing)}.")
    return dict(enumerate((counts.sum() / (len(counts) * counts)).tolist()))


def by_label(weights: ClassWeights, data) -> dict[int, float]:
    """Class weights by label, however they were given.

    Args:
        weights: by the name of a class or by its number; `"balanced"` as in `balanced_weights`;
            None for equal weights.
        data: has `class_names`, and `labels` for `"balanced"`.

    Raises:
        ValueError: if a key is no class, a class has two weights, or a weight is no number from 0.
    """
    if isinstance(weights, str):
        if weights != "balanced":
            raise ValueError(
                f"class_weights is {weights!r}; it must be 'balanced', None, or a dictionary such "
                "as {'cats': 2.0}."
            )
        return balanced_weights(data)
    names = list(data.class_names)
    numbers = {name: number for number, name in enumerate(names)}
    labels: dict[int, float] = {}
    for key, weight in (weights or {}).items():
        is_number = isinstance(key, int | np.integer) and not isinstance(key, bool)
        label = int(key) if is_number else numbers.get(key)
        if label is None or not 0 <= label < len(names):
            raise ValueError(
                f"class_weights has a weight for {key!r}, which is no class. The classes are "
                f"{', '.join(f'{number} {name!r}' for number, name in enumerate(names[:6]))}"
                f"{', ...' if len(names) > 6 else ''}."
            )
        if label in labels:
            raise ValueError(f"class_weights has two weights for {names[label]!r}.")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(
                f"class_weights has {weight!r} for {names[label]!r}; a weight is a number from 0."
            )
        labels[label] = float(weight)
    return labels
