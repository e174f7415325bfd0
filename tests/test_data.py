"""Folders, archives and named data sets become pipelines that repeat to the bit."""

import hashlib
import io
import json
import os
import pickle
import tarfile
import threading
import warnings
import zipfile
from collections import namedtuple

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from alexnet_lib import augmentation, data
from alexnet_lib.data import downloads, pictures
from alexnet_lib.files import DiskFullError

RANDOM = np.random.default_rng(0)
SMALL = {"image_size": 12, "short_side": 16, "batch_size": 4}


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("home") / "alexnet"
    monkeypatch.setenv("ALEXNET_HOME", str(folder))
    return folder


def noise(path, height=20, width=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 256, (height, width, 3)).astype("uint8")).save(path)
    return path


def folders(root, classes=("cats", "dogs"), files=10, suffix="jpg"):
    for name in classes:
        for number in range(files):
            noise(root / name / f"{number:02}.{suffix}")
    return root


def load(source, split="train", **options):
    return data.load(source, split, **SMALL | options)


def stream(dataset, epoch=0):
    """All images and labels of an epoch."""
    images, labels = zip(*dataset.epoch(epoch).as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def names(dataset):
    return [os.fsdecode(path).rsplit("/", 1)[-1] for path in dataset.examples.paths]


def test_keras_takes_the_batches_as_they_are(tmp_path):
    """Of known cardinality, and each reading is the next epoch."""
    import keras

    source = folders(tmp_path / "set", ("a", "b"), files=6)
    train = data.load(source, image_size=16, short_side=20, batch_size=4, seed=5)
    batches = train.batches()
    assert batches.cardinality() == 2
    for number in (0, 1):
        for (found, truth), (images, labels) in zip(batches, train.epoch(number), strict=True):
            np.testing.assert_array_equal(found, images)
            np.testing.assert_array_equal(truth, labels)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(train.batches(), epochs=2, verbose=0, class_weight={0: 1.0, 1: 2.0})
    assert len(history.history["loss"]) == 2


class TestSplits:
    def test_every_fifth_file_of_each_class_is_held_out(self, tmp_path):
        root = folders(tmp_path / "pets", files=11)
        train, held_out = load(root), load(root, "test")
        assert names(held_out) == ["00.jpg", "05.jpg", "10.jpg"] * 2
        assert train.counts == {"cats": 8, "dogs": 8}
        assert not set(train.examples.paths) & set(held_out.examples.paths)
        assert names(load(root, "val")) == names(held_out)

    def test_the_flowers_of_tensorflow_are_split_2934_to_736(self):
        files = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}
        held_out = sum(len(range(count)[:: data.folders._HOLD_OUT]) for count in files.values())
        assert (sum(files.values()) - held_out, held_out) == (2934, 736)

    def test_a_class_of_one_picture_trains(self, tmp_path):
        root = folders(tmp_path, files=5)
        noise(root / "owls" / "only.jpg")
        assert load(root).counts["owls"] == 1
        assert load(root, "test").counts["owls"] == 0

    @pytest.mark.parametrize("held_out", ["val", "test", "validation"])
    def test_folders_of_parts(self, tmp_path, held_out):
        folders(tmp_path / "train", files=3)
        folders(tmp_path / held_out, files=2)
        assert load(tmp_path).size == 6
        assert load(tmp_path, "val").size == 4
        assert load(tmp_path, "test").size == 4

    def test_three_parts(self, tmp_path):
        for part, files in {"train": 3, "val": 2, "test": 1}.items():
            folders(tmp_path / part, files=files)
        assert [load(tmp_path, part).size for part in ("train", "val", "test")] == [6, 4, 2]

    def test_a_class_that_is_missing_or_new_in_the_held_out_part(self, tmp_path):
        folders(tmp_path / "train", files=2)
        folders(tmp_path / "val", ["dogs"], files=2)
        assert load(tmp_path, "val").counts == {"cats": 0, "dogs": 2}
        folders(tmp_path / "val", ["owls"], files=2)
        with pytest.raises(ValueError, match="has not: owls"):
            load(tmp_path, "val")

    def test_a_part_is_missing(self, tmp_path):
        folders(tmp_path / "train", files=2)
        folders(tmp_path / "training", files=2)
        with pytest.raises(ValueError, match=r"train/, training/, each of which .*'train'"):
            load(tmp_path)

    def test_classes_that_are_named_like_parts(self, tmp_path):
        assert load(folders(tmp_path, ["train", "bus"])).class_names == ("bus", "train")

    def test_limit_per_class(self, tmp_path):
        root = folders(tmp_path)
        assert names(load(root, limit_per_class=2)) == ["01.jpg", "02.jpg"] * 2


