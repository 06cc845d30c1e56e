"""Notebooks are executed whole or not at all, byte for byte the same; what a report asks for."""

import os
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from notebook_form import form_problems
from small_notebooks import PARAMETERS, write_notebook

from iblib.config import ConfigError
from study import ReportError, notebooks, run
from study.lab import HOME as SETTINGS
from study.notebooks import execute
from study.pages.readme import BEGIN, END, update_readme
from study.parallel import run_tasks
from study.results import Results

HOME = {**SETTINGS, "data_dir": "", "out_dir": "", "device": "cpu"}


def test_executed_notebook_has_the_committed_form(tmp_path):
    path = write_notebook(tmp_path / "00-a.ipynb", "print(seed)", "1 + 1")
    done = execute(path, path, HOME)
    assert (done.name, done.warnings) == ("00-a", ())
    assert done.seconds > 0
    assert form_problems(path) == []
    notebook = nbformat.read(path, as_version=4)
    assert [c.source for c in notebook.cells[1:]] == [PARAMETERS, "print(seed)", "1 + 1"]


def test_second_run_is_byte_identical(tmp_path):
    source = (
        "import sys, time\nfor i in range(5):\n    print(i, flush=True)\n    time.sleep(0.01)\ni"
    )
    path = write_notebook(tmp_path / "00-a.ipynb", source)
    execute(path, path, HOME)
    first = path.read_bytes()
    execute(path, path, HOME)
    assert path.read_bytes() == first
    execute(path, path, {})  # with its own defaults: nothing was injected
    assert path.read_bytes() == first


def test_copy_shows_the_values_it_was_made_with(tmp_path):
    path = write_notebook(tmp_path / "notebooks" / "00-a.ipynb", "print(dataset)")
    before = path.read_bytes()
    copy = tmp_path / "copy" / "00-a.ipynb"
    folder = str(tmp_path / 'with "quotes" and é')
    execute(path, copy, HOME | {"dataset": "folder", "data_dir": folder})
    assert path.read_bytes() == before
    cells = nbformat.read(copy, as_version=4).cells
    namespace = {}
    exec(cells[1].source + "\n" + cells[2].source, namespace)
    assert (namespace["data_dir"], namespace["dataset"]) == (folder, "folder")
    assert [c.execution_count for c in cells[1:]] == [1, 2, 3]


def test_the_committed_report_hides_where_it_was_built(tmp_path):
    path = write_notebook(tmp_path / "00-a.ipynb", "print(bool(out_dir))")
    execute(path, path, HOME | {"out_dir": str(tmp_path)}, keep_parameters=False)
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) == 3
    assert cells[2].outputs[0].text == "True\n"


@pytest.mark.parametrize(("profile", "is_copy"), [("smoke", True), ("published", False)])
def test_a_copy_says_whose_numbers_its_text_quotes(tmp_path, profile, is_copy):
    source = write_notebook(tmp_path / "small.ipynb", "1 + 1")
    execute(source, tmp_path / "copy.ipynb", {"profile": profile})
    heading = nbformat.read(tmp_path / "copy.ipynb", 4).cells[0].source
    assert ("> **A copy**" in heading) is is_copy
    assert heading.startswith("# A small notebook")


def with_answer(path: Path, source: str) -> Path:
    """A notebook whose cell tagged ``answer`` is the last."""
    write_notebook(path, source)
    notebook = nbformat.read(path, 4)
    notebook.cells[0].source = "# Title\n\n**Question.** what?\n\n**Answer.** old\n\nReads a."
    notebook.cells[-1].metadata["tags"] = ["answer"]
    nbformat.write(notebook, path)
    return path


ANSWER = (
    "from IPython.display import Markdown\n"
    "Markdown(f'**Answer.** it falls by {1 + 1} bits')"  # as study.text writes it
)


@pytest.mark.parametrize("profile", ["published", "smoke"])
def test_the_answer_a_cell_makes_goes_below_the_title(tmp_path, profile):
    path = with_answer(tmp_path / "00-a.ipynb", ANSWER)
    for _ in range(2):
        execute(path, path, {"profile": profile})
    paragraphs = nbformat.read(path, 4).cells[0].source.split("\n\n")
    answers = [text for text in paragraphs if text.startswith("**Answer.**")]
    assert answers == ["**Answer.** it falls by 2 bits"]
    notes = [text for text in paragraphs if text.startswith("> **A copy**")]
    assert len(notes) == (profile == "smoke")
    assert all("so are the numbers in Answer" in note for note in notes)
    assert form_problems(path) == []


def test_a_cell_that_should_answer_and_does_not_is_an_error(tmp_path):
    path = with_answer(tmp_path / "00-a.ipynb", "1 + 1")
    with pytest.raises(ReportError, match="must show one paragraph of Markdown"):
        execute(path, path, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n1 / 0", r"cell 3 \(`x = 1`\) failed: ZeroDivisionError: division by zero"),
        ("raise ValueError('first\\nlast')", r"cell 3 .* ValueError: last$"),
        ("import sys\nsys.exit(0)", r"cell 3 .* failed: SystemExit"),
    ],
)
def test_failing_cell_is_named_and_the_old_notebook_stays(tmp_path, source, message):
    path = write_notebook(tmp_path / "07-b.ipynb", "'fine'", source, "'after'")
    before = path.read_bytes()
    with pytest.raises(ReportError, match=r"^07-b\.ipynb: " + message):
        execute(path, path, HOME)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["07-b.ipynb"]


