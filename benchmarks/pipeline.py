"""How long the whole of FMA-small would take: `python -m benchmarks.pipeline`.

Decoding, training and measuring on clips of 30 s, each beside the least that it could cost, and a
projection for 8000 clips from what was measured.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from benchmarks.handle import ROOT
from benchmarks.picture import saved
from benchmarks.run import cpu_name
from iblib.activations import record
from iblib.config import MeasureConfig, RunConfig
from iblib.datasets import Dataset, binary_patterns
from iblib.datasets.mel_cache import build_cache
from iblib.datasets.melspectrogram import MelSettings, load_clip, log_mel
from iblib.datasets.synthetic import SyntheticSettings, write
from iblib.estimators import measure
from iblib.files import digest, write_atomic
from iblib.models import build
from iblib.plotting.style import OKABE_ITO, panels
from iblib.training import Run, loop, model_options
from iblib.views import views_of
from study.plan import profile_named

FULL, N_TRAINING = profile_named("full"), 6400
SETTINGS = MelSettings(29.9)
BATCH = 64
LAYERS = {"10 units": 10, "after pooling, 32": 32, "block 4, 5248": 5248, "block 1, 41216": 41216}
SIZES = (500, 1000, 2000, 4000, 6400)


@dataclass(frozen=True)
class Row:
    """One measured number."""

    work: str
    seconds: float
    least: float = float("nan")
    note: str = ""

    @property
    def ratio(self) -> float:
        """Time over the least that it could be."""
        return self.seconds / self.least


def seconds_of(call: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired(one: Callable, other: Callable, rounds: int) -> tuple[float, float]:
    """Medians of two calls, taken in turn; both are warm."""
    one(), other()
    pairs = [(seconds_of(one), seconds_of(other)) for _ in range(rounds)]
    return tuple(statistics.median(times) for times in zip(*pairs, strict=True))


def stages(paths: list[Path]) -> None:
    """All that a clip needs, one after the other, on one thread."""
    torch.set_num_threads(1)
    for path in paths:
        digest(path, "sha1")
        mel = log_mel(load_clip(path, SETTINGS), SETTINGS)
        Path(os.devnull).write_bytes(mel.data)
        zlib.crc32(mel.data)


def decoding(files: dict, scratch: Path, rounds: int, cores: int) -> list[Row]:
    """Filling the cache, per clip, against the sum of its stages on one thread over the cores.

    So many processes that share nothing are the most that this machine can give.
    """
    paths, n = list(files.values()), len(files)

    def fill() -> None:
        torch.set_num_threads(cores)
        shutil.rmtree(scratch / "cache", ignore_errors=True)
        build_cache(files, SETTINGS, scratch / "cache", jobs=cores, progress=False)

    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:

        def apart() -> None:
            list(pool.map(stages, [paths[i::cores] for i in range(cores)]))

        calls = (lambda: stages(paths), apart, fill)
        for call in calls:
            call()
        times = [[seconds_of(call) for call in calls] for _ in range(rounds)]
    one, shared, found = (statistics.median(column) for column in zip(*times, strict=True))
    least = one / n / cores
    return [
        Row("decode + mel, a clip", found / n, least, f"{cores} threads; goal 1.15"),
        Row("the same by separate processes", shared / n, least, "what the machine can give"),
    ]


def clips_of_30_s(n: int) -> Dataset:
    """Noise of the shape that FMA-small's clips have: time does not depend on what is in it."""
    shape = (n, 1, 128, SETTINGS.n_frames)
    rng = np.random.default_rng(0)
    return Dataset(
        name="noise",
        inputs=rng.normal(size=shape).astype(np.float32),
        labels=np.arange(n) % 8,
        classes=tuple("abcdefgh"),
        split=np.repeat("training", n),
        ids=np.arange(n),
        fingerprint="noise",
        source="noise",
    )