class TestTheStream:
    def test_types_and_shapes(self, tmp_path):
        dataset = load(folders(tmp_path, files=6))
        assert dataset.size == 8
        for images, labels in dataset.epoch(0):
            assert images.shape == (4, 12, 12, 3)
            assert images.dtype == tf.float32
            assert labels.dtype == tf.int32
        assert dataset.epoch(0).element_spec[0].shape[1:] == (12, 12, 3)
        images, _ = stream(dataset)
        assert images.min() >= 0
        assert images.max() <= 255
        assert images.max() > 1

    def test_epochs_repeat_to_the_bit_and_differ_from_each_other(self, tmp_path):
        root = folders(tmp_path)
        dataset = load(root, seed=3, lighting=True)
        third = stream(dataset, 3)
        for other in (load(root, seed=3, lighting=True, workers=n) for n in (1, 2, 7)):
            images, labels = stream(other, 3)
            np.testing.assert_array_equal(images, third[0])
            np.testing.assert_array_equal(labels, third[1])
        assert not np.array_equal(stream(dataset, 4)[0], third[0])
        assert not np.array_equal(stream(load(root, seed=4, lighting=True), 3)[0], third[0])

    def test_an_example_is_augmented_alike_wherever_it_stands(self, tmp_path):
        root = folders(tmp_path)
        in_order, _ = stream(load(root, shuffle=False), 2)
        shuffled, _ = stream(load(root, batch_size=3), 2)
        assert not np.array_equal(in_order, shuffled)
        sort = lambda images: sorted(image.tobytes() for image in images)  # noqa: E731
        assert sort(in_order) == sort(shuffled)

    def test_every_example_comes_once(self, tmp_path):
        root = folders(tmp_path, ["a", "b", "c"])
        _, labels = stream(load(root), 1)
        assert np.bincount(labels).tolist() == [8, 8, 8]
        assert labels.tolist() != sorted(labels)
        np.testing.assert_array_equal(load(root).labels, sorted(labels))

    def test_the_pipeline_is_the_composition_of_the_public_steps(self, tmp_path):
        dataset = load(folders(tmp_path), shuffle=False, lighting=True)
        images, _ = stream(dataset, 5)
        key = dataset._key(5)
        for index in (0, 7, 15):
            seed = tf.stack([key, tf.constant(index, tf.int64)])
            picture = pictures.read(os.fsdecode(dataset.examples.paths[index]), 16)
            crop = augmentation.random_crop(picture, 12, seed)
            crop = augmentation.random_mirror(crop, seed)
            expected = dataset.lighting(crop, seed)
            np.testing.assert_allclose(images[index], expected, atol=1e-3)

    def test_held_out_parts_are_the_centre_in_order(self, tmp_path):
        dataset = load(folders(tmp_path), "test")
        images, labels = stream(dataset, 0)
        np.testing.assert_array_equal(images, stream(dataset, 1)[0])
        assert labels.tolist() == [0, 0, 1, 1]
        picture = pictures.read(os.fsdecode(dataset.examples.paths[2]), 16)
        np.testing.assert_array_equal(images[2], picture[2:14, 2:14])

    def test_crop_and_resize_as_pillow_does(self, tmp_path):
        import skimage.data

        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            image = Image.fromarray(skimage.data.coffee()).resize((500, 375))
            image.save(tmp_path / name / "1.jpg", quality=92)
        dataset = data.load(tmp_path, "train", augment=False, shuffle=False)
        square = Image.open(tmp_path / "a" / "1.jpg").crop((62, 0, 437, 375))
        resized = square.resize((256, 256), Image.Resampling.BILINEAR)
        expected = np.asarray(resized, "float32")[14:241, 14:241]
        # Pillow filters while it shrinks and the pipeline does not: fine grain differs.
        assert np.abs(stream(dataset)[0][0] - expected).mean() < 4

    def test_ten_crops(self, tmp_path):
        dataset = load(folders(tmp_path), "test", batch_size=20)
        crops, labels = next(iter(dataset.ten_crops()))
        assert crops.shape == (2, 10, 12, 12, 3)
        assert crops.dtype == tf.float32
        assert sum(len(batch) for _, batch in dataset.ten_crops()) == dataset.size
        picture = pictures.read(os.fsdecode(dataset.examples.paths[0]), 16)
        np.testing.assert_array_equal(crops[0], augmentation.ten_crop(picture, 12))
        assert labels.numpy().tolist() == [0, 0]

    def test_statistics(self, tmp_path):
        dataset = load(folders(tmp_path))
        squares = [pictures.read(os.fsdecode(path), 16) for path in dataset.examples.paths]
        pixels = np.concatenate([square[::4, ::4].reshape(-1, 3) for square in squares])
        np.testing.assert_allclose(dataset.channel_mean, pixels.mean(0), rtol=1e-6)
        covariance = np.cov(pixels.T / 255, bias=True)
        eigenvalues = load(tmp_path, lighting=True).lighting.eigenvalues
        np.testing.assert_allclose(eigenvalues, np.linalg.eigvalsh(covariance)[::-1], rtol=1e-6)


