"""What looks inside the network, against loops, NumPy, SciPy and scikit-image."""

import keras
import numpy as np
import pytest
import tiny
from scipy.signal import convolve2d, correlate2d
from scipy.spatial import cKDTree
from skimage.filters import gabor_kernel

from alexnet_lib import AlexNet, architecture, inspection, load_model, preprocess_input
from alexnet_lib.architecture import (
    ILSVRC_MEAN,
    Convolution,
    Dense,
    Flatten,
    LocalResponseNorm,
    MaxPooling,
)
from alexnet_lib.model import build
from alexnet_lib.preprocessing import with_preprocessing

LAYERS = (
    Convolution("conv1", filters=8, kernel=5, stride=2, stddev=0.05),
    LocalResponseNorm("norm1"),
    MaxPooling("pool1"),
    Convolution("conv2", filters=6, kernel=3, padding=1, groups=2, stddev=0.2),
    Flatten("flatten"),
    Dense("fc7", units=16, stddev=0.1, bias=0.1),
    Dense("fc8", units=3, stddev=0.1, activation="softmax"),
)
SHAPE = (33, 29, 3)
RECORDS = architecture.trace_layers(LAYERS, SHAPE)
CLASSES = ("cat", "dog", "emu")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return build(LAYERS, SHAPE)


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (20, *SHAPE)).astype("float32")


def in_form(form, network, pictures, folders):
    """A model in one of its three forms, and pictures as it takes them."""
    if form == "bare":
        return network, np.asarray(preprocess_input(pictures))
    model = with_preprocessing(network, CLASSES)
    if form == "file":
        path = folders.mktemp("models") / "best.keras"
        model.save(path)
        model = load_model(path)
    return model, pictures


@pytest.fixture(scope="module", params=["bare", "preprocess", "file"])
def any_model(request, network, pictures, tmp_path_factory):
    return in_form(request.param, network, pictures, tmp_path_factory)


@pytest.fixture(scope="module", params=["preprocess", "file"])
def model_of_pictures(request, network, pictures, tmp_path_factory):
    """A model that knows how its pictures are scaled; see `any_model`."""
    return in_form(request.param, network, pictures, tmp_path_factory)


# --- filters -------------------------------------------------------------------------------------


def test_filters_are_the_kernels_one_by_one(network):
    filters = inspection.filters(network, "conv2")
    assert filters.shape == (6, 3, 3, 4)
    np.testing.assert_array_equal(filters[5, 2, 1], network.get_layer("conv2").kernel[2, 1, :, 5])
    with pytest.raises(ValueError, match="fc7 is no convolution"):
        inspection.filters(network, "fc7")
    with pytest.raises(ValueError, match=r"no layer 'conv9' in alexnet; it has image, conv1"):
        inspection.filters(network, "conv9")


def test_filter_images_are_grey_where_a_weight_is_zero():
    kernels = np.zeros((3, 3, 3, 3))
    kernels[0, 0, 0] = (4, -2, 1)
    kernels[1, 1, 1, 2] = -1e-6
    images = inspection.filter_images(kernels)
    np.testing.assert_allclose(images[0, 0, 0], (1, 0.25, 0.625))
    np.testing.assert_allclose(images[1, 1, 1], (0.5, 0.5, 0))
    np.testing.assert_array_equal(images[2], np.full((3, 3, 3), 0.5))
    with pytest.raises(ValueError, match="see 48 channels, which are no colours"):
        inspection.filter_images(np.zeros((2, 5, 5, 48)))
    with pytest.raises(ValueError, match=r"has the shape \(11, 11, 3\)"):
        inspection.filter_images(np.zeros((11, 11, 3)))


def test_structure_is_the_mean_of_numpys_correlations():
    random = np.random.default_rng(0)
    kernels = random.normal(size=(7, 11, 9, 3))
    kernels[3] = np.cumsum(kernels[3], axis=0)
    for kernel, structure in zip(kernels, inspection.structure(kernels), strict=True):
        correlations = [
            np.corrcoef(one.ravel(), other.ravel())[0, 1]
            for channel in np.moveaxis(kernel, -1, 0)
            for one, other in (
                (channel[1:], channel[:-1]),
                (channel[:, 1:], channel[:, :-1]),
            )
        ]
        assert structure == pytest.approx(np.mean(correlations))


def test_structure_tells_noise_from_stripes():
    noise = np.random.default_rng(1).normal(size=(500, 11, 11, 3))
    values = inspection.structure(noise)
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(0.04, abs=0.01)  # as the docstring says
    stripes = np.repeat(np.real(gabor_kernel(0.15, 0.7, n_stds=2))[..., None], 3, axis=-1)
    assert inspection.structure(stripes[None])[0] > 0.6
    assert inspection.structure(np.ones((1, 5, 5, 3)))[0] == 0


