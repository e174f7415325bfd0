"""The description against the facts of the paper, brute force, and the arithmetic of others."""

import ast
import itertools
import json
import random
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT

from alexnet_lib.architecture import (
    VARIANTS,
    InputTooSmallError,
    describe,
    slide,
    smallest_input,
    trace,
    trace_layers,
)

# name → output shape, parameters, multiplications: the published figures of the network.
PAPER = {
    "conv1": ((55, 55, 96), 34_944, 105_415_200),
    "norm1": ((55, 55, 96), 0, 0),
    "pool1": ((27, 27, 96), 0, 0),
    "conv2": ((27, 27, 256), 307_456, 223_948_800),
    "norm2": ((27, 27, 256), 0, 0),
    "pool2": ((13, 13, 256), 0, 0),
    "conv3": ((13, 13, 384), 885_120, 149_520_384),
    "conv4": ((13, 13, 384), 663_936, 112_140_288),
    "conv5": ((13, 13, 256), 442_624, 74_760_192),
    "pool5": ((6, 6, 256), 0, 0),
    "flatten": ((9_216,), 0, 0),
    "fc6": ((4_096,), 37_752_832, 37_748_736),
    "drop6": ((4_096,), 0, 0),
    "fc7": ((4_096,), 16_781_312, 16_777_216),
    "drop7": ((4_096,), 0, 0),
    "fc8": ((1_000,), 4_097_000, 4_096_000),
}


def by_name(*args, **kwargs):
    return {record.name: record for record in trace(*args, **kwargs)}


def total(attribute, *args, **kwargs):
    return sum(getattr(record, attribute) for record in trace(*args, **kwargs))


def brute_force(size, kernel, stride, padding, rounding):
    """Puts the window down by hand, cell by cell: positions, cells never covered, overhang."""
    cells = ["edge"] * padding + ["map"] * size + ["edge"] * padding
    covered, positions, overhang, start = set(), 0, 0, 0
    while start + kernel <= len(cells):
        covered |= set(range(start, start + kernel))
        positions, start = positions + 1, start + stride
    last_end = start - stride + kernel
    if rounding == "ceil" and last_end < len(cells) and start < len(cells):
        covered |= set(range(start, len(cells)))
        positions, overhang = positions + 1, start + kernel - len(cells)
    unseen = [i for i, cell in enumerate(cells) if cell == "map" and i not in covered]
    return positions, len(unseen), overhang


def test_every_number_of_the_paper():
    records = trace()
    assert [record.name for record in records] == list(PAPER)
    found = {r.name: (r.output_shape, r.parameters, r.macs) for r in records}
    assert found == PAPER
    assert total("parameters") == 60_965_224
    assert total("macs") == 724_406_816
    windows = [(r.kernel, r.stride, r.padding, r.groups) for r in records if "conv" in r.name]
    assert windows == [(11, 4, 0, 1), (5, 1, 2, 2), (3, 1, 1, 1), (3, 1, 1, 2), (3, 1, 1, 2)]


def test_each_record_continues_where_the_last_one_ended():
    for variant in VARIANTS:
        records = trace(VARIANTS[variant].input_size, variant)
        for before, after in itertools.pairwise(records):
            assert before.output_shape == after.input_shape


def test_neurons_and_memory():
    conv1 = by_name()["conv1"]
    assert conv1.units == 290_400
    assert conv1.activation_bytes == 1_161_600
    assert conv1.parameter_bytes == 139_776


def test_totals_of_the_other_networks():
    assert total("parameters", variant="one_tower") == 62_378_344
    assert total("parameters", 224, "owt") == 61_100_840
    assert total("parameters", variant="caffe") == 60_965_224
    assert total("parameters", 224, "original") == 60_965_224


def test_convolutions_compute_and_dense_layers_remember():
    convolutions = [record for record in trace() if record.kind == "convolution"]
    parameters = sum(record.parameters for record in convolutions) / total("parameters")
    macs = sum(record.macs for record in convolutions) / total("macs")
    assert (f"{parameters:.1%}", f"{macs:.1%}") == ("3.8%", "91.9%")


def test_224_drops_a_step_in_the_paper_and_none_in_the_source():
    printed, meant, source = by_name(224), by_name(227), by_name(224, "original")
    assert printed["conv1"].output_shape == (54, 54, 96)
    assert printed["conv1"].unseen == (1, 1)
    assert printed["pool1"].unseen == (1, 1)
    assert printed["flatten"].output_shape == (6_400,)
    assert meant["conv1"].unseen == (0, 0)
    assert source["conv1"].overhang == (3, 3)
    for name, record in meant.items():
        assert source[name].output_shape == record.output_shape
        assert source[name].macs == record.macs


