"""Files that several processes write, disks that are full, and locks."""

import errno
import multiprocessing
import os
from collections import namedtuple

import numpy as np
import pytest

from alexnet_lib import files

CONTEXT = multiprocessing.get_context("spawn")


def _write_again_and_again(path, value, times):
    for _ in range(times):
        files.write(path, lambda unfinished: np.savez(unfinished, values=np.full(20_000, value)))


def test_processes_that_write_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "shared.npz"
    writers = [
        CONTEXT.Process(target=_write_again_and_again, args=(path, value, 100)) for value in (1, 2)
    ]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            with np.load(path) as arrays:
                seen.add(tuple(np.unique(arrays["values"])))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen <= {(1,), (2,)}
    assert os.listdir(tmp_path) == ["shared.npz"]


@pytest.mark.parametrize("name", ["a.keras", "b.weights.h5", "c.npy", "é" * 100 + ".npz"])
def test_the_end_of_the_name_stays_and_the_rest_is_new_each_time(tmp_path, name):
    given = []

    def writer(unfinished):
        given.append(unfinished.name)
        unfinished.write_text("whole")

    for _ in range(2):
        files.write(tmp_path / name, writer)
    assert len(set(given)) == 2
    assert all(one.startswith(".") and one.endswith(name[-12:]) for one in given)
    assert os.listdir(tmp_path) == [name]


def test_what_could_not_be_finished_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def writer(unfinished):
        unfinished.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(path, writer)
    assert (os.listdir(tmp_path), path.read_text()) == (["a.txt"], "old")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # What h5py raises.
        RuntimeError("Unable to flush file (write failed: errno = 28, error message = 'No space"),
    ],
)
def test_a_full_disk_is_told_with_the_file_and_the_room_needed(tmp_path, error):
    def writer(unfinished):
        unfinished.write_text("ha")
        raise error

    with pytest.raises(files.DiskFullError, match=r"a\.npz cannot be written.*3\.0 MB are needed"):
        files.write(tmp_path / "a.npz", writer, 3_000_000)
    assert os.listdir(tmp_path) == []


def test_a_file_too_large_for_the_disk_is_not_begun(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(100, 99, 1_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(files.DiskFullError, match=r"1\.0 kB free\. 2\.0 kB are needed"):
        files.write(tmp_path / "a", lambda _: pytest.fail("it was begun"), 2_000)


def _hold(path, entered, leave):
    with files.lock(path, "busy"):
        entered.set()
        leave.wait(60)


def test_a_lock_refuses_the_second_comer_until_the_first_has_gone_or_died(tmp_path):
    path = tmp_path / ".lock"
    for how in ("leaves", "is killed"):
        entered, leave = CONTEXT.Event(), CONTEXT.Event()
        holder = CONTEXT.Process(target=_hold, args=(path, entered, leave))
        holder.start()
        assert entered.wait(60)
        with (
            pytest.raises(files.BusyError, match="somebody is here"),
            files.lock(path, "somebody is here"),
        ):
            pytest.fail("two are inside")
        if how == "leaves":
            leave.set()
        else:
            holder.kill()
        holder.join()
        with files.lock(path, "somebody is here"):
            pass
        assert not path.exists()


def test_a_turn_is_waited_for(tmp_path):
    path = tmp_path / ".lock"
    entered, leave = CONTEXT.Event(), CONTEXT.Event()
    holder = CONTEXT.Process(target=_hold, args=(path, entered, leave))
    holder.start()
    assert entered.wait(60)
    with files.turn(path, leave.set):
        assert leave.is_set()
    holder.join()
    with files.turn(path, lambda: pytest.fail("nobody is inside")):
        pass


def test_what_killed_processes_left_is_cleared_by_name(tmp_path):
    for name in (".unfinished-1-a.npz", ".unfinished-2-b.npz", "c-a.npz"):
        (tmp_path / name).write_text("")
    files.clear_unfinished(tmp_path, "a.npz")
    assert sorted(os.listdir(tmp_path)) == [".unfinished-2-b.npz", "c-a.npz"]
    files.clear_unfinished(tmp_path)
    assert os.listdir(tmp_path) == ["c-a.npz"]
