"""Run by Colab's Python (`tests/colab_chapters.py`): the explorers' Python half, one after another.

Each is made, changed as its front end changes it, refused what is out of range, and shown. That
needs ipywidgets, anywidget and traitlets, which are older on Colab than here.
"""

import json

import google.colab.output  # as in every process of Colab's; anywidget looks for it  # noqa: F401
import ipywidgets
import numpy as np
import skimage.data
import traitlets

from alexnet_lib import AlexNet
from alexnet_lib.data.pictures import square_of_array
from alexnet_lib.teaching import widgets

VIEW = "application/vnd.jupyter.widget-view+json"
PICTURE = skimage.data.chelsea()[:, 75:375]
RUN = [{"epoch": epoch, "loss": 1 / epoch, "val_accuracy": 1 - 1 / epoch} for epoch in range(1, 9)]


def some_maps():
    return np.maximum(np.random.default_rng(7).normal(0, 80, (55, 55, 96)), 0)


def samples():
    """One explorer of each class, as a chapter makes it."""
    model, cat = AlexNet(weights="pocket"), {"cat": square_of_array(PICTURE, 227)}
    names = [f"class {number}" for number in range(model.output_shape[-1])]
    yield widgets.Activations()
    yield widgets.Augmentation(PICTURE)
    yield widgets.Dropout()
    yield widgets.FeatureMaps(model, cat)
    yield widgets.Flow(model, cat, names)
    yield widgets.NetworkMap(PICTURE, layer="conv2")
    yield widgets.Occlusion(model, cat, names, stride=48)
    yield widgets.OneNumber(model, cat, names, until="conv1")
    yield widgets.Pooling(PICTURE, right=1)
    yield widgets.ResponseNormalization(some_maps(), PICTURE)
    yield widgets.ShapeCalculator()
    yield widgets.TrainingRuns({"a run": RUN})


def check(widget):
    """Raise an AssertionError where an explorer does not do what a notebook needs of it."""
    heard = []
    widget.observe(lambda change: heard.append(change["name"]), list(widget.limits))
    for name, (low, high, _) in widget.limits.items():
        new = high if getattr(widget, name) == low else low
        widget.set_state({name: new})  # as a message of the front end does
        assert getattr(widget, name) == new, f"{name} did not arrive"
        try:
            setattr(widget, name, high + 1)
        except traitlets.TraitError:
            continue
        raise AssertionError(f"{name} took {high + 1}; the limit is {high}")
    assert set(heard) >= set(widget.limits), f"unheard: {set(widget.limits) - set(heard)}"

    shown = widget._repr_mimebundle_()
    data, metadata = shown
    assert "colab" in metadata[VIEW], "Colab is not told what shows the widget"
    assert data[VIEW]["model_id"] == widget.model_id
    assert data["text/plain"] == repr(widget)
    assert "<svg" in data["text/html"]
    state = widget.get_state()
    assert "export default" in state["_esm"]
    json.dumps({name: state[name] for name in widget.page_state()})


def main():
    seen = set()
    for widget in samples():
        check(widget)
        seen.add(type(widget).__name__)
        print(f"{type(widget).__name__:<24}works with ipywidgets {ipywidgets.__version__}")
    assert seen == set(widgets.__all__), f"not tried: {set(widgets.__all__) - seen}"


if __name__ == "__main__":
    main()
