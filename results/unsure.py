"""When the network should say "none of these": measured, and written beside its weights.

    python results/unsure.py --known FOLDER ... --unknown FOLDER ... --leave-out NAME ...

A network chooses among the classes that it has learned, whatever it is shown. How sure it is says
something about whether the picture is of one of them. Three numbers are read from its
probabilities: the logarithms of the two largest, and the entropy. Logistic regression weighs them
on one half of the pictures, so that known and unknown ones are told apart; on the other half it is
measured. No weight may have the wrong sign: whatever the pictures, an answer is not surer for a
smaller largest probability, a larger second one or a larger entropy. An answer is unsure if its sum
is below the threshold that `ALLOWED` of the known pictures fall below, each class counting alike.

What the network knows is asked of its weights, so that other weights need nothing but another run:
the held-out pictures of `--known` whose classes it has, and all held-out pictures of `--unknown`
but those whose classes it has, or that are the same by another name (`--leave-out`). Beside
the shipped weights, `--unknown` were Caltech-101 and photographs of clothes. The page "AlexNet
live" reads what is written, where it tells the two apart, and so may every other page that runs the
network.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from alexnet_lib import AlexNet, data, files, inspection, pretrained
from alexnet_lib.preprocessing import with_preprocessing

ALLOWED = 0.05
"""Of the known pictures may be called unsure."""
LEAST = 1e-7
"""Smallest probability that is told from 0; float32 ends there."""
FEATURES = ("likeliest", "second", "entropy")
SIGNS = (1, -1, -1)
"""Of their weights."""


def features(probabilities):
    """`(pictures, 3)`: the logarithms of the two largest probabilities, and the entropy in nats."""
    sure = np.clip(np.asarray(probabilities, "float64"), LEAST, 1)
    largest = np.sort(sure, axis=1)[:, :-3:-1]
    return np.column_stack([np.log(largest), -(sure * np.log(sure)).sum(1)])


def answers(model, source, names, left_out, limit):
    """Probabilities of the held-out pictures of a source, and the names of their classes.

    Only classes that are among `names`, if `left_out` is None; otherwise none of these, and none
    of `left_out`.
    """
    side = model.input_shape[1]
    dataset = data.load(source, "test", image_size=side, batch_size=50, limit_per_class=limit)
    wanted = {
        name
        for name in dataset.class_names
        if (name in names if left_out is None else name not in {*names, *left_out})
    }
    if not wanted:
        what = "none of the network's classes" if left_out is None else "no other classes"
        raise SystemExit(f"{source} has {what}; it has {', '.join(dataset.class_names)}.")
    forward = inspection.models.compiled(model)
    found = np.concatenate([forward(images).numpy() for images, _ in dataset.epoch()])
    labels = np.array(dataset.class_names)[dataset.labels]
    chosen = np.isin(labels, list(wanted))
    return found[chosen], labels[chosen]


def alike(labels):
    """A weight for each picture with which every class counts alike; they add up to 1."""
    _, place, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return 1 / sizes[place] / len(sizes)


def quantile(values, weights, share):
    """The value that `share` of the weights lie below."""
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), share)])


def weighed(inputs, is_known, weights):
    """The weights of logistic regression, `(3,)`, none with the wrong sign."""
    target = np.where(is_known == 1, 1.0, -1.0)

    def loss(parameters):
        margins = target * (inputs @ parameters[:-1] + parameters[-1])
        return float((weights * np.logaddexp(0, -margins)).sum())

    bounds = [(0, None) if sign > 0 else (None, 0) for sign in SIGNS]
    return minimize(loss, np.array([*SIGNS, 0.0]), bounds=[*bounds, (None, None)]).x[:-1]


def measure(known, unknown):
    """How the answers are judged, from `(probabilities, labels)` of pictures of both kinds."""
    inputs = np.concatenate([features(known[0]), features(unknown[0])])
    is_known = np.repeat([1, 0], [len(known[1]), len(unknown[1])])
    weights = np.concatenate([alike(known[1]), alike(unknown[1])])
    half = np.arange(len(inputs)) % 2 == 0
    coefficients = weighed(inputs[half], is_known[half], weights[half]).round(4)
    sums = inputs @ coefficients
    known_half = half & (is_known == 1)
    threshold = round(quantile(sums[known_half], weights[known_half] * 2, ALLOWED), 4)

    def rate(kind):
        chosen = ~half & (is_known == kind)
        return {
            "pictures": int((is_known == kind).sum()),
            "classes": len(np.unique((known, unknown)[1 - kind][1])),
            "unsure": round(
                float(np.average(sums[chosen] < threshold, weights=weights[chosen])), 3
            ),
        }

    def area(scores):
        return round(
            float(roc_auc_score(is_known[~half], scores[~half], sample_weight=weights[~half])), 3
        )

    probability = np.exp(inputs[:, :2])
    return {
        "least": LEAST,
        "coefficients": dict(zip(FEATURES, coefficients.tolist(), strict=True)),
        "threshold": threshold,
        "known": rate(1),
        "unknown": rate(0),
        "area_under_roc": {
            "sum": area(sums),
            "likeliest": area(probability[:, 0]),
            "likeliest less second": area(probability[:, 0] - probability[:, 1]),
            "entropy": area(-inputs[:, 2]),
        },
    }


def main(arguments):
    keras.config.set_dtype_policy("float32")
    names = pretrained.class_names(arguments.weights)
    model = with_preprocessing(AlexNet(arguments.weights), names)

    def collected(sources, left_out):
        parts = [
            answers(model, source, names, left_out, arguments.limit_per_class) for source in sources
        ]
        probabilities, labels = zip(*parts, strict=True)
        # Classes of two sources may have one name.
        sizes = [len(part) for part in labels]
        origin = np.repeat(np.arange(len(sizes)), sizes).astype(str)
        return np.concatenate(probabilities), np.char.add(origin, np.concatenate(labels))

    result = {
        "weights": files.sha256(arguments.weights),
        **measure(
            collected(arguments.known, None), collected(arguments.unknown, arguments.leave_out)
        ),
        "left_out": sorted(arguments.leave_out),
    }
    out = arguments.out or arguments.weights.with_suffix(".unsure.json")
    files.write_text(out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--known", nargs="+", required=True, help="folders, archives or names")
    parser.add_argument("--unknown", nargs="+", required=True, help="folders, archives or names")
    parser.add_argument("--leave-out", nargs="*", default=[], help="classes of --unknown")
    parser.add_argument("--weights", type=Path, default=pretrained.POCKET)
    parser.add_argument("--limit-per-class", type=int, default=50)
    parser.add_argument("--out", type=Path, help="if it is not to stand beside the weights")
    main(parser.parse_args())
