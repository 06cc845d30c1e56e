"""HTML that needs no network: a page of every notebook, the index and the gallery."""

import os
import re
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from iblib import files
from study.pages.alts import PNG, alt_of, describe_pictures, describe_player, pictures
from study.pages.index import Page, render_gallery, render_index
from study.pages.markdown import Formulas, heading


def write_html(notebooks: Path, target: Path) -> Path:
    """Page of every notebook in a folder, index and gallery; returns the index page.

    Parameters
    ----------
    notebooks : Path
        Folder of executed notebooks ``NN-slug.ipynb``; the run's ``results/`` and ``figures/``
        lie beside it.
    target : Path
        Folder of the pages; they open from disk, without a network.
    """
    paths = sorted(notebooks.glob("[0-9][0-9]-*.ipynb"))
    base = Path(os.path.relpath(notebooks.parent, target)).as_posix()
    pages = [_read(path, base) for path in paths]
    report, index = notebooks.parent, target / "index.html"
    files.write_atomic(index, render_index(pages, report))
    files.write_atomic(target / "gallery.html", render_gallery(pages, report))
    for place, page in enumerate(pages):  # last, because rendering changes the notebooks
        around = {
            "previous": pages[place - 1] if place else None,
            "next": pages[place + 1] if place + 1 < len(pages) else None,
        }
        text = render_notebook(page, around, notebooks)
        files.write_atomic(target / f"{page.about.name}.html", text)
    return index


def _read(path: Path, base: str) -> Page:
    """A notebook with alternative texts and the page's links; ``base`` leads to its report."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _relink(cell.source, base)
        for output in cell.get("outputs", []):
            if text := output.get("data", {}).get("text/markdown"):
                output.data["text/markdown"] = _relink(text, base)
    describe_pictures(notebook)
    return Page(heading(path.stem, notebook), notebook)


def _relink(markdown: str, base: str) -> str:
    """Links to notebooks become links to pages; links out of the folder start from the page."""
    markdown = re.sub(r"\]\((\d\d-[\w-]+)\.ipynb", r"](\1.html", markdown)
    return re.sub(r"(?<!\!)(\[[^\]]*\])\(\.\./", rf"\1({base}/", markdown)


def render_notebook(page: Page, around: dict[str, Page | None], folder: Path) -> str:
    """One page, self-contained.

    Parameters
    ----------
    page : Page
        Its notebook is changed on the way.
    around : dict
        The pages ``previous`` and ``next``, None at the ends.
    folder : Path
        Where the notebook lies.
    """
    formulas, notebook = Formulas(), page.notebook
    _name_pictures(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas.take_out(cell.source)
        for output in cell.get("outputs", []):
            _convert_output(output, formulas)
    notebook.metadata["title"] = page.title
    resources = {"metadata": {"name": page.about.name, "path": str(folder)}, "around": around}
    return formulas.put_back(_exporter().from_notebook_node(notebook, resources)[0])


def _exporter() -> HTMLExporter:
    return HTMLExporter(
        template_name="lab",
        extra_template_basedirs=[],
        extra_template_paths=[str(Path(__file__).parents[1] / "templates")],
        template_file="template.html.j2",
        embed_images=True,
        anchor_link_text="",
        optimistic_validation=True,  # once, not after each of twelve preprocessors
    )


def _name_pictures(notebook: NotebookNode) -> None:
    """Figures get an anchor; a player's own HTML gets the alternative text of its picture."""
    for picture in pictures(notebook):
        output = picture.output
        output.metadata[PNG]["anchor"] = picture.name
        if picture.is_player:
            output.data["text/html"] = describe_player(output.data["text/html"], alt_of(output))


def _convert_output(output: NotebookNode, formulas: Formulas) -> None:
    data = output.get("data", {})
    if "text/markdown" in data:
        data["text/markdown"] = formulas.take_out(data["text/markdown"])
    if "text/latex" in data and "text/html" not in data:
        data["text/html"] = formulas.take_out(data.pop("text/latex"))
