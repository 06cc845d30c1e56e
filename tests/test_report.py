"""The runner: whole or not at all, and byte for byte the same."""

import os
from pathlib import Path

import nbformat
import pytest
from notebook_form import form_problems
from small_notebooks import PARAMETERS, write_notebook

from iblib.config import ConfigError
from iblib.paths import OutputPaths
from study import ReportError, execution, runner
from study.notebooks import execute
from study.pages.readme import BEGIN, END, update_readme

HOME = {
    "profile": "report",
    "dataset": "synthetic",
    "data_dir": "",
    "out_dir": "",
    "recompute": True,
    "seed": 0,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _where_the_text_was_written(monkeypatch):
    """These tests are about running notebooks, on whatever machine."""
    monkeypatch.setattr(execution, "is_where_text_was_written", lambda *_: True)


def test_executed_notebook_has_the_committed_form(tmp_path):
    path = write_notebook(tmp_path / "00-a.ipynb", "print(recompute)", "1 + 1")
    seconds = execute(path, path, HOME)
    assert seconds > 0
    assert form_problems(path) == []
    notebook = nbformat.read(path, as_version=4)
    assert [c.source for c in notebook.cells[1:]] == [PARAMETERS, "print(recompute)", "1 + 1"]
    assert notebook.cells[2].outputs[0].text == "True\n"  # this run recomputed,
    assert "recompute: bool = False" in notebook.cells[1].source  # the next need not


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


def test_copy_holds_the_values_it_was_made_with(tmp_path):
    path = write_notebook(tmp_path / "notebooks" / "00-a.ipynb", "print(dataset, recompute)")
    before = path.read_bytes()
    copy = tmp_path / "copy" / "00-a.ipynb"
    folder = str(tmp_path / 'with "quotes" and é')
    execute(path, copy, HOME | {"dataset": "folder", "data_dir": folder})
    assert path.read_bytes() == before
    source = nbformat.read(copy, as_version=4).cells[1].source
    assert 'dataset: str = "folder"\n' in source
    assert "  # folder of the audio" in source
    assert "recompute: bool = False  #" in source
    namespace = {}
    exec(source, namespace)
    assert namespace["data_dir"] == folder


@pytest.mark.parametrize(("profile", "is_copy"), [("smoke", True), ("report", False)])
def test_a_copy_says_whose_numbers_its_text_quotes(tmp_path, profile, is_copy):
    source = write_notebook(tmp_path / "small.ipynb", "1 + 1")
    execute(source, tmp_path / "copy.ipynb", {"profile": profile})
    heading = nbformat.read(tmp_path / "copy.ipynb", 4).cells[0].source
    assert ("> **A copy**" in heading) is is_copy
    assert heading.startswith("# A small notebook")


def test_another_kind_of_machine_is_said_once_and_taken_back(tmp_path, monkeypatch):
    path = write_notebook(tmp_path / "small.ipynb", "1 + 1")
    for same, n_notes in ((False, 1), (False, 1), (True, 0)):
        monkeypatch.setattr(execution, "is_where_text_was_written", lambda *_, same=same: same)
        execute(path, path, {})
        heading = nbformat.read(path, 4).cells[0].source
        assert heading.count("> **Computed on another kind of machine**") == n_notes
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


@pytest.mark.parametrize("profile", ["report", "smoke"])
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


def test_an_answer_of_its_own_is_right_on_any_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "is_where_text_was_written", lambda *_: False)
    path = with_answer(tmp_path / "00-a.ipynb", ANSWER)
    execute(path, path, {})
    assert ">" not in nbformat.read(path, 4).cells[0].source


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
        ("import sys\nprint('careful', file=sys.stderr)", r"cell 3 .* wrote to stderr: careful"),
    ],
)
def test_failing_cell_is_named_and_the_old_notebook_stays(tmp_path, source, message):
    path = write_notebook(tmp_path / "07-b.ipynb", "'fine'", source, "'after'")
    before = path.read_bytes()
    with pytest.raises(ReportError, match=r"^07-b\.ipynb: " + message):
        execute(path, path, HOME)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["07-b.ipynb"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (None, "exactly one code cell must be tagged 'parameters'; found 0"),
        ('profile: str = "report"', "does not declare data_dir, dataset"),
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


def test_all_notebooks_in_order_with_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    for name in ("01-second", "00-first"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", "profile")
    lines = []
    target = OutputPaths(tmp_path / "copy")
    parameters = HOME | {"profile": "smoke"}
    runner.execute_all(runner.notebooks(), target, parameters, lambda *line: lines.append(line))
    assert [line[:3] for line in lines] == [(1, 2, "00-first"), (2, 2, "01-second")]
    assert sorted(p.name for p in target.notebooks.iterdir()) == [
        "00-first.ipynb",
        "01-second.ipynb",
    ]


def test_a_table_that_fails_in_a_process_is_named_in_one_line(tmp_path, monkeypatch):
    def failing(function, tasks, settings, *, jobs):
        yield next(iter(tasks)), "failed", "ValueError: no such filter", 0.0

    monkeypatch.setattr("study.lab.run_tasks", failing)
    opened = runner.open_session(profile="smoke", out_dir=str(tmp_path), recompute=True)
    with pytest.raises(ReportError, match=r"\w+\.(csv|npz|mp3) could not be made: ValueError: no"):
        runner._make_results(opened, 2, None)


def test_only_some_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="checkout"):
        runner.notebooks()
    for name in ("00-a", "03-b", "04-c"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb")
    assert [p.stem for p in runner.notebooks(("4", "03"))] == ["03-b", "04-c"]
    with pytest.raises(ConfigError, match="no notebook 07; there are 00, 03, 04"):
        runner.notebooks(("7",))


def test_readme_block_is_generated(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "results"
    results.mkdir()
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert not update_readme(readme, results)  # no table: nothing is touched
    (results / "README-table.csv").write_text("network,bits\na|b,1.50\n")
    assert update_readme(readme, results)
    table = "| network | bits |\n| --- | --- |\n| a\\|b | 1.50 |"
    assert readme.read_text() == f"before\n{BEGIN}\n{table}\n{END}\nafter\n"
    assert not update_readme(tmp_path / "none.md", results)
