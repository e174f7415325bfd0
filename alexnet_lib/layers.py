"""The two layers of AlexNet that Keras does not have, or has only slowly.

Both are written on `keras.ops`, so they run on every Keras backend, in `tf.function`, under XLA and
under both mixed-precision policies.
"""

from functools import partial

import keras
from keras import ops

from .compilation import compiled, fuses


@keras.saving.register_keras_serializable("alexnet_lib")
class LocalResponseNormalization(keras.layers.Layer):
    """Local response normalization across channels, section 3.3 of the paper:

    b[c] = a[c] / (bias + alpha · Σ a[j]²) ** beta, the sum over the channels j from
    c - depth_radius to c + depth_radius that exist.

    `alpha` multiplies the plain sum of squares, as in the paper's formula and in
    `tf.nn.local_response_normalization`. Caffe, PyTorch and ONNX divide it by the size of the
    window, n = 2 · depth_radius + 1: their alpha=1e-4 is alpha=2e-5 here.

    Args:
        depth_radius: n // 2 of the paper, where n = 5. At least 0.
        bias: the paper's k, above 0.
        alpha: the paper's α, at least 0.
        beta: the paper's β.
        groups: the number of equal runs of channels that no sum crosses; 2 keeps the towers apart,
            as in the source released for the paper.

    Input and output: `(batch, height, width, channels)`, any float values. Where the layer computes
    in half precision, it does so in float32 between the two, for float16 overflows at 256².

    Raises:
        ValueError: if an argument is out of its range, or the groups do not divide the channels.

    >>> layer = LocalResponseNormalization(depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)
    >>> keras.ops.convert_to_numpy(layer([[[[1.0, 2.0, 0.0]]]])).round(3).tolist()
    [[[[0.167, 0.333, 0.0]]]]
    """

    def __init__(self, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75, groups=1, **kwargs):
        super().__init__(**kwargs)
        if depth_radius < 0 or bias <= 0 or alpha < 0 or groups < 1:
            raise ValueError(
                "LocalResponseNormalization needs depth_radius ≥ 0, bias > 0, alpha ≥ 0 and "
                f"groups ≥ 1; it was given depth_radius={depth_radius}, bias={bias}, "
                f"alpha={alpha}, groups={groups}."
            )
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta
        self.groups = groups
        self.supports_masking = True

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: {self.groups} groups must divide the {channels} channels that enter."
            )
        super().build(input_shape)

    def call(self, inputs, training=None):
        # Compiled where it trains alone: what answers may be exported to programs without XLA.
        fused = fuses() and (bool(training) or keras.backend.backend() == "jax")
        # Written by hand, the gradient is as cheap as the layer twice over, and it needs nothing
        # that the layer has computed: the inputs are all that is kept for it.
        forwards, backwards = partial(self._normalized, fused), partial(self._gradient, fused)
        if fused:
            forwards, backwards = compiled(forwards), compiled(backwards)

        @ops.custom_gradient
        def normalize(activities):
            def gradient(*given, upstream=None):
                # TensorFlow and JAX give the outputs' gradient alone; PyTorch gives it by this
                # name, after the inputs.
                return backwards(activities, given[-1] if upstream is None else upstream)

            return forwards(activities), gradient

        return normalize(inputs)

    def _normalized(self, fused, inputs):
        activities = ops.cast(inputs, _at_least_single(inputs))
        divisor = self.bias + self._window_sums(ops.square(activities), self.alpha, fused)
        return ops.cast(activities * _inverse_powers(divisor, self.beta)[0], inputs.dtype)

    def _gradient(self, fused, inputs, upstream):
        """∂L/∂a[c] = g[c] / d[c]^β − 2αβ a[c] Σ g[j] a[j] / d[j]^(β + 1), the sum over the channels
        j that a[c] counts for, which are those that count for a[c]; d are the divisors' bases."""
        activities = ops.cast(inputs, _at_least_single(inputs))
        divisor = self.bias + self._window_sums(ops.square(activities), self.alpha, fused)
        power, inverse = _inverse_powers(divisor, self.beta)
        direct = ops.cast(upstream, activities.dtype) * power
        shares = self._window_sums(direct * activities * inverse, 2 * self.alpha * self.beta, fused)
        return ops.cast(direct - activities * shares, inputs.dtype)

    def _window_sums(self, values, factor, fused):
        """`factor` times the sum of each channel's neighbours, itself among them."""
        channels, radius = values.shape[-1], self.depth_radius
        if not fused:
            # Which channels count for which is a band around the diagonal: one matrix product does
            # with one pass what shifted copies would do with 4 · radius.
            group = ops.arange(channels) // (channels // self.groups)
            distance = ops.abs(ops.arange(channels)[:, None] - ops.arange(channels))
            neighbours = (distance <= radius) & (group[:, None] == group)
            weights = factor * ops.cast(neighbours, values.dtype)
            sums = ops.matmul(ops.reshape(values, (-1, channels)), weights)
            return ops.reshape(sums, ops.shape(values))
        per_group = channels // self.groups
        split = ops.reshape(values, (-1, self.groups, per_group))
        padded = ops.pad(split, ((0, 0), (0, 0), (radius, radius)))
        shifted = [padded[..., i : i + per_group] for i in range(2 * radius + 1)]
        return factor * ops.reshape(sum(shifted), ops.shape(values))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "depth_radius": self.depth_radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
            "groups": self.groups,
        }


