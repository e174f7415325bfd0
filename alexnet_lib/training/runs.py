"""What a run is, as its folder remembers it: `run.json`, and how two runs differ."""

import json
from dataclasses import dataclass
from pathlib import Path

import keras


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


def read_description(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunMismatchError(
            f"{path} is damaged ({error}); start again in another run_dir."
        ) from None


def expect_same(there: dict, here: dict, run_dir: Path) -> None:
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
