"""FMA-small from a server on this machine: whole archives, single clips, and every fault."""

import gc
import hashlib
import http.server
import io
import re
import threading
import warnings
import zipfile
from functools import partial

import pytest
from datasets_audio import tracks_table

from iblib.datasets import download, fma
from iblib.datasets.base import DataError

N = 40
FILLER = b"".join(hashlib.sha1(bytes([i, j])).digest() for i in range(40) for j in range(250))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with byte ranges; ``state`` counts answers and says where to misbehave."""

    def do_GET(self):
        state, path = self.server.state, self.translate_path(self.path)
        state["requests"].append((self.path, self.headers.get("Range")))
        if state["html"]:
            return self.answer(200, b"<html>maintenance</html>", "text/html")
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            return self.send_error(404)
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not found or not state["ranges"]:
            return self.answer(200, data)
        first, last = found.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        stop = int(last) + 1 if first and last else len(data)
        return self.answer(206, data[start:stop], where=f"bytes {start}-{stop - 1}/{len(data)}")

    def answer(self, status, data, kind="application/zip", where=""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if where:
            self.send_header("Content-Range", where)
        self.end_headers()
        if cut := self.server.state.pop("cut", None):  # once: drop the connection half-way
            data = data[:cut]
            self.close_connection = True
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def _abandoned_responses():
    """remotezip abandons its response where a first read fails; collect it here, not elsewhere."""
    gc.freeze()  # what was there before need not be looked through after each test
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.unfreeze()


@pytest.fixture
def site(tmp_path):
    """A folder that is served, its address and the state of the handler."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.state = {"requests": [], "html": False, "ranges": True}
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", server.state
        server.shutdown()
        thread.join()


def clip_bytes(track: int) -> bytes:
    return f"clip {track}".encode() * 50


def write_zip(path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def archives(site):
    """FMA's two archives in small, and their hashes."""
    table = tracks_table(N)
    text = io.StringIO()
    table.to_csv(text)
    metadata = {"fma_metadata/tracks.csv": text.getvalue().encode(), "fma_metadata/raw.csv": FILLER}
    names = {track: f"{track:06d}"[:3] + f"/{track:06d}.mp3" for track in table.index}
    sums = "".join(
        f"{hashlib.sha1(clip_bytes(t)).hexdigest()}  {name}\n" for t, name in names.items()
    )
    clips = {f"fma_small/{name}": clip_bytes(t) for t, name in names.items()}
    small = {"fma_small/README.txt": b"hello", "fma_small/checksums": sums.encode(), **clips}
    return {
        "fma_metadata.zip": write_zip(site[0] / "fma_metadata.zip", metadata),
        "fma_small.zip": write_zip(site[0] / "fma_small.zip", small),
    }


def fetch(site, target, **options):
    return download.fma_small(target, base_url=site[1], progress=False, **options)


def clips_in(target) -> list[int]:
    return sorted(int(path.stem) for path in (target / "fma_small").rglob("*.mp3"))


def test_whole_archives(site, archives, tmp_path):
    target = fetch(site, tmp_path / "out", archives=archives)
    tracks = fma.load_tracks(target)
    clips = fma.small_clips(tracks, target)
    assert clips_in(target) == list(clips.index)
    assert all(path.read_bytes() == clip_bytes(t) for t, path in clips["path"].items())
    assert not (target / "fma_metadata" / "raw.csv").exists()
    n = len(site[2]["requests"])
    fetch(site, tmp_path / "out", archives=archives)
    assert len(site[2]["requests"]) == n  # nothing is fetched twice


def test_a_cut_connection_is_resumed(site, archives, tmp_path):
    site[2]["cut"] = 100_000
    fetch(site, tmp_path / "out", archives=archives)
    ranges = [r for path, r in site[2]["requests"] if path == "/fma_metadata.zip"]
    assert ranges == [None, "bytes=65536-"]
    assert len(clips_in(tmp_path / "out")) == N


def test_a_part_left_by_an_earlier_run_is_resumed(site, archives, tmp_path):
    (tmp_path / "out" / "archives").mkdir(parents=True)
    whole = (site[0] / "fma_small.zip").read_bytes()
    (tmp_path / "out" / "archives" / "fma_small.zip.part").write_bytes(whole[:1000])
    fetch(site, tmp_path / "out", archives=archives)
    assert ("/fma_small.zip", "bytes=1000-") in site[2]["requests"]


def test_wrong_hash_leaves_nothing_under_a_final_name(site, archives, tmp_path):
    with pytest.raises(DataError, match="has not the SHA-1 published"):
        fetch(site, tmp_path / "out", archives=archives | {"fma_small.zip": "0" * 40})
    assert not (tmp_path / "out" / "fma_small").exists()


@pytest.mark.parametrize("tracks", [None, 4])
def test_server_faults_are_one_line_with_a_cure(site, archives, tmp_path, tracks):
    site[2]["html"] = True
    with pytest.raises(DataError, match="run the command again") as caught:
        fetch(site, tmp_path / "a", archives=archives, tracks=tracks)
    assert "\n" not in str(caught.value)
    site[2]["html"] = False
    (site[0] / "fma_metadata.zip").unlink()
    with pytest.raises(DataError, match="404"):
        fetch(site, tmp_path / "b", archives=archives, tracks=tracks)


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda *_: None)
    with pytest.raises(DataError, match="cannot fetch"):
        download.fma_small(tmp_path, tracks=1, base_url="http://127.0.0.1:9", progress=False)


