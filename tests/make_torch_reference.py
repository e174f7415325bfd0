"""Makes `tests/data/torchvision.json` and `tests/data/written_by_torch.pth`.

    pip install torch torchvision onnx
    python tests/make_torch_reference.py

With the path of a `.npz` file, all numbers for a picture of 224×224 go there, and nothing else is
made: a test does so where PyTorch is installed. It has a process of its own, because TensorFlow and
PyTorch in one process can end in a crash.

torchvision's AlexNet with narrow dense layers and the weights of `published.torchvision_state`
sees one picture; some of each layer's numbers are kept, and where they stand. The tests compare our
network with them where PyTorch is not installed. The `.pth` file is what `torch.save` makes of a
dictionary with the same names and a handful of numbers in each tensor.
"""

import json
import sys
from pathlib import Path

import numpy as np
import published
import torch
import torchvision

DATA = Path(__file__).parent / "data"
KEPT = 16

# Our layer → the place in torchvision's network after which the numbers are the same.
PLACES = {
    "conv1": ("features", 1), "pool1": ("features", 2), "conv2": ("features", 4),
    "pool2": ("features", 5), "conv3": ("features", 7), "conv4": ("features", 9),
    "conv5": ("features", 11), "pool5": ("features", 12), "fc6": ("classifier", 2),
    "fc7": ("classifier", 5), "fc8": ("classifier", 6),
}  # fmt: skip


def network():
    """torchvision's own module, with the dense layers of the tests' files."""
    model = torchvision.models.alexnet(weights=None)
    for place, shape in ((1, (9216, published.UNITS)), (4, (published.UNITS,) * 2)):
        model.classifier[place] = torch.nn.Linear(*shape)
    model.classifier[6] = torch.nn.Linear(published.UNITS, published.CLASSES)
    state = {name: torch.from_numpy(w) for name, w in published.torchvision_state().items()}
    model.load_state_dict(state)
    return model.eval()


def outputs(size):
    """Every layer's numbers for one picture, channels last; `fc8` after the softmax."""
    found = {}
    model = network()
    for name, (part, place) in PLACES.items():
        module = getattr(model, part)[place]
        module.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
    picture = published.torchvision_pictures(size).transpose(0, 3, 1, 2).copy()
    with torch.no_grad():
        model(torch.from_numpy(picture))
    found["fc8"] = torch.softmax(found["fc8"], 1)
    arrays = {name: value.numpy() for name, value in found.items()}
    return {n: a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for n, a in arrays.items()}


def main():
    if arguments := sys.argv[1:]:
        np.savez(arguments[0], **outputs(224))
        return
    reference = {"made with": f"torch {torch.__version__}, torchvision {torchvision.__version__}"}
    for size in (224, 227):
        layers = {}
        for name, array in outputs(size).items():
            places = np.linspace(0, array.size - 1, KEPT).astype(int)
            layers[name] = {
                "shape": list(array.shape),
                "root mean square": float(np.sqrt(np.mean(array.astype("float64") ** 2))),
                "places": places.tolist(),
                "numbers": [float(f"{value:.7g}") for value in array.ravel()[places]],
            }
        reference[str(size)] = layers
    DATA.mkdir(exist_ok=True)
    (DATA / "torchvision.json").write_text(json.dumps(reference, indent=1) + "\n", "utf-8")
    tiny = {
        name: torch.arange(2 ** len(shape), dtype=torch.float32).reshape((2,) * len(shape))
        for name, shape in published.torchvision_shapes().items()
    }
    torch.save(tiny, DATA / "written_by_torch.pth")


if __name__ == "__main__":
    main()
