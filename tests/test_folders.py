"""Folders as people have them: each is understood, and what was taken for what is said."""

import os
import shutil
import struct
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from alexnet_lib import data
from alexnet_lib.data import folders, layout, similar

SMALL = {"image_size": 12, "short_side": 16, "batch_size": 4}
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("home") / "alexnet"
    monkeypatch.setenv("ALEXNET_HOME", str(folder))
    return folder


def picture(path, name="a.png"):
    path.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3), "uint8")).save(path / name)


def make(root, *places):
    """Pictures: `"cats:3"` makes three in `cats/`; `"notes.txt"` makes a text."""
    for place in places:
        folder, colon, number = place.rpartition(":")
        if colon:
            for index in range(int(number)):
                picture(root / folder, f"{index}.png")
        else:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text("no picture")
    return root


def opened(root, split="train", **options):
    """The part of a folder, and all that was said about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        part = data.load(root, split, **SMALL | options)
    return part, " ".join(str(warning.message) for warning in caught)


PETS = ("cats:6", "dogs:6")


def inside(folder, *places):
    return [f"{folder}/{place}" for place in places]


@pytest.mark.parametrize(
    ("places", "sizes", "said"),
    [
        # What there is, how many to learn from and held out, and what is said.
        (PETS, (8, 4), ""),
        ([*inside("train", *PETS), "test:5"], (8, 4), "test/ (pictures without class folders)"),
        ([*inside("train", *PETS), *inside("test", *PETS), "sample_submission.csv"], (12, 12), ""),
        (
            [
                *(f"xray/{part}/{pet}" for part in ("train", "val", "test") for pet in PETS),
                *(f"xray/xray/{part}/{pet}" for part in ("train", "val", "test") for pet in PETS),
            ],
            (12, 12),
            "passed over: xray/ (no part of the data set)",
        ),
        ([*inside("train", *PETS), *inside("dev", *PETS)], (12, 12), ""),
        (
            [*inside("train", *PETS), *inside("valid", *PETS), "unlabeled:7"],
            (12, 12),
            "unlabeled/ (pictures without class folders)",
        ),
        (
            [*inside("seg_train/seg_train", *PETS), *inside("seg_test/seg_test", *PETS),
             "seg_pred/seg_pred:9"],
            (12, 12),
            "seg_train/seg_train/ to learn from; seg_test/seg_test/ held out; passed over: seg_",
        ),
        ([*inside("Training Set", *PETS), *inside("TestImages", *PETS)], (12, 12), "Training Set/"),
        (
            [*inside("train", *PETS), *inside("val", *PETS), "annotations/train.json"],
            (12, 12),
            "annotations/ (no pictures in it)",
        ),
        ([*PETS, "annotations/cats.xml"], (8, 4), "annotations/ (no pictures in it)"),
        ([*inside("images", *PETS), "annotations/a.xml"], (8, 4), "annotations/"),
        (inside("train", *PETS), (8, 4), "train/ to learn from; a fifth of it held out"),
        ([*PETS, *inside("test", *PETS)], (12, 12), "the folders beside it to learn from; test/"),
    ],
    ids=str,
)  # fmt: skip
def test_parts_are_parts_and_classes_are_classes(tmp_path, places, sizes, said):
    root = make(tmp_path / "set", *places)
    train, told = opened(root)
    held_out, _ = opened(root, "val")
    assert train.class_names == held_out.class_names == ("cats", "dogs")
    assert (train.size, held_out.size) == sizes
    assert said in told
    assert bool(told) == bool(said)
    assert not set(train.examples.paths) & set(held_out.examples.paths)


@pytest.mark.parametrize(
    "junk",
    ["@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX", ".thumbnails",
     "#recycle", "thumbnails"],
)  # fmt: skip
def test_what_systems_leave_is_neither_class_nor_picture(tmp_path, junk):
    root = make(tmp_path / "set", *PETS, f"{junk}:4", f"cats/{junk}:5", f"dogs/old/{junk}:5")
    everything, _ = opened(root, "all", strict=True)
    assert everything.counts == {"cats": 6, "dogs": 6}


def test_thumbs_are_a_class_beside_classes_and_no_pictures_in_one(tmp_path):
    everything, _ = opened(make(tmp_path, "fist:2", "thumbs:3", "fist/thumbs:4"), "all")
    assert everything.counts == {"fist": 2, "thumbs": 3}


@pytest.mark.parametrize(
    "run",
    ["m.run/1-fc8/run.json", "runs/set-modern/run.json", "first/run.json", "m.keras", "m.html"],
)
def test_our_own_files_in_the_data_are_no_class(tmp_path, run):
    root = make(tmp_path / "set", *PETS, run)
    if "/" in run:
        picture((root / run).parent, "curve.png")
    assert opened(root)[0].class_names == ("cats", "dogs")


def test_one_name_in_two_forms_of_unicode_is_one_class(tmp_path):
    make(tmp_path, "dogs:5")
    for number, form in enumerate(("NFC", "NFD")):
        for index in range(5):
            picture(tmp_path / unicodedata.normalize(form, "bäume"), f"{number}{index}.png")
    everything, said = opened(tmp_path, "all")
    assert everything.counts == {"bäume": 10, "dogs": 5}
    assert "bäume: two folders whose names look the same" in said
    # The files of both are divided together.
    assert opened(tmp_path)[0].counts["bäume"] == 8


def test_names_that_differ_in_case_alone_are_two_classes_and_that_is_said(tmp_path):
    part, said = opened(make(tmp_path, "Cats:3", "cats:3"))
    assert len(part.class_names) == 2
    assert "'Cats' and 'cats' are two classes here" in said


def test_names_of_files_may_be_in_any_encoding(tmp_path):
    make(tmp_path, *PETS)
    for name in ("Gr\xf6\xdfe.png".encode("latin-1"), "猫.png".encode("gbk")):
        os.rename(
            os.path.join(os.fsencode(tmp_path), b"cats", b"1.png" if b"r" in name else b"2.png"),
            os.path.join(os.fsencode(tmp_path), b"cats", name),
        )
    broken = os.path.join(os.fsencode(tmp_path), b"dogs", "kr\xe4nk.png".encode("latin-1"))
    with open(broken, "wb") as file:
        file.write(b"?")
    everything, said = opened(tmp_path, "all")
    assert everything.counts == {"cats": 6, "dogs": 6}
    assert "dogs/kr\\xe4nk.png (not a picture" in said
    # A second time, from the list of files that were looked at.
    assert opened(tmp_path, "all")[0].counts == everything.counts
    assert sum(1 for _ in everything.epoch(0).unbatch()) == 12


def test_a_zip_may_hold_colons_and_names_in_utf_8_beside_the_old_ones(tmp_path):
    make(tmp_path / "set", "1: cats:3", "dogs:3")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        for path in sorted((tmp_path / "set").rglob("*.png")):
            bundle.write(path, str(path.relative_to(tmp_path / "set")))
    assert opened(tmp_path / "a.zip", "all")[0].class_names == ("1: cats", "dogs")


class Unmarked(zipfile.ZipInfo):
    """A name in another encoding, not marked as UTF-8, as old programs write it."""

    encoding = "gbk"

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def test_the_unicode_path_field_of_a_zip_is_taken(tmp_path):
    make(tmp_path / "set", "猫:3", "dogs:3")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        for path in sorted((tmp_path / "set").rglob("*.png")):
            member = Unmarked(f"{path.parent.name}/{path.name}")
            checksum = zipfile.crc32(member.filename.encode("gbk"))
            field = struct.pack("<BI", 1, checksum) + member.filename.encode()
            member.extra = struct.pack("<HH", 0x7075, len(field)) + field
            bundle.writestr(member, path.read_bytes())
    assert opened(tmp_path / "a.zip", "all")[0].class_names == ("dogs", "猫")


@pytest.mark.parametrize("places", [["cats:3"], ["cats:3", "dogs/.keep"], ["cats:1", "dogs:1"]])
def test_a_test_folder_may_have_some_of_a_models_classes(tmp_path, places):
    root = make(tmp_path / "test", *places)
    part, _ = opened(root, "all", class_names=("birds", "cats", "dogs"))
    assert part.class_names == ("birds", "cats", "dogs")
    assert set(part.labels) <= {1, 2}
    assert part.size == sum(int(place[-1]) for place in places if ":" in place)
    with pytest.raises(ValueError, match="classes that the model does not know: cats"):
        data.load(root, "all", class_names=("birds", "dogs"), **SMALL)


def test_all_pictures_of_a_folder_of_parts(tmp_path):
    make(tmp_path, *(f"{part}/{pet}" for part in ("train", "val", "test") for pet in PETS))
    assert opened(tmp_path, "all")[0].size == 36
    assert opened(tmp_path, "test")[0].place == "test/"


def test_all_of_a_named_set_is_both_of_its_parts():
    sizes = [opened("photos", split)[0].size for split in ("train", "val", "all")]
    assert sizes == [1000, 250, 1250]


def test_a_folder_goes_before_the_data_set_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "photos", *PETS)
    part, said = opened("photos")
    assert part.class_names == ("cats", "dogs")
    assert "photos is the folder ./photos, not the data set of this name" in said
    shutil.rmtree(tmp_path / "photos")
    part, said = opened("photos")
    assert len(part.class_names) == 10
    assert not said


# --- pictures that are nearly the same ------------------------------------------------------------


def scene(number):
    """A smooth picture that is like no other."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), "uint8"))
    return coarse.resize((132, 110), Image.Resampling.BICUBIC)


