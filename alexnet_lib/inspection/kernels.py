"""Filters as pictures and in numbers: how smooth, how colourful, which way they run."""

import keras
import numpy as np

from .models import layer_named


def filters(model: keras.Model, layer: str = "conv1") -> np.ndarray:
    """The kernels of a convolution, one after the other.

    Returns:
        float32 `(filters, rows, columns, channels)`; for `conv1` of the paper `(96, 11, 11, 3)`.
        With groups, a filter has the channels of its own tower only.

    Raises:
        ValueError: if there is no such layer, or it is no convolution.
    """
    kernel = getattr(layer_named(model, layer), "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        raise ValueError(f"{layer} is no convolution: it has no filters.")
    return np.moveaxis(keras.ops.convert_to_numpy(kernel), -1, 0)


def filter_images(kernels: np.ndarray) -> np.ndarray:
    """Filters over three colours as pictures: grey where a weight is zero, each by its own scale.

    Args:
        kernels: `(filters, rows, columns, 3)`, as `filters` gives those of `conv1`.

    Returns:
        `(filters, rows, columns, 3)`, RGB, 0..1; the largest absolute weight of each filter becomes
        0 or 1. How strong a filter is compared with another cannot be seen.

    Raises:
        ValueError: if the filters do not see three colours.
    """
    kernels = _kernels(kernels)
    if kernels.shape[-1] != 3:
        raise ValueError(
            f"These filters see {kernels.shape[-1]} channels, which are no colours; only those of "
            "conv1 are pictures. For deeper layers, look at what excites them: strongest_patches."
        )
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + kernels / np.where(largest > 0, 2 * largest, 1)


def structure(kernels: np.ndarray) -> np.ndarray:
    """How smooth each filter is: the correlation of the filter with itself, shifted by one tap.

    The mean of Pearson's correlation over the two directions (down, right) and all channels. White
    noise gives about 0 (for 11×11×3 with a standard deviation of about 0.04), an edge or a blob
    0.6 and more. A channel without variation counts as 0.

    Args:
        kernels: `(filters, rows, columns, channels)`, at least 3×3.

    Returns:
        float64 `(filters,)`, -1..1.
    """
    kernels = _kernels(kernels)
    down = _correlation(kernels[:, :-1], kernels[:, 1:])
    right = _correlation(kernels[:, :, :-1], kernels[:, :, 1:])
    return (down + right).mean(axis=1) / 2


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation over rows and columns: `(filters, channels)`."""
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt((one**2).sum((1, 2)) * (other**2).sum((1, 2)))
    return (one * other).sum((1, 2)) / np.where(norms > 0, norms, 1)


def colourfulness(kernels: np.ndarray) -> np.ndarray:
    """The share of each filter's energy that a grey picture could not excite.

    Each tap has a weight for red, green and blue. Their mean is what the tap answers to grey; the
    rest is colour. 0 for a filter of pure grey, 1 for one whose weights sum to 0 in every tap, 2/3
    for noise that is independent in the three colours.

    Args:
        kernels: `(filters, rows, columns, 3)`.

    Returns:
        float64 `(filters,)`, 0..1; 0 for a filter of zeros.
    """
    kernels = _kernels(kernels)
    grey = kernels.mean(axis=-1, keepdims=True)
    total = (kernels**2).sum(axis=(1, 2, 3))
    return ((kernels - grey) ** 2).sum(axis=(1, 2, 3)) / np.where(total > 0, total, 1)


def orientation(kernels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In which direction the stripes or the edge of each filter run, and how clearly.

    From the power spectrum of the filter, summed over its channels and without its mean: each
    frequency is a direction, and directions are averaged with their angles doubled, since θ and
    θ + 180° are the same.

    Args:
        kernels: `(filters, rows, columns, channels)`.

    Returns:
        The angles, in degrees, `(filters,)`, 0 up to 180: 0 for horizontal stripes, 90 for
        vertical ones, 45 for stripes that rise to the right; and how clear the angle is,
        `(filters,)`, from 0 (no direction, a round blob) to 1 (a single direction).
    """
    power, rows, columns = _spectrum(_kernels(kernels), finer=4)
    # A frequency points across the stripes, rows count downwards: hence the quarter turn and sign.
    across = np.arctan2(-rows, columns)
    mean = (power * np.exp(2j * across)).sum((1, 2))
    total = power.sum((1, 2))
    return (np.degrees(np.angle(mean)) / 2 + 90) % 180, np.abs(mean) / np.where(total > 0, total, 1)


def cycles(kernels: np.ndarray) -> np.ndarray:
    """How many periods of a wave each filter holds, from edge to edge.

    The frequency at which the power spectrum, summed over the channels and without the mean, is
    largest, times the size of the filter. An edge or a blob has at most about 1, a grating more.

    Args:
        kernels: `(filters, rows, columns, channels)`.

    Returns:
        float64 `(filters,)`; 0 for a filter without variation.
    """
    kernels = _kernels(kernels)
    power, rows, columns = _spectrum(kernels, finer=16)
    waves = np.hypot(rows * kernels.shape[1], columns * kernels.shape[2])
    power = power.reshape(len(kernels), -1)
    return np.where(power.max(1) > 0, waves.ravel()[power.argmax(1)], 0.0)


def _spectrum(kernels: np.ndarray, finer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power without the mean `(filters, size, size)`, and each frequency in cycles per tap."""
    kernels = kernels - kernels.mean(axis=(1, 2), keepdims=True)
    # Zeros around the filter sample its spectrum more finely than its few taps would.
    size = finer * max(kernels.shape[1:3])
    power = (np.abs(np.fft.fft2(kernels, (size, size), axes=(1, 2))) ** 2).sum(-1)
    rows, columns = np.meshgrid(*[np.fft.fftfreq(size)] * 2, indexing="ij")
    # Frequencies beyond the circle exist along the diagonals only and would favour them.
    return power * (np.hypot(rows, columns) <= 0.5), rows, columns


def _kernels(kernels: np.ndarray) -> np.ndarray:
    kernels = np.asarray(kernels, "float64")
    if kernels.ndim != 4:
        raise ValueError(
            f"Filters are an array (filters, rows, columns, channels), as `filters` returns it; "
            f"this one has the shape {kernels.shape}."
        )
    return kernels