def test_some_clips_balanced_checked_and_resumed(site, archives, tmp_path):
    out = tmp_path / "out"
    fetch(site, out, tracks=20)
    clips = fma.small_clips(fma.load_tracks(out), out)
    have = clips.loc[clips_in(out)]
    assert have["label"].value_counts().to_dict() == {"Folk": 10, "Pop": 10}
    assert have["split"].value_counts().to_dict() == {"training": 16, "validation": 2, "test": 2}
    damaged, kept = have["path"].iloc[:2]
    damaged.write_bytes(b"broken")
    stamp = kept.stat().st_mtime_ns
    n = len(site[2]["requests"])
    fetch(site, out, tracks=24)
    assert set(have.index) < set(clips_in(out))
    assert len(clips_in(out)) == 24
    assert damaged.read_bytes() == clip_bytes(have.index[0])
    assert kept.stat().st_mtime_ns == stamp
    assert len(site[2]["requests"]) - n <= 1 + 1 + 5  # directory, checksums, five clips


def test_single_clips_are_no_whole_set_and_are_not_deleted(site, archives, tmp_path):
    fetch(site, tmp_path / "out", tracks=3)
    with pytest.raises(DataError, match=r"not whole; .*--tracks 8000"):
        fetch(site, tmp_path / "out", archives=archives)
    assert len(clips_in(tmp_path / "out")) == 3
    fetch(site, tmp_path / "out", tracks=N)
    fetch(site, tmp_path / "out", archives=archives)


def test_some_clips_faults(site, archives, tmp_path):
    with pytest.raises(DataError, match="tracks must be at least 1"):
        fetch(site, tmp_path / "a", tracks=0)
    with pytest.raises(DataError, match=f"only {N} clips are there"):
        fetch(site, tmp_path / "a", tracks=N + 1)
    site[2]["ranges"] = False
    with pytest.raises(DataError, match="range requests"):
        fetch(site, tmp_path / "b", tracks=1)


def test_a_clip_that_differs_from_its_checksum_is_not_written(site, archives, tmp_path):
    members = {"fma_small/checksums": f"{'0' * 40}  000/000002.mp3\n".encode()}
    write_zip(site[0] / "fma_small.zip", members | {"fma_small/000/000002.mp3": b"x"})
    with pytest.raises(DataError, match="clip 2 differs from its checksum"):
        fetch(site, tmp_path / "out", tracks=1)
    assert clips_in(tmp_path / "out") == []


def member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("info", "content", "message"),
    [
        (member("../x"), b"x", "leaves the folder"),
        (member("top/../../x"), b"x", "leaves the folder"),
        (member("/etc/x"), b"x", "leaves the folder"),
        (member("C:/x"), b"x", "no portable name"),
        (member("top/link", 0o120777), b"/etc/passwd", "link or device"),
        (member("top/A.txt"), b"x", "stands twice"),
        (member("top/zeros"), bytes(10**7), "unpacks to too much"),
    ],
)
def test_dangerous_archives_write_nothing(tmp_path, info, content, message):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as z:
        z.writestr("top/a.txt", b"first")
        z.writestr(info, content, zipfile.ZIP_BZIP2)
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=message):
        download.unpack(tmp_path / "a.zip", tmp_path / "out", "top")
    assert list((tmp_path / "out").iterdir()) == []


def test_archives_that_are_not(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"a.zip is damaged"):
        download.unpack(tmp_path / "a.zip", tmp_path, "top")
    write_zip(tmp_path / "b.zip", {"other/a": b"x"})
    with pytest.raises(DataError, match="holds no top/"):
        download.unpack(tmp_path / "b.zip", tmp_path, "top")


@pytest.mark.parametrize("kind", ["deflate64", "encrypted", "cut", "bits flipped"])
def test_archives_that_python_cannot_read(tmp_path, kind):
    path = tmp_path / "fma_small.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fma_small/a.mp3", bytes(range(256)) * 20)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    if kind == "deflate64":
        content[8] = content[central + 10] = 9
    elif kind == "encrypted":
        content[6] |= 1
        content[central + 8] |= 1
    elif kind == "cut":
        del content[-30:]
    else:
        content[50:70] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^fma_small\.zip is damaged[^\n]*again$"):
        download.unpack(path, tmp_path, "fma_small")