def training(config: RunConfig, data: Dataset, scratch: Path, rounds: int) -> Row:
    """One pass over the training rows, against a bare loop over the same tensors."""
    options = model_options(config, data)
    run = Run(scratch / "run", config, data.name, data.fingerprint, options)
    ours = loop._Training(run, data, "cpu")
    x, y = (torch.from_numpy(part) for part in data.take(data.rows("training")))
    network = build(config.model, config.activation, seed=0, **options)
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), config.learning_rate, config.momentum)

    def bare() -> None:
        order = torch.randperm(len(x))
        for rows in order.split(config.batch_size or len(x)):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()

    least, found = paired(bare, lambda: ours._train_epoch(1), rounds)
    n = len(x)
    return Row(f"train {config.model}, a clip", found / n, least / n, "against a bare loop")


def many_seeds(rounds: int, scratch: Path) -> Row:
    """Ten seeds of Saxe's network at once, against one."""
    data = binary_patterns.load(0)

    def trainer(n: int):
        config = RunConfig("mlp", "tanh", batch_size=256, n_seeds=n, optimizer="adam")
        run = Run(scratch, config, "", "", model_options(config, data))
        return loop._Training(run, data, "cpu")

    one, ten = trainer(1), trainer(10)
    single, many = paired(lambda: one._train_epoch(1), lambda: ten._train_epoch(1), rounds)
    return Row("train mlp, 10 seeds, an epoch", many, single, "against one seed; goal 3")


def measuring(model: str, data: Dataset) -> Row:
    """One epoch of whole layers, spatial means and components, per clip and at P = 400."""
    config = MeasureConfig(views=("layer", "spatial_mean", "pca"))
    network = build(model, "relu", seed=0, **model_options(RunConfig(model), data)).eval()
    x, y = data.take(np.arange(400))

    def everything() -> None:
        for _, t in record(network, x):
            for view in views_of(t, config.views):
                measure(view.values, y)

    def forward() -> None:
        for _ in record(network, x):
            pass

    everything()
    return Row(
        f"measure {model}, an epoch, P = 400",
        seconds_of(everything),
        seconds_of(forward),
        "against its forward passes",
    )


def scaling(limit: float) -> list[Row]:
    """`measure` of layers of a network, by the number of samples."""
    rows = []
    for name, d in LAYERS.items():
        expected = 0.0
        for n in SIZES:
            if expected > limit:
                break
            t = np.tanh(np.random.default_rng(0).normal(size=(n, d)).astype(np.float32))
            y = np.arange(n) % 8
            measure(t[:200], y[:200])
            spent = min(seconds_of(lambda t=t, y=y: measure(t, y)) for _ in range(2))
            rows.append(Row(f"scaling: {name}", spent, note=str(n)))
            expected = 8 * spent
            print(f"measure {name}, P = {n}: {spent:.3g} s", flush=True)
    return rows


def projection(rows: list[Row], cores: int) -> str:
    """Hours of profile full on all of FMA-small, with the arithmetic."""
    cost = {row.work: row.seconds for row in rows}
    decode = cost["decode + mel, a clip"] * cores  # of one core
    one = {m: cost[f"train {m}, a clip"] for m in ("simple_cnn", "mini_resnet")}
    look = {m: cost[f"measure {m}, an epoch, P = 400"] for m in one}
    passes = {
        "simple_cnn": FULL.cnn_seeds * FULL.cnn_epochs
        + FULL.cnn_full_batch_seeds * FULL.cnn_full_batch_epochs,
        "mini_resnet": FULL.resnet_seeds * FULL.resnet_epochs,
    }
    points = {
        "simple_cnn": (FULL.cnn_seeds + FULL.cnn_full_batch_seeds) * FULL.cnn_points,
        "mini_resnet": FULL.resnet_seeds * FULL.resnet_points,
    }
    lines, total = [], 0.0

    def add(what: str, seconds: float) -> None:
        nonlocal total
        total += seconds
        lines.append(f"{what} = {seconds / 3600:.1f} core hours")

    add(f"decode: 8000 clips x {decode:.3f} s", 8000 * decode)
    for m, n in passes.items():
        n *= 2  # activations
        add(f"train {m}: {n} passes x {N_TRAINING} clips x {one[m]:.4f} s", n * N_TRAINING * one[m])
    grown = (FULL.n_samples / 400) ** 2
    for m, n in points.items():
        n *= 2
        text = f"measure {m}: {n} epochs x {look[m]:.0f} s x ({FULL.n_samples}/400)^2"
        add(text, n * look[m] * grown)
    lines.append(f"all, on one core of this machine: {total / 3600:.0f} h")
    for n in (2, 16):
        lines.append(f"{n} cores, one run each at a time: {total / n / 3600:.0f} h")
    lines.append(
        f"one GPU: not measured; to be done in 24 h it has to be {total / 86400:.0f} times as fast "
        "as one core"
    )
    return "\n".join(lines)


