"""What the benchmarks of training share: PyTorch's network, the work of a step, fair timing.

Nothing here needs TensorFlow.
"""

import statistics
import time

from alexnet_lib import architecture

try:
    import torch
except ImportError:
    torch = None


def interleaved(calls, rounds):
    """Seconds of each of `calls` (name → function), one list each: in every round each is called
    once, so that a machine that others use, too, is as busy for one as for the next.

    A first call of each, which compiles what there is to be compiled, is not counted.
    """
    for call in calls.values():
        call()
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def paired(slower, faster):
    """How many times as fast, round by round: the median, the least and the most."""
    ratios = sorted(a / b for a, b in zip(slower, faster, strict=True))
    return statistics.median(ratios), ratios[0], ratios[-1]


def operations_of_a_training_step():
    """For one image: forward, gradient of the inputs, gradient of the weights, each as many
    multiplications and additions; nobody needs the gradient of the picture."""
    records = architecture.trace()
    macs = sum(record.macs for record in records)
    return 2 * (3 * macs - records[0].macs)


def pytorch():
    """The network of the description as PyTorch's layers spell it, ending with logits."""
    modules = []
    for layer, record in zip(architecture.PAPER, architecture.trace(), strict=True):
        match layer:
            case architecture.Convolution():
                modules.append(
                    torch.nn.Conv2d(
                        record.input_shape[2],
                        layer.filters,
                        layer.kernel,
                        layer.stride,
                        layer.padding,
                        groups=layer.groups,
                    )
                )
            case architecture.LocalResponseNorm():
                # PyTorch divides alpha by n.
                modules.append(
                    torch.nn.LocalResponseNorm(layer.n, layer.n * layer.alpha, layer.beta, layer.k)
                )
            case architecture.MaxPooling():
                modules.append(torch.nn.MaxPool2d(layer.kernel, layer.stride))
            case architecture.Flatten():
                modules.append(torch.nn.Flatten())
            case architecture.Dense():
                modules.append(torch.nn.Linear(record.input_shape[0], layer.units))
            case architecture.Dropout():
                modules.append(torch.nn.Dropout(layer.rate))
        if getattr(layer, "activation", None) == "relu":
            modules.append(torch.nn.ReLU())
    return torch.nn.Sequential(*modules)
