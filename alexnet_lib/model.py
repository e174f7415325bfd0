"""The description made a Keras model, and a Keras model described: `build` and `description`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from . import architecture
from .layers import GroupedConv2D, LocalResponseNormalization, MapResponseNormalization
from .model_file import DishonestFileError, expect_honest
from .preprocessing import Preprocess, preprocess_layer


def build(
    layers: Sequence[architecture.Layer],
    input_shape: tuple[int, int, int] = (227, 227, 3),
    input_tensor=None,
    name: str | None = None,
) -> keras.Model:
    """Makes a functional Keras model of any sequence of layers of `alexnet_lib.architecture`.

    Change the description, build it, and you have another network:

    >>> from dataclasses import replace
    >>> wide = [replace(layer, filters=128) if layer.name == "conv1" else layer
    ...         for layer in architecture.PAPER]
    >>> build(wide).get_layer("conv1").output.shape
    (None, 55, 55, 128)

    Args:
        layers: in order.
        input_shape: `(height, width, channels)`.
        input_tensor: a Keras tensor of that shape that the network takes in, in place of an input
            of its own.
        name: of the model; by default `alexnet_` and the variant, or `alexnet` for other layers.

    Raises:
        ValueError: if the input is too small, or the groups do not divide the channels.
    """
    if len(input_shape) != 3:
        raise ValueError(f"input_shape is {input_shape!r}; it must be (height, width, channels).")
    records = architecture.trace_layers(layers, tuple(input_shape))
    inputs = keras.Input(input_shape, name="image") if input_tensor is None else input_tensor
    tensor = inputs
    for layer, record in zip(layers, records, strict=True):
        for keras_layer in keras_layers(layer, record):
            tensor = keras_layer(tensor)
    variant = architecture.variant_of(layers, tuple(input_shape))
    if name is None:
        name = f"alexnet_{variant}" if variant else "alexnet"
    return keras.Model(inputs, tensor, name=name)


@dataclass(frozen=True)
class Description:
    """What a Keras model is, in the words of `alexnet_lib.architecture`."""

    layers: tuple[architecture.Layer, ...]
    """What `build` makes the model of."""
    input_shape: tuple[int, int, int]
    """`(height, width, channels)`."""
    variant: str | None
    """The variant that computes what the layers do, whatever the widths of its dense layers, its
    classes and its initial values; None where there is none."""

    def trace(self) -> list[architecture.LayerTrace]:
        """What happens in each layer; see `architecture.trace`."""
        return architecture.trace_layers(self.layers, self.input_shape)


def description(model: keras.Model) -> Description:
    """`build` backwards: the layers that a model is made of, asked of the model itself.

    It reads what each Keras layer computes, not what the model is called: a copy, a model that was
    saved and loaded, one with other widths, one behind a `Preprocess` layer are all described.

    Args:
        model: a chain of the layers that `build` makes.

    Raises:
        ValueError: if a layer is none of these, or they are no chain. The message names it.

    >>> description(build(architecture.CAFFE)).variant
    'caffe'
    """
    layers: list[architecture.Layer] = []
    padding = None
    for keras_layer in _chain(model):
        if not layers and padding is None:
            input_shape = tuple(keras_layer.input.shape[1:])
        if isinstance(keras_layer, keras.layers.ZeroPadding2D):
            padding = keras_layer.padding
        elif not _is_first_of_two(keras_layer):
            layers.append(_described(keras_layer, padding))
            padding = None
    if not layers:
        raise ValueError(f"The model {model.name!r} has no layers to describe.")
    variant = architecture.variant_of(layers, input_shape)
    if variant is not None:
        layers = _rounding_as(architecture.VARIANTS[variant].layers, layers)
    return Description(tuple(layers), input_shape, variant)


def _rounding_as(
    known: Sequence[architecture.Layer], layers: Sequence[architecture.Layer]
) -> list[architecture.Layer]:
    """A window that fits exactly does not show how it would round; the variant's layers say it."""
    slides = architecture.Convolution | architecture.MaxPooling
    rounding = (one.rounding for one in known if isinstance(one, slides))
    return [
        replace(layer, rounding=next(rounding)) if isinstance(layer, slides) else layer
        for layer in layers
    ]


