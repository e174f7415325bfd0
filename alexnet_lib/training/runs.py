"""What a run is, as its folder remembers it: `run.json`, and how two runs differ."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..files import write_text


class RunMismatchError(ValueError):
    """The run directory holds a run of another recipe, model or data, or something else."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    run_dir: Path
    history: list[dict]
    """One dictionary an epoch, as in `history.csv`: `epoch`, `loss` and `accuracy` on the training
    batches as they came (augmented, with dropout), `val_loss`, `val_accuracy`, `learning_rate`,
    `seconds`, `images_per_second`."""
    best_epoch: int
    """The epoch, from 1, with the lowest validation error."""
    stopped: str
    """Why the run ended."""

    @property
    def best(self) -> Path:
        """The model of the best epoch; read it with `load_model`."""
        return self.run_dir / "best.keras"

    @property
    def last(self) -> Path:
        """The model after the last epoch."""
        return self.run_dir / "last.keras"


def describe_model(model: keras.Model) -> dict:
    """Layer by layer what makes the model this model, as JSON gives it back."""
    layers = {}
    for layer in model.layers:
        config = layer.get_config() | {"trainable": layer.trainable}
        serialized = keras.saving.serialize_keras_object(config)
        layers[layer.name] = {"class": type(layer).__name__} | serialized
    return json.loads(json.dumps(layers))


def describe_data(data) -> dict | str | None:
    """What tells a data set from others, as JSON gives it back."""
    if data is None:
        return None
    if hasattr(data, "identity"):
        return json.loads(json.dumps(data.identity))
    if hasattr(data, "size"):
        known = {"examples": data.size, "seed": getattr(data, "seed", None)}
        if hasattr(data, "labels"):
            known["labels"] = _digest(data.labels)
        return known
    if isinstance(data, tuple | list):
        return {"arrays": [_digest(array) for array in data]}
    return type(data).__name__


_PICTURES = "pictures.json"


def keep_listing(run_dir: Path, train, validation) -> None:
    """Writes into a run's folder, once, which picture files it began with in which part."""
    parts, path = _listings(train, validation), run_dir / _PICTURES
    if parts and not path.exists():
        run_dir.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(parts))


def as_begun(run_dir: str | Path, train, validation) -> tuple:
    """The two parts of a data set as a run began with them, less the pictures that are gone.

    Where a file vanishes or breaks, others would be held out than before, and the run would be
    tested with pictures that it has learned from.

    Args:
        run_dir: the folder of a run, which need not be there.
        train, validation: as for `fit`.

    Returns:
        The training set, the validation set, and the paths of the pictures that are gone. The sets
        are those given where nothing is missing, or something else is different, too.
    """
    parts, path = _listings(train, validation), Path(run_dir) / _PICTURES
    if not parts or not path.is_file():
        return train, validation, ()
    begun = read_description(path)
    now, before = ({**both["training"], **both["validation"]} for both in (parts, begun))
    gone = tuple(name for name in before if name not in now)
    if not gone or any(before.get(name) != row for name, row in now.items()):
        return train, validation, ()
    rest = {part: [name for name in begun[part] if name in now] for part in begun}
    if rest != {part: list(parts[part]) for part in parts}:
        shown = ", ".join(gone[:3]) + (f" and {len(gone) - 3:,} more" if len(gone) > 3 else "")
        warnings.warn(
            f"The run in {run_dir} began with {len(before):,} pictures, of which {len(gone):,} can "
            f"no longer be read: {shown}. It goes on with the rest, divided as before.",
            stacklevel=2,
        )
        train, validation = (
            train.taken(validation or train, rest["training"]),
            validation and validation.taken(train, rest["validation"]),
        )
    return train, validation, gone


def _listings(train, validation) -> dict | None:
    """The picture files of both parts; None where they are none."""
    parts = {}
    for name, data in (("training", train), ("validation", validation)):
        listing = {} if data is None else getattr(data, "listing", lambda: None)()
        if listing is None:
            return None
        parts[name] = listing
    return parts


def describe_weights(class_weights: Mapping[int, float] | None, data) -> dict | str:
    """Class weights as JSON gives them back; balanced ones by that name.

    They follow from the examples, so that a run whose pictures become fewer has others.
    """
    weights = {str(label): weight for label, weight in (class_weights or {}).items()}
    labels = getattr(data, "labels", None)
    if labels is None or not weights:
        return weights
    counts = np.bincount(labels, minlength=len(data.class_names))
    balanced = len(labels) / (len(counts) * np.maximum(counts, 1))
    given = [weights.get(str(label), 1.0) for label in range(len(counts))]
    return "balanced" if counts.all() and np.allclose(given, balanced) else weights


def _digest(array) -> str:
    array = np.ascontiguousarray(array)
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()[:16]


def read_description(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunMismatchError(
            f"{path} is damaged ({error}); start again in another run_dir."
        ) from None


def expect_same(there: dict, here: dict, run_dir: Path) -> None:
    precisions = there.get("precision"), here["precision"]
    # Every layer would be listed. Where the recipes differ, the precision may follow from that.
    if there.get("recipe") == here["recipe"] and precisions[0] not in (None, precisions[1]):
        raise RunMismatchError(
            f"The run in {run_dir} computes in {precisions[0]}, and this one would go on in "
            f"{precisions[1]}. Go on with precision={precisions[0]!r} in the recipe, or on a "
            "machine like the first one ('auto' takes what a machine computes fastest); or give "
            "another run_dir."
        )
    differences = _differences(there, json.loads(json.dumps(here)))
    if differences:
        shown = "; ".join(differences[:5])
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise RunMismatchError(
            f"{run_dir} holds another run. There, then here: {shown}{more}. "
            "Give another run_dir, or make the command the same as before."
        )


def _differences(there, here, name: str = "") -> list[str]:
    """Each difference as `name: there → here`."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*here, *(key for key in there if key not in here)]
        return [
            difference
            for key in keys
            for difference in _differences(
                there.get(key, "absent"), here.get(key, "absent"), f"{name} {key}".strip()
            )
        ]
    if there == here:
        return []
    return [f"{name}: {_short(there)} → {_short(here)}"]


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
