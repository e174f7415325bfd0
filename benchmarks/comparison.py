"""What the benchmarks of training share: PyTorch's network, the work of a step, fair timing.

Nothing here needs TensorFlow.
"""

import statistics
import time
from functools import partial

from alexnet_lib import architecture

try:
    import torch
except ImportError:
    torch = None

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 0.0005


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


def pytorch_steps(precision: str, best: bool, images, labels, device: str = "cpu"):
    """PyTorch as it comes, or at its best: channels last, compiled, the optimizer one kernel.

    Args:
        precision: `"float32"`, or `"bfloat16"` by autocast.
        images: float32 `(batch, height, width, 3)`; they stay on the device, as the labels do.

    Returns:
        A training step, and a forward pass; each gives a tensor, the loss and the logits.
    """
    torch.manual_seed(0)
    model, x, y = pytorch().to(device), torch.from_numpy(images), torch.from_numpy(labels)
    x, y = x.to(device).permute(0, 3, 1, 2), y.long().to(device)
    if best:
        model, x = (one.to(memory_format=torch.channels_last) for one in (model, x))
    else:
        x = x.contiguous()
    optimizer = torch.optim.SGD(
        model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=best
    )
    loss = torch.nn.CrossEntropyLoss()
    network = torch.compile(model) if best else model
    autocast = partial(torch.autocast, device, torch.bfloat16, enabled=precision == "bfloat16")

    def train():
        model.train()
        optimizer.zero_grad()
        with autocast():
            value = loss(network(x), y)
        value.backward()
        optimizer.step()
        return value

    def forward():
        model.eval()
        with torch.inference_mode(), autocast():
            return network(x)

    return train, forward