def _chain(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers that compute, in order; those of a model within a model in its place."""
    before = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer | Preprocess):
            continue
        if isinstance(layer, keras.Model):
            yield from _chain(layer)
            before = layer
            continue
        inputs = layer.input
        if not isinstance(inputs, keras.KerasTensor):
            raise ValueError(f"{model.name}: {layer.name} takes in the outputs of several layers.")
        parent = inputs._keras_history.operation
        if before is not None and parent is not before:
            raise ValueError(
                f"{model.name}: {layer.name} takes in the output of {parent.name}, not of "
                f"{before.name} before it; a network of this library is a chain of layers."
            )
        yield layer
        before = layer


def _is_first_of_two(layer: keras.layers.Layer) -> bool:
    """Whether this is the pooling of the columns' length alone that `_poolings` puts in front."""
    return isinstance(layer, keras.layers.MaxPooling2D) and layer.pool_size[1] < layer.pool_size[0]


def _described(layer: keras.layers.Layer, padding) -> architecture.Layer:
    """One layer of the description for one of Keras, with the zero padding before it."""
    name = layer.name
    match layer:
        case keras.layers.Conv2D():
            near, overhang = _edges(layer, padding)
            return architecture.Convolution(
                name,
                filters=layer.filters,
                kernel=_square(layer, layer.kernel_size),
                stride=_square(layer, layer.strides),
                padding=near,
                groups=layer.groups,
                activation=_function(layer),
                rounding="ceil" if overhang else "floor",
                **_initial_values(layer),
            )
        case LocalResponseNormalization():
            return architecture.LocalResponseNorm(
                name,
                k=layer.bias,
                n=2 * layer.depth_radius + 1,
                alpha=layer.alpha,
                beta=layer.beta,
                groups=layer.groups,
            )
        case MapResponseNormalization():
            return architecture.MapResponseNorm(
                name, k=layer.bias, size=layer.size, alpha=layer.alpha, beta=layer.beta
            )
        case keras.layers.MaxPooling2D():
            return architecture.MaxPooling(
                name,
                kernel=max(layer.pool_size),
                stride=max(layer.strides),
                rounding="ceil" if layer.padding == "same" or _split(layer) else "floor",
            )
        case keras.layers.Activation():
            return architecture.Activation(name, _function(layer) or "linear")
        case keras.layers.Flatten():
            return architecture.Flatten(name)
        case keras.layers.GlobalAveragePooling2D():
            return architecture.GlobalPooling(name, "avg")
        case keras.layers.GlobalMaxPooling2D():
            return architecture.GlobalPooling(name, "max")
        case keras.layers.Dense():
            return architecture.Dense(
                name, units=layer.units, activation=_function(layer), **_initial_values(layer)
            )
        case keras.layers.Dropout():
            return architecture.Dropout(name, layer.rate)
    raise ValueError(
        f"{name} is a {type(layer).__name__}, which no layer of alexnet_lib.architecture describes."
    )


def _split(layer: keras.layers.MaxPooling2D) -> bool:
    """Whether rows and columns are pooled one after the other, since they round differently."""
    return layer.pool_size[0] < layer.pool_size[1]


def _square(layer: keras.layers.Layer, sides: tuple[int, int]) -> int:
    if sides[0] != sides[1]:
        raise ValueError(f"{layer.name} has windows or steps of {sides}; ours are square.")
    return sides[0]


def _edges(layer: keras.layers.Conv2D, padding) -> tuple[int, int]:
    """The zeros on each side, and by how much the last windows hang over the far edges."""
    if layer.padding == "same":
        kernel = _square(layer, layer.kernel_size)
        if padding or kernel % 2 == 0 or layer.strides != (1, 1):
            raise ValueError(
                f"{layer.name} pads with padding='same' in a way that depends on the size of the "
                "map; ours pad by a number of zeros."
            )
        return kernel // 2, 0
    (top, bottom), (left, right) = padding or ((0, 0), (0, 0))
    if top != left or bottom < top or right < left:
        raise ValueError(f"{layer.name} is padded by {padding}; ours by the same on both sides.")
    return top, max(bottom - top, right - left)


def _function(layer: keras.layers.Layer) -> str | None:
    name = keras.activations.serialize(layer.activation)
    if not isinstance(name, str):
        raise ValueError(f"{layer.name} has an activation of its own making: {name}.")
    return None if name == "linear" else name


def _initial_values(layer: keras.layers.Layer) -> dict:
    kernel, bias = layer.kernel_initializer, layer.bias_initializer
    match bias:
        case keras.initializers.Constant():
            constant = float(bias.value)
        case _:
            constant = float(isinstance(bias, keras.initializers.Ones))
    if isinstance(kernel, keras.initializers.RandomNormal):
        return {"stddev": kernel.stddev, "bias": constant}
    # PyTorch's default, and whatever else draws by the fan in.
    return {"stddev": None}


def load_model(path: str | Path) -> keras.Model:
    """Reads a model that this library saved. Nothing in the file is executed.

    Before anything is built, the file has to hold as many numbers as its network needs: what it
    claims in a few lines would otherwise be taken from memory.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a model of this library.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no model at {str(path)!r}. A training run writes best.keras and last.keras "
            "into its run_dir."
        )
    try:
        expect_honest(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except DishonestFileError as error:
        raise ValueError(f"{path} was not loaded: {error}") from None
    except Exception as error:
        # Keras raises whatever its zip, JSON and HDF5 readers raise.
        raise ValueError(
            f"{path} is not a whole .keras file, or holds layers that this library does not know: "
            f"{error}"
        ) from error
    names = preprocess_layer(model).class_names
    if len(names) != model.output_shape[-1]:
        raise ValueError(
            f"{path} tells {model.output_shape[-1]:,} classes apart and names {len(names):,}, so "
            "nobody knows what its answers mean."
        )
    return model


def keras_layers(
    layer: architecture.Layer, record: architecture.LayerTrace
) -> list[keras.layers.Layer]:
    """The Keras layers that one layer of the description stands for: itself, after its padding."""
    match layer:
        case architecture.Convolution():
            keeps_size = layer.stride == 1 and 2 * layer.padding == layer.kernel - 1
            convolution = {
                "name": layer.name,
                "filters": layer.filters,
                "kernel_size": layer.kernel,
                "strides": layer.stride,
                "padding": "same" if keeps_size else "valid",
                "activation": layer.activation,
                **_LAST,
                **_initializers(layer, layer.weights_per_filter(record.input_shape)),
            }
            edges = [(layer.padding, layer.padding + hanging) for hanging in record.overhang]
            padding = [keras.layers.ZeroPadding2D(edges, name=f"{layer.name}_pad", **_LAST)]
            return (padding if not keeps_size and edges != [(0, 0), (0, 0)] else []) + [
                GroupedConv2D(groups=layer.groups, **convolution)
                if layer.groups > 1
                else keras.layers.Conv2D(**convolution)
            ]
        case architecture.LocalResponseNorm():
            return [
                LocalResponseNormalization(
                    depth_radius=layer.n // 2,
                    bias=layer.k,
                    alpha=layer.alpha,
                    beta=layer.beta,
                    groups=layer.groups,
                    name=layer.name,
                )
            ]
        case architecture.MapResponseNorm():
            return [
                MapResponseNormalization(
                    size=layer.size,
                    bias=layer.k,
                    alpha=layer.alpha,
                    beta=layer.beta,
                    name=layer.name,
                )
            ]
        case architecture.MaxPooling():
            return _poolings(layer, record)
        case architecture.Activation():
            return [keras.layers.Activation(layer.function, name=layer.name)]
        case architecture.Flatten():
            return [keras.layers.Flatten(name=layer.name, **_LAST)]
        case architecture.GlobalPooling():
            pooling = {
                "avg": keras.layers.GlobalAveragePooling2D,
                "max": keras.layers.GlobalMaxPooling2D,
            }[layer.function]
            return [pooling(name=layer.name, **_LAST)]
        case architecture.Dense():
            # Probabilities in half precision would be coarse: the last layer keeps the precision
            # of the variables, which under a mixed policy is float32.
            last = layer.activation != "relu"
            return [
                keras.layers.Dense(
                    layer.units,
                    activation=layer.activation,
                    name=layer.name,
                    dtype=keras.config.dtype_policy().variable_dtype if last else None,
                    **_initializers(layer, record.input_shape[0]),
                )
            ]
        case architecture.Dropout():
            return [keras.layers.Dropout(layer.rate, name=layer.name)]
        case _:
            raise TypeError(f"{layer!r} is not a layer of alexnet_lib.architecture.")


# A keras.json of the reader's may say channels first; everything here counts on the last axis.
_LAST = {"data_format": "channels_last"}


def _poolings(
    layer: architecture.MaxPooling, record: architecture.LayerTrace
) -> list[keras.layers.Layer]:
    """Windows that hang over the far edge are Keras's "same" where that adds nothing in front.

    Where they hang over along one side only, each side is pooled by itself: a maximum over a
    square is the maximum over its rows of the maximum over each row.
    """
    paddings = []
    for size, positions, overhang in zip(
        record.input_shape[:2], record.output_shape[:2], record.overhang, strict=True
    ):
        if overhang and (positions != -(-size // layer.stride) or overhang > 1):
            raise ValueError(
                f"{layer.name}: Keras has no {layer.kernel}×{layer.kernel} pooling with stride "
                f"{layer.stride} whose windows hang over the edge of a map of {size} by "
                f"{overhang}; use rounding='floor' or another input size."
            )
        paddings.append("same" if overhang else "valid")
    kernel, stride = layer.kernel, layer.stride
    rows, columns = paddings
    if rows == columns:
        return [keras.layers.MaxPooling2D(kernel, stride, rows, name=layer.name, **_LAST)]
    return [
        keras.layers.MaxPooling2D(
            (kernel, 1), (stride, 1), rows, name=f"{layer.name}_rows", **_LAST
        ),
        keras.layers.MaxPooling2D((1, kernel), (1, stride), columns, name=layer.name, **_LAST),
    ]


def _initializers(layer: architecture.Convolution | architecture.Dense, fan_in: int) -> dict:
    """Initial values as the description gives them; see `architecture.Convolution`."""
    if layer.stddev is None:
        bound = fan_in**-0.5
        return {
            "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
            "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
        }
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=layer.stddev),
        "bias_initializer": keras.initializers.Constant(layer.bias),
    }
