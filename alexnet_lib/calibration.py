"""How sure a network is, and how often it is then right.

A network that says 61 % is *calibrated* if it is right 61 times in 100. Most networks are not
(Guo et al. 2017), so it is measured on labelled pictures, and kept in a small file beside the
weights: `pretrained.calibration` opens it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from . import files

BINS = 10
FEWEST = 30
"""Pictures in a bin, for its share of right answers to say something."""


@dataclass(frozen=True)
class Bin:
    """The pictures on which the probability of the likeliest class lay in one part of 0..1."""

    pictures: int
    probability: float
    """The mean, of the likeliest class; 0 where there are no pictures."""
    right: float
    """The share of them of which the likeliest class was the true one; likewise."""


@dataclass(frozen=True)
class Calibration:
    """How often the likeliest class was right, by its probability."""

    bins: tuple[Bin, ...]
    """Of equal width, from 0 to 1."""
    data: str
    """On which pictures it was measured; of pictures of another kind it says little."""
    weights: str
    """SHA-256 of the file of weights that it was measured with."""

    @property
    def expected_error(self) -> float:
        """The expected calibration error: by how much a bin's mean probability and its share of
        right answers differ, averaged over the pictures."""
        gaps = [abs(part.probability - part.right) for part in self.bins]
        return float(np.average(gaps, weights=[part.pictures for part in self.bins]))

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """The mean probability and the share of right answers of each bin, by the probability.

        Bins of fewer than `FEWEST` pictures are passed over.
        """
        return tuple((p.probability, p.right) for p in self.bins if p.pictures >= FEWEST)

    def right_at(self, probability: float) -> float | None:
        """How often the network is right where it gives its likeliest class this probability.

        Between the points of `curve` it is interpolated; beyond the first and the last one it is
        theirs.

        Args:
            probability: of the likeliest class, 0..1. For any other class it says nothing.

        Returns:
            A share, 0..1; None if no bin has enough pictures.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"The probability is {probability}; it must be between 0 and 1.")
        if not self.curve:
            return None
        probabilities, shares = np.array(self.curve).T
        return float(np.interp(probability, probabilities, shares))


def measure(
    probabilities: np.ndarray, labels: np.ndarray, data: str, weights: str, bins: int = BINS
) -> Calibration:
    """Compares how sure a network was with how often it was right.

    Args:
        probabilities: `(pictures, classes)`, as the network gives them.
        labels: the true classes, integers `(pictures,)`.
        data, weights: as in `Calibration`.
        bins: equal parts of 0..1. A bin includes its upper end.

    Raises:
        ValueError: if the shapes do not fit, there are no pictures, or what is given are no
            probabilities.
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise ValueError(
            f"The probabilities have the shape {probabilities.shape} and the labels "
            f"{labels.shape}; they must be (pictures, classes) and (pictures,), of one picture at "
            "least."
        )
    if not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-3):
        raise ValueError(
            f"The probabilities go from {probabilities.min():g} to {probabilities.max():g}; they "
            "must be between 0 and 1, after the softmax."
        )
    surest = np.minimum(probabilities.max(1), 1)
    right = probabilities.argmax(1) == labels
    places = np.clip(np.ceil(surest * bins).astype(int) - 1, 0, bins - 1)
    parts = []
    for number in range(bins):
        inside = places == number
        count = int(inside.sum())
        parts.append(
            Bin(
                count,
                round(float(surest[inside].mean()), 4) if count else 0.0,
                round(float(right[inside].mean()), 4) if count else 0.0,
            )
        )
    return Calibration(tuple(parts), data, weights)


def path_beside(weights: Path) -> Path:
    """Where the calibration of a file of weights is kept: `pocket.calibration.json` beside it."""
    return weights.with_suffix(".calibration.json")


def write(calibration: Calibration, weights: Path) -> Path:
    """Writes it beside the file of weights that it belongs to, and returns where."""
    path = path_beside(weights)
    files.write_text(path, json.dumps(asdict(calibration), indent=1) + "\n")
    return path


def read(weights: Path) -> Calibration | None:
    """The calibration beside a file of weights; None if there is none.

    Raises:
        ValueError: if the file is damaged, or was measured with other weights.
    """
    path = path_beside(weights)
    try:
        values = json.loads(path.read_text("utf-8"))
        bins = tuple(
            Bin(int(part["pictures"]), float(part["probability"]), float(part["right"]))
            for part in values["bins"]
        )
        if not sum(part.pictures for part in bins):
            raise ValueError("it counts no pictures")
        calibration = Calibration(bins, str(values["data"]), str(values["weights"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} holds no calibration ({type(error).__name__}: {error}). Remove it, or measure "
            "it again with results/weights_report.py."
        ) from error
    if calibration.weights != files.sha256(weights):
        raise ValueError(
            f"{path} was measured with other weights than {weights.name}. Remove it, or measure it "
            "again with results/weights_report.py."
        )
    return calibration
