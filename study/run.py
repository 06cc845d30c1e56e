"""The whole report: data checked, runs made, notebooks executed, HTML and README written."""

from collections.abc import Callable, Iterator
from pathlib import Path

from iblib import paths
from iblib.cluster import run_tasks
from iblib.config import ConfigError
from iblib.paths import OutputPaths
from iblib.sweep import Outcome, run_all
from study import ReportError
from study.lab import ResultError, Session, open_session
from study.notebooks import execute
from study.pages.html import write_html
from study.pages.readme import update_readme

# (number, total, name of the table or notebook, seconds)
OnStep = Callable[[int, int, str, float], None]


def run_report(
    profile: str = "report",
    dataset: str = "synthetic",
    data_dir: str | Path = "",
    out_dir: str | Path = "",
    device: str = "cpu",
    jobs: int = 1,
    scheduler: str | None = None,
    only: tuple[str, ...] = (),
    seed: int = 0,
    cell_timeout: float = 0.0,
    on_run: Callable[[int, int, Outcome], None] | None = None,
    on_step: OnStep | None = None,
    on_data: Callable[[str], None] | None = None,
) -> Path:
    """Make a report: notebooks, tables, figures, HTML.

    Parameters
    ----------
    profile : {"smoke", "report", "full"}
    dataset : {"synthetic", "fma_small", "folder"}
    data_dir : path
        Audio of ``fma_small`` or ``folder``; the repository's ``data/`` if empty.
    out_dir : path
        Folder of the copy; by default as ``paths.output_paths`` says.
    device : {"cpu", "cuda"}
    jobs : int
        More than 1: train and measure that many runs at once before the notebooks use them.
    scheduler : str, optional
        Address of a Dask scheduler that does this instead.
    only : tuple of str
        Numbers of the notebooks to execute, such as ``("03", "07")``; all if empty.
    seed : int
        That of the first network of every setting.
    cell_timeout : float
        Seconds that one cell of a notebook may take; 0: as long as it wants.
    on_run, on_step, on_data : callable, optional
        Called after each run, after each table and each notebook, and with one line that says how
        many clips are used and how many were skipped, why.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    ConfigError, DataError
        For settings or data that cannot be used, before anything runs.
    ReportError
        Where a run or a notebook failed.
    """
    settings = {
        "profile": profile,
        "dataset": dataset,
        "data_dir": _absolute(data_dir),
        "out_dir": _absolute(out_dir),
        "seed": seed,
        "device": device,
    }
    sources = notebooks(only)
    session = open_session(**settings, recompute=True)
    session.check_data()
    if on_data:
        on_data(session.audio.summary())
    if jobs > 1 or scheduler:
        _train_and_measure(session, device, jobs, scheduler, on_run)
    if not only:  # once for all notebooks, which then only draw
        _make_results(session, jobs, on_step)
    parameters = {**settings, "recompute": bool(only)}
    execute_all(sources, session.paths, parameters, on_step, jobs=jobs, cell_timeout=cell_timeout)
    if session.paths.base == paths.root():
        update_readme(paths.root() / "README.md", session.paths.results)
    return write_html(session.paths.notebooks, html_dir(session.paths))


def notebooks(only: tuple[str, ...] = ()) -> list[Path]:
    """The repository's notebooks in order, or those of the given numbers.

    Raises
    ------
    ConfigError
        For a number that no notebook has.
    FileNotFoundError
        Outside a checkout.
    """
    folder = paths.root() / "notebooks"
    found = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]-*.ipynb"))}
    if not found:
        raise FileNotFoundError(f"no notebooks in {folder}: run this in a checkout of the project")
    wanted = [number.zfill(2) for number in only] or list(found)
    if unknown := [number for number in wanted if number not in found]:
        raise ConfigError(f"there is no notebook {unknown[0]}; there are {', '.join(found)}")
    return [found[number] for number in sorted(set(wanted))]


def execute_all(
    sources: list[Path],
    target: OutputPaths,
    parameters: dict,
    on_step: OnStep | None = None,
    *,
    jobs: int = 1,
    cell_timeout: float = 0.0,
) -> None:
    """Execute notebooks into ``target.notebooks``, in order; the first failure ends it.

    With more than one job that many are executed at once, each kernel by a process of its own.
    """
    places = {
        source.stem: (source, target.notebooks / source.name, parameters, cell_timeout)
        for source in sources
    }
    done = _at_once(places, jobs) if jobs > 1 and len(sources) > 1 else _in_turn(places)
    for number, (name, seconds) in enumerate(done, start=1):
        if on_step:
            on_step(number, len(sources), name, seconds)


def _in_turn(places: dict[str, tuple]) -> Iterator[tuple[str, float]]:
    for name, place in places.items():
        yield name, execute(*place)


def _at_once(places: dict[str, tuple], jobs: int) -> Iterator[tuple[str, float]]:
    for name, seconds, error, _ in run_tasks(execute, places, {}, jobs=jobs):
        if error:
            raise ReportError(error.removeprefix("ReportError: "))
        yield name, float(seconds)


def html_dir(target: OutputPaths) -> Path:
    """Folder of a report's HTML: beside a copy's notebooks, untracked for the checkout itself."""
    return target.base / ("report/html" if target.base == paths.root() else "html")


def _train_and_measure(
    session: Session, device: str, jobs: int, scheduler: str | None, on_run
) -> None:
    """Fill ``runs/`` in parallel; the notebooks then find every run finished and measured."""
    folder = paths.runs_dir() / "sweep"
    result = run_all(
        session.run_specs(),
        out=folder,
        jobs=jobs,
        scheduler=scheduler,
        device=device,
        on_done=on_run,
    )
    if result.failed:
        first = result.failed[0]
        raise ReportError(
            f"{len(result.failed)} runs failed, the first with {first.error}; "
            f"all are listed in {folder / 'failures.jsonl'}"
        )


def _make_results(session: Session, jobs: int, on_step: OnStep | None) -> None:
    try:
        session.make_results(jobs=jobs, on_made=on_step)
    except ResultError as error:
        raise ReportError(f"{error}; finished runs are kept") from error


def _absolute(folder: str | Path) -> str:
    """Absolute, because notebooks run in a folder of their own; empty stays empty."""
    return str(Path(folder).expanduser().resolve()) if str(folder) else ""
