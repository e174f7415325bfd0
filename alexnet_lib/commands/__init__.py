"""The commands of `alexnet`, one a module. None loads TensorFlow before it has to compute."""
