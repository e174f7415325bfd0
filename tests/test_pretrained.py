"""Published weights: every layer against ONNX Runtime and PyTorch, and all or nothing.

    python tests/test_pretrained.py

prints the largest difference in every layer.
"""

import argparse
import dataclasses
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections import OrderedDict
from functools import partial
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import published
import pytest
from onnx import numpy_helper
from published import CLASSES, TENSORS, UNITS
from safetensors.numpy import load_file, save_file

import alexnet_lib
from alexnet_lib import AlexNet, architecture, labels, pretrained
from alexnet_lib.architecture import VARIANTS, describe
from alexnet_lib.data import downloads
from alexnet_lib.data.downloads import Remote
from alexnet_lib.formats import WeightsError, quantization, torch_file
from alexnet_lib.model import build
from alexnet_lib.preprocessing import with_preprocessing

DATA = Path(__file__).parent / "data"
NARROW = {"classes": CLASSES, "fc_units": UNITS}


def write_published(folder):
    """The published layouts as files; the tests read them and change none."""
    onnx.save(published.published_onnx(), folder / "bvlcalexnet-9.onnx")
    onnx.save(published.published_onnx(opset=12), folder / "bvlcalexnet-12.onnx")
    onnx.save(published.caffenet(), folder / "caffenet.onnx")
    published.write_pth(folder / "alexnet-owt.pth", published.torchvision_state())
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_published(tmp_path_factory.mktemp("published"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pictures(size, seed=0):
    """RGB less the mean colour: what both networks take, but for the order of the colours."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-120, 120, (1, 8, 8, 3)).repeat(size // 8 + 1, 1)
    coarse = coarse.repeat(size // 8 + 1, 2)[:, :size, :size]
    return (coarse + random.normal(0, 20, coarse.shape)).astype("float32")


def layer_outputs(model, x):
    named = {name: model.get_layer(name).output for name in TENSORS if _has(model, name)}
    return {name: np.asarray(value) for name, value in keras.Model(model.input, named)(x).items()}


def _has(model, name):
    return name in {layer.name for layer in model.layers}


def runtime_outputs(network, x):
    """What ONNX Runtime computes from the same picture, in Caffe's order of the colours."""
    session = onnxruntime.InferenceSession(published.all_outputs(network))
    picture = x[..., ::-1].transpose(0, 3, 1, 2)
    values = session.run(list(TENSORS.values()), {"data_0": np.ascontiguousarray(picture)})
    return {
        name: value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
        for name, value in zip(TENSORS, values, strict=True)
    }


def differences(found, wanted):
    """The largest difference in each layer, relative to the number and to the size of the layer's
    numbers: sums of thousands of terms cancel."""
    assert found.keys() == wanted.keys()
    largest = {}
    for name in wanted:
        size = np.sqrt(np.mean(wanted[name].astype("float64") ** 2))
        assert size > 0, f"{name} is dead: nothing is compared"
        assert found[name].shape == wanted[name].shape, name
        apart = np.abs(found[name].astype("float64") - wanted[name])
        largest[name] = float((apart / (size + np.abs(wanted[name]))).max())
    return largest


def assert_every_layer_is_equal(found, wanted):
    for name, difference in differences(found, wanted).items():
        assert difference < 1e-4, f"{name} differs by {difference:.1e}"


# --- The same numbers in every layer --------------------------------------------------------------
# Each of these gives what our layers compute, and what ONNX Runtime computes for them.


def bvlc_at_227(folder, name="bvlcalexnet-12.onnx"):
    network = onnx.load(folder / name)
    for axis in (2, 3):
        network.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 227
    model, x = AlexNet(weights=folder / name), pictures(227)
    assert model.name == "alexnet_caffe"
    return layer_outputs(model, x), runtime_outputs(network, x)


def bvlc_at_224_as_the_file_pads(folder):
    """The file's first two poolings round down: 224 pixels make maps of 26 and 12, then 6."""
    path = folder / "bvlcalexnet-12.onnx"
    model = build(pretrained.describe(path), (224, 224, 3))
    pretrained.load_weights(model, path)
    assert model.get_layer("pool1").output.shape == (None, 26, 26, 96)
    x = pictures(224)
    return layer_outputs(model, x), runtime_outputs(onnx.load(path), x)


def bvlc_at_224_as_caffe_pads(folder):
    """Caffe's poolings round up. ONNX Runtime does, too, where the file is told to."""
    path = folder / "bvlcalexnet-12.onnx"
    network = onnx.load(path)
    for node in network.graph.node:
        if node.op_type == "MaxPool":
            (pads,) = [item for item in node.attribute if item.name == "pads"]
            pads.ints[:] = [0, 0, 0, 0]
            node.attribute.append(onnx.helper.make_attribute("ceil_mode", 1))
    model = AlexNet(weights=path, input_shape=(224, 224, 3))
    assert model.get_layer("pool1").output.shape == (None, 27, 27, 96)
    x = pictures(224)
    return layer_outputs(model, x), runtime_outputs(network, x)


def caffenet_at(size, folder):
    path = folder / "caffenet.onnx"
    model = build(pretrained.describe(path), (size, size, 3))
    pretrained.load_weights(model, path)
    x = pictures(size)
    return layer_outputs(model, x), runtime_outputs(published.caffenet(size), x)


COMPARISONS = {
    "BVLC 227": bvlc_at_227,
    "BVLC 224, the file's pads": bvlc_at_224_as_the_file_pads,
    "BVLC 224, Caffe's rule": bvlc_at_224_as_caffe_pads,
    "CaffeNet 227": partial(caffenet_at, 227),
    "CaffeNet 224": partial(caffenet_at, 224),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_layer_computes_what_onnx_runtime_computes(folder, name):
    assert_every_layer_is_equal(*COMPARISONS[name](folder))


def test_the_comparison_means_something(folder):
    """Response normalization bends, classes differ, and so would red and blue."""
    found, wanted = bvlc_at_227(folder, "bvlcalexnet-9.onnx")
    assert_every_layer_is_equal(found, wanted)
    assert np.linalg.norm(wanted["norm1"]) < 0.9 * np.linalg.norm(wanted["conv1"])
    assert wanted["fc8"].max() < 0.9
    model = AlexNet(weights=folder / "bvlcalexnet-9.onnx")
    exchanged = layer_outputs(model, pictures(227)[..., ::-1])
    assert min(differences(exchanged, wanted).values()) > 0.01


def test_caffenet_pools_before_it_normalizes(folder):
    names = [layer.name for layer in pretrained.describe(folder / "caffenet.onnx")[:6]]
    assert names == ["conv1", "pool1", "norm1", "conv2", "pool2", "norm2"]


def test_caffenet_is_never_read_as_alexnet(folder):
    with pytest.raises(WeightsError, match="is CaffeNet, which pools before it normalizes"):
        AlexNet(weights=folder / "caffenet.onnx", variant="caffe", **NARROW)


@pytest.mark.parametrize("size", [224, 227])
def test_torchvision_is_the_stored_reference(folder, size):
    """`make_torch_reference.py` made it, with torchvision's own module."""
    model = AlexNet(weights=folder / "alexnet-owt.pth", input_shape=(size, size, 3))
    assert model.name == "alexnet_owt"
    found = layer_outputs(model, published.torchvision_pictures(size))
    reference = json.loads((DATA / "torchvision.json").read_text("utf-8"))[str(size)]
    assert found.keys() == reference.keys()
    for name, layer in reference.items():
        assert list(found[name].shape) == layer["shape"]
        size_of_numbers = layer["root mean square"]
        assert np.sqrt(np.mean(found[name] ** 2)) == pytest.approx(size_of_numbers, rel=1e-4)
        np.testing.assert_allclose(
            found[name].ravel()[layer["places"]],
            layer["numbers"],
            rtol=1e-4,
            atol=1e-4 * size_of_numbers,
            err_msg=name,
        )


def test_torchvision_against_torch(folder, tmp_path):
    if not importlib.util.find_spec("torchvision"):
        pytest.skip("PyTorch is not needed, and not installed")
    script = Path(__file__).with_name("make_torch_reference.py")
    subprocess.run([sys.executable, script, tmp_path / "all.npz"], check=True)
    assert_every_layer_is_equal(torchvision_at_224(folder), dict(np.load(tmp_path / "all.npz")))


def torchvision_at_224(folder):
    model = AlexNet(weights=folder / "alexnet-owt.pth", input_shape=(224, 224, 3))
    return layer_outputs(model, published.torchvision_pictures(224))


def test_a_file_that_torch_wrote():
    file = torch_file.read(DATA / "written_by_torch.pth")
    shapes = published.torchvision_shapes()
    for tensor in [tensor for pair in file.tensors.values() for tensor in pair]:
        axes = len(shapes[tensor.name])
        np.testing.assert_array_equal(tensor.read(), np.arange(2.0**axes).reshape((2,) * axes))


def channels_last(array):
    """The same numbers, in memory as `model.to(memory_format=torch.channels_last)` has them."""
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def prefixed(prefix, state):
    return {f"{prefix}{name}": array for name, array in state.items()}


def by_the_training_script_of_imagenet(state):
    """As in pytorch/examples: `DataParallel` around the convolutions, everything in one file."""
    wrapped = {name.replace("features.", "features.module."): a for name, a in state.items()}
    momentum = {number: {"momentum_buffer": a} for number, a in enumerate(state.values())}
    groups = [{"lr": 0.01, "momentum": 0.9, "foreach": None, "params": list(momentum)}]
    return {
        "epoch": 90,
        "arch": "alexnet",
        "state_dict": OrderedDict(wrapped),
        "best_acc1": np.array(56.5),
        "optimizer": {"state": momentum, "param_groups": groups},
    }


def by_torchvisions_references(state):
    return {
        "model": state,
        "optimizer": {"state": {}, "param_groups": []},
        "lr_scheduler": {"gamma": 0.1, "_last_lr": [1e-5], "verbose": False},
        "epoch": 5,
        "args": argparse.Namespace(data="/datasets", lr=0.01, batch_size=32),
        "accuracy": np.float64(0.565),
    }


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (lambda state: prefixed("module.", state), "model.pth"),
        (lambda state: prefixed("_orig_mod.module.", state), "model.pt"),
        (lambda state: {"epoch": 3, "state_dict": prefixed("model.", state)}, "lightning.pth"),
        (by_the_training_script_of_imagenet, "model_best.pth.tar"),
        (by_torchvisions_references, "checkpoint.pth"),
        (lambda state: {n: channels_last(a) for n, a in state.items()}, "model.pth"),
    ],
    ids=["module.", "compiled", "lightning", "imagenet", "references", "channels last"],
)
def test_files_of_torch_as_people_have_them(folder, tmp_path, monkeypatch, made, name):
    state = published.torchvision_state()
    path = published.save_as_torch(tmp_path / name, made(state), monkeypatch)
    one, other = AlexNet(weights=path), AlexNet(weights=folder / "alexnet-owt.pth")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_two_networks_is_not_chosen_from(tmp_path, monkeypatch):
    both = {"model": published.torchvision_state(), "ema": published.torchvision_state()}
    path = published.save_as_torch(tmp_path / "a.pth", both, monkeypatch)
    with pytest.raises(WeightsError, match=r"holds model, ema, so which .*torch\.save\(model\.st"):
        AlexNet(weights=path)


def test_torchvisions_tensors_in_a_safetensors_file(folder, tmp_path):
    save_file(published.torchvision_state(), tmp_path / "alexnet.safetensors")
    one = AlexNet(weights=tmp_path / "alexnet.safetensors")
    other = AlexNet(weights=folder / "alexnet-owt.pth")
    assert one.name == other.name
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names_of_published_weights_bring_their_network(folder, cache, monkeypatch):
    """`AlexNet(weights="bvlc")` with the small file in the place of the published one."""
    for name, file, variant in (
        ("bvlc", "bvlcalexnet-12.onnx", "caffe"),
        ("torchvision", "alexnet-owt.pth", "owt"),
    ):
        contents = (folder / file).read_bytes()
        entry = pretrained.PUBLISHED[name]
        cache.mkdir(exist_ok=True)
        # Put there by hand, as the message for readers without a network says.
        (cache / entry.remote.name).write_bytes(contents)
        remote = Remote(
            f"http://nowhere.invalid/{entry.remote.name}",
            hashlib.sha256(contents).hexdigest(),
            len(contents),
        )
        monkeypatch.setitem(pretrained.PUBLISHED, name, dataclasses.replace(entry, remote=remote))
        model = AlexNet(weights=name)
        assert (model.name, model.output_shape) == (f"alexnet_{variant}", (None, CLASSES))
        assert AlexNet(weights=name, variant=variant, **NARROW).name == model.name
        with pytest.raises(ValueError, match=f"have variant='{variant}'; you asked for 'original'"):
            AlexNet(weights=name, variant="original")


def test_what_is_published_is_pinned():
    for published_weights in pretrained.PUBLISHED.values():
        remote = published_weights.remote
        assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
        assert remote.size > 200e6
        for url in (remote.url, *remote.mirrors):
            assert url.startswith("https://")
            assert url.endswith(remote.name)
    # torchvision puts the beginning of the hash into the name.
    assert pretrained.PUBLISHED["torchvision"].remote.sha256.startswith("7be5be79")


def test_before_fetching_readers_are_told_what_and_from_where(cache, monkeypatch, capsys):
    monkeypatch.setattr(downloads, "fetch", lambda remote: Path(remote.name))
    pretrained.fetch("bvlc")
    said = capsys.readouterr()
    assert said.out == ""
    for fact in ("BSD-3-Clause", "huggingface.co", "244 MB", "6b0da9510f27f234"):
        assert fact in said.err


# --- Files of our own -----------------------------------------------------------------------------

SMALL = {"input_shape": (99, 99, 3), "classes": 5, "fc_units": 16}


def assert_equal_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_go_through_safetensors(variant, tmp_path):
    model = AlexNet(variant=variant, **SMALL)
    path = tmp_path / "new" / "weights.safetensors"
    pretrained.save(model, path, ["é", "b", "c", "d", "e"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    back = AlexNet(weights=path, input_shape=(99, 99, 3))
    assert back.name == model.name
    assert_equal_weights(back, model)
    assert pretrained.class_names(path) == ("é", "b", "c", "d", "e")


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_that_keras_wrote(variant, tmp_path):
    """Keras reads its own file into one network, we read it into another."""
    saved, ours, keras_own = (AlexNet(variant=variant, **SMALL) for _ in range(3))
    saved.save_weights(tmp_path / "a.weights.h5")
    pretrained.load_weights(ours, tmp_path / "a.weights.h5")
    keras_own.load_weights(tmp_path / "a.weights.h5")
    assert_equal_weights(ours, saved)
    assert_equal_weights(ours, keras_own)


def test_a_model_in_training_has_an_optimizer_in_its_file(tmp_path):
    model = AlexNet(**SMALL)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(np.zeros((2, 99, 99, 3)), np.zeros(2))
    model.save_weights(tmp_path / "a.weights.h5")
    assert_equal_weights(AlexNet(weights=tmp_path / "a.weights.h5", **SMALL), model)


def test_a_layer_that_the_model_lacks_is_no_small_matter(tmp_path):
    """Without conv4, all shapes still fit; the network would be another."""
    whole = AlexNet(variant="one_tower", **SMALL)
    layers = describe("one_tower", classes=5, fc_units=16)
    shorter = build([layer for layer in layers if layer.name != "conv4"], (99, 99, 3))
    whole.save_weights(tmp_path / "a.weights.h5")
    pretrained.save(whole, tmp_path / "a.safetensors")
    for name in ("a.weights.h5", "a.safetensors"):
        with pytest.raises(WeightsError, match="Nothing was changed"):
            pretrained.load_weights(shorter, tmp_path / name)
    # A file of weights that says nothing about its network.
    tensors = load_file(tmp_path / "a.safetensors")
    save_file(tensors, tmp_path / "mute.safetensors")
    with pytest.raises(WeightsError, match="has weights for conv4, which the model"):
        pretrained.load_weights(shorter, tmp_path / "mute.safetensors")


def test_the_shipped_weights_have_class_names():
    _, description = quantization.read(pretrained.POCKET)
    assert pretrained.class_names("pocket") == tuple(description["class_names"])


def test_a_model_that_ends_earlier_takes_what_it_has(folder):
    path = folder / "bvlcalexnet-12.onnx"
    whole, trunk = AlexNet(weights=path), AlexNet(weights=path, include_top=False)
    for layer in trunk.layers:
        for a, b in zip(
            layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    # Convolutions do not mind the size of the picture, nor that its sides round differently.
    AlexNet(weights=path, include_top=False, input_shape=(131, 131, 3))
    AlexNet(weights=path, include_top=False, input_shape=(224, 227, 3))


def test_logits_take_the_weights_of_probabilities(folder):
    path = folder / "bvlcalexnet-12.onnx"
    logits = AlexNet(weights=path, classifier_activation=None)
    x = pictures(227)
    found = np.exp(np.asarray(logits(x), "float64"))
    wanted = np.asarray(AlexNet(weights=path)(x))
    np.testing.assert_allclose(found / found.sum(), wanted, rtol=1e-4)


def test_weights_behind_preprocessing(folder):
    names = [f"class {i}" for i in range(CLASSES)]
    path = folder / "alexnet-owt.pth"
    network = AlexNet(variant="owt", **NARROW)
    right = with_preprocessing(network, names, "owt")
    pretrained.load_weights(right, path)
    assert_equal_weights(right, AlexNet(weights=path))
    for variant, scale in (("paper", 1.0), ("owt", 0.5)):
        wrong = with_preprocessing(network, names, variant, scale)
        with pytest.raises(WeightsError, match=r"trained on preprocess_input\(images, 'owt'\)"):
            pretrained.load_weights(wrong, path)
    assert pretrained.class_names(right) == tuple(names)


# --- All or nothing -------------------------------------------------------------------------------


def changed(name, array):
    return lambda: published.put(published.published_onnx(), name, array)


def without(name):
    def make():
        model = published.published_onnx()
        model.graph.initializer.remove(published.initializer(model, name))
        return model

    return make


def with_nan():
    model = published.published_onnx()
    array = numpy_helper.to_array(published.initializer(model, "fc8_b_0")).copy()
    array[3] = np.nan
    return published.put(model, "fc8_b_0", array)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        # Each fault lies in the last layer, so that a careless reader has changed seven by then.
        (changed("fc8_w_0", np.zeros((7, UNITS), "f4")), r"fc8_w_0 .*\(7, 24\).*takes \(10, 24\)"),
        (changed("fc8_b_0", np.zeros(7, "f4")), r"fc8_b_0 has the shape \(7,\).*takes \(10,\)"),
        (changed("fc8_w_0", np.zeros((10, UNITS), "f2")), "fc8_w_0 as float16"),
        (without("fc8_b_0"), "no tensor 'fc8_b_0'"),
        (with_nan, r"fc8_b_0 \(10,\) holds 1 numbers that are infinite or no number"),
    ],
)
def test_nothing_is_changed_by_a_file_that_does_not_fit(make, says, tmp_path):
    onnx.save(make(), tmp_path / "faulty.onnx")
    model = AlexNet(variant="caffe", **NARROW)
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(WeightsError, match=says):
        pretrained.load_weights(model, tmp_path / "faulty.onnx")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "caffe"])
