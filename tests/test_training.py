"""The recipe, the training loop and the evaluation, against NumPy and plain TensorFlow."""

import csv
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_lib import AlexNet, load_model, preprocess_input, training
from alexnet_lib.preprocessing import preprocess_layer, with_preprocessing
from alexnet_lib.training import Recipe, devices, steps

NAMES = ("cat", "dog", "花", "owl", "fox", "emu")


# --- the update rule -----------------------------------------------------------------------------


def test_the_update_is_the_papers_over_many_steps():
    random = np.random.default_rng(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="fc8")])
    variables = network.trainable_variables
    values = [random.normal(size=v.shape) for v in variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    optimizer = Recipe.paper().optimizer()
    velocities = [np.zeros(v.shape) for v in variables]
    for step in range(8):
        rate = 0.01 if step < 5 else 0.001
        optimizer.learning_rate = rate
        gradients = [random.normal(size=v.shape) for v in variables]
        optimizer.apply([tf.constant(g, tf.float32) for g in gradients], variables)
        for i, gradient in enumerate(gradients):
            # Section 5; the second variable is the bias, which the released source does not decay.
            decay = 0.0005 * rate * values[i] if i == 0 else 0
            velocities[i] = 0.9 * velocities[i] - decay - rate * gradient
            values[i] = values[i] + velocities[i]
    for variable, value in zip(variables, values, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5, atol=1e-7)


def test_single_layers_can_learn_at_another_rate():
    network = tiny.network(0.0, 6)
    before = {v.path: v.numpy() for v in network.trainable_variables}
    optimizer = tiny.recipe(weight_decay=0.0, layer_rates={"fc8": 10.0, "conv1": 0.0}).optimizer()
    variables = network.trainable_variables
    optimizer.apply([tf.ones(v.shape) for v in variables], variables)
    for variable in variables:
        factor = {"conv1": 0.0, "fc6": 1.0, "fc8": 10.0}[variable.path.split("/")[0]]
        np.testing.assert_allclose(
            before[variable.path] - variable.numpy(), 0.05 * factor, rtol=1e-4, atol=1e-7
        )
    with pytest.raises(ValueError, match=r"names fc9; the layers that learn are conv1, fc6, fc8"):
        tiny.recipe(layer_rates={"fc9": 1.0}).optimizer().build(variables)


def test_large_kernels_are_updated_in_one_compiled_loop_to_the_same_values():
    random = np.random.default_rng(0)
    network = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(1024, name="fc6")])
    variables = network.trainable_variables
    values = [random.normal(size=v.shape) for v in variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    gradients = [random.normal(size=v.shape) for v in variables]
    optimizer = Recipe.paper(layer_rates={"fc6": 2.0}).optimizer()
    optimizer.build(variables)
    apply = tf.function(lambda *gradients: optimizer.apply(gradients, variables))
    tensors = [tf.constant(gradient, tf.float32) for gradient in gradients]
    library = apply.get_concrete_function(*tensors).graph.as_graph_def().library
    assert sum(function.attr["_XlaMustCompile"].b for function in library.function) == 1
    velocities = [np.zeros(v.shape) for v in variables]
    for _ in range(3):
        apply(*tensors)
        for i, gradient in enumerate(gradients):
            decay = 0.0005 * values[i] if i == 0 else 0
            velocities[i] = 0.9 * velocities[i] - 0.02 * (gradient + decay)
            values[i] = values[i] + velocities[i]
    for variable, value in zip(variables, values, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5, atol=1e-6)


def test_the_optimizer_survives_serialization():
    optimizer = training.PaperSGD(0.02, 0.8, 0.1, {"fc8": 10.0})
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert restored.get_config() == optimizer.get_config()
    assert (restored.kernel_decay, restored.layer_rates) == (0.1, {"fc8": 10.0})


# --- the recipe ----------------------------------------------------------------------------------


def test_the_papers_recipe_is_section_5():
    paper = Recipe.paper()
    assert (paper.batch_size, paper.momentum, paper.weight_decay) == (128, 0.9, 0.0005)
    assert (paper.epochs, paper.drops, paper.input_scale) == (90, 3, 1.0)
    rates = [paper.rate(50.0, drops) for drops in range(4)]
    np.testing.assert_allclose(rates, [0.01, 0.001, 0.0001, 0.00001])


def test_the_modern_rate_warms_up_and_falls_as_a_cosine():
    recipe = Recipe.modern(epochs=11, warmup_epochs=1.0, learning_rate=0.4)
    rates = [recipe.rate(t) for t in (0, 0.25, 1, 6, 11)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.4, 0.2, 0], atol=1e-12)
    assert Recipe.modern(epochs=1).warmup_epochs == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("inf")},
        {"weight_decay": float("nan")},
        {"schedule": "linear"},
        {"momentum": 1.0},
        {"label_smoothing": 1.0},
        {"initialization": "xavier"},
        {"warmup_epochs": 99.0},
    ],
)
def test_an_impossible_recipe_is_refused_by_name(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"'paper' cannot be: {name}="):
        Recipe.paper(**changes)


def test_build_draws_the_papers_initial_values():
    model = Recipe.paper().build(NAMES, input_shape=(67, 67, 3), fc_units=256)
    for name, bias in (("conv1", 0), ("conv2", 1), ("conv3", 0), ("conv4", 1), ("fc6", 1)):
        layer = model.get_layer(name)
        assert layer.kernel.numpy().std() == pytest.approx(0.01, rel=0.03)
        assert (layer.bias.numpy() == bias).all()


def test_build_draws_hes_initial_values_but_for_the_first_and_the_last_layer():
    model = Recipe.modern(precision="float32").build(NAMES, input_shape=(67, 67, 3), fc_units=256)
    # Fan in: taps × channels that one filter sees; half of the 96, and of the 384, in two towers.
    for name, fan_in in (("conv2", 25 * 48), ("conv3", 9 * 256), ("conv5", 9 * 192), ("fc7", 256)):
        layer = model.get_layer(name)
        assert layer.kernel.numpy().std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
        assert not layer.bias.numpy().any()
    for name in ("conv1", "fc8"):
        assert model.get_layer(name).kernel.numpy().std() == pytest.approx(0.01, rel=0.05)


def test_the_seed_decides_the_values_and_the_policy_is_put_back():
    options = {"input_shape": (67, 67, 3), "fc_units": 8}
    recipe = Recipe.modern(precision="mixed_bfloat16")
    first, same, other = (recipe.build(NAMES, seed=seed, **options) for seed in (1, 1, 2))
    assert keras.config.dtype_policy().name == "float32"
    assert first.get_layer("conv3").compute_dtype == "bfloat16"
    assert first.get_layer("preprocess").compute_dtype == "float32"
    assert tiny.fingerprint(first.variables) == tiny.fingerprint(same.variables)
    assert tiny.fingerprint(first.variables) != tiny.fingerprint(other.variables)


def gpu(*capability, name="a GPU"):
    return training.Device("GPU", name, capability or None)


def cpu(*instructions):
    return training.Device("CPU", "a CPU", instructions=frozenset(instructions))


@pytest.mark.parametrize(
    ("there", "precision", "one_graph"),
    [
        ([cpu("avx2", "avx512f")], "float32", False),
        ([cpu("avx512f", "avx512_bf16")], "mixed_bfloat16", False),
        ([cpu("amx_tile", "amx_bf16")], "mixed_bfloat16", False),
        ([cpu()], "float32", False),
        ([gpu(name="of another make")], "float32", True),
        ([gpu(6, 1)], "float32", True),
        ([gpu(7, 0, name="Tesla V100")], "mixed_float16", True),
        ([gpu(7, 5, name="Tesla T4")], "mixed_float16", True),
        ([gpu(8, 0, name="A100")], "mixed_bfloat16", True),
        ([gpu(8, 9, name="L4")], "mixed_bfloat16", True),
        ([gpu(9, 0, name="H100")], "mixed_bfloat16", True),
        # The weakest decides: together they compute in one precision.
        ([gpu(9, 0), gpu(7, 0)], "mixed_float16", False),
        ([gpu(6, 0), gpu(8, 0)], "float32", False),
    ],
)
def test_precision_and_xla_follow_the_devices(there, precision, one_graph):
    assert training.choose_precision(there) == precision
    assert devices.uses_xla(len(there), there) == one_graph
    # A model that stayed on the first of several GPUs is compiled as on a single one.
    assert devices.uses_xla(1, there) == (there[0].kind == "GPU")


def test_what_is_here_is_described(monkeypatch):
    """GPUs as TensorFlow describes them: all of them, and those of which it knows little."""
    assert [device.kind for device in devices.devices_here()] == ["CPU"]
    details = {
        "GPU:0": {"device_name": "Tesla T4", "compute_capability": (7, 5)},
        "GPU:1": {},
    }
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert devices.devices_here() == [gpu(7, 5, name="Tesla T4"), gpu(name="GPU")]
    assert training.choose_precision() == "float32"
    assert devices.uses_xla(1)
    del details["GPU:1"]
    assert training.choose_precision() == "mixed_float16"


# --- preprocessing in the model ------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["paper", "owt"])
def test_the_model_takes_pictures_and_the_file_knows_how(tmp_path, variant):
    network = AlexNet(classes=6, input_shape=(67, 67, 3), fc_units=8, variant=variant)
    before = tiny.fingerprint(network.variables)
    model = with_preprocessing(network, NAMES, variant, scale=0.25)
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 67, 67, 3)).astype("float32")
    expected = network(preprocess_input(pictures, variant) * 0.25)
    np.testing.assert_allclose(model(pictures), expected, rtol=1e-4)
    assert [layer.name for layer in model.layers[2:]] == [
        layer.name for layer in network.layers[1:]
    ]
    assert tiny.fingerprint(network.variables) == before

    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert preprocess_layer(loaded).class_names == list(NAMES)
    np.testing.assert_allclose(loaded(pictures), expected, rtol=1e-4)
    # Parts of the loaded model work too, as inspection needs them.
    part = keras.Model(loaded.input, loaded.get_layer("pool1").output)
    assert part(pictures).shape[0] == 3


def test_class_names_must_fit_the_network():
    with pytest.raises(ValueError, match=r"tells 6 classes apart.*given 5"):
        with_preprocessing(tiny.network(0.5, 6), NAMES[:5])
    with pytest.raises(ValueError, match=r"given 6 \(5 of them different"):
        with_preprocessing(tiny.network(0.5, 6), [*NAMES[:5], "cat"])


