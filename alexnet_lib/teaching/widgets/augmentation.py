"""The paper's augmentation on a photograph: crops, mirror images, PCA lighting, ten crops."""

import numpy as np
import traitlets

from ...front_end import photographs
from . import stills
from .explorer import Explorer

SIZES = (224, 227)
"""The crop that the paper prints, and the one that its first layer needs."""
LARGEST_ALPHA = 0.3
"""Three standard deviations of the paper's α."""
PRINTED = 2048
"""By what factor the training set grows, as the paper states it (section 4.1)."""


def crops(size: int) -> int:
    """Different crops of a 256 picture with their mirror images: 2 · (256 - size + 1)²."""
    return 2 * (photographs.SIDE - size + 1) ** 2


class Augmentation(Explorer):
    """Drag a crop over a 256 picture, mirror it, shift its colours, see the ten crops of the test.

        Augmentation(photograph)

    Also counts the crops: what the paper prints, what 224 gives, what 227 gives.

    Args:
        photograph: `(rows, columns, 3)`, 0..255, or a file; its central square becomes 256 × 256.
        lighting: a `PCALighting` fitted to training images; fitted to the photograph if None.
        size: of the crop, 227 or 224.
        row, column: its first pixel, counted from 0; the crop in the middle if None.
        mirror: whether left and right are exchanged.
        alpha1, alpha2, alpha3: the factors of section 4.1, -0.3 to 0.3; there from N(0, 0.1).

    Raises:
        traitlets.TraitError: if a setting is out of its range.

    >>> Augmentation(numpy.zeros((256, 256, 3)), mirror=True)
    Augmentation(size=227, row=14, column=14, mirror=True, alpha=(0, 0, 0))
    """

    _module = "augmentation"

    size = traitlets.Enum(list(SIZES)).tag(sync=True)
    row = traitlets.Int(min=0, max=photographs.SIDE - min(SIZES)).tag(sync=True)
    column = traitlets.Int(min=0, max=photographs.SIDE - min(SIZES)).tag(sync=True)
    mirror = traitlets.Bool().tag(sync=True)
    alpha1 = traitlets.Float(min=-LARGEST_ALPHA, max=LARGEST_ALPHA).tag(sync=True, step=0.01)
    alpha2 = traitlets.Float(min=-LARGEST_ALPHA, max=LARGEST_ALPHA).tag(sync=True, step=0.01)
    alpha3 = traitlets.Float(min=-LARGEST_ALPHA, max=LARGEST_ALPHA).tag(sync=True, step=0.01)
    photograph = traitlets.Dict().tag(sync=True)
    lighting = traitlets.Dict().tag(sync=True)
    counts = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        photograph,
        lighting=None,
        *,
        size: int = 227,
        row: int | None = None,
        column: int | None = None,
        mirror: bool = False,
        alpha1: float = 0.0,
        alpha2: float = 0.0,
        alpha3: float = 0.0,
    ):
        if lighting is None:
            from ...augmentation import PCALighting

            lighting = PCALighting.fit([np.asarray(photographs.square(photograph))])
        middle = (photographs.SIDE - size) // 2
        super().__init__(
            size=size,
            row=middle if row is None else row,
            column=middle if column is None else column,
            mirror=mirror,
            alpha1=alpha1,
            alpha2=alpha2,
            alpha3=alpha3,
            photograph={"image": photographs.data_url(photograph), "side": photographs.SIDE},
            # Six digits: the last ones differ from machine to machine.
            lighting={
                "eigenvalues": [float(f"{value:.6g}") for value in lighting.eigenvalues],
                "eigenvectors": np.round(lighting.eigenvectors, 6).tolist(),
            },
            counts={"printed": PRINTED, "sizes": list(SIZES)},
        )

    def __repr__(self) -> str:
        alphas = ", ".join(f"{a:g}" for a in (self.alpha1, self.alpha2, self.alpha3))
        return (
            f"Augmentation(size={self.size}, row={self.row}, column={self.column}, "
            f"mirror={self.mirror}, alpha=({alphas}))"
        )

    def still(self) -> str:
        row, column = (min(at, photographs.SIDE - self.size) for at in (self.row, self.column))
        says = [
            f"A crop of {self.size} from row {row}, column {column} of {photographs.SIDE}.",
            f"224 gives {crops(224):,} crops with mirror images, 227 gives {crops(227):,};",
            f"the paper prints {PRINTED:,}.",
        ]
        frame = 'fill="none" stroke="#d55e00" stroke-width="3"'
        return stills.picture(
            f"A photograph and a crop. {' '.join(says)}",
            *(stills.WIDTH, 350),
            stills.image(self.photograph["image"], 10, 10, photographs.SIDE),
            stills.rectangle(10 + column, 10 + row, self.size, self.size, frame),
            *(stills.text(10, 290 + 22 * line, text) for line, text in enumerate(says)),
        )