def test_constants_and_order_have_to_be_the_files(folder, variant):
    size = VARIANTS[variant].input_size
    model = AlexNet(variant=variant, input_shape=(size, size, 3), **NARROW)
    with pytest.raises(WeightsError, match=r"in the variant 'caffe'.*AlexNet\(variant='caffe'\)"):
        pretrained.load_weights(model, folder / "bvlcalexnet-12.onnx")


@pytest.mark.parametrize(
    ("output", "setting", "value", "says"),
    [
        ("r2", "bias", 2.0, r"norm1 has k=1, the file's norm1 2\b"),
        ("r2", "alpha", 1e-3, "norm1 has alpha=2e-05, the file's norm1 0.0002"),
        ("r2", "size", 3, "norm1 has"),
        ("r0", "strides", [2, 2], "conv1 has stride="),
        ("r4", "pads", [1, 1, 1, 1], "conv2"),
        ("r3", "kernel_shape", [2, 2], "pool1 has kernel=2|pool1 has kernel=3"),
    ],
)
def test_one_constant_is_enough_to_differ(output, setting, value, says, tmp_path):
    network = published.published_onnx()
    node = published.node(network, output)
    kept = [item for item in node.attribute if item.name != setting]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(setting, value)])
    onnx.save(network, tmp_path / "other.onnx")
    model = AlexNet(variant="caffe", **NARROW)
    with pytest.raises(WeightsError, match=says):
        pretrained.load_weights(model, tmp_path / "other.onnx")