def _at_least_single(inputs):
    """float32 for inputs of half precision, else the inputs' own."""
    return keras.backend.result_type(inputs.dtype, "float32")


def _inverse_powers(positive, exponent):
    """`positive ** -exponent` and `1 / positive`; for the paper's 0.75 both from one reciprocal
    square root, much cheaper than a power and a division."""
    if exponent == 0.75:
        root = ops.rsqrt(positive)
        return root * ops.sqrt(root), ops.square(root)
    return ops.power(positive, -exponent), 1 / positive


@keras.saving.register_keras_serializable("alexnet_lib")
class GroupedConv2D(keras.layers.Conv2D):
    """A convolution in groups: the g-th part of the filters sees the g-th part of the channels.

    With two groups these are the paper's two GPUs, which hold half the kernels each (section 3.2).
    The result and the weights are those of `keras.layers.Conv2D(..., groups=groups)`: a kernel of
    shape `(rows, columns, input channels / groups, filters)` and a bias of shape `(filters,)`.
    Here the groups are convolved one beside the other, as the two GPUs did. On a CPU that trains
    several times faster than a grouped kernel.

    Args:
        filters: output channels, all groups together; a multiple of `groups`.
        kernel_size: an integer, or `(rows, columns)`.
        groups: how many; the input's channels must be a multiple, too.
        **kwargs: as for `keras.layers.Conv2D`.

    Input `(batch, height, width, channels)`; output `(batch, height, width, filters)`.

    Raises:
        ValueError: if the groups do not divide the filters, or the channels of the input, or the
            data format is channels first.
    """

    def __init__(self, filters, kernel_size, groups=2, **kwargs):
        kwargs.setdefault("data_format", "channels_last")
        super().__init__(filters, kernel_size, groups=groups, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                f"GroupedConv2D divides the last axis among its groups, so it needs data_format="
                f"'channels_last'; it was given {self.data_format!r}."
            )

    def convolution_op(self, inputs, kernel):
        return ops.concatenate(
            [
                super(GroupedConv2D, self).convolution_op(part, part_of_kernel)
                for part, part_of_kernel in zip(
                    ops.split(inputs, self.groups, axis=-1),
                    ops.split(kernel, self.groups, axis=-1),
                    strict=True,
                )
            ],
            axis=-1,
        )


@keras.saving.register_keras_serializable("alexnet_lib")
class MapResponseNormalization(keras.layers.Layer):
    """Response normalization within each map, as the source released for the paper has it:

    b[y, x] = a[y, x] / (bias + alpha · Σ a[y', x']²) ** beta, the sum over the `size` × `size`
    square around (y, x) as far as it lies on the map. The paper does not mention it.

    Args:
        size: side of the square, odd.
        bias: what is added to the sum, above 0.
        alpha: multiplies the plain sum of squares, at least 0. The released source divides its
            scale of 1e-3 by size² first; so does the default.
        beta: the exponent.

    Input and output: `(batch, height, width, channels)`, any float values. The sum of squares is
    taken in float32, as in `LocalResponseNormalization`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(self, size=5, bias=1.0, alpha=1e-3 / 25, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0 or bias <= 0 or alpha < 0:
            raise ValueError(
                "MapResponseNormalization needs an odd size ≥ 1, bias > 0 and alpha ≥ 0; it was "
                f"given size={size}, bias={bias}, alpha={alpha}."
            )
        self.size = size
        self.bias = bias
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs):
        activities = ops.cast(inputs, _at_least_single(inputs))
        # An average over a square with zeros around the map, times its area, is the sum.
        edge = (self.size // 2, self.size // 2)
        squares = ops.pad(ops.square(activities), ((0, 0), edge, edge, (0, 0)))
        means = ops.average_pool(
            squares, self.size, strides=1, padding="valid", data_format="channels_last"
        )
        divisor = self.bias + self.alpha * self.size**2 * means
        return ops.cast(activities * _inverse_powers(divisor, self.beta)[0], inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "size": self.size,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }
