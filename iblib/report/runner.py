"""The whole report: data checked, runs made, notebooks executed, HTML and README written."""

from collections.abc import Callable
from pathlib import Path

from iblib import paths
from iblib.config import ConfigError
from iblib.experiments.session import Session, open_session
from iblib.paths import OutputPaths
from iblib.report import ReportError
from iblib.report.execution import execute
from iblib.report.html import write_html
from iblib.report.readme import update_readme
from iblib.sweep import Outcome, run_all

# (number, total, name of the notebook, seconds)
OnNotebook = Callable[[int, int, str, float], None]


def run_report(
    profile: str = "report",
    dataset: str = "synthetic",
    data_dir: str | Path = "",
    out_dir: str | Path = "",
    device: str = "cpu",
    jobs: int = 1,
    scheduler: str | None = None,
    only: tuple[str, ...] = (),
    on_run: Callable[[int, int, Outcome], None] | None = None,
    on_notebook: OnNotebook | None = None,
) -> Path:
    """Make a report: notebooks, tables, figures, HTML.

    Parameters
    ----------
    profile : {"smoke", "report", "full"}
    dataset : {"synthetic", "fma_small", "folder"}
    data_dir : path
        Audio of ``fma_small`` or ``folder``; the repository's ``data/`` if empty.
    out_dir : path
        Folder of the copy; by default the checkout itself for ``report`` on ``synthetic``, and
        ``report/<profile>-<dataset>/`` for every other pair.
    device : {"cpu", "cuda"}
    jobs : int
        More than 1: train and measure that many runs at once before the notebooks use them.
    scheduler : str, optional
        Address of a Dask scheduler that does this instead.
    only : tuple of str
        Numbers of the notebooks to execute, such as ``("03", "07")``; all if empty.
    on_run, on_notebook : callable, optional
        Called after each run and after each notebook.

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
        "device": device,
    }
    sources = notebooks(only)
    session = open_session(**settings, recompute=True)
    session.check_data()
    if jobs > 1 or scheduler:
        _train_and_measure(session, device, jobs, scheduler, on_run)
    execute_all(sources, session.paths, {**settings, "recompute": True}, on_notebook)
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
    on_notebook: OnNotebook | None = None,
) -> None:
    """Execute notebooks in order into ``target.notebooks``; the first failure ends it."""
    for number, source in enumerate(sources, start=1):
        seconds = execute(source, target.notebooks / source.name, parameters)
        if on_notebook:
            on_notebook(number, len(sources), source.stem, seconds)


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


def _absolute(folder: str | Path) -> str:
    """Absolute, because notebooks run in a folder of their own; empty stays empty."""
    return str(Path(folder).expanduser().resolve()) if str(folder) else ""