class TestCache:
    @pytest.mark.parametrize("where", ["memory", "disk"])
    def test_the_stream_is_the_same(self, tmp_path, where):
        root = folders(tmp_path / "pets")
        cached, plain = load(root, cache=where), load(root)
        for epoch in range(2):
            np.testing.assert_array_equal(stream(cached, epoch)[0], stream(plain, epoch)[0])

    def test_it_is_not_decoded_again(self, tmp_path, home):
        root = folders(tmp_path / "pets", files=4)
        first = stream(load(root, cache="disk"))
        stored = list((home / "decoded").iterdir())
        assert [path.suffix for path in stored] == [".npy"]
        broken = load(root, cache="disk")
        broken.examples.examples.picture = None
        np.testing.assert_array_equal(stream(broken)[0], first[0])

    def test_who_comes_while_another_process_decodes_waits_for_it(
        self, tmp_path, home, monkeypatch, capsys
    ):
        root = folders(tmp_path / "pets", files=4)
        first, second = load(root, cache="disk"), load(root, cache="disk")
        written = []
        write = type(first.examples)._write

        def slow(examples, path, size):
            written.append(threading.current_thread().name)
            waiting.set()
            assert said.wait(60)
            write(examples, path, size)

        waiting, said = threading.Event(), threading.Event()
        monkeypatch.setattr(type(first.examples), "_write", slow)
        tell = type(first.examples)._say_that_it_waits
        monkeypatch.setattr(
            type(first.examples), "_say_that_it_waits", lambda self: (tell(self), said.set())
        )
        results = {}
        threads = [
            threading.Thread(
                name=name,
                target=lambda n=name, d=data: results.update({n: d.examples._from_disk(9)}),
            )
            for name, data in (("first", first), ("second", second))
        ]
        threads[0].start()
        assert waiting.wait(60)
        threads[1].start()
        for thread in threads:
            thread.join()
        assert written == ["first"]
        np.testing.assert_array_equal(results["first"], results["second"])
        assert "Waiting for another process that decodes the same" in capsys.readouterr().err
        assert [path.suffix for path in (home / "decoded").iterdir()] == [".npy"]

    def test_a_full_disk_is_told_before_pictures_are_decoded(self, tmp_path, home, monkeypatch):
        root = folders(tmp_path / "pets", files=4)
        data = load(root, cache="disk")
        usage = namedtuple("usage", "total used free")(100, 99, 50)
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        with pytest.raises(DiskFullError, match=r"\.npy cannot be written.*kB are needed"):
            data.examples._from_disk(9)
        assert list((home / "decoded").iterdir()) == []

    def test_a_changed_picture_is_decoded_again(self, tmp_path):
        root = folders(tmp_path / "pets", files=4)
        before, _ = stream(load(root, cache="disk", shuffle=False, augment=False))
        Image.new("RGB", (30, 30), "white").save(root / "cats" / "01.jpg")
        after, _ = stream(load(root, cache="disk", shuffle=False, augment=False))
        assert (after[0] == 255).all()
        assert not (before[0] == 255).all()