def test_load_model_speaks_plainly(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model at .*nothing\.keras"):
        load_model(tmp_path / "nothing.keras")
    (tmp_path / "bad.keras").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(ValueError, match=r"bad\.keras is not a whole \.keras file"):
        load_model(tmp_path / "bad.keras")
    tiny.network(0.5, 6).save(tmp_path / "bare.keras")
    with pytest.raises(ValueError, match=r"no Preprocess layer.*with_preprocessing"):
        load_model(tmp_path / "bare.keras")


# --- the range test ------------------------------------------------------------------------------


def test_the_range_test_finds_where_the_loss_falls_and_where_it_rises():
    model, data, recipe = tiny.model(dropout=0.5), tiny.Pictures(), tiny.recipe()
    before = tiny.fingerprint(model.variables)
    found = training.rate_range_test(model, data, recipe, lowest=1e-6, highest=1e4, steps=80)
    assert tiny.fingerprint(model.variables) == before, "the model is put back, its dropout too"
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 80, "it diverged"
    assert np.isfinite(found.losses).all()
    np.testing.assert_allclose(found.rates, np.geomspace(1e-6, 1e4, 80)[: len(found.rates)])
    # Six classes as probable as each other: with rates near 0 nothing has been learned.
    assert found.smoothed[:10] == pytest.approx(math.log(6), rel=0.1)
    assert found.losses.min() < 0.75 * math.log(6)
    assert found.smoothed[-1] > 2 * found.smoothed.min()
    assert 1e-4 < found.suggested < 1, "the network trains at 0.05"


def test_the_range_tests_losses_are_those_of_the_batches_it_was_given():
    """At rates near 0 the weights stay, so each loss is that of the model as it was; the last batch
    of an epoch is smaller than the others."""
    model, data = tiny.model(dropout=0.0), tiny.Pictures(size=40)
    found = training.rate_range_test(
        model, data, tiny.recipe(batch_size=16), lowest=1e-12, highest=1e-11, steps=5
    )
    expected = []
    for number in range(2):
        for images, labels in data.epoch(number):
            right = model(images).numpy()[np.arange(len(labels)), labels]
            expected.append(-np.log(right).mean())
    np.testing.assert_allclose(found.losses, expected[:5], rtol=1e-4)
    # As for fit, a pipeline of batches does as well.
    pipeline = training.rate_range_test(
        model, data.epoch(0), tiny.recipe(batch_size=16), lowest=1e-12, highest=1e-11, steps=3
    )
    np.testing.assert_allclose(pipeline.losses, expected[:3], rtol=1e-4)


def test_the_smoothed_loss_weighs_the_last_steps_most():
    losses = np.array([3.0, 1.0, 2.0])
    weights = [[1], [0.9, 1], [0.81, 0.9, 1]]
    expected = [np.average(losses[: len(w)], weights=w) for w in weights]
    found = training.RateRange(np.array([0.1, 1.0, 10.0]), losses)
    np.testing.assert_allclose(found.smoothed, expected)
    assert found.suggested == pytest.approx(0.1)


@pytest.mark.parametrize(
    "changes", [{"lowest": 0.0}, {"lowest": 2.0, "highest": 1.0}, {"steps": 1}], ids=str
)
def test_the_range_test_names_what_cannot_be(changes):
    (name, value), *_ = changes.items()
    with pytest.raises(ValueError, match=f"0 < lowest < highest and at least 2.*{name}={value}"):
        training.rate_range_test(tiny.model(), tiny.Pictures(), tiny.recipe(), **changes)


def test_the_range_test_refuses_a_model_whose_first_loss_is_no_number():
    model = tiny.model()
    kernel = model.get_layer("fc8").kernel
    kernel.assign(np.full(kernel.shape, 3e38))  # each is a number, and their sums are infinite
    with pytest.raises(ValueError, match="first batch is not a finite number"):
        training.rate_range_test(model, tiny.Pictures(), tiny.recipe(), steps=3)
    with pytest.raises(ValueError, match="classes are"):
        training.rate_range_test(model, tiny.Pictures(class_names="abcdef"), tiny.recipe())


# --- fit -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run on colours that a network of this size tells apart."""
    folder = tmp_path_factory.mktemp("learned") / "new" / "run"
    validation = tiny.Pictures(70, seed=1, noise=20.0)
    model = tiny.model(dropout=0.1)
    run = training.fit(
        model,
        tiny.Pictures(180, noise=20.0),
        validation,
        tiny.recipe(epochs=12),
        run_dir=folder,
        tensorboard=True,
        quiet=True,
    )
    return model, run, validation


def test_a_network_learns(learned):
    _, run, _ = learned
    assert run.history[-1]["accuracy"] > 0.9
    assert run.history[-1]["val_accuracy"] > 0.95
    assert run.history[0]["loss"] > 3 * run.history[-1]["loss"]
    assert run.stopped == "all 12 epochs are done"


def test_the_history_is_a_csv_file(learned):
    _, run, _ = learned
    with open(run.run_dir / "history.csv", encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows == run.history
    assert not list(run.run_dir.glob(".unfinished*"))


def test_tensorboard_gets_the_same_figures(learned):
    _, run, _ = learned
    files = sorted(str(path) for path in (run.run_dir / "tensorboard").iterdir())
    losses = {}
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            if value.tag == "loss":
                losses[event.step] = value.simple_value
    assert losses == pytest.approx({row["epoch"]: row["loss"] for row in run.history})


def test_best_and_last_are_what_they_say(learned):
    model, run, validation = learned
    errors = [(1 - row["val_accuracy"], row["val_loss"]) for row in run.history]
    assert run.best_epoch == 1 + errors.index(min(errors))
    best = training.evaluate(load_model(run.best), validation)
    assert best.top1 == pytest.approx(run.history[run.best_epoch - 1]["val_accuracy"])
    assert best.loss == pytest.approx(run.history[run.best_epoch - 1]["val_loss"], rel=1e-5)
    last = load_model(run.last)
    assert tiny.fingerprint(last.weights) == tiny.fingerprint(model.weights)


def test_a_step_on_a_filled_up_batch_is_the_step_on_its_examples(tmp_path):
    train = tiny.Pictures(10)
    model, expected = tiny.model(dropout=0.0), tiny.model(dropout=0.0)
    recipe = tiny.recipe(epochs=1, label_smoothing=0.2, weight_decay=0.01)
    class_weights = {1: 3.0, 4: 0.5}
    run = training.fit(
        model, train, None, recipe, run_dir=tmp_path, class_weights=class_weights, quiet=True
    )
    # The same by hand: one step, half way down the cosine, velocity 0 before.
    rate = 0.05 * 0.5
    (pictures, labels), *rest = train.epoch(0)
    assert not rest
    targets = np.eye(6, dtype="float32")[labels] * 0.8 + 0.2 / 6
    weights = np.array([class_weights.get(int(label), 1.0) for label in labels])
    with tf.GradientTape() as tape:
        logarithms = tf.math.log(expected(pictures, training=True))
        losses = -tf.reduce_sum(targets * logarithms, 1) * weights
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, expected.trainable_variables)
    for variable, gradient in zip(expected.trainable_variables, gradients, strict=True):
        decay = 0.01 * variable.numpy() if len(variable.shape) > 1 else 0
        variable.assign(variable.numpy() - rate * (gradient.numpy() + decay))
    assert run.history[0]["loss"] == pytest.approx(float(loss), rel=1e-5)
    for ours, theirs in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("skip", "expected"), [(0, 90), (4, 26)])