WARNS = "import warnings\nwarnings.warn('careful')\n1 + 1"


def test_a_warning_is_collected_and_does_not_stay(tmp_path):
    path = write_notebook(tmp_path / "07-b.ipynb", "'fine'", WARNS)
    (warning,) = execute(path, path, HOME).warnings
    assert warning.startswith("07-b.ipynb: cell 3 (`import warnings`)")
    assert "careful" in warning
    assert form_problems(path) == []


def test_a_strict_run_refuses_a_warning(tmp_path):
    path = write_notebook(tmp_path / "07-b.ipynb", WARNS)
    before = path.read_bytes()
    with pytest.raises(ReportError, match=r"07-b.ipynb: cell 2 .* wrote to stderr: .*careful"):
        execute(path, path, HOME, strict=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("n_failures", "starts"), [(2, True), (3, False)])
def test_a_kernel_that_does_not_start_is_tried_again(tmp_path, monkeypatch, n_failures, starts):
    real, tries = notebooks.papermill.execute_notebook, []

    def flaky(*arguments, **options):
        tries.append(options)
        if len(tries) <= n_failures:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return real(*arguments, **options)

    monkeypatch.setattr(notebooks.papermill, "execute_notebook", flaky)
    path = write_notebook(tmp_path / "07-b.ipynb", "1 + 1")
    if starts:
        execute(path, path, HOME)
        return
    with pytest.raises(ReportError, match=r"07-b.ipynb: its kernel did not start in 3 tries: Kern"):
        execute(path, path, HOME)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (None, "exactly one code cell must be tagged 'parameters'; found 0"),
        ('profile: str = "published"', "does not declare data_dir, dataset"),
        (PARAMETERS + "\nlayers = list(range(3))", "line 8 of the parameters cell"),
    ],
)
def test_parameters_cell_is_checked_before_anything_runs(tmp_path, parameters, message):
    path = write_notebook(tmp_path / "01-c.ipynb", "1", parameters=parameters)
    with pytest.raises(ReportError, match=f"01-c.ipynb: .*{message}"):
        execute(path, path, HOME)


def test_kernels_draw_inline_and_without_widgets(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.delenv("IBLIB_STATIC", raising=False)
    source = (
        "import os\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
        "print(os.environ['IBLIB_STATIC'])"
    )
    path = write_notebook(tmp_path / "00-a.ipynb", source)
    execute(path, path, HOME)
    outputs = nbformat.read(path, as_version=4).cells[2].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any(output.get("text") == "1\n" for output in outputs)
    assert (os.environ["MPLBACKEND"], "IBLIB_STATIC" in os.environ) == ("Agg", False)


def test_notebooks_say_which_results_they_need(tmp_path):
    code = 'lab.table("saxe-planes")\nlab.arrays("examples")\nprint(lab.result("clip.mp3"))'
    path = write_notebook(tmp_path / "00-a.ipynb", code, "lab.source_of_data")
    asked = {"saxe-planes.csv", "examples.npz", "clip.mp3", "class-shares.csv"}
    assert run.asked_for([path]) == asked


def squared(name):
    if name == "bad":
        raise ReportError("bad could not be made")
    return len(name) ** 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_come_after_what_they_wait_for(jobs):
    before = {"ccc": ("a", "bb"), "bb": ("a",), "a": (), "dddd": ()}
    done = list(run_tasks(squared, before, jobs))
    names = [one.name for one in done]
    assert names.index("a") < names.index("bb") < names.index("ccc")
    assert {one.name: one.value for one in done} == {"a": 1, "bb": 4, "ccc": 9, "dddd": 16}
    with pytest.raises(ReportError, match="bad could not be made"):
        list(run_tasks(squared, {"bad": (), "good": ("bad",)}, jobs))


def test_only_some_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="checkout"):
        run.notebooks()
    for name in ("00-a", "03-b", "04-c"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb")
    assert [p.stem for p in run.notebooks(("4", "03"))] == ["03-b", "04-c"]
    with pytest.raises(ConfigError, match="no notebook 07; there are 00, 03, 04"):
        run.notebooks(("7",))


def test_readme_block_is_generated(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "results"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert not update_readme(readme, results)  # no table: nothing is touched
    table = pd.DataFrame({"network": ["a|b", "c"], "bits": ["1.50", "1.50"]})
    Results(results).write("README-table.csv", table, "key")
    assert update_readme(readme, results)
    shown = "| network | bits |\n| --- | --- |\n| a\\|b | 1.50 |\n| c | 1.50 |"
    assert readme.read_text() == f"before\n{BEGIN}\n{shown}\n{END}\nafter\n"
    assert not update_readme(tmp_path / "none.md", results)
