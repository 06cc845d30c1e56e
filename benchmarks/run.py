"""The benchmark: `python -m benchmarks.run --peers-python PATH`."""

import argparse
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

from benchmarks import picture, table
from benchmarks.handle import ROOT, WorkerError
from benchmarks.rounds import Bench, Options
from benchmarks.works import Work, all_works
from iblib.files import write_atomic

_QUICK_PRODUCTS = 2e9  # P P d up to which --quick runs a work that was not asked for by name


def chosen(works: list[Work], only: str, quick: bool) -> list[Work]:
    """Works whose name matches ``only``; without it all, or the small ones if ``quick``."""
    if only:
        return [work for work in works if re.search(only, work.name)]
    return [work for work in works if not quick or work.n_products <= _QUICK_PRODUCTS]


def cpu_name() -> str:
    """The processor's name as the system says it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def measured(work: Work, options: Options) -> list[dict]:
    """Rows of one work; a reference that cannot be had leaves the errors out."""
    bench = Bench(work, options)
    try:
        reference = bench.reference()
    except WorkerError as error:
        print(f"no reference for {work.name}: {error}", file=sys.stderr)
        reference = {}
    return table.rows_of(work, bench.run(), reference)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--peers-python", required=True, help="Python of the environment that holds the peers")
    add("--only", default="", metavar="PATTERN", help="works whose name matches, a regex")
    add("--rounds", type=int, default=21, help="rounds of a work (default 21; slow rows fewer)")
    add("--seconds", type=float, default=20.0, help="time for the rounds of one row (default 20)")
    add("--limit", type=float, default=300.0, help="seconds that a call may take (default 300)")
    add("--threads", type=int, default=2, help="threads of every implementation (default 2)")
    add("--quick", action="store_true", help="3 rounds; without --only the small works only")
    add("--out", type=Path, help="folder that gets results/ and figures/; default: the checkout, "
        "or build/benchmark for --only and --quick")  # fmt: skip
    add("--scratch", type=Path, default=ROOT / "build" / "benchmark", help="arrays, logs, caches")
    add("--list", action="store_true", help="print the works' names and stop")
    arguments = parser.parse_args()
    if shutil.which(arguments.peers_python) is None:
        parser.error(f"--peers-python must be an interpreter; got {arguments.peers_python}")
    return arguments


def _options(arguments: argparse.Namespace) -> Options:
    # not resolved: the interpreter of a virtual environment is a link
    peers = os.path.abspath(shutil.which(arguments.peers_python))
    return Options(
        pythons={"main": sys.executable, "peers": peers},
        scratch=arguments.scratch.resolve(),
        rounds=3 if arguments.quick else arguments.rounds,
        seconds=arguments.seconds,
        first_calls=1 if arguments.quick else 3,
        limit=arguments.limit,
        threads=arguments.threads,
    )


def main() -> None:
    """Measure, print each work's rows as they come, write the table and the picture."""
    arguments = _arguments()
    works = chosen(all_works(), arguments.only, arguments.quick)
    if arguments.list:
        print("\n".join(work.name for work in works))
        return
    options, rows, start = _options(arguments), [], time.perf_counter()
    print(table.head())
    for work in works:
        new = measured(work, options)
        print("\n".join(map(table.line, new)), flush=True)
        rows += new
    whole = not (arguments.only or arguments.quick)
    out = arguments.out or (ROOT if whole else ROOT / "build" / "benchmark")
    result = table.frame(rows, options.threads, cpu_name())
    csv = out / "results" / "benchmark.csv"
    write_atomic(csv, result.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    png = picture.draw(csv, out / "figures")
    print(f"\n{csv} and {png} after {(time.perf_counter() - start) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