def shot(number, index):
    """The scene as seen by a hand that is not quite still, in light that changes."""
    random = np.random.default_rng([number, index])
    left, top = random.uniform(0, 4, 2)
    moved = scene(number).resize((120, 100), box=(left, top, left + 126, top + 105))
    return ImageEnhance.Brightness(moved).enhance(random.uniform(0.9, 1.1))


def test_a_burst_is_held_out_whole_or_not_at_all(tmp_path):
    random = np.random.default_rng(0)
    scene_of, number = {}, 0
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for _ in range(12):
            number += 1
            for index in range(int(random.integers(8, 11))):
                path = tmp_path / label / f"IMG_{len(scene_of):04}.jpg"
                shot(number, index).save(path, quality=85)
                scene_of[os.fsencode(path)] = number
    train, said = opened(tmp_path)
    held_out, _ = opened(tmp_path, "test")
    known, tested = ({scene_of[path] for path in one.examples.paths} for one in (train, held_out))
    assert not known & tested
    assert len(known | tested) == 24
    assert train.size + held_out.size == len(scene_of)
    assert 0.15 < held_out.size / len(scene_of) < 0.3
    assert f"{len(scene_of)} of {len(scene_of)} pictures are nearly the same as others" in said
    assert "shots of 24 scenes, such as a/IMG_0000.jpg and a/IMG_0001.jpg" in said


