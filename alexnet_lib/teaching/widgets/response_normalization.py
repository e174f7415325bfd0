"""Local response normalization: the channels of one pixel, before and after."""

from math import floor, log10

import numpy as np
import traitlets

from ... import architecture
from ...front_end import photographs
from ...front_end.receptive_fields import field_of
from . import stills
from .explorer import Explorer

PLACES_A_SIDE = 5
BEFORE, AFTER = 'fill="#56b4e9" fill-opacity="0.6"', 'fill="#0072b2"'


def normalize(activities, n: int, k: float, alpha: float, beta: float, groups: int = 1):
    """b[c] = a[c] / (k + α Σ a[j]²)^β over the last axis, the sum over n channels around c.

    The formula of section 3.3 in NumPy, as the front end computes it; `LocalResponseNormalization`
    is the layer.

    Args:
        activities: `(..., channels)`.
        n: odd; the windows are cut off at the first and the last channel of a group.
        groups: equal runs of channels that no window crosses.
    """
    activities = np.asarray(activities, "float64")
    channels = activities.shape[-1]
    squares = (activities**2).reshape(*activities.shape[:-1], groups, channels // groups)
    edge = [(0, 0)] * (squares.ndim - 1) + [(n // 2, n // 2)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(squares, edge), n, axis=-1)
    return activities / (k + alpha * windows.sum(-1).reshape(activities.shape)) ** beta


def presets() -> dict[str, dict]:
    """The constants of each variant that normalizes."""
    return {
        variant: {
            "label": network.label,
            **{name: getattr(norm, name) for name in ("n", "k", "alpha", "beta", "groups")},
        }
        for variant, network in architecture.VARIANTS.items()
        for norm in network.layers
        if norm.name == "norm1"
    }


class ResponseNormalization(Explorer):
    """What LRN makes of the channels at one position of a photograph, and who suppresses whom.

        ResponseNormalization(maps[0], photograph)

    Choose a position on the photograph and a channel, and change n, k, α, β.

    Args:
        activities: what `layer` puts out, before its normalization: `(channels,)` for one position,
            or `(rows, columns, channels)`, of which 5 × 5 positions are kept, evenly spread.
            Rounded to three digits of the largest.
        photograph: `(rows, columns, 3)`, 0..255, or a file: what the maps were computed from.
        layer: `"conv1"` or `"conv2"`.
        variant: whose constants to start from, as in `architecture.describe`.
        n, k, alpha, beta, groups: the constants; those of the variant if None. n is odd, 1 to 15.
        place: which of these positions, by rows; the one in the middle if None.
        channel: counted from 0; the strongest at the position if None.

    Raises:
        ValueError: if the variant or the shape does not fit, or an activation is not finite.
        traitlets.TraitError: if a constant is out of its range.

    >>> ResponseNormalization([3.0, 40.0, 5.0, 0.0])
    ResponseNormalization(n=5, k=2, alpha=0.0001, beta=0.75, groups=1, channel=1)
    """

    _module = "response_normalization"

    _measured = ("activities",)

    n = traitlets.Int(min=1, max=15).tag(sync=True, step=2)
    k = traitlets.Float(min=0.1, max=10).tag(sync=True, step=0.1)
    alpha = traitlets.Float(min=1e-6, max=1).tag(sync=True)
    beta = traitlets.Float(min=0, max=2).tag(sync=True, step=0.05)
    groups = traitlets.Enum([1, 2]).tag(sync=True)
    place = traitlets.Int(min=0).tag(sync=True)
    channel = traitlets.Int(min=0).tag(sync=True)
    activities = traitlets.List().tag(sync=True)
    fields = traitlets.List().tag(sync=True)
    """For each position, its receptive field on the photograph: left, top, side, from 0 to 1."""
    photograph = traitlets.Dict().tag(sync=True)
    presets = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        activities,
        photograph=None,
        *,
        layer: str = "conv1",
        variant: str = "paper",
        n: int | None = None,
        k: float | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        groups: int | None = None,
        place: int | None = None,
        channel: int | None = None,
    ):
        architecture.describe(variant)  # explains an unknown variant
        known = presets()
        if variant not in known:
            raise ValueError(
                f"{variant!r} has no normalization; these variants have one: {', '.join(known)}."
            )
        given = {"n": n, "k": k, "alpha": alpha, "beta": beta, "groups": groups}
        constants = {
            name: known[variant][name] if value is None else value for name, value in given.items()
        }
        if constants["n"] % 2 == 0:
            raise ValueError(f"n is {n}; a window around a channel has an odd number of channels.")
        places, fields = _places(np.asarray(activities, "float64"), layer, variant)
        place = len(places) // 2 if place is None else place
        if place not in range(len(places)):
            raise ValueError(
                f"place is {place}; there are {len(places)} positions, counted from 0."
            )
        channel = int(np.argmax(places[place])) if channel is None else channel
        address = {} if photograph is None else {"image": photographs.data_url(photograph)}
        super().__init__(
            activities=places,
            fields=fields,
            photograph=address,
            presets=known,
            place=place,
            channel=channel,
            **constants,
        )

    def __repr__(self) -> str:
        return (
            f"ResponseNormalization(n={self.n}, k={self.k:g}, alpha={self.alpha:g}, "
            f"beta={self.beta:g}, groups={self.groups}, channel={self.channel})"
        )

    def still(self) -> str:
        before = np.array(self.activities[min(self.place, len(self.activities) - 1)])
        constants = {name: getattr(self, name) for name in ("n", "k", "alpha", "beta", "groups")}
        after = normalize(before, **constants)
        top, tall, wide = 40, 160, stills.WIDTH - 20
        scale, bar = tall / max(np.abs(before).max(), 1e-9), wide / len(before)
        bars = [
            stills.rectangle(
                10 + c * bar, top + tall - max(a, 0) * scale, bar * 0.8, abs(a) * scale, style
            )
            for values, style in ((before, BEFORE), (after, AFTER))
            for c, a in enumerate(values)
            if a
        ]
        channel = min(self.channel, len(before) - 1)
        says = f"Channel {channel}: {before[channel]:.3g} before, {after[channel]:.3g} after."
        how = f"n = {self.n}, k = {self.k:g}, α = {self.alpha:g}, β = {self.beta:g}"
        return stills.picture(
            f"Local response normalization of {len(before)} channels at one position, {how}. "
            f"{says}",
            *(stills.WIDTH, top + tall + 50),
            stills.text(10, 24, "Activations before (light) and after (dark)", size=16),
            *bars,
            stills.text(10, top + tall + 20, f"channels 0 to {len(before) - 1}; {how}"),
            stills.text(10, top + tall + 40, says),
        )


def _places(activities: np.ndarray, layer: str, variant: str) -> tuple[list, list]:
    """The activities that are kept, and the square of the photograph behind each of them."""
    if activities.ndim not in (1, 3) or not activities.size:
        raise ValueError(
            "activities are (channels,) of one position or (rows, columns, channels) of one "
            f"picture; these have the shape {activities.shape}."
        )
    if not np.isfinite(activities).all():
        raise ValueError("An activation is not finite, so it cannot be normalized.")
    decimals = 2 - floor(log10(np.abs(activities).max() or 1))
    if activities.ndim == 1:
        return [_rounded(activities, decimals)], []
    size = architecture.variant_named(variant).input_size
    record = {r.name: r for r in architecture.trace(size, variant)}
    if layer not in ("conv1", "conv2") or activities.shape[:2] != record[layer].output_shape[:2]:
        raise ValueError(
            f"{activities.shape[:2]} positions are not those of {layer!r} in {variant!r}; conv1 "
            f"has {record['conv1'].output_shape[:2]}, conv2 {record['conv2'].output_shape[:2]}."
        )
    field = field_of(record[layer])
    rows, columns = (
        [(2 * i + 1) * side // (2 * PLACES_A_SIDE) for i in range(PLACES_A_SIDE)]
        for side in activities.shape[:2]
    )
    squares = [
        [round((field.start + field.jump * at) / size, 4) for at in (column, row)]
        + [round(field.size / size, 4)]
        for row in rows
        for column in columns
    ]
    kept = [_rounded(activities[row, column], decimals) for row in rows for column in columns]
    return kept, squares


def _rounded(values: np.ndarray, decimals: int) -> list:
    """Numbers that are the same on machines that compute the last digits differently."""
    rounded = np.round(values, decimals) + 0.0  # no minus zero
    return (rounded.astype(int) if decimals <= 0 else rounded).tolist()
