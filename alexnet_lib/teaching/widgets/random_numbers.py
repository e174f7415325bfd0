"""Random numbers that Python and the browser draw alike, to the last bits."""

import numpy as np

_WORD = np.uint64(0xFFFFFFFF)


def uniforms(seed: int, length: int) -> np.ndarray:
    """`length` numbers of [0, 1): Tommy Ettinger's mulberry32, as `uniforms` in explorer.js."""
    steps = np.arange(1, length + 1, dtype="uint64") * np.uint64(0x6D2B79F5)
    state = (np.uint64(seed % 2**32) + steps) & _WORD
    mixed = (state ^ (state >> np.uint64(15))) * (state | np.uint64(1)) & _WORD
    product = (mixed ^ (mixed >> np.uint64(7))) * (mixed | np.uint64(61)) & _WORD
    mixed = ((mixed + product) & _WORD) ^ mixed
    return (mixed ^ (mixed >> np.uint64(14))) / 2.0**32


def normals(seed: int, length: int) -> np.ndarray:
    """`length` numbers from N(0, 1), two from each two uniform ones (Box and Muller). Even."""
    first, second = uniforms(seed, length).reshape(-1, 2).T
    radius, angle = np.sqrt(-2 * np.log(1 - first)), 2 * np.pi * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