def test_batches_have_one_shape_and_lose_no_example(skip, expected):
    # Batches of 16 become batches of 16 with room for 18: what three devices need.
    batches = list(steps.padded(tiny.Pictures(90).epoch(3), 16, 18, skip))
    assert {tuple(images.shape) for images, _, _ in batches} == {(18, 16, 16, 3)}
    weights = np.concatenate([w.numpy() for _, _, w in batches])
    labels = np.concatenate([y.numpy() for _, y, _ in batches])[weights == 1]
    assert weights.sum() == expected
    order = np.concatenate([y.numpy() for _, y in tiny.Pictures(90).epoch(3)])
    np.testing.assert_array_equal(labels, order[16 * skip :])


def test_other_batch_sizes_than_the_recipes_are_regrouped(tmp_path):
    losses = []
    for batch_size in (16, 7):
        run = training.fit(
            tiny.model(),
            tiny.Pictures(40, batch_size=batch_size),
            None,
            tiny.recipe(epochs=1),
            run_dir=tmp_path / str(batch_size),
            quiet=True,
        )
        losses.append(run.history[0]["loss"])
    assert losses[0] == losses[1]


def test_the_rate_drops_three_times_when_the_error_stops_falling(tmp_path):
    # A rate so low that nothing moves: the error never falls after the first epoch.
    recipe = Recipe.paper(epochs=50, batch_size=16, learning_rate=1e-12, patience=2)
    validation = tiny.Pictures(12, seed=1)
    run = training.fit(
        tiny.model(),
        tiny.Pictures(32),
        (validation.pictures, validation.labels),
        recipe,
        run_dir=tmp_path,
        quiet=True,
    )
    exponents = [round(math.log10(row["learning_rate"])) for row in run.history]
    assert exponents == [-12, -12, -12, -13, -13, -14, -14, -15, -15]
    assert run.stopped == "the validation error stopped falling at the lowest learning rate"
    assert run.best_epoch < 9


class _Poisoned(tiny.Pictures):
    """From the second epoch on, one picture is not a number."""

    def epoch(self, number):
        if number == 1:
            self.pictures[5] = np.nan
        return super().epoch(number)