def draw(table: pd.DataFrame, folder: Path) -> Path:
    """Time of `measure` against the number of samples, layer by layer."""
    part = table[table["work"].str.startswith("scaling")]
    with panels(1, 1, panel=(4.2, 3.4)) as (figure, axes):
        ax = axes[0, 0]
        for colour, (name, rows) in zip(OKABE_ITO, part.groupby("work", sort=False), strict=False):
            label = name.removeprefix("scaling: ")
            ax.loglog(rows["note"].astype(int), rows["seconds"], "o-", color=colour, label=label)
        first = part.iloc[0]
        n = np.array(SIZES)
        square = first["seconds"] * (n / int(first["note"])) ** 2
        ax.loglog(n, square, ":", color="0.5", label="P²")
        ax.set(xlabel="samples P", ylabel="all estimators, one layer [s]")
        ax.set_xticks(SIZES, labels=[str(size) for size in SIZES])
        ax.minorticks_off()
        ax.legend(title="layer (numbers a sample)")
    return saved(figure, "pipeline", folder)


def main() -> None:
    """Measure, print, write ``results/pipeline.csv`` and ``figures/pipeline.png``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=8, help="clips of each of 8 genres")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds that a call may take")
    parser.add_argument("--out", type=Path, default=ROOT, help="gets results/ and figures/")
    arguments = parser.parse_args()
    scratch = ROOT / "build" / "pipeline"
    scratch.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count()
    made = SyntheticSettings(clips_per_genre=arguments.clips, seconds=30.0)
    files = dict(enumerate(sorted(write(made, scratch).rglob("*.mp3"))))
    rows = decoding(files, scratch, arguments.rounds, cores)
    torch.set_num_threads(1)  # a run has one
    data = clips_of_30_s(512)
    for model in ("simple_cnn", "mini_resnet"):
        part = clips_of_30_s(128)
        config = RunConfig(model, "relu", learning_rate=0.01, batch_size=BATCH)
        turns = arguments.rounds * (4 if model == "simple_cnn" else 1)  # the shorter, the noisier
        rows.append(training(config, part, scratch, turns))
        rows.append(measuring(model, data))
    rows.append(many_seeds(5 * arguments.rounds, scratch))
    for row in rows:
        print(f"{row.work:40s} {row.seconds:9.4f} s  x {row.ratio:.2f} ({row.note})", flush=True)
    text = projection(rows, cores)
    print(text, flush=True)
    torch.set_num_threads(cores)
    rows += scaling(arguments.limit)
    table = pd.DataFrame([vars(row) | {"ratio": row.ratio} for row in rows])
    table = table.assign(threads=cores, cpu=cpu_name())
    csv = arguments.out / "results" / "pipeline.csv"
    write_atomic(csv.with_suffix(".txt"), text + "\n")
    write_atomic(csv, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    print(f"{csv} and {draw(table, arguments.out / 'figures')}")


if __name__ == "__main__":
    main()