def test_every_description_is_recognized_as_itself():
    for variant in VARIANTS:
        assert architecture.variant_of(describe(variant, classes=3, fc_units=5)) == variant
    assert architecture.variant_of(architecture.CAFFENET) is None


# --- Names of classes -----------------------------------------------------------------------------


@pytest.fixture
def thousand(cache, monkeypatch):
    """A list of classes that looks like ImageNet's, in the place of the fetched one."""
    index = {str(i): [f"n{i:08d}", f"class_{i}"] for i in range(1000)}
    cache.mkdir()
    (cache / "index.json").write_text(json.dumps(index), "utf-8")
    monkeypatch.setattr(downloads, "fetch", lambda remote: cache / "index.json")
    labels.imagenet_classes.cache_clear()
    yield index
    labels.imagenet_classes.cache_clear()


def test_predictions_have_names(thousand):
    probabilities = np.zeros((2, 1000))
    probabilities[0, [7, 3]], probabilities[1, 999] = (0.6, 0.4), 1
    first, second = alexnet_lib.decode_predictions(probabilities, top=2)
    assert first == [("n00000007", "class 7", 0.6), ("n00000003", "class 3", 0.4)]
    assert second[0].name == "class 999"
    assert second[0].probability == 1
    assert len(alexnet_lib.decode_predictions(probabilities)[0]) == 5