def test_caffe_rounds_its_pooling_up():
    caffe = by_name(224, "caffe")
    assert [caffe[name].output_shape[0] for name in ("conv1", "pool1", "pool2", "pool5")] == [
        54, 27, 13, 6
    ]  # fmt: skip
    assert caffe["pool1"].overhang == (1, 1)
    assert caffe["pool1"].unseen == (0, 0)


def test_receptive_fields():
    fields = [r.receptive_field for r in trace() if r.kind in ("convolution", "pooling")]
    assert fields == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [r.jump for r in trace() if r.kind == "pooling"] == [8, 16, 32]
    assert {r.receptive_field for r in trace((227, 300)) if r.kind == "dense"} == {300}


@pytest.mark.parametrize("variant", VARIANTS)
def test_receptive_fields_against_dependencies_followed_pixel_by_pixel(variant):
    """Along one side: every unit carries the set of the input's pixels that it depends on."""
    size = 700
    dependencies = [{pixel} for pixel in range(size)]
    for layer, record in zip(
        describe(variant, include_top=False),
        trace(size, variant, include_top=False),
        strict=True,
    ):
        if record.kernel:
            # A layer without a stride keeps the size of its map: its window is centred.
            stride, padding = record.stride or 1, record.padding
            padding = record.kernel // 2 if padding is None else padding
            dependencies = [
                set().union(
                    *dependencies[
                        max(0, i * stride - padding) : i * stride - padding + record.kernel
                    ]
                )
                for i in range(record.output_shape[0])
            ]
        middle = dependencies[len(dependencies) // 2]
        assert max(middle) - min(middle) + 1 == record.receptive_field, layer.name
        neighbour = dependencies[len(dependencies) // 2 + 1]
        assert min(neighbour) - min(middle) == record.jump, layer.name


def test_slide_against_brute_force():
    chance = random.Random(0)
    tried = 0
    while tried < 3_000:
        size, kernel, stride = chance.randint(1, 40), chance.randint(1, 12), chance.randint(1, 9)
        padding, rounding = chance.randint(0, 5), chance.choice(["floor", "ceil"])
        if kernel > size + 2 * padding:
            with pytest.raises(InputTooSmallError):
                slide(size, kernel, stride, padding, rounding)
            continue
        expected = brute_force(size, kernel, stride, padding, rounding)
        assert slide(size, kernel, stride, padding, rounding) == expected
        tried += 1


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_slide_against_onnxruntime_pooling(rounding):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    for kernel, stride in [(3, 2), (2, 2), (3, 3), (5, 4), (11, 4)]:
        node = onnx.helper.make_node(
            "MaxPool", ["x"], ["y"], kernel_shape=[kernel], strides=[stride],
            ceil_mode=int(rounding == "ceil"),
        )  # fmt: skip
        value = onnx.helper.make_tensor_value_info
        floats = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [node], "pool", [value("x", floats, [1, 1, None])], [value("y", floats, [1, 1, None])]
        )
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 12)], ir_version=8
        )
        session = onnxruntime.InferenceSession(model.SerializeToString())
        for size in range(kernel, 40):
            (pooled,) = session.run(None, {"x": np.zeros((1, 1, size), "float32")})
            assert slide(size, kernel, stride, rounding=rounding).positions == pooled.shape[2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_too_small_an_input_names_layer_arithmetic_and_the_smallest_that_fits(variant):
    smallest = smallest_input(VARIANTS[variant].layers)
    assert trace(smallest, variant)[-1].output_shape == (1000,)
    for size in range(1, smallest):
        with pytest.raises(InputTooSmallError) as caught:
            trace(size, variant)
        message = str(caught.value)
        assert f"The smallest square input for these layers is {smallest} pixels" in message
        assert message.split()[0] in {layer.name for layer in VARIANTS[variant].layers}
        assert f"input {size}×{size}" in message
        assert "is negative" in message


def test_too_small_an_input_shows_the_way_there():
    with pytest.raises(InputTooSmallError) as caught:
        trace((30, 300))
    assert str(caught.value) == (
        "pool2 cannot place its 3×3 window on a 2×36 map: a window of 3 does not fit on "
        "2 + 2·0 = 2: (2 + 2·0 - 3) / 2 is negative. "
        "The way there: input 30×300 → conv1 5×73 → pool1 2×36 → conv2 2×36. "
        "The smallest square input for these layers is 67 pixels a side."
    )


def test_every_larger_input_fits():
    for variant, network in VARIANTS.items():
        start = smallest_input(network.layers)
        for size in range(start, start + 40):
            assert trace(size, variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sides_of_a_rectangle_do_not_meet(variant):
    shapes = {
        sides: [r.output_shape for r in trace(sides, variant, include_top=False)]
        for sides in [(131, 187), (187, 131), (131, 131), (187, 187)]
    }
    for i, (rows, columns, channels) in enumerate(shapes[131, 187]):
        assert shapes[187, 131][i] == (columns, rows, channels)
        assert shapes[131, 131][i] == (rows, rows, channels)
        assert shapes[187, 187][i] == (columns, columns, channels)


def test_options_change_the_top():
    assert trace(include_top=False)[-1].name == "pool5"
    small = by_name(classes=5, fc_units=64)
    assert small["fc6"].parameters == 64 * 9_217
    assert small["fc8"].parameters == 5 * 65
    (rate,) = {layer.rate for layer in describe(dropout=0.25) if layer.kind == "dropout"}
    assert rate == 0.25
    assert describe(classifier_activation=None)[-1].activation is None


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"variant": "papr"}, "Did you mean 'paper'"),
        ({"variant": "vgg"}, ", ".join(VARIANTS)),
        ({"input_size": 0}, "rows is 0"),
        ({"input_size": -227}, "rows is -227"),
        ({"input_size": 227.5}, "rows is 227.5"),
        ({"input_size": (227, True)}, "columns is True"),
        ({"input_size": (227, 227, 3)}, r"\(rows, columns\)"),
        ({"classes": 0}, "classes is 0"),
        ({"classes": "10"}, "classes is '10'"),
        ({"fc_units": -1}, "fc_units is -1"),
        ({"dropout": 1}, "dropout is 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"dropout": float("nan")}, "dropout is nan"),
    ],
)
def test_wrong_arguments_are_named(arguments, what):
    with pytest.raises(ValueError, match=what):
        trace(**arguments)


