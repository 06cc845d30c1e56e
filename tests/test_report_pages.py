"""HTML that needs no network: every page, the index with verdicts and sounds, and the gallery."""

import base64
import io
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from PIL import Image
from small_notebooks import write_notebook

from iblib import files
from study.pages.html import write_html
from study.pages.markdown import Formulas, first_sentence, heading, plain_text
from study.pages.pictures import mel_picture, thumbnail
from study.results import Results

REQUEST = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//""",
    re.I,
)
BAD = "<script>alert(1)</script>"
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt;"
PLAYER = (
    '<div class="ib-player" role="group" aria-label="Planes">\n<img alt="Planes, epoch 3" src="">'
    "\n</div>"
)


def png(width=900, height=300, colour=(255, 200, 0)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def shown(source: str, **data: str):
    """A code cell that was run and showed something."""
    output = new_output("execute_result", data, execution_count=1)
    return new_code_cell(source, outputs=[output], execution_count=1)


def picture(source: str, **data: str):
    encoded = base64.b64encode(png()).decode()
    return shown(source, **{"image/png": encoded, "text/plain": "<Figure>"}, **data)


def reading(text: str):
    return shown("reading(...)", **{"text/markdown": f"**Reading.** {text}"})


def add(path, *cells, text=""):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += text
    notebook.cells += cells
    nbformat.write(notebook, path)


def write_results(folder):
    """What a run leaves beside its notebooks: verdicts, a figure, sounds and their pictures."""
    results = folder / "results"
    results.mkdir()
    claims = pd.DataFrame({"claim": [f"A <b> & {BAD}"], "verdict": ["not, shown"]})
    Results(results).write("README-table.csv", claims, "key")
    (results / "t.csv").write_text("a\n1\n")
    about = {"profile": "published", "dataset": "synthetic", "seed": 0, "is_copy": False}
    files.write_json(folder / "report.json", about | {"source": "12 clips for tests"})
    names = {"classes": np.array(["Folk", BAD]), "ids": np.array(["7", f"{BAD}.mp3"])}
    names["credits"] = np.array(["“One” by Ann, CC BY", f"“{BAD}” by {BAD}, CC0"])
    sounds = {"mp3-000": np.arange(40, dtype=np.uint8), "mp3-001": np.zeros(40, np.uint8)}
    np.savez(results / "clips.npz", **names, **sounds)
    mel = np.full((2, 16, 30), 80, np.uint8)
    np.savez(results / "examples.npz", **names, mel=mel, seconds=np.array([6.0, 30.0]))
    files.write_atomic(folder / "figures" / "06-planes.png", png())


def write_report(folder, values=""):
    notebooks = folder / "notebooks"
    first = write_notebook(notebooks / "00-a.ipynb")
    add(
        first,
        picture('lab.save_figure(fig, "00-simple-cnn")'),
        reading(f"Both of $x_1$ *fall* by 2.5 bits, as {BAD} says. More follows."),
        picture("Player()", **{"text/html": PLAYER}),
        text="\n\nNext: [the other](01-b.ipynb#End), [table](../results/t.csv)\n\n"
        "## Heading with $H(T)$\n\n$$\\sum_i p_i \\log \\frac{1}{p_i}$$\n\n"
        "| a | b |\n|---|---|\n| $I(X;T|Y)$ | costs \\$5 and $a_1 * b_1 * c$ |\n",
    )
    planes = picture('lab.save_figure(fig, "06-planes")')
    add(write_notebook(notebooks / "01-b.ipynb"), planes, new_markdown_cell("## End"))
    last = write_notebook(notebooks / "02-conclusions.ipynb")
    names = "Genre [Rock](javascript:alert(1)), [Pop](java&#115;cript:alert(1)) and <img src=x>."
    add(last, picture('lab.save_figure(fig, "02-claims")'), reading(names))
    write_results(folder)
    return write_html(notebooks, folder / "html").parent


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def text_of(pages):
    return {page.stem: page.read_text() for page in pages.glob("*.html")}


def test_every_notebook_has_a_page_beside_index_and_gallery(text_of):
    assert set(text_of) == {"index", "gallery", "00-a", "01-b", "02-conclusions"}


def test_pages_ask_the_network_for_nothing(text_of):
    for text in text_of.values():
        assert REQUEST.findall(text) == []
        assert "data:image/png;base64," in text


def test_formulas_are_mathml(text_of):
    page = text_of["00-a"]
    assert page.count("<math") == 7  # title, question, heading, display, two in the table, Reading
    assert '<span class="ib-formula"><math display="block"' in page
    assert "$not math$" in page  # code stays
    assert not re.search("[\ue000\ue001]", page)
    assert re.search(r'<h2 id="[^<>"]+">Heading with <math', page)
    assert page.count("<td>") == 2
    assert "costs $5" in page


def test_links_lead_somewhere(pages, text_of):
    """Every link of every page, its anchor included."""
    for name, text in text_of.items():
        for target, anchor in re.findall(r'<a\b[^>]*\bhref="([^"#]*)#?([^"]*)"', text):
            page = pages / (target or f"{name}.html")
            assert page.is_file(), (name, target)
            assert not anchor or f'id="{anchor}"' in page.read_text(), (name, target, anchor)
    assert 'href="01-b.html#End"' in text_of["00-a"]
    assert 'href="../results/t.csv"' in text_of["00-a"]


def test_notebooks_lead_on_and_back(text_of):
    ways = re.findall(r'href="([^"]+)" rel="(prev|next)"', text_of["01-b"])
    assert set(ways) == {("00-a.html", "prev"), ("02-conclusions.html", "next")}
    assert '.html" rel="prev"' not in text_of["00-a"]
    assert '.html" rel="next"' not in text_of["02-conclusions"]
    for name in ("00-a", "01-b"):
        assert 'href="index.html"' in text_of[name]
        assert 'href="gallery.html"' in text_of[name]


def test_every_picture_says_what_it_shows(text_of):
    for name, text in text_of.items():
        images = re.findall(r"<img\b[^>]*>", text)
        assert images, name
        assert all(re.search(r'\balt="[^"]{5,}"', image) for image in images), name
        assert "No description has been provided" not in text
    alt = f"SimpleCNN: Both of x1 fall by 2.5 bits, as {SAFE} says."
    assert f'alt="{alt}"' in text_of["gallery"]
    finding = f"Planes: Both of x1 fall by 2.5 bits, as {BAD} says."
    player = re.search(r'<img alt="(Planes[^"]*)" aria-description="([^"]*)"', text_of["00-a"])
    assert {part.replace("&lt;", "<").replace("&gt;", ">") for part in player.groups()} == {finding}


def test_names_and_titles_stay_text(text_of):
    """Genres, files and sentences of users' data cannot run in a page."""
    for text in text_of.values():
        assert BAD not in text
    assert text_of["index"].count(SAFE) >= 6
    assert "“One” by Ann, CC BY" in text_of["index"]
    assert f"A &lt;b&gt; &amp; {SAFE}" in text_of["index"]
    assert SAFE in text_of["00-a"]  # the Reading
    conclusions = text_of["02-conclusions"]
    assert "Rock" in conclusions
    assert not re.search(r"<a [^>]*script|<img src=x", conclusions)
    assert Formulas().inline(f"`<b>` and {BAD}, <https://a.b>").count("<code>&lt;b&gt;</code>") == 1


def test_gallery_holds_every_figure_once(text_of):
    gallery = text_of["gallery"]
    names = re.findall(r'<figure id="([^"]+)"', gallery)
    assert names == ["00-simple-cnn", "06-planes", "02-claims"]  # and no player
    for page, name in zip(("00-a", "01-b", "02-conclusions"), names, strict=True):
        assert f'href="{page}.html#{name}"' in gallery


def test_index_names_question_answer_and_minutes(text_of):
    index = text_of["index"]
    assert '<a href="00-a.html">A small notebook: <math' in index
    assert re.search(r"Question</strong> what is <math.*</math>\?", index)
    assert "Answer</strong> 2 bits, <code>$not math$</code>." in index
    assert "Time: 0.1" in index
    assert index.count('<article class="card">') == 3


def test_index_shows_what_this_run_found(text_of):
    index = text_of["index"]
    assert '<td data-label="Verdict">not, shown</td>' in index
    assert 'class="headline">2 bits, ' in index  # the conclusions' answer
    assert index.count('href="01-b.html#06-planes"') == 1  # the hero
    assert "12 clips for tests" in index
    assert "A copy" not in index


def test_index_lets_hear_every_class(text_of):
    index = text_of["index"]
    sounds = re.findall(r"<audio controls[^>]*\bsrc=\"data:audio/mpeg;base64,([^\"]+)\"", index)
    assert base64.b64decode(sounds[0]) == bytes(range(40))
    assert len(sounds) == 2
    assert 'aria-label="Clip 7, Folk"' in index
    assert index.count('alt="Mel-spectrogram of clip') == 2


def test_pages_suit_phones_dark_rooms_and_paper(text_of):
    for text in text_of.values():
        assert 'name="viewport"' in text
        assert "prefers-color-scheme: dark" in text
        assert "@media print" in text


def test_a_copy_says_its_data_and_needs_no_results(tmp_path):
    path = write_notebook(tmp_path / "notebooks" / "00-a.ipynb")
    about = {"profile": "smoke", "dataset": "fma_small", "seed": 0, "source": "", "is_copy": True}
    files.write_json(tmp_path / "report.json", about)
    index = write_html(path.parent, tmp_path / "html")
    for page in (index, index.with_name("gallery.html")):
        text = page.read_text()
        assert "A copy" in text
        assert "<code>smoke</code>" in text
        assert "<code>fma_small</code>" in text
    assert "<audio" not in index.read_text()
    assert "<table" not in index.read_text()


def test_pages_are_the_same_each_time(pages, text_of):
    write_html(pages.parent / "notebooks", pages)
    assert {page.stem: page.read_text() for page in pages.glob("*.html")} == text_of


@pytest.mark.parametrize(
    "text",
    [
        "# T\n\n**Question** what?\n\n**Answer** 2 bits\nand more\n\n**Minutes** 3",
        "# T\n- **Question.** what?\n- **Answer.** 2 bits\n  and more\n- **Minutes:** 3",
        "# T\n\n> **Question:** what?\n> **Answer:** 2 bits and more\n> **Minutes:** 3",
    ],
)
def test_heading_is_found_in_several_forms(text):
    cells = [new_markdown_cell(text)]
    found = heading("00-a", nbformat.v4.new_notebook(cells=cells))
    assert (found.title, found.question, found.minutes) == ("T", "what?", "3")
    assert found.answer == "2 bits and more"


def test_every_formula_of_the_notebooks_converts(repository, caplog):
    for path in sorted((repository / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                Formulas().take_out(cell.source)
    assert caplog.text == ""


def test_a_bad_formula_stays_readable(caplog):
    formulas = Formulas()
    assert formulas.put_back(formulas.take_out(r"$\nosuch{<}$")) == r"<code>\nosuch{&lt;}</code>"
    assert "nosuch" in caplog.text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (r"At $\Delta \le 0.5$ [02](02-b.ipynb) says **3 bits**", "At Δ ≤ 0.5 02 says 3 bits"),
        (r"$\frac{a}{b}$ of `x_1 * y` costs \$5", "a/b of x_1 * y costs $5"),
        (r"2 * 3 is *six*, $\log_2 P$", "2 * 3 is six, log2 P"),
    ],
)
def test_markdown_as_plain_words(markdown, text):
    assert plain_text(markdown) == text


def test_a_sentence_does_not_end_within_a_number_or_abbreviation():
    text = "Saxe et al. (2018) read 2.71 bits, e.g. by bins. Others do not."
    assert first_sentence(text) == "Saxe et al. (2018) read 2.71 bits, e.g. by bins."
    assert first_sentence("no end") == "no end"


def test_thumbnails_are_small_and_white_where_nothing_is():
    with Image.open(io.BytesIO(thumbnail(png(900, 300), 300))) as small:
        assert small.size == (300, 100)
        assert small.convert("RGB").getpixel((5, 5)) == (255, 200, 0)
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 10)).save(buffer, "PNG")
    with Image.open(io.BytesIO(thumbnail(buffer.getvalue()))) as empty:
        assert empty.size == (20, 10)  # never larger
        assert empty.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_low_bands_of_a_spectrogram_are_below():
    mel = np.zeros((16, 30), np.uint8)
    mel[0] = 160
    with Image.open(io.BytesIO(mel_picture(mel))) as shown:
        bright = np.asarray(shown.convert("L"))
    assert bright[-1].mean() > 200 > 20 > bright[0].mean()
