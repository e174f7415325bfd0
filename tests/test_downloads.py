"""Downloads from a server on the loopback address, and archives that mean harm."""

import hashlib
import io
import os
import stat
import tarfile
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alexnet_lib.data import UnsafeArchiveError, archives, downloads
from alexnet_lib.data.downloads import DownloadError, Remote

CONTENTS = bytes(range(256)) * 2000


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("ALEXNET_HOME", str(folder))
    return folder


@pytest.fixture
def server():
    """Serves CONTENTS; `behaviour` says how, one word a request, the last one for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests += 1
            way = state.behaviour.pop(0) if len(state.behaviour) > 1 else state.behaviour[0]
            if way == "missing":
                self.send_error(404)
                return
            if way == "silent":
                threading.Event().wait(1)
                return
            self.send_response(200)
            if way != "endless":
                self.send_header("Content-Length", str(len(CONTENTS)))
            self.end_headers()
            if way == "endless":
                state.sent = 0
                with suppress(OSError):  # until the other side hangs up
                    while state.sent < 2**26:
                        state.sent += self.wfile.write(bytes(2**16))
                return
            body = {"whole": CONTENTS, "broken off": CONTENTS[:9999], "wrong": CONTENTS[::-1]}[way]
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    state = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.behaviour, state.requests = ["whole"], 0
    state.remote = Remote(
        f"http://127.0.0.1:{state.server_port}/pictures.tgz",
        hashlib.sha256(CONTENTS).hexdigest(),
        len(CONTENTS),
    )
    threading.Thread(target=state.serve_forever, daemon=True).start()
    yield state
    state.shutdown()
    state.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Pooch waits longer after each failure."""
    real = time.sleep
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: real(0))


def nothing_left(home):
    return not [path for path in home.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(server, home, capfd):
    path = downloads.fetch(server.remote)
    assert path == home / "downloads" / "pictures.tgz"
    assert path.read_bytes() == CONTENTS
    assert downloads.fetch(server.remote) == path
    assert server.requests == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_transfer_that_breaks_off_is_tried_again(server):
    server.behaviour = ["broken off", "whole"]
    assert downloads.fetch(server.remote).read_bytes() == CONTENTS
    assert server.requests == 2


def test_a_file_that_was_damaged_later_is_fetched_again(server):
    path = downloads.fetch(server.remote)
    path.write_bytes(b"damaged")
    assert downloads.fetch(server.remote).read_bytes() == CONTENTS


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("broken off", "the transfer broke off"),
        ("missing", "answers 404"),
        ("wrong", "not the file this library knows"),
        ("silent", "no answer within"),
    ],
)
def test_failures_leave_nothing_and_say_what_to_do(server, home, monkeypatch, way, message):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    server.behaviour = [way]
    with pytest.raises(DownloadError, match=message) as error:
        downloads.fetch(server.remote)
    assert str(home) in str(error.value)
    assert server.remote.url in str(error.value)
    assert server.requests == downloads.RETRIES
    assert nothing_left(home)


def test_an_answer_that_does_not_end_is_cut_off(server, home):
    server.behaviour = ["endless"]
    with pytest.raises(DownloadError, match="it sends more than the 512 kB of this file"):
        downloads.fetch(server.remote)
    assert server.requests == 1
    assert server.sent < 2**26
    assert nothing_left(home)


def test_a_mirror_is_asked_when_the_first_host_fails(server, home):
    mirrored = replace(
        server.remote, url="http://127.0.0.1:9/pictures.tgz", mirrors=(server.remote.url,)
    )
    assert downloads.fetch(mirrored).read_bytes() == CONTENTS
    server.behaviour = ["missing"]
    missing = replace(mirrored, sha256="0" * 64)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9: .*cannot be reached.*answers 404"):
        downloads.fetch(missing)


def test_a_file_put_there_by_hand_is_not_fetched(server, home):
    home.mkdir()
    (home / "pictures.tgz").write_bytes(CONTENTS)
    assert downloads.fetch(server.remote) == home / "pictures.tgz"
    assert server.requests == 0
    (home / "pictures.tgz").write_bytes(CONTENTS[::-1])
    assert downloads.fetch(server.remote) == home / "downloads" / "pictures.tgz"


def test_no_host(server, home):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match="cannot be reached"):
        downloads.fetch(server.remote)
    assert nothing_left(home)


def test_home_defaults_to_the_platforms_cache(monkeypatch):
    monkeypatch.delenv("ALEXNET_HOME")
    assert downloads.home().name == "alexnet"
    monkeypatch.setenv("ALEXNET_HOME", "~/pictures")
    assert "~" not in str(downloads.home())


def test_a_read_only_home_is_left_alone(home, tmp_path, monkeypatch):
    home.mkdir()
    home.chmod(0o555)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    assert downloads.writable_home() == tmp_path / "cache" / "alexnet"
    home.chmod(0o755)
    assert downloads.writable_home() == home


FILES = {"pictures/cats/1.jpg": b"one", "pictures/花/2.jpg": b"two"}