def test_whole_numbers_of_numpy_are_whole_numbers():
    # classes=labels.max() + 1 is what readers write.
    records = trace(np.int64(227), classes=np.int64(5))
    assert [record.as_dict() for record in records] == [r.as_dict() for r in trace(classes=5)]
    assert json.dumps([record.as_dict() for record in records])


def test_groups_must_divide():
    with pytest.raises(ValueError, match="conv2: 7 groups must divide both the 96 channels"):
        trace_layers(
            [replace(x, groups=7) if x.name == "conv2" else x for x in VARIANTS["paper"].layers],
            (227, 227, 3),
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_records_become_json_and_come_back(variant):
    for record in trace(VARIANTS[variant].input_size, variant):
        back = json.loads(json.dumps(record.as_dict()))
        assert back["name"] == record.name
        assert tuple(back["output_shape"]) == record.output_shape
        assert back["units"] == record.units
        assert back["activation_bytes"] == 4 * record.units
        assert all(type(back[key]) is int for key in ("parameters", "macs", "receptive_field"))


def test_released_source_differs_where_it_is_known_to():
    layers = {layer.name: layer for layer in VARIANTS["original"].layers}
    order = list(layers)
    assert order.index("conv1") < order.index("norm1") < order.index("pool1") < order.index("relu1")
    assert order[order.index("norm2") + 1 :][:2] == ["mapnorm2", "pool2"]
    assert layers["conv1"].activation is None
    for name in ("norm1", "norm2"):
        norm = layers[name]
        assert (norm.k, norm.n, norm.beta, norm.groups) == (2, 5, 0.75, 2)
        assert norm.alpha == pytest.approx(1e-4 / 5)
    inside = layers["mapnorm2"]
    assert (inside.size, inside.beta) == (5, 0.75)
    assert inside.alpha == pytest.approx(1e-3 / 25)


def test_only_the_standard_library_is_imported():
    tree = ast.parse((ROOT / "alexnet_lib" / "architecture.py").read_text("utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if not (isinstance(node, ast.ImportFrom) and node.level)
    }
    assert imported
    assert imported <= sys.stdlib_module_names
    assert "from ." not in (ROOT / "alexnet_lib" / "architecture.py").read_text("utf-8")


def test_native_sizes_tile_without_a_remainder():
    for variant in ("paper", "caffe", "one_tower"):
        assert all(r.unseen == r.overhang == (0, 0) for r in trace(variant=variant))


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_unseen_rows_against_a_window_that_is_slid_row_by_row(rounding):
    for size, kernel, stride, padding in itertools.product(
        range(1, 14), range(1, 6), range(1, 8), range(4)
    ):
        if size + 2 * padding < kernel:
            continue
        steps = slide(size, kernel, stride, padding, rounding)
        starts = [stride * place - padding for place in range(steps.positions)]
        seen = {row for start in starts for row in range(start, start + kernel)}
        assert steps.unseen == len(set(range(size)) - seen), (size, kernel, stride, padding)
