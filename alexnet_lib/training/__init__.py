"""Training: `fit` a model by a recipe, go on after any interruption, `evaluate` it.

    recipe = Recipe.modern()
    model = recipe.build(train.class_names)
    run = fit(model, train, validation, recipe, run_dir="runs/first")
    print(evaluate(model, test, crops=10))

The same lines run again go on where the last run was cut off, and a finished run is not repeated.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
