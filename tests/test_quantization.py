"""Weights in 8 bits, and the network that travels with the package."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT

from alexnet_lib import AlexNet, files, pretrained, trace
from alexnet_lib.formats import quantization

NAMES = ["cat", "dog", "Löwenzahn"]


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(1)
    return AlexNet(classes=3, fc_units=8)


def arrays(model):
    return {
        f"{layer.name}/{what}": np.asarray(values)
        for layer in model.layers
        if layer.weights
        for what, values in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    }


def rows_of_the_model_card(measured):
    """The rows of its tables that results/pocket.json has the numbers for."""

    def percent(share):
        return f"{100 * share:.1f} %"

    for crops, words in ((1, "one crop"), (10, "ten crops")):
        scores = measured["accuracy"].get(f"crops_{crops}")
        if scores is None:  # ten take ten times as long
            continue
        for top in ("top1", "top5"):
            low, high = map(percent, scores[f"{top}_interval"])
            yield f"| top-{top[-1]}, {words} | {percent(scores[top])} | {low} to {high} |"
    conv1 = measured["conv1"]
    for words, which in (
        (
            "with structure (correlation with themselves, shifted by one tap, at least 0.6)",
            "structured",
        ),
        ("with 1.5 cycles or more", "gratings"),
        ("dead or noise", "dead_or_noise"),
    ):
        yield f"| {words} | {conv1[which]} of {conv1['filters']} |"
    yield f"| pairs that are nearly the same (correlation above 0.9) | {conv1['duplicate_pairs']} |"
    for name, found in measured.get("transfer", {}).items():
        for what, scores in found["accuracies"].items():
            yield (
                f"| {name} | {what} | {percent(scores['mean'])} | "
                f"{percent(min(scores['seeds']))} to {percent(max(scores['seeds']))} |"
            )


def test_no_weight_is_off_by_more_than_half_a_step(small, tmp_path):
    path = tmp_path / "new" / "small.safetensors"
    pretrained.save(small, path, NAMES, eight_bits=True)
    read, description = quantization.read(path)
    for name, values in arrays(small).items():
        steps = 0.0
        if name.endswith("kernel"):
            steps = np.abs(values).max(tuple(range(values.ndim - 1))) / 127
        assert read[name].dtype == np.float32
        assert (np.abs(read[name] - values) <= steps / 2 * 1.0001).all(), name
    assert description == {
        "variant": "paper",
        "classes": 3,
        "fc_units": 8,
        "input_shape": [227, 227, 3],
        "class_names": NAMES,
    }
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_filter_of_zeros_stays_one():
    kernel = np.zeros((3, 3, 2, 4), "float32")
    kernel[..., 1] = 0.5
    whole, scale = quantization.quantize(kernel)
    np.testing.assert_allclose(whole * scale, kernel, rtol=1e-6)
    assert np.isfinite(scale).all()


def test_a_damaged_file_is_named(small, tmp_path):
    path = tmp_path / "small.safetensors"
    pretrained.save(small, path, NAMES, eight_bits=True)
    whole = path.read_bytes()
    for contents in (whole[: len(whole) // 2], b"", b"\x00" * 4096):
        path.write_bytes(contents)
        with pytest.raises(ValueError, match=r"small\.safetensors holds no whole network"):
            quantization.read(path)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        quantization.read(tmp_path / "absent.safetensors")


class TestPocket:
    def test_it_is_small_enough_to_travel(self):
        assert pretrained.POCKET.stat().st_size <= 10e6
        assert (pretrained.POCKET.parent / "README.md").is_file()

    @pytest.mark.alone
    def test_it_loads_within_two_seconds(self):
        # Of processor time: a busy machine is no fault of the weights.
        code = (
            "import time, keras; from alexnet_lib import AlexNet; AlexNet(classes=2, fc_units=2);"
            "start = time.process_time(); AlexNet(weights='pocket');"
            "print(time.process_time() - start)"
        )
        seconds = min(
            float(
                subprocess.run(
                    [sys.executable, "-c", code],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(2)
        )
        assert seconds < 2

    def test_it_is_the_papers_network_with_its_own_head(self):
        model = AlexNet(weights="pocket")
        _, description = quantization.read(pretrained.POCKET)
        records = {r.name: r for r in trace(classes=description["classes"], fc_units=512)}
        for layer in model.layers[1:]:
            assert layer.count_params() == records[layer.name].parameters
        names = description["class_names"]
        assert len(names) == len(set(names)) == model.output_shape[-1] == description["classes"]
        assert {"cat", "espresso", "rocket", "motorbike"} <= set(names)

    def test_the_trunk_alone(self):
        trunk = AlexNet(weights="pocket", include_top=False)
        whole = AlexNet(weights="pocket")
        for layer in trunk.layers:
            for one, other in zip(
                layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("wrong", [{"classes": 5}, {"fc_units": 100}, {"variant": "owt"}])
    def test_another_network_is_refused(self, wrong):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"'pocket' have {name}="):
            AlexNet(weights="pocket", **wrong)

    def test_the_pages_say_how_many_things_it_names(self):
        count = len(pretrained.class_names("pocket"))
        for page in ("README.md", "book/live.md", "book/changelog.md"):
            text = " ".join((ROOT / page).read_text("utf-8").split())
            assert re.search(rf"\b{count} (kinds of )?everyday things", text), page

    def test_the_model_card_states_what_was_measured(self):
        card = (pretrained.POCKET.parent / "README.md").read_text("utf-8")
        measured = json.loads((ROOT / "results" / "pocket.json").read_text("utf-8"))
        assert measured["weights"]["sha256"] == files.sha256(pretrained.POCKET)
        for row in rows_of_the_model_card(measured):
            assert f"{row}\n" in card, row
        weights, accuracy = measured["weights"], measured["accuracy"]
        error = measured["calibration"]["expected_calibration_error"]
        text = " ".join(card.split())
        for sentence in (
            f"one scale per filter, biases in float32: {weights['megabytes']} MB |",
            f"| classes | {weights['classes']} everyday things",
            f"the {accuracy['pictures']:,} test photographs, among {accuracy['classes']} classes",
            f"the two differ by {100 * error:.1f} points on average",
        ):
            assert sentence in text, sentence
