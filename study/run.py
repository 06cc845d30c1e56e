"""The whole report: data checked, runs made, results made, notebooks executed, pages written."""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from iblib import files, paths
from iblib.config import ConfigError, canonical_json
from iblib.sweep import Outcome, run_all
from study import ReportError
from study.inputs import Runs
from study.lab import HOME, Lab, make_result
from study.notebooks import Executed, execute
from study.pages.html import write_html
from study.pages.readme import update_readme
from study.parallel import Done, run_tasks
from study.plan import RunSpec, sweep_order
from study.recipes import RECIPES, in_order
from study.results import Results
from study.text import counted

# (number, total, name of the table or notebook, its own seconds)
OnStep = Callable[[int, int, str, float], None]

# How a notebook asks for a result.
_ASKED = re.compile(r'lab\.(table|arrays|result)\(\s*"([\w.-]+)"')
_ENDINGS = {"table": ".csv", "arrays": ".npz", "result": ""}
_FOR_THE_PAGES = ("examples.npz", "clips.npz")
_TABLE_OF_README = "README-table.csv"
# The figures that README shows, in the checkout's figures/.
SHOWN = ("06-planes.png",)


@dataclass(frozen=True)
class Report:
    """A report that was made."""

    index: Path
    warnings: list[str] = field(default_factory=list)  # of cells: notebook, cell, text


def run_report(
    lab: Lab,
    *,
    only: tuple[str, ...] = (),
    jobs: int = 1,
    scheduler: str | None = None,
    cell_timeout: float = 0.0,
    strict: bool = False,
    on_run: Callable[[int, int, Outcome], None] | None = None,
    on_result: OnStep | None = None,
    on_notebook: OnStep | None = None,
    on_data: Callable[[str], None] | None = None,
) -> Report:
    """Make a report in the lab's folder: notebooks, tables, figures, HTML.

    Parameters
    ----------
    lab : Lab
    only : tuple of str
        Numbers of the notebooks to execute, such as ``("03", "07")``; all if empty. Only the
        results that these ask for are made.
    jobs : int
        Runs, results and notebooks at once, by processes of one thread each.
    scheduler : str, optional
        Address of a Dask scheduler that trains and measures instead of this machine.
    cell_timeout : float
        Seconds that one cell of a notebook may take; 0: as long as it wants.
    strict : bool
        Whether a warning in a cell ends the report; it is collected otherwise.
    on_run, on_result, on_notebook, on_data : callable, optional
        Called after each run, each result and each notebook, and with a line that says how many
        clips are used and how many were skipped, why; and whether results of two kinds of machine
        are mixed.

    Raises
    ------
    ConfigError, DataError
        For settings or data that cannot be used, before anything runs.
    ReportError
        Where a run, a result or a notebook failed.
    """
    sources = notebooks(only)
    _forget_another(lab)
    wanted = in_order([*asked_for(sources), *(() if only else (*_FOR_THE_PAGES, _TABLE_OF_README))])
    if any(RECIPES[name].needs_audio for name in wanted):
        _check_audio(lab, on_data)
    missing = [name for name in wanted if lab.results.problem(name, lab.key(name))]
    _train_and_measure(lab, missing, jobs, scheduler, on_run)
    _make_results(lab, missing, jobs, on_result)
    if on_data and len(made := lab.results.environments(wanted)) > 1:
        told = "; ".join(f"{len(names)} with {words}" for words, names in made.items())
        on_data(f"results of different machines are mixed, last digits may differ: {told}")
    warnings = _execute(lab, sources, jobs, cell_timeout, strict, on_notebook)
    files.write_json(lab.folder / "report.json", _about(lab))
    return Report(write_html(lab.folder / "notebooks", lab.folder / "html"), warnings)


def publish(lab: Lab, *, fresh: bool = False, **options) -> list[Path]:
    """Make the committed report beside, then put notebooks, results, figures, README in place.

    Parameters
    ----------
    lab : Lab
        With the settings ``HOME``, and a folder of its own.
    fresh : bool
        Make every result from its runs; otherwise committed ones whose keys hold are taken over.
    **options
        Of ``run_report``; it is strict.

    Returns
    -------
    list of Path
        The files and folders that were put in place.
    """
    if not lab.is_home:
        raise ConfigError(f"only the report of {HOME} is published")
    root = paths.root()
    os.environ.pop("IBLIB_PICTURES", None)  # they are what is published
    if fresh:
        shutil.rmtree(lab.folder, ignore_errors=True)
    else:
        _take_over(Results(root / "results"), lab)
    run_report(lab, strict=True, **options)
    names = [("notebooks", path.name) for path in notebooks()]
    names += [("results", file) for name in RECIPES for file in (name, f"{name}.json")]
    placed = []
    for folder, name in names:
        placed += _placed(lab.folder / folder / name, root / folder / name)
    for about in (root / "results").glob("*.*.json"):  # of recipes that are no more
        if (name := about.name.removesuffix(".json")) not in RECIPES:
            for path in (about, about.with_name(name)):
                path.unlink(missing_ok=True)
                placed.append(path)
    for name in SHOWN:
        placed += _placed(lab.folder / "figures" / name, root / "figures" / name)
    if update_readme(root / "README.md", lab.folder / "results"):
        placed.append(root / "README.md")
    return placed


def _take_over(committed: Results, lab: Lab) -> None:
    """Copy the committed results that are what this lab would make."""
    for name in RECIPES:
        if lab.results.problem(name, lab.key(name)) and not committed.problem(name, lab.key(name)):
            for one in (name, f"{name}.json"):
                files.write_atomic(lab.results.path(one), committed.path(one).read_bytes())


def _placed(source: Path, target: Path) -> list[Path]:
    """Copy a file where it differs."""
    content = source.read_bytes()
    if target.is_file() and target.read_bytes() == content:
        return []
    files.write_atomic(target, content)
    return [target]


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


def asked_for(sources: Iterable[Path]) -> set[str]:
    """Results that the code of notebooks asks for."""
    names = set()
    for source in sources:
        for cell in nbformat.read(source, as_version=4).cells:
            if cell.cell_type == "code":
                asked = _ASKED.findall(cell.source)
                names |= {name + _ENDINGS[how] for how, name in asked}
                if "lab.source_of_data" in cell.source:
                    names.add("class-shares.csv")
    return names


def _forget_another(lab: Lab) -> None:
    """Remove what a report of other settings has left in the same folder."""
    path = lab.folder / "report.json"
    if path.is_file() and any(
        files.read_json(path).get(name) != value for name, value in lab.identity.items()
    ):
        for name in ("notebooks", "figures", "html"):
            shutil.rmtree(lab.folder / name, ignore_errors=True)


def _check_audio(lab: Lab, on_data: Callable[[str], None] | None) -> None:
    """Load the data set, so that what is wrong with it is said before anything is computed."""
    audio = lab.inputs.audio
    if not len(audio.rows("training")):
        raise ConfigError(f"{lab.dataset} has no training clips: check how its split is made")
    if on_data:
        on_data(audio.summary())


def _train_and_measure(lab: Lab, names: list[str], jobs: int, scheduler, on_run) -> None:
    """Fill ``runs/`` in parallel with what results are made of."""
    wanted: dict[tuple[str, str], tuple[RunSpec, dict[str, None]]] = {}
    for of in (RECIPES[name].of for name in names):
        if isinstance(of, Runs):
            for name, spec in of.of(lab.plan).items():
                measures = wanted.setdefault((of.group, name), (spec, {}))[1]
                measures |= {of.measure: None} if of.measure else {}
    if not wanted:
        return
    order = [(group, name) for group, specs in lab.plan.groups.items() for name in specs]
    specs = sweep_order(wanted[key] for key in order if key in wanted)
    options = {"jobs": jobs, "scheduler": scheduler, "device": lab.device, "out": lab.folder}
    result = run_all(specs, on_done=on_run and _by_name(wanted, on_run), **options)
    if result.failed:
        first = result.failed[0]
        raise ReportError(
            f"{counted(len(result.failed), 'run')} failed, the first with {first.error}; "
            f"all are listed in {lab.folder / 'failures.jsonl'}"
        )


def _by_name(wanted: Mapping[tuple[str, str], tuple[RunSpec, Iterable[str]]], on_run: Callable):
    """``on_run`` with the plan's names of runs and measurements."""
    names = {
        canonical_json(spec.as_dict(spec.measures.get(measure))): f"{name} {measure}".strip()
        for (_, name), (spec, measures) in wanted.items()
        for measure in measures or ("",)
    }

    def call(number: int, total: int, outcome: Outcome) -> None:
        on_run(number, total, replace(outcome, label=names[canonical_json(outcome.spec)]))

    return call


def _make_results(lab: Lab, names: list[str], jobs: int, on_step: OnStep | None) -> None:
    """Make results in processes of their own, each after what it is made of."""
    first = sorted(names, key=lambda name: not RECIPES[name].long)
    before = {name: tuple(t for t in RECIPES[name].tables if t in names) for name in first}
    make = partial(_named, make_result, lab_settings(lab))
    _report_steps(run_tasks(make, before, jobs), len(before), on_step)


def _named(make: Callable, settings: dict[str, Any], name: str) -> None:
    """What cannot be made says its name."""
    try:
        make(settings, name)
    except Exception as error:
        reason = f"{name} could not be made: {type(error).__name__}: {error}"
        raise ReportError(f"{reason}; finished runs are kept") from error


def _execute(
    lab: Lab, sources: list[Path], jobs: int, cell_timeout: float, strict: bool, on_step
) -> list[str]:
    """Execute notebooks, the first failure ends it; what their cells warned of."""
    options = {"cell_timeout": cell_timeout, "strict": strict}
    options["keep_parameters"] = not lab.is_home
    work = partial(_executed, lab_settings(lab), lab.folder / "notebooks", options)
    before = {str(source): () for source in sources}
    ended = _report_steps(run_tasks(work, before, jobs), len(sources), on_step)
    return [warning for done in ended for warning in done.value.warnings]


def _executed(settings: dict[str, Any], folder: Path, options: dict, source: str) -> Executed:
    return execute(Path(source), folder / Path(source).name, settings, **options)


def _report_steps(steps: Iterable[Done], total: int, on_step: OnStep | None) -> list[Done]:
    ended = []
    for done in steps:
        ended.append(done)
        if on_step:
            on_step(len(ended), total, Path(done.name).name, done.seconds)
    return ended


def lab_settings(lab: Lab) -> dict[str, Any]:
    """Arguments of ``open_lab`` that open this lab again, in its own folder."""
    return {
        "profile": lab.profile.name,
        "dataset": lab.dataset,
        "data_dir": lab.plan.data_dir,
        "out_dir": str(lab.folder),
        "seed": lab.seed,
        "device": lab.device,
    } | ({"clip_seconds": seconds} if (seconds := lab.plan.clip_seconds) else {})


def _about(lab: Lab) -> dict[str, Any]:
    """What the pages say of a report."""
    source = lab.results.about("class-shares.csv").get("source", "")
    made = lab.results.environments(RECIPES)
    return {**lab.identity, "source": source, "is_copy": not lab.is_home, "environments": made}
