"""Alternative texts of a notebook's pictures: the figure's name and what was found."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from small_notebooks import write_notebook

from study.notebooks import execute
from study.pages.alts import (
    LONGEST,
    alt_of,
    describe_pictures,
    describe_player,
    in_words,
    pictures,
)


def cell(source: str, **data: str):
    output = new_output("execute_result", data, execution_count=1)
    return new_code_cell(source, outputs=[output], execution_count=1)


def figure(name: str):
    return cell(f'lab.save_figure(fig, "{name}")', **{"image/png": "iVBORw0KGgo="})


def player(title: str):
    page = f'<div class="ib-player" role="group" aria-label="{title}">\n<img alt="x">\n</div>'
    return cell("player", **{"image/png": "iVBORw0KGgo=", "text/html": page})


def made(text: str):
    return cell("reading(...)", **{"text/markdown": text})


def alts(*cells) -> list[str]:
    notebook = new_notebook(cells=list(cells))
    describe_pictures(notebook)
    return [alt_of(item.output) for item in pictures(notebook)]


@pytest.mark.parametrize(
    "reading",
    [
        made("**Reading.** It *falls* by 2.5 bits. More."),
        new_markdown_cell("**Reading** It falls by 2.5 bits. More."),
        new_markdown_cell(
            "**Reading.** It falls by\n2.5 bits. More.\n\n## Next\n\n**Reading.** No."
        ),
        new_markdown_cell("Some words first.\n\n**Reading:** It falls by 2.5 bits.\n\nMore."),
    ],
)
def test_the_finding_is_the_first_sentence_of_the_next_reading(reading):
    assert alts(figure("06-planes-relu"), reading) == ["Planes ReLU: It falls by 2.5 bits."]


def test_figures_of_one_section_share_their_reading():
    found = alts(figure("01-a"), figure("01-b"), cell("print(1)"), made("**Reading.** Both."))
    assert found == ["A: Both.", "B: Both."]


def test_without_a_reading_the_heading_above_is_named():
    section = new_markdown_cell("## 3. Three $H(T)$ of it\n\nText.")
    after = new_markdown_cell("## 4 · Next\n\n**Reading.** Of another section.")
    assert alts(section, figure("01-a"), after) == ["A: Three H(T) of it"]
    assert alts(figure("01-a")) == ["A"]


def test_a_player_takes_the_reading_of_the_figure_it_moves():
    reading = made("**Reading.** tanh turns.")
    heading = new_markdown_cell("## Step through")
    assert alts(figure("06-planes"), reading, player("Bins &amp; epochs"))[1] == (
        "Bins & epochs: tanh turns."
    )
    assert alts(reading, heading, player("Bins")) == ["Bins: Step through"]


def test_long_findings_are_cut_at_a_word():
    (alt,) = alts(figure("01-a"), made("**Reading.** " + "word " * 90))
    assert len(alt) <= LONGEST
    assert alt.endswith("word…")


def test_names_in_words():
    assert in_words("08-planes-simple-cnn") == "Planes SimpleCNN"
    assert in_words("12-knn-bias") == "kNN bias"
    assert in_words("07-sgd-and-full-batch") == "SGD and full batch"


def test_a_players_picture_tells_the_finding_and_nothing_breaks_out():
    page = describe_player(player("Bins").outputs[0].data["text/html"], 'a "quoted" <b>')
    said = "a &quot;quoted&quot; &lt;b&gt;"
    assert f'<img alt="{said}" aria-description="{said}">' in page


def test_execution_describes_pictures_and_again_changes_nothing(tmp_path):
    source = (
        "import matplotlib.pyplot as plt\nfrom IPython.display import Markdown, display\n"
        "plt.plot([1, 2])\nplt.show()\ndisplay(Markdown('**Reading.** It rises. Much.'))"
    )
    path = write_notebook(tmp_path / "00-a.ipynb", source)
    execute(path, path, {})
    (item,) = pictures(nbformat.read(path, as_version=4))
    assert alt_of(item.output) == "Figure: It rises."


def test_every_picture_of_the_report_has_a_finding(repository):
    for path in sorted((repository / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        describe_pictures(notebook)
        for item in pictures(notebook):
            assert ": " in alt_of(item.output), (path.name, item.title)
            assert len(alt_of(item.output)) <= LONGEST