def test_predictions_of_a_model_of_ones_own():
    ((best, *rest),) = alexnet_lib.decode_predictions(
        [[0.1, 0.7, 0.2]], class_names=["ant", "bee", "cat"]
    )
    assert best == ("1", "bee", 0.7)
    assert [prediction.name for prediction in rest] == ["cat", "ant"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([0.5, 0.5],), r"shape \(2,\); they must be \(batch, classes\)"),
        (([[0.5, 0.5]],), "2 probabilities a picture, and ImageNet has 1000"),
        (([[0.5, 0.5]], 5, ["a"]), "2 probabilities a picture, and 1 names"),
        (([[0.5, 0.5]], 0, ["a", "b"]), "top is 0"),
    ],
)
def test_predictions_that_cannot_be_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        alexnet_lib.decode_predictions(*arguments)


def test_folders_of_some_classes_have_the_networks_numbers(thousand):
    found = labels.imagenet_labels(["n00000005", "n00000999", "n00000000"])
    np.testing.assert_array_equal(found, [5, 999, 0])
    with pytest.raises(ValueError, match="1 folders are no classes of ImageNet's 1,000, 'tench'"):
        labels.imagenet_labels(["n00000005", "tench"])


def test_a_model_without_class_names_says_so():
    with pytest.raises(ValueError, match="has no class names"):
        pretrained.class_names(AlexNet(**SMALL))


def test_reading_weights_loads_no_tensorflow():
    """What reads and assigns weights runs on any backend of Keras."""
    root = Path(alexnet_lib.__file__).parent
    files = [root / name for name in ("pretrained.py", "labels.py", "data/downloads.py")]
    for path in (*files, *(root / "formats").glob("*.py")):
        text = path.read_text("utf-8")
        assert not re.search(r"^\s*(import|from) (tensorflow|torch)\b", text, re.MULTILINE), path


def print_table() -> None:
    """The largest relative difference to ONNX Runtime in every layer, in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_published(Path(name))
        columns = {name: differences(*compare(folder)) for name, compare in COMPARISONS.items()}
    print("| layer |", " | ".join(columns), "|")
    print("|---|", "--:|" * len(columns), sep="")
    for layer in TENSORS:
        print(f"| {layer} |", " | ".join(f"{c[layer]:.1e}" for c in columns.values()), "|")


if __name__ == "__main__":
    print_table()
