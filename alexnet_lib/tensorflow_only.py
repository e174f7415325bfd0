"""Imported by what runs on TensorFlow alone, and says so where Keras runs on something else."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "Training, transfer, predictions of files and looking inside run on TensorFlow, and Keras "
        f"is set to {keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow before Python "
        "starts. The network itself, its layers and its weights (AlexNet, model, pretrained) run "
        "on every backend."
    )
