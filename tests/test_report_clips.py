"""The sounds of the report's index: short, small, mono, one a class, the clips of the examples."""

import io
from types import SimpleNamespace

import numpy as np
import soundfile
from datasets_audio import write_fma

from iblib.datasets import fma
from iblib.datasets.melspectrogram import MelSettings
from study import audio, open_session

SECONDS, LARGEST = audio.PREVIEW_SECONDS, 60_000  # bytes


def decoded(mp3: np.ndarray) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(mp3.tobytes()), always_2d=True)


def test_committed_clips_are_those_of_the_examples():
    session = open_session()
    clips, examples = session.arrays("clips"), session.arrays("examples")
    assert clips["ids"].tolist() == examples["ids"].tolist()
    assert clips["classes"].tolist() == examples["classes"].tolist()
    for place in range(len(clips["ids"])):
        mp3 = clips[f"mp3-{place:03d}"]
        wave, rate = decoded(mp3)
        assert mp3.dtype == np.uint8
        assert len(mp3) <= LARGEST
        assert abs(len(wave) / rate - SECONDS) < 0.2


def test_long_stereo_clips_are_cut_and_mixed(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (20 * 44100, 2))
    soundfile.write(tmp_path / "a.wav", noise, 44100)
    data = SimpleNamespace(
        name="folder",
        classes=("Folk",),
        labels=np.array([0]),
        ids=np.array(["a"]),
        files=(tmp_path / "a.wav",),
        rows=lambda split: np.array([0]),
    )
    made = [audio.clips(SimpleNamespace(audio=data))["mp3-000"] for _ in range(2)]
    assert made[0].tobytes() == made[1].tobytes()
    assert made[0].size <= LARGEST  # noise is the hardest to compress
    wave, rate = decoded(made[0])
    assert wave.shape[1] == 1
    assert abs(len(wave) / rate - SECONDS) < 0.2


def test_clips_of_fma_name_their_artists_and_licences(tmp_path):
    table = write_fma(tmp_path, 12, seconds=0.6)
    table["track", "title"] = [f"Song {i}" for i in table.index]
    table["artist", "name"] = "Ann"
    table["track", "license"] = "CC BY"
    table.loc[3, ("track", "license")] = None
    table.to_csv(tmp_path / "fma_metadata" / "tracks.csv")
    data = fma.read_layout(tmp_path, MelSettings(clip_seconds=0.5, n_mels=32), progress=False)
    made = audio.clips(SimpleNamespace(audio=data, data_dir=str(tmp_path)))
    assert made["credits"].tolist() == ["“Song 2” by Ann, CC BY", "“Song 3” by Ann, unknown"]
