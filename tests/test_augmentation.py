"""The augmentation of section 4.1 against NumPy and Pillow."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from alexnet_lib import augmentation
from alexnet_lib.augmentation import PCALighting

RANDOM = np.random.default_rng(0)


def picture(height=12, width=10):
    """Every pixel has a value of its own."""
    return np.arange(height * width * 3, dtype="float32").reshape(height, width, 3)


def repeated(step, image, key, times):
    """The results of one step for the seeds (key, 0), (key, 1), ..."""
    numbers = tf.data.Dataset.range(times)
    return numbers.map(lambda number: step(image, tf.stack([key, number]))).as_numpy_iterator()


def in_a_pipeline(function, *arguments):
    dataset = tf.data.Dataset.from_tensors(arguments).map(function)
    return next(iter(dataset)).numpy()


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (64, 64), (33, 100), (20, 25)])
def test_resize_short_side_is_pillows_bilinear(height, width):
    image = RANDOM.integers(0, 256, (height, width, 3)).astype("uint8")
    resized = augmentation.resize_short_side(image, 30).numpy()
    assert min(resized.shape[:2]) == 30
    longer = round(max(height, width) * 30 / min(height, width))
    assert max(resized.shape[:2]) == longer
    oracle = Image.fromarray(image).resize(resized.shape[1::-1], Image.Resampling.BILINEAR)
    assert np.abs(resized - np.asarray(oracle, "float32")).max() < 1.5


def test_resize_takes_batches():
    images = RANDOM.uniform(0, 255, (2, 8, 12, 3)).astype("float32")
    together = augmentation.resize_short_side(images, 4)
    assert together.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(together[1], augmentation.resize_short_side(images[1], 4), rtol=1e-5)


def test_center_crop():
    image = picture(12, 11)
    np.testing.assert_array_equal(augmentation.center_crop(image, 8), image[2:10, 1:9])
    batch = np.stack([image, image + 1])
    np.testing.assert_array_equal(augmentation.center_crop(batch, 8), batch[:, 2:10, 1:9])


def test_random_crop_is_a_window_and_reaches_every_position_equally():
    image = picture()
    counts = np.zeros((5, 3), int)
    for crop in repeated(lambda one, seed: augmentation.random_crop(one, 8, seed), image, 7, 1500):
        row, column = divmod(int(crop[0, 0, 0]) // 3, 10)
        np.testing.assert_array_equal(crop, image[row : row + 8, column : column + 8])
        counts[row, column] += 1
    # Chi-squared with 14 degrees of freedom exceeds 36 once in a thousand times.
    assert ((counts - 100) ** 2 / 100).sum() < 36


def test_random_mirror_is_fair():
    image = picture()
    mirrored = 0
    for result in repeated(augmentation.random_mirror, image, 1, 400):
        if result[0, 0, 0] != image[0, 0, 0]:
            np.testing.assert_array_equal(result, image[:, ::-1])
            mirrored += 1
        else:
            np.testing.assert_array_equal(result, image)
    assert 160 < mirrored < 240


def test_crop_and_mirror_of_one_seed_are_independent():
    image = picture()
    mirrored_by_column = {0: [], 1: [], 2: []}
    crops = repeated(lambda one, seed: augmentation.random_crop(one, 8, seed), image, 3, 300)
    for crop, result in zip(
        crops, repeated(augmentation.random_mirror, image, 3, 300), strict=True
    ):
        mirrored_by_column[int(crop[0, 0, 0]) // 3 % 10].append(result[0, 0, 0] != 0)
    for choices in mirrored_by_column.values():
        assert 0.3 < np.mean(choices) < 0.7


@pytest.mark.parametrize(
    "step",
    [
        lambda image, seed: augmentation.random_crop(image, 8, seed),
        augmentation.random_mirror,
        lambda image, seed: PCALighting(np.ones(3), np.eye(3), np.zeros(3))(image, seed),
    ],
    ids=["crop", "mirror", "lighting"],
)
class TestEveryRandomStep:
    def test_the_same_seed_gives_the_same_eagerly_in_a_pipeline_and_in_a_batch(self, step):
        images = np.stack([picture(), picture() + 1, picture() + 2])
        seeds = np.array([(5, 0), (5, 1), (9, 2)])
        alone = [step(*one).numpy() for one in zip(images, seeds, strict=True)]
        for image, seed, expected in zip(images, seeds, alone, strict=True):
            np.testing.assert_array_equal(step(image, seed), expected)
            np.testing.assert_array_equal(in_a_pipeline(step, image, seed), expected)
        np.testing.assert_array_equal(step(images, seeds), alone)

    def test_seeds_differ(self, step):
        results = {step(picture(), (seed, 3)).numpy().tobytes() for seed in range(20)}
        assert len(results) > 1

    def test_a_batch_takes_one_seed_an_image(self, step):
        with pytest.raises(ValueError, match=r"one seed an image.*\(2,\)"):
            step(np.stack([picture(), picture()]), (1, 2))


def test_dtype_is_kept():
    image = picture().astype("uint8")
    for result in (
        augmentation.center_crop(image, 8),
        augmentation.random_crop(image, 8, (0, 0)),
        augmentation.random_mirror(image, (0, 0)),
        augmentation.ten_crop(image, 8),
    ):
        assert result.dtype == tf.uint8


@pytest.mark.parametrize("shape", [(256, 256, 3), (227, 300, 3), (20, 20, 3)])
def test_ten_crop_against_numpy(shape):
    size = min(227, shape[0] - 4) if shape[0] != 227 else 227
    image = RANDOM.integers(0, 256, shape).astype("uint8")
    down, right = shape[0] - size, shape[1] - size
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    five = [image[y : y + size, x : x + size] for y, x in corners]
    expected = np.stack(five + [crop[:, ::-1] for crop in five])
    np.testing.assert_array_equal(augmentation.ten_crop(image, size), expected)
    batch = augmentation.ten_crop(np.stack([image, image[::-1]]), size)
    assert batch.shape == (2, 10, size, size, 3)
    np.testing.assert_array_equal(batch[0], expected)
    pipeline = in_a_pipeline(lambda image: augmentation.ten_crop(image, size), image)
    np.testing.assert_array_equal(pipeline, expected)


def test_average_crops():
    predictions = RANDOM.uniform(size=(4, 10, 5)).astype("float32")
    average = augmentation.average_crops(predictions)
    np.testing.assert_allclose(average, predictions.mean(1), rtol=1e-6)
    np.testing.assert_allclose(
        augmentation.average_crops(predictions[0]), predictions[0].mean(0), rtol=1e-6
    )


def test_a_crop_that_does_not_fit_names_both_sizes():
    with pytest.raises(ValueError, match="crop of 20×20 does not fit into 12×10"):
        augmentation.center_crop(picture(), 20)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        augmentation.random_mirror(np.zeros(3), (0, 0))


def test_components_against_numpys_covariance():
    mixing = np.array([[40, 10, 0], [35, 0, 8], [30, -9, -7]])
    pixels = 127 + RANDOM.normal(size=(5000, 3)) @ mixing.T
    images = [pixels[:2000].reshape(40, 50, 3), pixels[2000:].reshape(2, 30, 50, 3)]
    lighting = PCALighting.fit(iter(images))
    covariance = np.cov(pixels.T / 255, bias=True)
    np.testing.assert_allclose(lighting.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(
        lighting.eigenvectors @ np.diag(lighting.eigenvalues) @ lighting.eigenvectors.T,
        covariance,
        rtol=1e-9,
    )
    assert list(lighting.eigenvalues) == sorted(lighting.eigenvalues, reverse=True)
    np.testing.assert_allclose(
        lighting.eigenvectors.T @ lighting.eigenvectors, np.eye(3), atol=1e-9
    )


def test_lighting_is_the_papers_formula():
    """The shifts of many seeds have the covariance 255² · P (σλ)² Pᵀ, and each is one colour."""
    vectors, _ = np.linalg.qr(RANDOM.normal(size=(3, 3)))
    values = np.array([0.2, 0.05, 0.01])
    lighting = PCALighting(values, vectors, np.zeros(3), sigma=0.1)
    grey = np.full((1, 2, 3), 100.0, "float32")
    changed = np.stack(list(repeated(lighting, grey, 11, 4000))) - 100
    np.testing.assert_array_equal(changed[:, 0, 0], changed[:, 0, 1])
    shifts = changed[:, 0, 0]
    expected = 255**2 * vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(shifts.T, bias=True), expected, atol=0.06 * expected.max())
    assert np.abs(shifts.mean(0)).max() < 5 * np.sqrt(expected.max() / 4000)
    # Along each component, the draws are those of a normal distribution: 68 % within one sigma.
    along = shifts @ vectors / (255 * 0.1 * values)
    np.testing.assert_allclose((np.abs(along) < 1).mean(0), 0.683, atol=0.03)


def test_lighting_needs_pixels():
    with pytest.raises(ValueError, match="no images"):
        PCALighting.fit([])
    with pytest.raises(ValueError, match="not finite"):
        PCALighting.fit([np.full((2, 2, 3), np.nan)])
