"""The update rule of the paper, as an optimizer of Keras."""

import math

import keras

from ..compilation import compiled

WORTH_COMPILING = 2**20
"""From so many weights on, compiling their update takes less time than it saves in some dozen
steps; below, the variables of a network are many, and small."""


@keras.saving.register_keras_serializable("alexnet_lib")
class PaperSGD(keras.optimizers.SGD):
    """The update rule of section 5 of the paper:

    v ← momentum · v - weight_decay · ε · w - ε · ∂L/∂w, then w ← w + v, ε the learning rate.

    Keras's own `weight_decay` is another rule: it shrinks `w` beside the momentum. The rule here is
    an L2 penalty of `weight_decay / 2 · Σ w²` in the loss, without reporting it as loss.

    Only kernels decay, no biases: the paper writes w; the source released with it gives each
    layer's weights a `wc=0.0005` and its biases none (layers/layer-params-145-2010.cfg).

    Args:
        learning_rate: ε.
        momentum: 0 to 1.
        weight_decay: at least 0.
        layer_rates: factors by which the learning rate of single layers differs, by layer name;
            `{"fc8": 10}` is the habit of those years for a new last layer on a trained trunk.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.0005,
        layer_rates=None,
        name="paper_sgd",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, momentum=momentum, name=name, **kwargs)
        self.kernel_decay = weight_decay
        self.layer_rates = dict(layer_rates or {})

    def build(self, variables):
        # A path ends with the names of the layer and of the variable: "conv1/kernel".
        layers = [variable.path.split("/")[-2] for variable in variables]
        unknown = sorted(set(self.layer_rates) - set(layers))
        if unknown:
            raise ValueError(
                f"layer_rates names {', '.join(unknown)}; the layers that learn are "
                f"{', '.join(dict.fromkeys(layers))}."
            )
        self._rates = [self.layer_rates.get(layer, 1.0) for layer in layers]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        index, plain_update = self._get_variable_index(variable), super().update_step

        def update(gradient):
            if len(variable.shape) > 1:
                gradient = gradient + self.kernel_decay * variable
            plain_update(gradient, variable, learning_rate * self._rates[index])

        # The rule passes over the weights nine times, unless it is one loop.
        (compiled(update) if math.prod(variable.shape) >= WORTH_COMPILING else update)(gradient)

    def get_config(self):
        return super().get_config() | {
            "weight_decay": self.kernel_decay,
            "layer_rates": self.layer_rates,
        }
