"""FMA-small from its official home: whole archives, or only some clips by HTTP ranges."""

import hashlib
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from iblib.datasets import fma
from iblib.datasets.base import SPLITS, DataError
from iblib.datasets.store import make_once, require_space
from iblib.extras import extra
from iblib.files import digest, write_atomic
from iblib.progress import bar

with extra("audio"):
    import pooch
    import requests
    from remotezip import RemoteZip, RemoteZipError
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

OFFICIAL = "https://os.unil.cloud.switch.ch/fma/"
ARCHIVES = {
    "fma_metadata.zip": "f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
    "fma_small.zip": "ade154f733639d52e35e32f5593efe5be76c6d70",
}
MAX_UNPACKED = 16 * 2**30  # bytes of an archive; FMA-small has 7.2 GiB
MAX_RATIO = 1000  # unpacked over packed size of one file: more is a bomb, not text or audio
_TIMEOUT = 60  # seconds without a byte
_TRACKS = "fma_metadata/tracks.csv"  # all that is read of the metadata
_CHUNK = 2**16  # bytes; what a cut connection can lose
# Damaged, cut, or by a method or a password that Python's zipfile does not know (RuntimeError).
_BAD_ZIP = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, lzma.LZMAError)


def fma_small(
    data_dir: str | Path, *, tracks: int | None = None, progress: bool = True,
    base_url: str = OFFICIAL, archives: dict[str, str] = ARCHIVES,
) -> Path:  # fmt: skip
    """Put ``fma_metadata/tracks.csv`` and ``fma_small/`` under ``data_dir``, which is returned.

    The licences of the clips are their artists' own: do not redistribute them.

    By default both archives (7.5 GiB, with these SHA-1) are fetched whole and deleted once unpacked
    (needs 15 GiB); an interrupted download goes on where it stopped. With ``tracks`` only so many
    clips, balanced over genres and splits, are taken out of the remote archive; fewer are a part of
    more. DataError if something cannot be fetched, is not what was published, or is not safe to
    unpack; what had been checked stays.
    """
    data_dir = Path(data_dir).expanduser()
    data_dir.mkdir(parents=True, exist_ok=True)
    base_url = base_url.rstrip("/") + "/"
    if tracks is None:
        for name, sha1 in archives.items():
            _whole(base_url + name, sha1, data_dir, progress)
    elif tracks < 1:
        raise DataError(f"tracks must be at least 1; got {tracks}")
    else:
        _some(base_url, data_dir, tracks, progress)
    return data_dir


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Turn whatever a network or an archive can raise into one line with a cure."""
    again = "check the address and the connection, then run the command again"
    try:
        yield
    except _BAD_ZIP as error:
        raise DataError(f"{what} is damaged, or no zip archive ({error}); {again}") from error
    except (requests.RequestException, RemoteZipError) as error:
        raise DataError(f"cannot fetch {what} ({error}); {again}") from error


def _session() -> requests.Session:
    """HTTP session that tries again where a server is busy or drops the connection."""
    session = requests.Session()
    retry = Retry(3, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504))
    session.mount("http", HTTPAdapter(max_retries=retry))  # https, too
    return session


def _whole(url: str, sha1: str, data_dir: Path, progress: bool) -> None:
    """Fetch an archive, check its hash, unpack its folder under its final name."""
    name = url.rsplit("/", 1)[-1]
    target, archives = data_dir / name.removesuffix(".zip"), data_dir / "archives"
    fetch = partial(_resume, progress=progress)
    only = _TRACKS if target.name == "fma_metadata" else ""

    def build(folder: Path) -> None:
        pooch.get_logger().setLevel("WARNING")  # its hints name temporary files
        with _errors(url):
            try:
                archive = pooch.retrieve(url, f"sha1:{sha1}", name, archives, downloader=fetch)
            except ValueError as error:  # pooch's word for a wrong hash
                raise DataError(f"{url} has not the SHA-1 published, {sha1}") from error
        unpack(Path(archive), folder, target.name, only=only)

    make_once(target, build, _require_whole)
    (archives / name).unlink(missing_ok=True)  # unpacked: 7 GiB that nobody needs


def _require_whole(folder: Path) -> Path:
    """``folder``, unless clips are missing in it: it is not ours to replace then."""
    if folder.name == "fma_small":
        listed = fma.read_checksums(folder.parent)
        if not (listed and all(fma.clip_path(folder.parent, t).is_file() for t in listed)):
            cure = "move it away, or give --tracks 8000 to add the rest"
            raise DataError(f"{folder} is there but not whole; {cure}")
    return folder


def _resume(url: str, output_file: str, _pooch, *, progress: bool) -> None:
    """Fetch ``url`` into ``output_file``, going on from a ``.part`` file beside it."""
    part = Path(output_file).parent / f"{url.rsplit('/', 1)[-1]}.part"
    with _session() as session:
        for left in range(4, -1, -1):
            try:
                _append(session, url, part, progress)
                break
            except OSError:  # requests' errors are OSErrors; go on from what has come
                if not left or not part.exists():
                    raise
    shutil.move(part, output_file)


def _append(session: requests.Session, url: str, part: Path, progress: bool) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {}
    with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left to fetch
            return
        answer.raise_for_status()
        if "html" in answer.headers.get("Content-Type", ""):
            raise zipfile.BadZipFile("the server sent a web page")
        have = have if answer.status_code == 206 else 0
        left = int(answer.headers.get("Content-Length", 0))
        require_space(part.parent, left)
        sizes = {"total": have + left, "initial": have, "unit": "B", "unit_scale": True}
        ahead = bar(None, part.stem, shown=progress, leave=True, **sizes)
        with ahead, part.open("ab" if have else "wb") as out:
            for chunk in answer.iter_content(_CHUNK):
                ahead.update(out.write(chunk))


def unpack(archive: Path, folder: Path, top: str, *, only: str = "") -> None:
    """Unpack what an archive holds below its folder ``top``, or ``only`` one file, into ``folder``.

    Every name is checked before the first byte is written: DataError if the archive is damaged or
    holds an absolute name, a ``..``, a drive letter, a link, a device, a name twice, or more bytes
    than audio can have. OSError if the disk has no room.
    """
    with _errors(archive.name), zipfile.ZipFile(archive) as z:
        members = [m for m in z.infolist() if not m.is_dir()]
        _check_members(members, archive.name)
        members = [m for m in members if PurePosixPath(m.filename).parts[0] == top]
        members = [m for m in members if only in ("", m.filename)]
        if not members:
            raise DataError(f"{archive.name} holds no {top}/: it is not FMA's archive")
        require_space(folder, sum(m.file_size for m in members))
        for member in members:
            target = folder.joinpath(*PurePosixPath(member.filename).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with z.open(member) as source, target.open("xb") as out:
                shutil.copyfileobj(source, out, _CHUNK)


def _check_members(members: list[zipfile.ZipInfo], archive: str) -> None:
    seen = set()
    for member in members:
        name = member.filename
        kind = stat.S_IFMT(member.external_attr >> 16)
        path = PurePosixPath(name)
        faults = {
            "leaves the folder": path.is_absolute() or ".." in path.parts,
            "is no portable name": "\\" in name or ":" in name or not path.parts,
            "is a link or device": kind not in (0, stat.S_IFREG),
            "stands twice": name.casefold() in seen,
            "unpacks to too much": member.file_size > MAX_RATIO * max(member.compress_size, 1),
        }
        if fault := next((text for text, holds in faults.items() if holds), None):
            raise DataError(f"{archive} refused: {name!r} {fault}")
        seen.add(name.casefold())
    if (total := sum(m.file_size for m in members)) > MAX_UNPACKED:
        raise DataError(f"{archive} refused: it unpacks to {total} bytes")


def _some(base_url: str, data_dir: Path, tracks: int, progress: bool) -> None:
    """Fetch metadata and so many clips out of the remote archives, as far as they are not there."""
    with _errors(base_url), _session() as session:
        remote = partial(RemoteZip, session=session, timeout=_TIMEOUT)
        if not (data_dir / _TRACKS).is_file():
            with remote(base_url + "fma_metadata.zip") as z:
                write_atomic(data_dir / _TRACKS, _read(z, _TRACKS))
        clips = fma.small_clips(fma.load_tracks(data_dir), data_dir)
        with remote(base_url + "fma_small.zip") as z:
            text = _read(z, "fma_small/checksums")
            sums = fma.parse_checksums(text)
            wanted = _balanced(clips[clips.index.isin(list(sums))], tracks)
            if len(wanted) < tracks:
                raise DataError(f"only {len(wanted)} clips are there; give --tracks {len(wanted)}")
            write_atomic(data_dir / "fma_small" / "checksums", text)
            for track in bar(wanted, "clips", shown=progress, leave=True, unit="clip"):
                path = clips.loc[track, "path"]
                if path.is_file() and digest(path, "sha1") == sums[track]:
                    continue
                data = _read(z, path.relative_to(data_dir).as_posix())
                if hashlib.sha1(data).hexdigest() != sums[track]:
                    raise DataError(f"clip {track} differs from its checksum; run it again")
                write_atomic(path, data)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Content of a member, which must exist and be small enough for memory."""
    if name not in archive.namelist():
        raise DataError(f"the archive holds no {name}: it is not FMA's")
    if (size := archive.getinfo(name).file_size) > 2**30:
        raise DataError(f"{name} in the archive unpacks to {size} bytes: refused")
    return archive.read(name)


def _balanced(clips: pd.DataFrame, n: int) -> list[int]:
    """Ascending track ids of ``n`` clips, or all, with genres and splits as in ``clips``.

    Each has a random place within its ``label`` and ``split``; those with the smallest relative
    places are taken: fewer clips are a part of more.
    """
    clips = clips[clips["split"].isin(SPLITS) & clips["label"].notna()]
    clips = clips.sample(frac=1, random_state=np.random.default_rng(0))
    cells = clips.groupby(["label", "split"])
    place = (cells.cumcount() + 0.5) / cells["label"].transform("size")
    return sorted(int(track) for track in place.sort_values(kind="stable").index[:n])