def test_patience_ends_a_run_that_no_longer_gets_better(tmp_path):
    # Labels that nothing in the pictures tells: the error does not fall for long.
    validation = tiny.Pictures(12, seed=1)
    validation.labels[:] = 0
    validation.pictures[:] = 128
    settings = {"recipe": tiny.recipe(epochs=30), "quiet": True}
    run = training.fit(
        tiny.model(), tiny.Pictures(), validation, run_dir=tmp_path, patience=2, **settings
    )
    assert len(run.history) == run.best_epoch + 2 < 30
    assert run.stopped == "the validation error has not fallen for 2 epochs"
    for wrong in ({"patience": 0, "validation": validation}, {"patience": 3, "validation": None}):
        with pytest.raises(ValueError, match=r"patience is \d; it must be at least 1, and needs"):
            training.fit(tiny.model(), tiny.Pictures(), run_dir=tmp_path / "b", **settings, **wrong)


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_good_weights(tmp_path):
    with pytest.raises(training.TrainingDivergedError) as caught:
        training.fit(
            tiny.model(),
            _Poisoned(),
            None,
            tiny.recipe(),
            run_dir=tmp_path,
            checkpoint_minutes=0.0,
            quiet=True,
        )
    message = str(caught.value)
    assert "In epoch 2, at a learning rate of 0.0" in message
    assert "best.keras and last.keras" in message
    assert "learning_rate=0.01" in message
    for name in ("best.keras", "last.keras"):
        kept = load_model(tmp_path / name)
        assert all(np.isfinite(v.numpy()).all() for v in kept.weights)


def test_the_lower_rate_to_try_can_be_read(tmp_path):
    with pytest.raises(training.TrainingDivergedError, match=r"\(learning_rate=200\)"):
        training.fit(
            tiny.model(),
            _Poisoned(),
            None,
            tiny.recipe(learning_rate=1000.0),
            run_dir=tmp_path,
            quiet=True,
        )


def test_a_rate_far_too_high_is_noticed_before_anything_is_saved(tmp_path):
    with pytest.raises(training.TrainingDivergedError, match="no weights are kept but the first"):
        training.fit(
            tiny.model(),
            tiny.Pictures(),
            tiny.Pictures(12),
            tiny.recipe(learning_rate=1e30),
            run_dir=tmp_path,
            quiet=True,
        )
    assert not (tmp_path / "best.keras").exists()


def test_the_loss_is_finite_where_the_right_probability_is_zero(tmp_path):
    model = tiny.model(dropout=0.0)
    last = model.get_layer("fc8")
    last.kernel.assign(tf.zeros(last.kernel.shape))
    last.bias.assign([500.0, 0, 0, 0, 0, 0])
    recipe = tiny.recipe(epochs=1, learning_rate=1e-9)
    run = training.fit(model, tiny.Pictures(12), None, recipe, run_dir=tmp_path, quiet=True)
    # Ten of twelve examples are of other classes: -log p = 500 for each.
    assert run.history[0]["loss"] == pytest.approx(500 * 10 / 12, rel=1e-5)