def test_different_pictures_are_divided_by_name_alone(tmp_path):
    for number in range(20):
        path = tmp_path / ("a" if number < 10 else "b") / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        scene(number).save(path)
    held_out, _ = opened(tmp_path, "val")
    assert [path[-6:-4] for path in held_out.examples.paths] == [b"00", b"05", b"10", b"15"]
    assert opened(tmp_path)[1] == ""


def test_exact_copies_are_named_and_stay_together(tmp_path):
    make(tmp_path, "cats:11", "dogs:11")
    shutil.copy(tmp_path / "cats" / "0.png", tmp_path / "cats" / "0 (1).png")
    shutil.copy(tmp_path / "cats" / "3.png", tmp_path / "dogs" / "z.png")
    train, said = opened(tmp_path)
    held_out, _ = opened(tmp_path, "val")
    assert "One file is an exact copy of another: cats/0.png of cats/0 (1).png." in said
    assert "The same picture lies in two classes: cats/3.png and dogs/z.png." in said
    names = [{os.fsdecode(path).rsplit("/", 2)[-1] for path in one.examples.paths
              if b"/cats/" in path} for one in (train, held_out)]  # fmt: skip
    copies = {"0.png", "0 (1).png"}
    assert [copies & one for one in names] in ([copies, set()], [set(), copies])


