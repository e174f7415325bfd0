"""Pictures made to excite a unit."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from .models import as_pictures, black_and_white, check_units, linear_output, neutral_colour


def maximize(
    model: keras.Model,
    layer: str,
    units: Sequence[int],
    steps: int = 64,
    rate: float = 4.0,
    jitter: int = 16,
    decay: float = 0.01,
    falloff: float = 1.5,
    seed: int = 0,
) -> np.ndarray:
    """Pictures made to excite a unit: gradient ascent on the pixels (Simonyan et al. 2014).

    Without regularization the ascent ends in fine noise that no photograph resembles. Three things
    work against it. Before each step the picture is shifted at random (*jitter*, Mordvintsev et al.
    2015). The step favours coarse patterns over fine ones, as photographs do, whose spectrum falls
    off with frequency (*preconditioning in the Fourier basis*, Olah et al. 2017). After it every
    pixel moves towards the mean colour (*L2 decay*, Yosinski et al. 2015). 0 turns each of them
    off.

    What rises is the unit before its ReLU or softmax: behind these a silent unit, or a sure one,
    has no gradient. Of a layer with maps it is the unit in the middle.

    Args:
        model: any of ours.
        layer: the name of a convolution or a fully connected layer.
        units: its channels or units; each gets a picture of its own.
        steps: of the ascent.
        rate: the root mean square by which a step changes the pixels, on the scale 0..255.
        jitter: the largest shift, in pixels, along each axis; the picture wraps around.
        decay: the share of the difference to the mean colour that is lost in each step.
        falloff: each frequency of a step, and of the first picture, is divided by itself to this
            power.
        seed: of the first picture, noise around the mean colour, and of the shifts.

    Returns:
        RGB, float32 `(units, height, width, 3)`, 0..255.

    Raises:
        ValueError: if there is no such layer or unit, or a number is out of its range.
    """
    if min(steps, rate) <= 0 or min(jitter, falloff) < 0 or not 0 <= decay < 1:
        raise ValueError(
            f"steps={steps} and rate={rate} must be above 0, jitter={jitter} and falloff={falloff} "
            f"at least 0, and decay={decay} at least 0 and below 1."
        )
    output = linear_output(model, layer)
    check_units(output, units)
    (black, white), grey = black_and_white(model), neutral_colour(model)
    scale = (white - black) / 255
    objective = keras.Model(model.input, output)
    places = tf.constant([[index, unit] for index, unit in enumerate(units)])

    @tf.function
    def gradient(pictures):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            activities = objective(pictures, training=False)
            if activities.shape.rank == 4:
                rows, columns = activities.shape[1:3]
                activities = activities[:, rows // 2, columns // 2]
            total = tf.reduce_sum(tf.gather_nd(activities, places))
        return tape.gradient(total, pictures)

    random = np.random.default_rng(seed)
    _, height, width, channels = model.input_shape
    gains = _gains(height, width, falloff)
    noise = _filtered(random.normal(0, 10, (len(units), height, width, channels)), gains)
    pictures = np.clip(grey + scale * noise, black, white).astype("float32")
    for _ in range(steps):
        shift = random.integers(-jitter, jitter + 1, 2)
        shifted = np.roll(pictures, shift, (1, 2))
        slope = np.roll(gradient(tf.constant(shifted)), -shift, (1, 2))
        slope = _filtered(slope, gains)
        spread = np.sqrt((slope**2).mean(axis=(1, 2, 3), keepdims=True))
        pictures = pictures + scale * rate * slope / np.where(spread > 0, spread, 1)
        pictures = grey + (1 - decay) * (pictures - grey)
        pictures = np.clip(pictures, black, white).astype("float32")
    return as_pictures(model, pictures)


def _gains(height: int, width: int, falloff: float) -> np.ndarray:
    """By what each frequency is multiplied, `(height, width)`; white noise keeps its deviation."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    # The mean has frequency 0; it counts as the longest wave.
    gains = np.maximum(frequency, 1 / max(height, width)) ** -falloff
    return gains / np.sqrt((gains**2).mean())


def _filtered(pictures: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Pictures `(batch, height, width, channels)` with each frequency multiplied by its gain."""
    spectrum = np.fft.fft2(pictures, axes=(1, 2)) * gains[..., None]
    return np.fft.ifft2(spectrum, axes=(1, 2)).real