def test_float16_trains_with_a_scaled_loss(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny.model(dropout=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    train = tiny.Pictures(180, noise=20.0)
    recipe = tiny.recipe(epochs=8)
    run = training.fit(model, train, train, recipe, run_dir=tmp_path, quiet=True)
    assert run.history[-1]["val_accuracy"] > 0.9
    with np.load(next((tmp_path / "checkpoints").glob("*.npz"))) as arrays:
        assert any("scale" in name for name in arrays)


def test_it_tells_what_it_does_line_by_line(tmp_path, capsys):
    arguments = {"train": tiny.Pictures(32), "validation": tiny.Pictures(12)}
    recipe = tiny.recipe(epochs=2)
    training.fit(tiny.model(), **arguments, recipe=recipe, run_dir=tmp_path / "a")
    plan, first, second, end = capsys.readouterr().out.splitlines()
    xla = "XLA" if tf.config.list_physical_devices("GPU") else "no XLA"
    assert f"float32, {xla}; recipe 'modern', 32 images, 2 steps of 16 an epoch." in plan
    assert first.startswith("epoch 1/2  loss 1.")
    assert "validation loss" in second
    assert end.startswith("Finished after epoch 2: all 2 epochs are done. The best epoch was ")
    training.fit(tiny.model(), **arguments, recipe=recipe, run_dir=tmp_path / "b", quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    training.fit(
        tiny.model(), tiny.Pictures(32), None, tiny.recipe(epochs=1), run_dir=tmp_path / "run"
    )
    assert "━" in capsys.readouterr().out


def test_what_does_not_go_together_is_said_before_training(tmp_path):
    arguments = {"recipe": tiny.recipe(), "run_dir": tmp_path / "run", "validation": None}
    train = tiny.Pictures()
    with pytest.raises(ValueError, match="no Preprocess layer"):
        training.fit(tiny.network(0.5, 6), train, **arguments)
    with pytest.raises(ValueError, match=r"model's classes are cat, dog.*the data's red, green"):
        training.fit(tiny.model(class_names=NAMES), train, **arguments)
    with pytest.raises(ValueError, match="give validation data, or take schedule='cosine'"):
        training.fit(tiny.model(), train, **arguments | {"recipe": Recipe.paper()})
    with pytest.raises(ValueError, match="has no examples"):
        training.fit(tiny.model(), tiny.Pictures(0), **arguments)
    assert not Path(tmp_path / "run").exists()

    class Short(tiny.Pictures):
        def epoch(self, number):
            return super().epoch(number).take(2)

    with pytest.raises(ValueError, match=r"Epoch 1 had 32 examples, but train\.size is 90"):
        training.fit(tiny.model(), Short(), **arguments, quiet=True)


# --- evaluate ------------------------------------------------------------------------------------


def _linear(names=NAMES, seed=0):
    """A model whose probabilities NumPy computes in a line: softmax(W · mean of the picture)."""
    inputs = keras.Input((2, 2, 3))
    tensor = keras.layers.GlobalAveragePooling2D()(inputs)
    outputs = keras.layers.Dense(len(names), activation="softmax", name="fc8")(tensor)
    model = with_preprocessing(keras.Model(inputs, outputs), names, scale=0.02)
    weights = np.random.default_rng(seed).normal(size=(3, len(names)))
    model.get_layer("fc8").set_weights([weights, np.zeros(len(names))])

    def probabilities(pictures):
        mean = np.array((122.679, 116.669, 104.007))
        logits = ((pictures - mean) * 0.02).mean((-3, -2)) @ weights
        exponentials = np.exp(logits - logits.max(-1, keepdims=True))
        return exponentials / exponentials.sum(-1, keepdims=True)

    return model, probabilities


def _random_pictures(*shape):
    random = np.random.default_rng(3)
    pictures = random.uniform(0, 255, (*shape, 2, 2, 3)).astype("float32")
    # Pictures differ in their mean colour, so that the model does not always say the same.
    pictures = (pictures + random.uniform(-255, 255, (*shape, 1, 1, 3))).clip(0, 255)
    return pictures.astype("float32"), random.integers(0, 6, shape[0]).astype("int32")


def test_evaluation_is_what_numpy_counts():
    model, probabilities = _linear()
    pictures, labels = _random_pictures(150)
    result = training.evaluate(model, (pictures, labels))
    expected = probabilities(pictures)
    ranks = (expected > expected[np.arange(150), labels][:, None]).sum(1)
    assert result.top1 == pytest.approx(np.mean(ranks == 0))
    assert result.top5 == pytest.approx(np.mean(ranks < 5))
    assert result.loss == pytest.approx(-np.log(expected[np.arange(150), labels]).mean(), rel=1e-5)
    predicted = expected.argmax(1)
    for true in range(6):
        for said in range(6):
            count = np.sum((labels == true) & (predicted == said))
            assert result.confusion[true, said] == count
        assert result.recall[true] == pytest.approx(np.mean(predicted[labels == true] == true))
    assert result.examples == 150
    text = str(result)
    assert f"150 images, 1 crop: top-1 {result.top1:.2%}, top-5 {result.top5:.2%}" in text
    assert all(name in text for name in NAMES)


def test_ten_crops_average_the_probabilities():
    model, probabilities = _linear()
    pictures, labels = _random_pictures(23, 10)

    class Crops:
        def ten_crops(self):
            return tf.data.Dataset.from_tensor_slices((pictures, labels)).batch(4)

    result = training.evaluate(model, Crops(), crops=10)
    expected = probabilities(pictures).mean(1)
    assert result.top1 == pytest.approx(np.mean(expected.argmax(1) == labels))
    assert result.loss == pytest.approx(-np.log(expected[np.arange(23), labels]).mean(), rel=1e-5)
    assert result.crops == 10


def test_a_model_that_knows_nothing_is_not_right_everywhere():
    model, _ = _linear()
    model.get_layer("fc8").set_weights([np.zeros((3, 6)), np.zeros(6)])
    pictures, _ = _random_pictures(60)
    result = training.evaluate(model, (pictures, np.arange(60, dtype="int32") % 6))
    assert result.top1 == pytest.approx(1 / 6)
    assert result.top5 == pytest.approx(5 / 6)
    assert np.isnan(result.precision[1])


def test_few_classes_have_no_top_5():
    model, _ = _linear(("a", "b"))
    pictures, labels = _random_pictures(9)
    result = training.evaluate(model, (pictures, labels % 2))
    assert result.top5 is None
    assert "top-5" not in str(result)


def test_evaluate_refuses_what_it_cannot_measure():
    model, _ = _linear()
    pictures, labels = _random_pictures(9)
    with pytest.raises(ValueError, match="must be 1 or 10"):
        training.evaluate(model, (pictures, labels), crops=5)
    with pytest.raises(ValueError, match=r"Ten crops need data with \.ten_crops"):
        training.evaluate(model, (pictures, labels), crops=10)
    with pytest.raises(ValueError, match="no examples"):
        training.evaluate(model, (pictures[:0], labels[:0]))
    with pytest.raises(ValueError, match="labels run from 0 to 8, but the model has 6 classes"):
        training.evaluate(model, (pictures, np.arange(9, dtype="int32")))
    with pytest.raises(ValueError, match="no Preprocess layer"):
        training.evaluate(tiny.network(0.5, 6), tiny.Pictures())
    model.get_layer("fc8").bias.assign([np.nan] * 6)
    with pytest.raises(ValueError, match="not finite"):
        training.evaluate(model, (pictures, labels))


# --- Other data than this library's own ----------------------------------------------------------


def small_arrays():
    images, labels = zip(*tiny.Pictures(22).epoch(0).unbatch().as_numpy_iterator(), strict=True)
    return np.stack(images), np.array(labels)


def test_fit_takes_arrays_and_pipelines(tmp_path):
    images, labels = small_arrays()
    pipeline = tf.data.Dataset.from_tensor_slices((images, labels)).batch(5)
    recipe = tiny.recipe(epochs=1)
    for name, data in {"arrays": (images, labels), "pipeline": pipeline}.items():
        run = training.fit(tiny.model(), data, data, recipe, run_dir=tmp_path / name, quiet=True)
        assert len(run.history) == 1
        assert (
            json.loads((run.run_dir / "run.json").read_text())["data"]["training"]["examples"] == 22
        )


def test_arrays_come_in_another_order_in_every_epoch():
    from alexnet_lib.training.examples import as_examples

    images, labels = small_arrays()
    examples = as_examples((images, labels), tiny.CLASSES, 8)
    epochs = [np.concatenate([batch.numpy() for batch, _ in examples.epoch(n)]) for n in (0, 0, 1)]
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert (epochs[0] != epochs[2]).any()
    np.testing.assert_array_equal(np.sort(epochs[2], axis=0), np.sort(images, axis=0))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            lambda: tf.data.Dataset.from_tensors((tf.zeros((1, 16, 16, 3)), [0])).repeat(),
            "never ends",
        ),
        (lambda: (np.zeros((2, 16, 16, 3)), [0]), "2 images and 1 labels"),
        (lambda: "pictures", "these are a str"),
    ],
)
def test_other_data_is_refused_in_words(data, says, tmp_path):
    with pytest.raises((ValueError, TypeError), match=says):
        training.fit(
            tiny.model(), data(), None, tiny.recipe(epochs=1), run_dir=tmp_path, quiet=True
        )