def test_pictures_of_a_held_out_folder_that_were_learned_from_are_counted(tmp_path):
    make(tmp_path, *inside("train", *PETS), *inside("test", *PETS))
    shutil.copy(tmp_path / "train/cats/1.png", tmp_path / "test/cats/9.png")
    opened(tmp_path)
    said = opened(tmp_path, "test")[1]
    assert "1 of the 13 pictures in test/ are nearly or exactly the same as some in" in said
    assert "such as test/cats/9.png and train/cats/1.png" in said


def test_a_class_of_one_scene_is_divided_and_that_is_said(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(10):
            one = shot(1, index) if name == "a" else scene(100 + index)
            one.save(tmp_path / name / f"{index}.png")
    train, said = opened(tmp_path)
    assert train.counts == {"a": 8, "b": 8}
    assert "a: all pictures of the class look like shots of one scene" in said


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        (range(11), {0, 5, 10}),
        ([0], set()),
        ([0] * 10 + [1] * 10, set(range(10))),
        ([0] * 15 + [1] * 5, set(range(15, 20))),
        ([0, 1, 2, 0, 3, 4, 5, 6, 7, 8, 9], {0, 3, 10}),
        ([None, 0, 1, 2, 3, None], {0, 5}),
    ],
)
def test_every_fifth_but_scenes_as_a_whole(scenes, expected):
    assert folders.held_out(list(scenes)) == (expected, False)


def test_all_pairs_are_found_whatever_the_size_of_the_blocks(monkeypatch):
    hashes = np.random.default_rng(0).integers(0, 2**64, 300, dtype="uint64")
    hashes[[0, 7, 299]] = hashes[5], hashes[100] ^ np.uint64(0b1011), hashes[298] ^ np.uint64(1)
    bits = np.unpackbits(hashes.view("uint8").reshape(-1, 8), axis=1).astype(int)
    distance = np.abs(bits[:, None] - bits[None]).sum(-1)
    expected = set(zip(*np.nonzero(np.triu(distance <= similar.MAX_BITS, 1)), strict=True))
    assert {(0, 5), (7, 100), (298, 299)} <= expected
    for at_once in (1, 900, 2**23):
        monkeypatch.setattr(similar, "_AT_ONCE", at_once)
        assert set(zip(*similar._near(hashes), strict=True)) == expected


def test_the_look_is_in_the_list_of_files_and_is_computed_once(tmp_path, monkeypatch):
    root = make(tmp_path / "set", *PETS)
    opened(root)
    monkeypatch.setattr(similar, "look", None)
    assert opened(root)[0].size == 8


def test_a_broken_picture_does_not_hide_behind_what_lies_beside(tmp_path):
    """Telephones leave a video and a note beside a photograph."""
    make(tmp_path / "photos", "a cat:5", "dogs:5")
    for number in range(5):
        (tmp_path / "photos" / "a cat" / f"{number}.MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
    (tmp_path / "photos" / "dogs" / "99.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.warns(UserWarning, match=r"are no readable pictures: dogs/99\.jpg \(cut off .*MOV"):
        data.load(tmp_path / "photos", "all", **SMALL)


def test_a_readable_layout_says_nothing(tmp_path):
    make(tmp_path, *inside("train", *PETS), *inside("val", *PETS))
    assert layout.read(tmp_path).sentence() == ""