class TestBrokenFiles:
    @pytest.fixture
    def root(self, tmp_path):
        root = folders(tmp_path / "pets")
        (root / "cats" / "01.jpg").write_bytes(b"")
        whole = noise(root / "cats" / "02.jpg", 80, 80).read_bytes()
        (root / "cats" / "02.jpg").write_bytes(whole[: len(whole) // 2])
        (root / "dogs" / "notes.txt").write_text("They bark.")
        (root / "dogs" / "08b.jpg").symlink_to(root / "nowhere.jpg")
        return root

    def test_they_are_left_out_counted_and_named(self, root):
        with pytest.warns(UserWarning, match=r"4 of \d+ files .*01\.jpg \(empty file\)") as warned:
            dataset = load(root)
        assert len(warned) == 1
        reasons = {path.rsplit("/", 1)[-1]: reason for path, reason in dataset.left_out}
        assert reasons.keys() == {"01.jpg", "02.jpg", "notes.txt", "08b.jpg"}
        assert reasons["01.jpg"] == "empty file"
        assert reasons["02.jpg"].startswith("cut off or damaged")
        assert reasons["notes.txt"].startswith("not a picture")
        assert reasons["08b.jpg"] == "No such file or directory"
        assert len(stream(dataset)[1]) == dataset.size == 13

    def test_strict(self, root):
        with pytest.raises(ValueError, match=r"4 of \d+ files.*empty file.*strict=False"):
            load(root, strict=True)

    def test_files_of_the_system_are_no_data(self, tmp_path):
        root = folders(tmp_path / "pets")
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._01.jpg"):
            (root / "cats" / name).write_bytes(b"?")
        folders(root, [".git", "__MACOSX"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dataset = load(root, strict=True)
        assert dataset.class_names == ("cats", "dogs")
        assert dataset.size == 16

    def test_files_are_scanned_once_and_again_when_they_change(self, root, monkeypatch, home):
        scanned = []
        inspect = pictures.inspect
        monkeypatch.setattr(
            pictures,
            "inspect",
            lambda path, look: scanned.append(path.name) or inspect(path, look),
        )
        with pytest.warns(UserWarning, match="4 of"):
            first = load(root)
        once = len(scanned)
        # All of them: pictures of one scene are held out together.
        assert once == 22
        with pytest.warns(UserWarning, match="4 of"):
            assert load(root).left_out == first.left_out
        # What is not there can only be looked for again.
        assert scanned[once:] == ["08b.jpg"]
        noise(root / "cats" / "01.jpg")
        with pytest.warns(UserWarning, match="3 of"):
            load(root)
        assert set(scanned[once:]) == {"08b.jpg", "01.jpg"}
        assert not [path for path in root.rglob("*") if path.suffix == ".json"]
        (record,) = (home / "scans").iterdir()
        record.write_text(json.dumps([1])[:-1])
        with pytest.warns(UserWarning, match="3 of"):
            load(root)

    def test_pictures_beside_the_class_folders(self, tmp_path):
        root = folders(tmp_path / "pets")
        noise(root / "stray.jpg")
        with pytest.warns(UserWarning, match=r"stray\.jpg \(not in a class folder\)"):
            assert load(root).size == 16

    def test_a_class_of_nothing_but_broken_files(self, tmp_path):
        root = folders(tmp_path)
        for number in range(3):
            (root / "cats" / f"{number:02}.jpg").write_bytes(b"")
        (root / "owls").mkdir()
        (root / "owls" / "1.jpg").write_bytes(b"")
        with (
            pytest.warns(UserWarning, match="files"),
            pytest.raises(ValueError, match=r"No picture in .*owls can be read"),
        ):
            load(root)


class TestFolders:
    def test_folders_inside_a_class_belong_to_it(self, tmp_path):
        root = folders(tmp_path / "pets", files=5)
        noise(root / "cats" / "2019" / "spring" / "a.jpg")
        assert load(root).counts["cats"] + load(root, "test").counts["cats"] == 6

    def test_a_loop_of_links_ends(self, tmp_path):
        root = folders(tmp_path / "pets", files=5)
        (root / "cats" / "loop").symlink_to(root / "cats", target_is_directory=True)
        assert load(root).counts["cats"] == 4

    def test_names_in_any_script(self, tmp_path):
        dataset = load(folders(tmp_path, ["牡丹", "Bäume", "rosa canina"]))
        assert dataset.class_names == ("Bäume", "rosa canina", "牡丹")
        assert len(stream(dataset)[1]) == 24

    def test_a_thousand_classes(self, tmp_path):
        image = noise(tmp_path / "one.png", 8, 8).read_bytes()
        for number in range(1000):
            (tmp_path / "many" / f"n{number:04}").mkdir(parents=True)
            (tmp_path / "many" / f"n{number:04}" / "1.png").write_bytes(image)
        dataset = load(tmp_path / "many", shuffle=False, batch_size=500)
        assert len(dataset.class_names) == 1000
        np.testing.assert_array_equal(stream(dataset)[1], range(1000))

    def test_mixed_formats(self, tmp_path):
        for number, suffix in enumerate(["jpg", "png", "gif", "bmp", "webp"]):
            folders(tmp_path, files=2, suffix=suffix)
            noise(tmp_path / "cats" / f"odd{number}.{suffix}", 50, 9)
        images, _ = stream(load(tmp_path))
        assert np.isfinite(images).all()

    @pytest.mark.parametrize(
        ("prepare", "message"),
        [
            (lambda root: None, "no class folders"),
            (lambda root: noise(root / "1.jpg"), "do not lie in class folders.*one folder for"),
            (lambda root: folders(root, ["cats"]), "single class folder, 'cats'"),
            (lambda root: (folders(root), (root / "owls").mkdir()), "owls is empty"),
            (lambda root: (folders(root), (root / "o" / "o").mkdir(parents=True)), "o is empty"),
        ],
    )
    def test_what_is_no_data_set(self, tmp_path, prepare, message):
        root = tmp_path / "pets"
        root.mkdir()
        prepare(root)
        with pytest.raises(ValueError, match=message):
            load(root)

    def test_an_unreadable_folder(self, tmp_path, monkeypatch):
        root = folders(tmp_path)
        scandir = os.scandir

        def refuse(path):
            if str(path).endswith("dogs"):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(PermissionError, match="dogs"):
            load(root)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"'flowerz', and no data set.*photos, flowers"):
            load("flowerz")
        (tmp_path / "a.pdf").write_bytes(b"x")
        with pytest.raises(ValueError, match=r"a\.pdf is neither a folder nor an archive"):
            load(tmp_path / "a.pdf")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"split": "dev"}, "split is 'dev'"),
            ({"image_size": 0}, "image_size is 0"),
            ({"batch_size": 0}, "batch_size is 0"),
            ({"image_size": 300}, "image_size is 300, short_side 16"),
            ({"limit_per_class": 0}, "limit_per_class is 0"),
            ({"cache": "tape"}, "cache is 'tape'"),
            ({"workers": -1}, "workers is -1"),
        ],
    )
    def test_arguments(self, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            load(folders(tmp_path, files=1), **options)


def pack(folder, archive, name):
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(folder.rglob("*")):
                file.write(path, f"{name}/{path.relative_to(folder)}")
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(folder, name)
    return archive


class TestNamedSets:
    @pytest.mark.parametrize("suffix", ["tgz", "zip"])
    def test_archives(self, tmp_path, suffix):
        root = folders(tmp_path / "pets")
        packed = pack(root, tmp_path / f"a.{suffix}", "wrapped/deep")
        np.testing.assert_array_equal(stream(load(packed))[0], stream(load(root))[0])

    def test_flowers_in_alexnet_home(self, tmp_path, home):
        home.mkdir()
        pack(folders(tmp_path / "f"), home / "flower_photos.tgz", "flower_photos")
        assert load("flowers").size == 16
        folders(home / "flower_photos", files=5)
        assert load("flowers").size == 8

    def test_flowers_are_fetched(self, tmp_path, monkeypatch):
        archive = pack(folders(tmp_path / "f"), tmp_path / "flower_photos.tgz", "flower_photos")
        fetched = []
        monkeypatch.setattr(downloads, "fetch", lambda remote: fetched.append(remote) or archive)
        assert load("flowers").size == 16
        assert fetched == [data.named.REMOTES["flowers"]]

    def test_hashes_are_hashes(self):
        for remote in data.named.REMOTES.values():
            assert len(bytes.fromhex(remote.sha256)) == hashlib.sha256().digest_size
            assert remote.url.startswith("https://")

    def test_imagenette_has_names_that_people_read(self, tmp_path, home):
        for part in ("train", "val"):
            folders(home / "imagenette2-320" / part, data.named._IMAGENETTE, files=1)
        assert load("imagenette").class_names[:2] == ("tench", "English springer")

    def cifar(self, folder, files=("data_batch_1", "data_batch_2", "test_batch"), each=20):
        folder.mkdir(parents=True)
        truth = {}
        for file in files:
            records = RANDOM.integers(0, 256, (each, 3073)).astype("uint8")
            records[:, 0] = np.arange(each) % 10
            (folder / f"{file}.bin").write_bytes(records.tobytes())
            truth[file] = records
        (folder / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
        return truth

    def test_cifar10_binary_version(self, home):
        truth = self.cifar(home / "cifar-10-batches-bin")
        options = {"image_size": 32, "short_side": 32, "augment": False, "shuffle": False}
        train, test = load("cifar10", **options), load("cifar10", "test", **options)
        assert (train.size, test.size) == (40, 20)
        assert train.class_names == tuple("abcdefghij")
        images, labels = stream(train)
        record = truth["data_batch_2"][3]
        assert labels[23] == 3
        np.testing.assert_array_equal(images[23, ..., 0].ravel(), record[1:1025])
        np.testing.assert_array_equal(images[23, ..., 2].ravel(), record[2049:])
        assert load("cifar10", limit_per_class=1).size == 10

    def test_cifar10_cut_off(self, home):
        self.cifar(home / "cifar-10-batches-bin")
        (home / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(bytes(5000))
        with pytest.raises(ValueError, match=r"data_batch_1\.bin has 5,000 bytes"):
            load("cifar10")

    def test_cifar10_folder(self, home):
        for part in ("train", "test"):
            folders(home / "cifar10" / part, files=2)
        assert load("cifar10", "test").size == 4

    def test_the_pickled_cifar10_is_never_opened(self, home, monkeypatch):
        home.mkdir()
        (home / "cifar-10-python.tar.gz").write_bytes(b"?")
        (home / "cifar-10-batches-py").mkdir()
        monkeypatch.setattr(pickle, "load", None)

        def refuse(remote):
            raise downloads.DownloadError("no network")

        monkeypatch.setattr(downloads, "fetch", refuse)
        with pytest.raises(downloads.DownloadError):
            load("cifar10")


class TestPhotos:
    def test_ten_classes_offline(self):
        train, test = load("photos"), load("photos", "test")
        assert train.class_names == test.class_names
        assert len(train.class_names) == 10
        assert set(train.counts.values()) == {100}
        assert set(test.counts.values()) == {25}
        images, labels = stream(load("photos", limit_per_class=3))
        assert images.shape == (30, 12, 12, 3)
        assert np.bincount(labels).tolist() == [3] * 10

    def test_training_and_test_share_no_pixel(self):
        """Columns of crops, found by where each crop's memory lies in its photograph."""
        columns = {}
        for split in ("train", "test"):
            examples = load("photos", split).examples
            for index, label in enumerate(examples.labels):
                window = examples.read(index)
                row = window.base.strides[0]
                start = window.__array_interface__["data"][0]
                offset = start - window.base.__array_interface__["data"][0]
                left = offset % row // 3
                assert left + window.shape[1] <= window.base.shape[1]
                columns.setdefault((split, label), set()).update(
                    range(left, left + window.shape[1])
                )
        for label in range(10):
            assert max(columns["train", label]) + 1 < min(columns["test", label])

    def test_they_are_the_same_at_every_call(self):
        once, again = load("photos", "val"), load("photos", "val")
        np.testing.assert_array_equal(stream(once)[0], stream(again)[0])


def test_read_needs_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
        load("tfds:mnist")


def test_tensorflow_datasets(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    encoded = io.BytesIO()

    class Tiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(names=["a", "b"]),
                }
            )
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, _):
            return {"train": self._generate_examples(20)}

        def _generate_examples(self, count):
            for number in range(count):
                pixels = np.full((20, 30, 3), 10 * number, "uint8")
                yield number, {"image": pixels, "label": number % 2}

    builder = Tiny(data_dir=tmp_path / "tfds")
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    train, test = load("tfds:tiny", augment=True), load("tfds:tiny", "test")
    assert (train.size, test.size) == (16, 4)
    assert train.class_names == ("a", "b")
    np.testing.assert_array_equal(stream(train, 1)[0], stream(train, 1)[0])
    assert not np.array_equal(stream(train, 1)[0], stream(train, 2)[0])
    images, labels = stream(test)
    np.testing.assert_array_equal(labels, images[:, 0, 0, 0] / 10 % 2)
    assert sum(train.counts.values()) == 16
    assert not encoded.getvalue()