def test_colourfulness_of_grey_opponents_and_noise():
    random = np.random.default_rng(0)
    grey = np.repeat(random.normal(size=(1, 11, 11, 1)), 3, axis=-1)
    opponent = random.normal(size=(1, 11, 11, 1)) * np.array([1, -2, 1])
    red = np.array([1.0, 0, 0]) * random.normal(size=(1, 11, 11, 1))
    values = inspection.colourfulness(np.concatenate([grey, opponent, red, 0 * grey]))
    np.testing.assert_allclose(values, [0, 1, 2 / 3, 0], atol=1e-12)
    noise = random.normal(size=(300, 11, 11, 3))
    assert inspection.colourfulness(noise).mean() == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("across", [0, 25, 45, 90, 130, 170])
def test_orientation_is_that_of_gabor_filters(across):
    # scikit-image counts the angle across the stripes, with rows that grow downwards.
    gabor = np.real(gabor_kernel(0.2, np.radians(across), sigma_x=2.5, sigma_y=2.5))
    angles, clearness = inspection.orientation(np.stack([gabor, -3 * gabor])[..., None])
    difference = (angles - (90 - across)) % 180
    assert np.minimum(difference, 180 - difference).max() < 3
    assert clearness.min() > 0.8


@pytest.mark.parametrize("number", [1.5, 2.0, 3.25, 4.5])
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_cycles_are_those_of_a_grating(number, angle):
    taps = np.arange(11) / 11
    direction = np.radians(angle)
    across = np.cos(direction) * taps[:, None] + np.sin(direction) * taps
    waves = [np.cos(2 * np.pi * number * across + phase) for phase in (0, 0.7, 2)]
    kernels = np.stack(waves)[..., None] * np.array([1.0, -0.5, 0.2]) + 3
    np.testing.assert_allclose(inspection.cycles(kernels), number, atol=0.2)


def test_a_filter_that_is_no_grating_has_few_cycles():
    taps = np.arange(11) - 5
    blob = np.exp(-(taps[:, None] ** 2 + taps**2) / 12)
    edge = np.repeat(np.sign(taps)[:, None], 11, axis=1)
    flat = np.full((11, 11), 0.3)
    found = inspection.cycles(np.stack([blob, edge, flat])[..., None])
    assert 0 < found[:2].min() < found[:2].max() < 1.2
    assert found[2] == 0


def test_a_round_blob_has_no_orientation():
    rows, columns = np.indices((11, 11)) - 5
    blob = np.exp(-(rows**2 + columns**2) / 8)[None, ..., None]
    assert inspection.orientation(blob)[1][0] < 0.05
    assert inspection.orientation(np.ones((1, 5, 5, 3)))[1][0] == 0


# --- activities ----------------------------------------------------------------------------------


def test_activations_are_those_of_numpy_for_every_kind_of_model(any_model, network):
    model, pictures = any_model
    found = inspection.activations(model, pictures[3], ["conv1", "fc8"])
    kernel, bias = (np.asarray(v, "float64") for v in network.get_layer("conv1").weights)
    picture = pictures[3] if model is network else pictures[3] - np.array(ILSVRC_MEAN)
    for unit in (0, 7):
        expected = sum(
            correlate2d(picture[..., c], kernel[..., c, unit], "valid")[::2, ::2] for c in range(3)
        )
        np.testing.assert_allclose(
            found["conv1"][..., unit], np.maximum(expected + bias[unit], 0), rtol=1e-3, atol=1e-3
        )
    np.testing.assert_allclose(found["fc8"].sum(), 1, rtol=1e-5)
    batch = inspection.activations(model, pictures, ["conv1"])
    np.testing.assert_allclose(batch["conv1"][3], found["conv1"], rtol=1e-4, atol=1e-3)


def test_activations_of_all_layers_take_one_pass(network, pictures, monkeypatch):
    calls = []
    call = keras.layers.Dense.call

    def counted(layer, *arguments, **options):
        calls.append(layer.name)
        return call(layer, *arguments, **options)

    monkeypatch.setattr(keras.layers.Dense, "call", counted)
    found = inspection.activations(network, pictures[0])
    assert calls == ["fc7", "fc8"]
    assert list(found) == [layer.name for layer in LAYERS]
    assert {name: maps.shape for name, maps in found.items()} == {
        record.name: record.output_shape for record in RECORDS
    }


def test_pictures_of_another_size_are_refused(network):
    with pytest.raises(ValueError, match=r"shape \(227, 227, 3\); alexnet takes 33×29×3"):
        inspection.activations(network, np.zeros((227, 227, 3)))


