"""The report's front: index page with verdicts and sounds, and the gallery of all figures."""

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
from nbformat import NotebookNode

from iblib import files
from study.audio import PREVIEW_SECONDS
from study.pages.alts import PNG, Picture, alt_of, pictures
from study.pages.markdown import Formulas, Heading, first_sentence, plain_text
from study.pages.pictures import data_url, mel_picture, thumbnail
from study.pages.readme import headline_table
from study.results import Results

HERO = "06-planes"
CARD_WIDTH, GALLERY_WIDTH = 300, 420  # pixels


@dataclass(frozen=True)
class Page:
    """A notebook of the report: what its heading says, and the notebook itself."""

    about: Heading
    notebook: NotebookNode

    @property
    def title(self) -> str:
        """Title without marks."""
        return plain_text(self.about.title)

    @property
    def figures(self) -> list[Picture]:
        """Pictures that are figures of the report, each saved under a name."""
        return [picture for picture in pictures(self.notebook) if picture.name]


@dataclass(frozen=True)
class Clip:
    """The sound of one class: labels, MP3 and mel-spectrogram as data URLs."""

    genre: str
    name: str
    audio: str
    mel: str = ""
    credit: str = ""


def render_index(pages: list[Page], report: Path) -> str:
    """The first page; it holds no date.

    Parameters
    ----------
    pages : list of Page
        Notebooks in order, with alternative texts.
    report : Path
        Its folder; what is missing there is left out.
    """
    formulas = Formulas()
    content = {
        "data": _made_of(report),
        "headline": formulas.inline(_headline(pages)),
        "verdicts": headline_table(report / "results"),
        "hero": _hero(pages),
        "cards": [_card(page, formulas) for page in pages],
        "clips": clips(report / "results"),
        "seconds": PREVIEW_SECONDS,
    }
    return formulas.put_back(_template("index.html.j2").render(content))


def render_gallery(pages: list[Page], report: Path) -> str:
    """The page of all figures, each with its alternative text and the way to its section."""
    sections = [
        {
            "name": page.about.name,
            "title": page.title,
            "figures": [_figure(picture) for picture in page.figures],
        }
        for page in pages
    ]
    content = {"data": _made_of(report), "sections": sections}
    return _template("gallery.html.j2").render(content)


def clips(results: Path) -> list[Clip]:
    """Sounds of ``clips.npz`` with the mel-spectrograms of ``examples.npz``."""
    if not (results / "clips.npz").is_file():
        return []
    stored, mels = Results(results).arrays("clips.npz"), _mels(results)
    credits = stored.get("credits", [""] * len(stored["ids"]))
    named = zip(stored["classes"], stored["ids"], credits, strict=True)
    return [
        Clip(
            str(genre),
            str(name),
            data_url(stored[f"mp3-{place:03d}"].tobytes(), "audio/mpeg"),
            data_url(mel_picture(mels[str(name)])) if str(name) in mels else "",
            str(credit),
        )
        for place, (genre, name, credit) in enumerate(named)
    ]


def _mels(results: Path) -> dict[str, np.ndarray]:
    """Spectrograms by clip, as long as the clips can be heard."""
    if not (results / "examples.npz").is_file():
        return {}
    stored = Results(results).arrays("examples.npz")
    n_frames = stored["mel"].shape[2]
    heard = [
        max(1, min(n_frames, round(n_frames * PREVIEW_SECONDS / s))) for s in stored["seconds"]
    ]
    named = zip(stored["ids"], stored["mel"], heard, strict=True)
    return {str(name): mel[:, :frames] for name, mel, frames in named}


def _made_of(report: Path) -> dict:
    """Profile, data set, seed and source of a report."""
    about = report / "report.json"
    return files.read_json(about) if about.is_file() else {}


def _headline(pages: list[Page]) -> str:
    """The first sentence of the conclusions' answer, which the run wrote."""
    for page in pages:
        if page.about.name.endswith("-conclusions"):
            return first_sentence(page.about.answer)
    return ""


def _hero(pages: list[Page]) -> dict | None:
    for page in pages:
        for picture in page.figures:
            if picture.name == HERO:
                src = f"data:{PNG};base64,{picture.output.data[PNG]}"
                alt = alt_of(picture.output)
                return {"page": page.about.name, "name": HERO, "src": src, "alt": alt}
    return None


def _card(page: Page, formulas: Formulas) -> dict:
    about, shown = page.about, pictures(page.notebook)
    return {
        "name": about.name,
        "title": formulas.inline(about.title),
        "question": formulas.inline(about.question),
        "answer": formulas.inline(about.answer),
        "minutes": formulas.inline(about.minutes),
        "picture": _small(shown[0], CARD_WIDTH) if shown else "",
        "alt": alt_of(shown[0].output) if shown else "",
    }


def _figure(picture: Picture) -> dict:
    return {
        "name": picture.name,
        "title": picture.title,
        "alt": alt_of(picture.output),
        "src": _small(picture, GALLERY_WIDTH),
    }


def _small(picture: Picture, width: int) -> str:
    return data_url(thumbnail(base64.b64decode(picture.output.data[PNG]), width))


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)
