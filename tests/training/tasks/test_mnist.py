"""idx files are verified wherever they come from; a download is tried on every mirror and kept."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from hwctl.errors import TaskError
from hwctl.training import tasks
from hwctl.training.tasks import mnist


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def made_up_files(train=20, test=6):
    rng = np.random.default_rng(0)
    files = {}
    for (images, labels), rows in zip(mnist.PARTS, (train, test), strict=True):
        files[images] = idx(rng.integers(0, 256, (rows, 28, 28)))
        files[labels] = idx(rng.integers(0, 10, rows))
    return files


def origin_of(files, mirrors=(), cache=None, timeout_s=5.0):
    checksums = {name: hashlib.md5(raw).hexdigest() for name, raw in files.items()}
    return mnist.Origin(checksums, mirrors, cache, timeout_s)


def put(folder, files, packed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv(mnist.ENVIRONMENT, raising=False)


@pytest.fixture
def serve(monkeypatch):
    """Serve {path: bytes} on the loopback; return the URL and the list of paths asked for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(content):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                body = content.get(self.path.rsplit("/", 1)[1])
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/mnist", asked

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_files_are_found_raw_or_packed_there_or_in_a_subfolder(tmp_path, packed, subfolder):
    files = made_up_files()
    put(tmp_path / subfolder, files, packed)
    data = mnist.load_mnist(0, tmp_path, origin=origin_of(files))
    assert data.train_x.shape == (20, 784)
    assert data.test_x.shape == (6, 784)
    assert data.train_x.dtype == np.float64
    assert data.train_y.dtype == np.int64
    assert 0 <= data.train_x.min() < data.train_x.max() <= 1
    pixels = np.frombuffer(files["train-images-idx3-ubyte"], dtype=np.uint8, offset=16)
    np.testing.assert_array_equal(data.train_x.ravel() * 255, pixels)
    assert data.provenance.startswith("20 train / 6 test")


def test_environment_names_the_folder_and_an_argument_goes_before_it(tmp_path, monkeypatch):
    files, others = made_up_files(), made_up_files(train=30)
    put(tmp_path / "one", files, packed=True)
    put(tmp_path / "two", others, packed=True)
    monkeypatch.setenv(mnist.ENVIRONMENT, str(tmp_path / "one"))
    assert len(mnist.load_mnist(0, origin=origin_of(files)).train_y) == 20
    assert len(mnist.load_mnist(0, tmp_path / "two", origin=origin_of(others)).train_y) == 30


def test_missing_files_say_where_they_were_looked_for(tmp_path):
    with pytest.raises(TaskError, match=r"no train-images-idx3-ubyte .* or its subfolder mnist; .*HWCTL_DATA"):
        mnist.load_mnist(0, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-20],
        lambda packed: packed[:15] + bytes(20) + packed[35:],
        lambda packed: packed + b"tail",
        lambda packed: b"",
        lambda packed: b"<html>not found</html>",
        lambda packed: gzip.compress(gzip.decompress(packed)[:-1]),
    ],
    ids=["truncated", "overwritten", "tail", "empty", "html", "short inside"],
)
def test_damaged_local_file_is_named(tmp_path, damage):
    files = made_up_files()
    put(tmp_path, files, packed=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TaskError, match=r"train-images-idx3-ubyte.*fetch it again") as caught:
        mnist.load_mnist(0, tmp_path, origin=origin_of(files))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no idx file"),
        (b"\x1f\x8b\x08\x01", "no idx file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "no idx file"),
        (b"\x00\x00\x08\x03\x00\x00", "cut short within its header"),
        (idx(np.zeros((2, 3, 3)))[:-1], "holds 17 values, its header states 18"),
        (idx(np.zeros((2, 3, 3))) + b"\x00", "holds 19 values, its header states 18"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "its header states"),
    ],
)
def test_bytes_that_are_no_idx_file_are_refused(raw, says):
    with pytest.raises(TaskError, match=f"some-file .*{says}"):
        mnist.parse_idx(raw, "some-file")