def test_features_are_the_activations_of_a_stream(any_model):
    model, pictures = any_model
    batches = [(pictures[:7], np.arange(7)), (pictures[7:], np.arange(7, 20))]
    vectors, labels = inspection.features(model, batches, "pool1")
    maps = inspection.activations(model, pictures, ["pool1"])["pool1"]
    np.testing.assert_allclose(vectors, maps.reshape(20, -1), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(labels, np.arange(20))
    with pytest.raises(ValueError, match="no examples"):
        inspection.features(model, [])


def test_sparseness_is_that_of_the_published_formula():
    random = np.random.default_rng(0)
    maps = np.maximum(random.normal(size=(3, 4, 5, 6)), 0)
    maps[..., 0] = 2.5  # the same everywhere
    maps[..., 1] = 0
    maps[1, 2, 3, 1] = 7  # at one position
    maps[..., 2] = 0  # never
    found = inspection.sparseness(maps)
    rates = maps[..., 3].ravel()
    expected = (1 - (sum(rates) / 60) ** 2 / sum(rate**2 / 60 for rate in rates)) / (1 - 1 / 60)
    np.testing.assert_allclose(found[:4], [0, 1, 0, expected], atol=1e-12)
    np.testing.assert_allclose(inspection.sparseness(3 * maps), found)
    with pytest.raises(ValueError, match=r"after a ReLU.*is -1"):
        inspection.sparseness(maps - 1)
    with pytest.raises(ValueError, match="there is only one"):
        inspection.sparseness(maps[0, 0, 0])


def test_selective_units_are_sparse_audible_and_different():
    maps = np.full((2, 6, 6, 6), 0.1)
    maps[0, 1, 1, 4] = 9  # one position
    maps[..., 2] = 1.5 * maps[..., 4] + 0.1  # nearly the same
    maps[1, 3, 3:5, 0] = 6  # two other ones
    maps[1, :, :, 5] = 6  # half of all
    maps[..., 1] = 6  # everywhere the same
    maps[..., 3] = 0
    maps[0, 0, 0, 3] = 0.01  # the sparsest, and nearly silent
    np.testing.assert_array_equal(inspection.selective_units(maps, 3), [4, 0, 5])
    np.testing.assert_array_equal(inspection.selective_units(maps, 3, alike=1.1), [4, 0, 2])
    with pytest.raises(ValueError, match="Only 3 channels respond to different things, but 4"):
        inspection.selective_units(maps, 4)


def test_nearest_neighbours_are_scipys():
    random = np.random.default_rng(0)
    vectors, queries = random.normal(size=(200, 12)), random.normal(size=(5, 12))
    places, distances = inspection.nearest(queries, vectors, 7)
    expected_distances, expected_places = cKDTree(vectors).query(queries, 7)
    np.testing.assert_array_equal(places, expected_places)
    np.testing.assert_allclose(distances, expected_distances)
    with pytest.raises(ValueError, match="queries have 3 numbers each, the vectors 12"):
        inspection.nearest(np.zeros(3), vectors)
    with pytest.raises(ValueError, match="there are 200 vectors"):
        inspection.nearest(queries, vectors, 201)


# --- the picture behind a unit -------------------------------------------------------------------


def pixels_seen(records, layer, axis):
    """For each place along one axis the pixels that it depends on, by following every window."""
    seen = [{pixel} for pixel in range(records[0].input_shape[axis])]
    for record in records:
        if record.kernel:
            padding = record.kernel // 2 if record.padding is None else record.padding
            windows = [
                range(place * (record.stride or 1) - padding, 10**6)[: record.kernel]
                for place in range(record.output_shape[axis])
            ]
            seen = [
                set().union(*(seen[i] for i in window if 0 <= i < len(seen))) for window in windows
            ]
        if record.name == layer:
            return seen
    raise AssertionError(layer)


@pytest.mark.parametrize("variant", architecture.VARIANTS)
def test_receptive_boxes_are_what_following_every_window_finds(variant):
    records = architecture.trace((227, 195), variant)
    for record in records:
        if len(record.output_shape) != 3:
            continue
        boxes = inspection.receptive_boxes(records, record.name)
        assert boxes.shape == (*record.output_shape[:2], 4)
        rows, columns = (pixels_seen(records, record.name, axis) for axis in (0, 1))
        assert [(min(r), max(r) + 1) for r in rows] == [(t, b) for t, _, b, _ in boxes[:, 0]]
        assert [(min(c), max(c) + 1) for c in columns] == [(x, y) for _, x, _, y in boxes[0]]


def test_a_dense_unit_sees_everything():
    boxes = inspection.receptive_boxes(RECORDS, "fc7")
    np.testing.assert_array_equal(boxes, [[[0, 0, 33, 29]]])
    with pytest.raises(ValueError, match="no layer 'fc6'; there are conv1, norm1"):
        inspection.receptive_boxes(RECORDS, "fc6")


def test_a_heat_map_is_linear_between_its_centres():
    heat = inspection.HeatMap(
        np.array([[0.0, 4.0], [2.0, 6.0]]), np.array([1, 3]), np.array([2, 6])
    )
    spread = heat.spread(5, 9)
    assert spread.shape == (5, 9)
    assert spread[1, 2] == 0
    assert spread[3, 6] == 6
    assert spread[2, 4] == 3  # half-way between all four
    assert spread[0, 0] == 0  # beyond the centres
    assert spread[4, 8] == 6


@pytest.mark.parametrize("batch", [1, 6, 20])
def test_strongest_patches_are_those_of_brute_force(model_of_pictures, pictures, batch):
    model, taken = model_of_pictures
    labels = np.arange(20) % 3
    batches = [
        (taken[start : start + batch], labels[start : start + batch])
        for start in range(0, 20, batch)
    ]
    found = inspection.strongest_patches(model, batches, "conv2", [4, 1], 5)
    maps = inspection.activations(model, taken, ["conv2"])["conv2"]
    side = next(record.receptive_field for record in RECORDS if record.name == "conv2")
    start, jump = -1 * 4, 4  # one zero of padding, four pixels wide; neighbours are 4 apart
    padded = np.pad(pictures, ((0, 0), (4, side), (4, side), (0, 0)), constant_values=255)
    for index, unit in enumerate((4, 1)):
        order = np.argsort(-maps[..., unit].max((1, 2)), kind="stable")[:5]
        np.testing.assert_array_equal(found.examples[index], order)
        np.testing.assert_array_equal(found.labels[index], labels[order])
        for rank, example in enumerate(order):
            row, column = np.unravel_index(maps[example, ..., unit].argmax(), maps.shape[1:3])
            assert tuple(found.places[index, rank]) == (row, column)
            assert found.activities[index, rank] == pytest.approx(
                maps[example, row, column, unit], rel=1e-3
            )
            top, left = start + jump * row, start + jump * column
            np.testing.assert_array_equal(
                found.boxes[index, rank],
                [max(top, 0), max(left, 0), min(top + side, 33), min(left + side, 29)],
            )
            expected = padded[example, top + 4 : top + 4 + side, left + 4 : left + 4 + side]
            np.testing.assert_allclose(found.patches[index, rank], expected, atol=1e-3)


@pytest.mark.parametrize("batch", [1, 6, 20])
def test_one_patch_per_label_is_the_strongest_of_each(network, pictures, batch):
    model = with_preprocessing(network, CLASSES)
    labels = np.arange(20) // 3  # as of parts that follow each other
    batches = [
        (pictures[start : start + batch], labels[start : start + batch])
        for start in range(0, 20, batch)
    ]
    found = inspection.strongest_patches(model, batches, "conv2", [4, 1], 5, one_per_label=True)
    peaks = inspection.activations(model, pictures, ["conv2"])["conv2"].max((1, 2))
    for index, unit in enumerate((4, 1)):
        best = [
            max(np.flatnonzero(labels == label), key=lambda e: peaks[e, unit]) for label in range(7)
        ]
        expected = sorted(best, key=lambda example: -peaks[example, unit])[:5]
        np.testing.assert_array_equal(found.examples[index], expected)
        np.testing.assert_array_equal(found.labels[index], labels[expected])
    with pytest.raises(ValueError, match="have 7 different labels, but 8 patches of different"):
        inspection.strongest_patches(model, batches, "conv2", [0], 8, one_per_label=True)


def test_patches_inside_see_no_padding(network, pictures):
    model = with_preprocessing(network, CLASSES)
    maps = inspection.activations(model, pictures, ["conv2"])["conv2"]
    side = next(record.receptive_field for record in RECORDS if record.name == "conv2")
    kept = maps[:, 1:-1, 1:-1]  # one zero of padding, four pixels wide, at each side
    anywhere = inspection.strongest_patches(model, [pictures], "conv2", [4], 20)
    found = inspection.strongest_patches(model, [pictures], "conv2", [4], 20, inside=True)
    assert ((anywhere.boxes[..., 2:] - anywhere.boxes[..., :2]) < side).any()
    assert ((found.boxes[..., 2:] - found.boxes[..., :2]) == side).all()
    np.testing.assert_allclose(found.activities[0], -np.sort(-kept[..., 4].max((1, 2))), rtol=1e-3)
    small = with_preprocessing(build(LAYERS, (15, 15, 3)), CLASSES)
    with pytest.raises(ValueError, match="Every unit of conv2 sees padding"):
        inspection.strongest_patches(small, [pictures[:, :15, :15]], "conv2", [0], 1, inside=True)


def test_strongest_patches_need_units_maps_and_pictures(network, pictures):
    model = with_preprocessing(network, CLASSES)

    def search(layer="conv2", units=(0,), count=5):
        return inspection.strongest_patches(model, [pictures], layer, units, count)

    assert (search().labels == -1).all()
    with pytest.raises(ValueError, match=r"units are \[6\]; the layer has the units 0 to 5"):
        search(units=[6])
    with pytest.raises(ValueError, match="fc7 has no map"):
        search("fc7")
    with pytest.raises(ValueError, match="has 20 pictures, but 21 a unit"):
        search(count=21)


def test_what_shows_pictures_asks_on_which_scale_they_are(network, pictures):
    """A network that is no variant does not say; until 2026 the paper's scale was assumed."""
    for look in (
        lambda: inspection.strongest_patches(network, [pictures], "conv2", [0]),
        lambda: inspection.maximize(network, "conv2", [0]),
        lambda: inspection.as_pictures(network, pictures),
    ):
        with pytest.raises(ValueError, match="none of the variants and has no Preprocess layer"):
            look()


def test_the_scale_is_the_networks_whatever_it_is_called():
    network = build(architecture.OWT, (67, 67, 3), name="alexnet_paper")
    colour = np.full((67, 67, 3), (200.0, 30.0, 30.0), "float32")
    seen = inspection.as_pictures(network, np.asarray(preprocess_input(colour, "owt")))
    np.testing.assert_allclose(seen, colour, atol=1e-3)


def test_the_effective_field_of_box_filters_is_a_convolution_of_boxes():
    layers = (
        Convolution("conv1", filters=2, kernel=3, activation=None),
        Convolution("conv2", filters=1, kernel=5, stride=2, activation=None),
    )
    model = build(layers, (15, 15, 3))
    for layer in model.layers[1:]:
        layer.kernel.assign(keras.ops.ones_like(layer.kernel))
    field = inspection.effective_receptive_field(model, np.ones((4, 15, 15, 3)), "conv2")
    bump = convolve2d(np.ones((3, 3)), np.ones((5, 5)))
    expected = np.zeros((15, 15))
    expected[4:11, 4:11] = bump / bump.sum()  # place 2 of 5, two pixels apart
    np.testing.assert_allclose(field, expected, atol=1e-7)


def test_the_effective_field_ends_where_the_theoretical_one_does():
    keras.utils.set_random_seed(0)
    model = AlexNet(include_top=False, input_shape=(131, 131, 3))
    records = architecture.trace(131, include_top=False)
    pictures = np.random.default_rng(0).normal(0, 60, (2, 131, 131, 3))
    for layer in ("conv1", "pool1", "conv2"):
        field = inspection.effective_receptive_field(model, pictures, layer)
        boxes = inspection.receptive_boxes(records, layer)
        middle = boxes[boxes.shape[0] // 2, boxes.shape[1] // 2]
        rows, columns = np.nonzero(field)
        seen = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_array_equal(seen, middle)
    dead = keras.models.clone_model(model)
    dead.get_layer("conv1").bias.assign([-1e6] * 96)
    with pytest.raises(ValueError, match="None of the pictures excites"):
        inspection.effective_receptive_field(dead, pictures, "conv1")


def test_the_side_that_holds_a_share_is_that_of_a_loop():
    field = np.random.default_rng(0).random((21, 17)) * np.outer(np.hanning(21), np.hanning(17))
    for share in (0.3, 0.95, 1.0):
        enough = next(
            side
            for side in range(1, 22)
            if max(
                field[top : top + side, left : left + side].sum()
                for top in range(21)
                for left in range(17)
            )
            >= share * field.sum() - 1e-12
        )
        assert inspection.side_holding(field, share) == enough
    # A window whose weight is at its edge is held by the window itself.
    lopsided = np.zeros((9, 9))
    lopsided[2:5, 3:6] = [[0, 0, 0], [0, 0, 0], [9, 9, 1]]
    assert inspection.side_holding(lopsided, 1.0) == 3
    point = np.zeros((9, 9))
    point[3, 5] = 2
    assert inspection.side_holding(point) == 1
    with pytest.raises(ValueError, match="share is 0"):
        inspection.side_holding(field, 0)


# --- what an answer rests on ---------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [5, 64])
def test_occlusion_is_that_of_a_loop(any_model, network, batch_size):
    model, pictures = any_model
    grey = 0 if model is network else np.array(ILSVRC_MEAN)
    heat = inspection.occlusion(model, pictures[2], 1, size=10, stride=6, batch_size=batch_size)
    tops, lefts = (0, 6, 12, 18), (0, 6, 12, 18)
    assert heat.values.shape == (4, 4)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            covered = pictures[2].copy()
            covered[top : top + 10, left : left + 10] = grey
            expected = np.asarray(model(covered[None], training=False))[0, 1]
            assert heat.values[i, j] == pytest.approx(expected, rel=1e-3)
            assert (heat.rows[i], heat.columns[j]) == (top + 4.5, left + 4.5)


def test_occlusion_needs_a_class_and_a_square_that_fits(network, pictures):
    with pytest.raises(ValueError, match="target is 3; alexnet has the classes 0 to 2"):
        inspection.occlusion(network, pictures[0], 3)
    with pytest.raises(ValueError, match="does not fit"):
        inspection.occlusion(network, pictures[0], 0, size=48)
    with pytest.raises(ValueError, match="stride 0"):
        inspection.occlusion(network, pictures[0], 0, size=5, stride=0)
    with pytest.raises(ValueError, match="has no classes"):
        inspection.occlusion(build(LAYERS[:4], SHAPE), pictures[0], 0)


def test_grad_cam_is_that_of_a_computation_by_hand():
    layers = (
        Convolution("conv5", filters=4, kernel=3, stride=2, stddev=0.1),
        Flatten("flatten"),
        Dense("fc8", units=3, stddev=0.1, activation="softmax"),
    )
    keras.utils.set_random_seed(1)
    model = build(layers, (11, 9, 3))
    model.trainable = False  # where no variable is watched, the gradient must still arrive
    picture = np.random.default_rng(1).normal(size=(11, 9, 3)).astype("float32")
    kernel, bias = (np.asarray(v, "float64") for v in model.get_layer("conv5").weights)
    maps = np.stack(
        [
            sum(correlate2d(picture[..., c], kernel[..., c, k], "valid") for c in range(3))[
                ::2, ::2
            ]
            + bias[k]
            for k in range(4)
        ],
        axis=-1,
    )
    maps = np.maximum(maps, 0)
    for target in range(3):
        # The score is linear in the maps: its gradient is the kernel of fc8.
        gradient = np.asarray(model.get_layer("fc8").kernel)[:, target].reshape(maps.shape)
        expected = np.maximum((maps * gradient.mean((0, 1))).sum(-1), 0)
        heat = inspection.grad_cam(model, picture, target)
        assert expected.max() > 0
        np.testing.assert_allclose(heat.values, expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(heat.rows, [1, 3, 5, 7, 9])
    np.testing.assert_array_equal(heat.columns, [1, 3, 5, 7])


def test_grad_cam_works_on_every_kind_of_model(any_model):
    model, pictures = any_model
    heat = inspection.grad_cam(model, pictures[0], 2, "conv2")
    assert heat.values.shape == (7, 6)
    assert heat.values.min() >= 0
    # A unit of pool1 sees 9 pixels, the first one pixels 0 to 8; conv2 is centred on it.
    np.testing.assert_array_equal(heat.rows, [4, 8, 12, 16, 20, 24, 28])
    np.testing.assert_array_equal(heat.columns, [4, 8, 12, 16, 20, 24])
    with pytest.raises(ValueError, match="fc7 has no map"):
        inspection.grad_cam(model, pictures[0], 2, "fc7")


def test_the_geometry_of_a_variant_is_found_by_its_shapes():
    keras.utils.set_random_seed(0)
    network = AlexNet(classes=3, fc_units=8, input_shape=(99, 99, 3))
    model = with_preprocessing(network, CLASSES)
    picture = np.random.default_rng(0).integers(0, 256, (99, 99, 3))
    heat = inspection.grad_cam(model, picture, 0)
    records = architecture.trace(99)
    assert heat.values.shape == records[8].output_shape[:2]
    boxes = inspection.receptive_boxes(architecture.trace(995), "conv5")
    middle = boxes[30, 30]  # where no edge cuts: centres are those of the boxes
    step = 16
    assert heat.rows[1] - heat.rows[0] == step
    assert heat.rows[0] == (middle[0] + middle[2] - 1) / 2 - 30 * step


def scores_of(network, pictures):
    """The scores before the softmax in float64, by SciPy and NumPy from the paper's formulas."""
    weights = {
        layer.name: [np.asarray(v, "float64") for v in layer.weights] for layer in network.layers
    }
    scores = []
    for picture in np.asarray(pictures, "float64"):
        kernel, bias = weights["conv1"]
        maps = np.stack(
            [
                sum(correlate2d(picture[..., c], kernel[..., c, k], "valid") for c in range(3))[
                    ::2, ::2
                ]
                for k in range(8)
            ],
            axis=-1,
        )
        maps = np.maximum(maps + bias, 0)
        squares = np.pad(maps**2, ((0, 0), (0, 0), (2, 2)))
        maps = maps / (2 + 1e-4 * sum(squares[..., i : i + 8] for i in range(5))) ** 0.75
        windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(0, 1))
        maps = np.pad(windows[::2, ::2].max((-1, -2)), ((1, 1), (1, 1), (0, 0)))
        kernel, bias = weights["conv2"]
        maps = np.stack(
            [
                sum(
                    correlate2d(maps[..., 4 * (k // 3) + c], kernel[..., c, k], "valid")
                    for c in range(4)
                )
                for k in range(6)
            ],
            axis=-1,
        )
        features = np.maximum(maps + bias, 0).ravel()
        for layer in ("fc7", "fc8"):
            kernel, bias = weights[layer]
            features = features @ kernel + bias
            features = np.maximum(features, 0) if layer == "fc7" else features
        scores.append(features)
    return np.array(scores)


def test_input_gradients_are_finite_differences(network):
    picture = np.random.default_rng(4).normal(0, 60, SHAPE).astype("float32")
    network.trainable = False
    gradient = inspection.input_gradients(network, picture, 2)
    network.trainable = True
    assert gradient.shape == SHAPE
    places = [(0, 0, 0), (9, 14, 1), (16, 7, 2), (25, 20, 0), (12, 12, 1), (20, 3, 2)]
    moved = np.repeat(picture[None].astype("float64"), 2 * len(places), axis=0)
    for number, place in enumerate(places):
        moved[2 * number][place] += 1e-4
        moved[2 * number + 1][place] -= 1e-4
    scores = scores_of(network, moved)[:, 2]
    expected = (scores[::2] - scores[1::2]) / 2e-4
    assert np.median(np.abs(expected)) > 1e-4
    np.testing.assert_allclose([gradient[p] for p in places], expected, rtol=1e-3, atol=1e-6)


def test_integrated_gradients_add_up_to_the_difference_of_the_scores(any_model, network):
    model, pictures = any_model
    inputs = pictures if model is network else np.asarray(preprocess_input(pictures))
    neutral, other = np.zeros(SHAPE), inputs[1]
    picture, from_other, from_neutral = scores_of(network, [inputs[0], other, neutral])[:, 1]
    assert abs(picture - from_neutral) > 0.1
    for baseline, start in ((None, from_neutral), (pictures[1], from_other)):
        errors = []
        for steps in (2, 1000):
            shares = inspection.integrated_gradients(
                model, pictures[0], 1, baseline, steps, batch_size=300
            )
            assert shares.shape == SHAPE
            errors.append(abs(shares.sum() - (picture - start)))
        assert errors[1] < 0.01 * abs(picture - start)
        assert errors[1] < 0.2 * errors[0]


def test_integrated_gradients_of_a_linear_network_are_its_terms():
    keras.utils.set_random_seed(1)
    model = build((Flatten("flatten"), Dense("fc8", units=4, stddev=0.1)), (5, 4, 3))
    picture, baseline = np.random.default_rng(1).normal(size=(2, 5, 4, 3))
    kernel = np.asarray(model.get_layer("fc8").kernel)[:, 3].reshape(5, 4, 3)
    np.testing.assert_allclose(inspection.input_gradients(model, picture, 3), kernel, rtol=1e-5)
    np.testing.assert_allclose(
        inspection.integrated_gradients(model, picture, 3, baseline, steps=1),
        kernel * (picture - baseline),
        rtol=1e-4,
        atol=1e-6,
    )


def test_gradients_of_pixels_need_a_class_and_a_baseline_that_fits(network, pictures):
    for method in (inspection.input_gradients, inspection.integrated_gradients):
        with pytest.raises(ValueError, match="target is 3; alexnet has the classes 0 to 2"):
            method(network, pictures[0], 3)
        with pytest.raises(ValueError, match="has no classes"):
            method(build(LAYERS[:4], SHAPE), pictures[0], 0)
    with pytest.raises(ValueError, match=r"shape \(9, 9, 3\)"):
        inspection.integrated_gradients(network, pictures[0], 0, np.zeros((9, 9, 3)))
    with pytest.raises(ValueError, match="steps is 0"):
        inspection.integrated_gradients(network, pictures[0], 0, steps=0)


def test_a_randomized_network_keeps_its_numbers_but_not_their_places(any_model):
    model, pictures = any_model
    before = model.get_weights()
    copy = inspection.randomized(model, "conv2", seed=3)
    for layer in model.layers:
        other = copy.get_layer(layer.name)
        for old, new in zip(layer.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(np.sort(old, None), np.sort(new, None))
            if layer.name == "conv1":
                np.testing.assert_array_equal(old, new)
            elif old.ndim > 1:
                assert (old != new).mean() > 0.9
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    # As a model it works like any other.
    assert inspection.activations(copy, pictures[0], ["fc8"])["fc8"].shape == (3,)
    again = inspection.randomized(model, "conv2", seed=3)
    for one, other in zip(copy.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# --- pictures that excite a unit -----------------------------------------------------------------


@pytest.fixture(scope="module")
def linear():
    """The score of a class is linear here, so its gradient is its kernel, whatever the picture."""
    keras.utils.set_random_seed(0)
    layers = (Flatten("flatten"), Dense("fc8", units=3, activation="softmax"))
    return with_preprocessing(build(layers, (8, 8, 3)), CLASSES)


def test_one_step_follows_the_gradient(linear):
    plain = {"steps": 1, "jitter": 0, "decay": 0.0, "falloff": 0.0, "seed": 5}
    found = inspection.maximize(linear, "fc8", [2, 0], rate=3.0, **plain)
    noise = np.random.default_rng(5).normal(0, 10, (2, 8, 8, 3)) + ILSVRC_MEAN
    for index, unit in enumerate((2, 0)):
        kernel = keras.ops.convert_to_numpy(linear.get_layer("fc8").kernel)
        slope = kernel[:, unit].reshape(8, 8, 3)
        expected = noise[index] + 3 * slope / np.sqrt((slope**2).mean())
        np.testing.assert_allclose(found[index], expected.clip(0, 255), atol=1e-2)


def test_a_step_divides_each_frequency_by_its_power(linear):
    """The step is compared, wave by wave, with the gradient's."""
    plain = {"steps": 1, "jitter": 0, "decay": 0.0, "seed": 5}
    still = inspection.maximize(linear, "fc8", [2], rate=1e-6, falloff=1.5, **plain)
    step = inspection.maximize(linear, "fc8", [2], rate=3.0, falloff=1.5, **plain) - still
    kernel = keras.ops.convert_to_numpy(linear.get_layer("fc8").kernel)
    slope = kernel[:, 2].reshape(8, 8, 3)
    assert np.sqrt((step**2).mean()) == pytest.approx(3, rel=1e-3)

    def amplitude(image, down, across):
        rows, columns = np.mgrid[:8, :8]
        wave = np.exp(-2j * np.pi * (down * rows + across * columns) / 8)
        return (wave[..., None] * image).sum((0, 1))

    gains = {
        place: amplitude(step[0], *place) / amplitude(slope, *place)
        for place in ((0, 0), (1, 0), (0, 2), (1, 2), (3, 3), (4, 4))
    }
    for (down, across), gain in gains.items():
        times = max(np.hypot(down, across), 1)  # the mean counts as the longest wave
        np.testing.assert_allclose(gain, gains[1, 0] / times**1.5, rtol=2e-3)


def test_the_ascent_excites_the_unit_from_any_kind_of_model(model_of_pictures):
    model, _ = model_of_pictures
    found = inspection.maximize(model, "conv2", [0, 3], steps=16, jitter=2)
    assert found.shape == (2, *SHAPE)
    assert found.min() >= 0
    assert found.max() <= 255
    start = inspection.maximize(model, "conv2", [0, 3], steps=1, jitter=2, rate=1e-6)

    def excited(pictures):
        maps = inspection.activations(model, pictures, ["conv2"])["conv2"]
        return np.array([maps[i, 3, 3, unit] for i, unit in enumerate((0, 3))])

    assert (excited(found) > 2 * excited(start) + 0.1).all()


def test_the_ascent_repeats_with_its_seed_and_its_restraints_act(linear):
    def made(**settings):
        return inspection.maximize(linear, "fc8", [1], steps=8, **settings)

    first = made(seed=1)
    np.testing.assert_array_equal(first, made(seed=1))
    assert np.abs(first - made(seed=2)).max() > 1
    assert made(seed=1, decay=0.3).std() < first.std()
    # Where coarse patterns are favoured, neighbours are alike.
    smooth, rough = made(seed=1, falloff=3.0), made(seed=1, falloff=0.0)
    steps = [np.abs(np.diff(picture[0], axis=0)).mean() for picture in (smooth, rough)]
    assert steps[0] < steps[1] / 2


def test_the_ascent_needs_a_unit_and_numbers_in_their_ranges(network):
    with pytest.raises(ValueError, match="decay=1"):
        inspection.maximize(network, "fc7", [1], decay=1)
    with pytest.raises(ValueError, match="norm1 is neither a convolution nor fully connected"):
        inspection.maximize(network, "norm1", [0])
    with pytest.raises(ValueError, match="units 0 to 15"):
        inspection.maximize(network, "fc7", [16])


@pytest.mark.parametrize("variant", ["paper", "owt"])
@pytest.mark.parametrize("scale", [1.0, 1 / 58])
def test_as_pictures_undoes_the_preprocessing(variant, scale):
    size = architecture.smallest_input(architecture.describe(variant))
    network = AlexNet(variant=variant, include_top=False, input_shape=(size, size, 3))
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")
    taken = np.asarray(preprocess_input(pictures, variant))
    np.testing.assert_allclose(inspection.as_pictures(network, taken), pictures, atol=1e-3)
    classes = AlexNet(variant=variant, classes=3, fc_units=4, input_shape=(size, size, 3))
    model = with_preprocessing(classes, CLASSES, variant, scale)
    np.testing.assert_allclose(inspection.as_pictures(model, pictures), pictures, atol=1e-3)
    # What covers the picture is what the network takes for nothing.
    grey = inspection.models.neutral_colour(model)
    np.testing.assert_allclose(model.get_layer("preprocess")(grey[None, None]), 0, atol=1e-4)


def test_one_name_is_one_layer():
    model, pictures = tiny.model(), tiny.Pictures(2).pictures
    one = inspection.activations(model, pictures, "conv1")
    assert list(one) == ["conv1"]
    several = inspection.activations(model, pictures, ["conv1"])
    np.testing.assert_array_equal(one["conv1"], several["conv1"])