def tar(path, members=FILES, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, contents in members.items():
            if isinstance(contents, tarfile.TarInfo):
                archive.addfile(contents)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    return path


def zipped(path, members=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return path


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz", "a.TAR", "a.zip"])
def test_unpack(tmp_path, home, name):
    path = tmp_path / name
    if name.endswith("zip"):
        zipped(path)
    else:
        tar(path, mode="w" if name.endswith("TAR") else "w:gz")
    folder = archives.unpack(path)
    assert folder.is_relative_to(home)
    found = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    assert found == FILES
    before = folder.stat().st_mtime_ns
    assert archives.unpack(path) == folder
    assert folder.stat().st_mtime_ns == before


def test_a_new_archive_of_the_same_name_is_unpacked_anew(tmp_path):
    first = archives.unpack(tar(tmp_path / "a.tgz"))
    second = archives.unpack(tar(tmp_path / "a.tgz", FILES | {"pictures/cats/3.jpg": b"three"}))
    assert first != second
    assert (second / "pictures/cats/3.jpg").read_bytes() == b"three"


def test_utf8_names_in_a_zip_that_does_not_say_so(tmp_path):
    member = zipfile.ZipInfo("xxx/1.jpg")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, b"one")
    raw = (tmp_path / "a.zip").read_bytes().replace(b"xxx/1.jpg", "花/1.jpg".encode())
    (tmp_path / "a.zip").write_bytes(raw)
    assert (archives.unpack(tmp_path / "a.zip") / "花" / "1.jpg").exists()


def link(kind, target):
    member = tarfile.TarInfo("cats/link")
    member.type, member.linkname = kind, target
    return member


def zip_link():
    member = zipfile.ZipInfo("cats/link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    "members",
    [
        {"../out.jpg": b"x"},
        {"cats/../../out.jpg": b"x"},
        {"/tmp/out.jpg": b"x"},
        {"cats\\..\\..\\out.jpg": b"x"},
        {"C:\\out.jpg": b"x"},
        {"l": link(tarfile.SYMTYPE, "/etc")},
        {"l": link(tarfile.SYMTYPE, "inside.jpg")},
        {"l": link(tarfile.LNKTYPE, "../../out")},
        {"l": link(tarfile.CHRTYPE, "")},
        {"l": link(tarfile.FIFOTYPE, "")},
    ],
)
def test_hostile_tar(tmp_path, home, members):
    path = tar(tmp_path / "a.tgz", {"good/1.jpg": b"one"} | members)
    with pytest.raises(UnsafeArchiveError, match=r"a\.tgz holds .*Nothing was unpacked"):
        archives.unpack(path)
    assert nothing_left(home)
    assert not (tmp_path / "out.jpg").exists()


@pytest.mark.parametrize(
    "name", ["../out.jpg", "/tmp/out.jpg", "..\\out.jpg", "C:\\out.jpg", "a/../../out.jpg"]
)
def test_hostile_zip(tmp_path, home, name):
    with pytest.raises(UnsafeArchiveError, match="leads outside"):
        archives.unpack(zipped(tmp_path / "a.zip", {"good.jpg": b"x", name: b"x"}))
    assert nothing_left(home)


def test_links_and_encrypted_files_in_a_zip(tmp_path, home):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zip_link(), "/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match="a link or a device"):
        archives.unpack(tmp_path / "a.zip")
    raw = bytearray(zipped(tmp_path / "b.zip", {"a.jpg": b"x"}).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(raw)
    with pytest.raises(UnsafeArchiveError, match="encrypted"):
        archives.unpack(tmp_path / "b.zip")
    assert nothing_left(home)


@pytest.mark.parametrize("make", [tar, zipped])
def test_bombs(tmp_path, home, monkeypatch, make):
    monkeypatch.setattr(archives, "SMALL", 2**20)
    name = "a.tgz" if make is tar else "a.zip"
    with pytest.raises(UnsafeArchiveError, match="unpacks to more than"):
        archives.unpack(make(tmp_path / name, {"a.bmp": bytes(2**23)}))
    assert nothing_left(home)


@pytest.mark.parametrize("make", [tar, zipped])
def test_the_same_name_twice(tmp_path, make):
    path = tmp_path / ("a.tgz" if make is tar else "a.zip")
    make(path, {"a.jpg": b"1", "./a.jpg": b"2"})
    with pytest.raises(UnsafeArchiveError, match="twice"):
        archives.unpack(path)


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda _: b"", os.urandom])
def test_damaged_archives(tmp_path, home, name, damage):
    path = tmp_path / name
    make = zipped if name == "a.zip" else tar
    raw = make(path, {"a.jpg": os.urandom(50_000)}).read_bytes()
    path.write_bytes(damage(raw) if damage is not os.urandom else os.urandom(5000))
    with pytest.raises(ValueError, match=r"a\.(tgz|zip) is not a whole archive"):
        archives.unpack(path)
    assert nothing_left(home)