def test_idx_keeps_shape_and_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(mnist.parse_idx(idx(array), "x"), array)


@pytest.mark.parametrize("wrong", [idx(np.zeros(19)), idx(np.full(20, 10)), idx(np.zeros((20, 1)))])
def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, wrong):
    files = {**made_up_files(), "train-labels-idx1-ubyte": wrong}
    put(tmp_path, files, packed=False)
    with pytest.raises(TaskError, match="labels"):
        mnist.load_mnist(0, tmp_path, origin=origin_of(files))


def test_download_is_verified_kept_and_not_repeated(tmp_path, serve):
    files = made_up_files()
    url, asked = serve({f"{name}.gz": gzip.compress(raw) for name, raw in files.items()})
    origin = origin_of(files, (url,), tmp_path / "cache")
    first = mnist.load_mnist(0, origin=origin)
    assert len(asked) == 4
    assert sorted(file.name for file in (tmp_path / "cache").iterdir()) == sorted(f"{name}.gz" for name in files)
    again = mnist.load_mnist(0, origin=origin)
    assert len(asked) == 4
    np.testing.assert_array_equal(first.train_x, again.train_x)


def test_damaged_cache_is_downloaded_anew(tmp_path, serve):
    files = made_up_files()
    url, asked = serve({f"{name}.gz": gzip.compress(raw) for name, raw in files.items()})
    origin = origin_of(files, (url,), tmp_path)
    mnist.load_mnist(0, origin=origin)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8b half")
    mnist.load_mnist(0, origin=origin)
    assert asked[4:] == ["/mnist/t10k-labels-idx1-ubyte.gz"]


def test_second_mirror_serves_what_the_first_does_not_have_intact(tmp_path, serve):
    files = made_up_files()
    packed = {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}
    wrong = dict(packed)
    del wrong["train-labels-idx1-ubyte.gz"]
    wrong["train-images-idx3-ubyte.gz"] = gzip.compress(b"another file")
    first, _ = serve(wrong)
    second, asked = serve(packed)
    mnist.load_mnist(0, origin=origin_of(files, (first, second), tmp_path))
    assert asked == ["/mnist/train-images-idx3-ubyte.gz", "/mnist/train-labels-idx1-ubyte.gz"]


def test_failed_download_names_mirror_reason_and_way_out(tmp_path, serve):
    files = made_up_files()
    first, _ = serve({})
    second, _ = serve({"train-images-idx3-ubyte.gz": gzip.compress(b"another file")})
    with pytest.raises(TaskError, match=r"404.*MD5 differs.*--data-dir or HWCTL_DATA") as caught:
        mnist.load_mnist(0, origin=origin_of(files, (first, second), tmp_path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_silent_mirror_times_out(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TaskError, match="timed out"):
            mnist.load_mnist(0, origin=origin_of(made_up_files(), (url,), tmp_path, timeout_s=0.2))


def test_cache_that_cannot_be_written_does_not_stop_the_download(tmp_path, serve):
    files = made_up_files()
    url, _ = serve({f"{name}.gz": gzip.compress(raw) for name, raw in files.items()})
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    data = mnist.load_mnist(0, origin=origin_of(files, (url,), blocked / "cache"))
    assert len(data.train_y) == 20


REAL = Path(os.environ.get("HWCTL_DATA") or Path(__file__).parents[4] / "shared" / "data")


@pytest.mark.skipif(
    not any((folder / "t10k-labels-idx1-ubyte.gz").is_file() for folder in (REAL, REAL / "mnist")),
    reason="no MNIST files: set HWCTL_DATA to their folder",
)
def test_real_mnist_loads():
    data = tasks.get("mnist").load(0, REAL)
    assert data.train_x.shape == (60000, 784)
    assert data.test_x.shape == (10000, 784)
    assert data.train_x.max() == 1
    assert np.bincount(data.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
