"""What a reader does, in a real Chromium: in JupyterLab, on the exported pages, without scripts."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from browser import Tab, chromium, expect
from forms import long_form, only_long

from study.pages.html import write_html

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb"))
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def holds(path: Path, what: str) -> bool:
    """Whether a notebook's stored outputs or sources hold a text."""
    return what in path.read_text(encoding="utf-8")


WITH_PLAYERS = [path for path in NOTEBOOKS if holds(path, "ib-player")]
EXPLORE = next(path for path in NOTEBOOKS if holds(path, "plane_explorer"))


# The exported pages


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The committed notebooks as pages."""
    return write_html(ROOT / "notebooks", tmp_path_factory.mktemp("html")).parent


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def open_page(browser, path: Path, size: dict, **options) -> Tab:
    tab = Tab(browser.new_context(viewport=size, offline=True, **options).new_page())
    tab.open(path)
    return tab


def pages(report: Path) -> list[Path]:
    return sorted(report.glob("*.html"))


@only_long
def test_pages_ask_for_nothing_complain_of_nothing_and_fit_a_phone(browser, report):
    assert len(pages(report)) >= len(NOTEBOOKS) + 2
    for path in pages(report):
        tab = open_page(browser, path, PHONE)
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert (path.name, width) == (path.name, PHONE["width"])
        assert (path.name, tab.outside, tab.errors) == (path.name, [], [])
        broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).length"
        assert (path.name, tab.evaluate(broken)) == (path.name, 0)
        tab.context.close()


@only_long
def test_pictures_say_what_they_show(browser, report):
    for path in pages(report):
        tab = open_page(browser, path, WIDE)
        alts = tab.evaluate("[...document.images].map(image => image.alt)")
        poor = [alt for alt in alts if len(alt) < 15 or "No description" in alt]
        assert (path.name, poor) == (path.name, [])
        tab.context.close()


@pytest.mark.parametrize("path", long_form([EXPLORE], WITH_PLAYERS), ids=lambda path: path.stem)
def test_players_move_on_a_page_from_disk(browser, report, path):
    tab = open_page(browser, report / f"{path.stem}.html", WIDE)
    players = tab.locator(".ib-player")
    assert players.count() >= 1
    for i in range(long_form(1, players.count())):
        _play_through(tab, players.nth(i))
    assert (tab.outside, tab.errors) == ([], [])
    tab.context.close()


def _play_through(tab: Tab, box) -> None:
    """Arrow keys, a drag, and Play to the end; the picture and its label follow."""
    picture, slider, label = box.locator("img"), box.get_by_role("slider"), box.locator("output")
    last, end = picture.get_attribute("src"), label.text_content()
    slider.scroll_into_view_if_needed()
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    assert picture.get_attribute("src") != last
    assert label.text_content() != end
    bounds = slider.bounding_box()
    middle = bounds["y"] + bounds["height"] / 2
    tab.mouse.move(bounds["x"] + bounds["width"] - 8, middle)
    tab.mouse.down()
    tab.mouse.move(bounds["x"] + 4, middle, steps=4)
    tab.mouse.up()
    expect(label).to_have_text(re.compile(r"\b0$"))
    assert picture.get_attribute("src") != last
    box.get_by_role("button", name="Play").click()
    box.get_by_role("button", name="Pause").wait_for()
    box.get_by_role("button", name="Play").wait_for(timeout=30_000)
    assert label.text_content() == end
    assert picture.get_attribute("src") == last


@only_long
def test_the_keyboard_reaches_every_control(browser, report):
    tab = open_page(browser, report / f"{EXPLORE.stem}.html", WIDE)
    tab.evaluate("window.reached = new Set();")
    controls = tab.evaluate("document.querySelectorAll('.ib-bar button, .ib-bar input').length")
    for _ in range(400):
        tab.keyboard.press("Tab")
        reached = tab.evaluate(
            "document.activeElement.closest('.ib-bar') && window.reached.add("
            "document.activeElement), window.reached.size"
        )
        if reached == controls:
            break
    assert controls >= 2
    assert reached == controls
    tab.context.close()


@only_long
def test_without_scripts_there_are_pictures_and_no_dead_controls(browser, report):
    for path in [*WITH_PLAYERS, Path("index"), Path("gallery")]:
        tab = open_page(browser, report / f"{path.stem}.html", WIDE, java_script_enabled=False)
        assert tab.locator("button, input, select").count() == 0
        assert tab.locator("img").first.is_visible()
        assert tab.locator(".ib-player").count() == tab.locator(".ib-player img").count()
        tab.context.close()


@only_long
def test_dark_pages_keep_their_text_readable(browser, report):
    for name in ("index.html", "gallery.html", f"{EXPLORE.stem}.html"):
        tab = open_page(browser, report / name, WIDE, color_scheme="dark")
        assert _contrast(tab) > 4.5
        tab.context.close()


def _contrast(tab: Tab) -> float:
    """Contrast (WCAG 2) of the first heading's text to what lies behind it."""
    colours = tab.evaluate(
        """() => {
          let e = document.querySelector('h1'), text = getComputedStyle(e).color, back = '';
          for (; e; e = e.parentElement) {
            const b = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$|transparent/.test(b)) { back = b; break; }
          }
          return [text, back || 'rgb(18, 18, 18)'];
        }"""
    )
    light = sorted(_luminance(colour) for colour in colours)
    return (light[1] + 0.05) / (light[0] + 0.05)


def _luminance(colour: str) -> float:
    values = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# JupyterLab

_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own on a copy of the notebooks; its address."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("lab")
    home = folder / "copy"
    for name in ("notebooks", "results"):
        shutil.copytree(ROOT / name, home / name)
    for plugin, values in _SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    environment = {k: v for k, v in os.environ.items() if k != "IBLIB_STATIC"}
    environment |= {"IBLIB_ROOT": str(home), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for name in ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR"):
        environment[f"JUPYTER_{name}"] = str(folder / name.lower())
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--IdentityProvider.token="]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=home / "notebooks", env=environment, stdout=log, stderr=log
        )
        try:
            yield _address(folder / "runtime_dir", server, folder / "lab.log")
        finally:
            server.terminate()
            try:
                server.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.kill()  # its kernels notice and end too


def _address(runtime: Path, server: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        for path in runtime.glob("jpserver-*.json"):
            return json.loads(path.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


def run_all(browser, lab: str, path: Path) -> Tab:
    """A notebook opened in JupyterLab, with every cell run."""
    tab = Tab(browser.new_context(viewport=WIDE).new_page(), allowed=lab)
    tab.goto(f"{lab}lab/workspaces/{path.stem}/tree/{path.name}")
    tab.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    _wait_for_kernel(tab, lab, path.name)
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_text("Run All Cells", exact=True).click()
    waiting = tab.locator(".jp-Notebook .jp-InputPrompt", has_text="[*]:")
    waiting.first.wait_for(state="attached")
    end = time.monotonic() + 240
    while waiting.count() and time.monotonic() < end:
        tab.wait_for_timeout(200)
    assert not waiting.count()
    tab.wait_for_timeout(1000)  # the last views arrive after the kernel's answer
    return tab


def _wait_for_kernel(tab: Tab, lab: str, name: str) -> None:
    """Until the server says that the notebook's kernel waits for work."""
    for _ in range(600):
        with urllib.request.urlopen(f"{lab}api/sessions") as answer:
            sessions = json.load(answer)
        found = [s["kernel"] for s in sessions if s["path"] == name]
        if found and found[0]["execution_state"] == "idle" and found[0]["connections"]:
            tab.wait_for_timeout(1000)  # the page hears of it
            return
        tab.wait_for_timeout(100)
    pytest.fail(f"no kernel for {name}")


@pytest.mark.parametrize("path", long_form([EXPLORE], WITH_PLAYERS), ids=lambda path: path.stem)
def test_sliders_are_live_in_jupyterlab(browser, lab, path):
    tab = run_all(browser, lab, path)
    assert tab.locator(".jp-RenderedText[data-mime-type*='stderr']").count() == 0
    players = tab.locator(".widget-vbox:has(> .widget-image):has(.widget-play)")
    expected = sum(
        "ib-player" in output.get("data", {}).get("text/html", "")
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
    )
    live = [players.nth(i) for i in range(players.count())]
    assert len(live) >= expected
    _move(tab, live[0])
    if path == EXPLORE:
        _explore(tab)
    assert (tab.outside, tab.errors) == ([], [])
    tab.context.close()


def _src(box) -> str:
    return box.locator("img").first.get_attribute("src")


def _changed(box, before: str, seconds: float = 15) -> str:
    """The picture's address once it is another one."""
    end = time.monotonic() + seconds
    while _src(box) == before and time.monotonic() < end:
        box.page.wait_for_timeout(50)
    assert _src(box) != before
    return _src(box)


def _move(tab: Tab, box) -> None:
    """Arrow keys, a drag, and Play to the end change the live picture."""
    handle, label = box.get_by_role("slider").first, box.locator(".widget-label").last
    handle.scroll_into_view_if_needed()
    end, picture = label.text_content(), _src(box)
    handle.focus()
    tab.keyboard.press("ArrowLeft")
    picture = _changed(box, picture)
    expect(label).not_to_have_text(end)
    at, track = handle.bounding_box(), box.locator(".noUi-base").bounding_box()
    middle = at["y"] + at["height"] / 2
    tab.mouse.move(at["x"] + at["width"] / 2, middle)
    tab.mouse.down()
    tab.mouse.move(track["x"], middle, steps=5)
    tab.mouse.up()
    expect(label).to_have_text(re.compile(" 0$"), timeout=15_000)  # the last of several pictures
    picture = _changed(box, picture)
    box.locator(".widget-play button").first.click()
    expect(label).to_have_text(end, timeout=60_000)
    _changed(box, picture)


def _explore(tab: Tab) -> None:
    """Another estimator redraws; so do a second run beside it and the epoch slider."""
    box = tab.locator(".jp-OutputArea-output:has(select):has(.widget-image)").first
    box.scroll_into_view_if_needed()
    picture = _src(box)
    box.get_by_label("estimator").first.select_option("KDE (upper)")
    picture = _changed(box, picture)
    box.get_by_role("checkbox").check()
    picture = _changed(box, picture)
    box.get_by_label("activation").nth(1).select_option("ReLU")
    picture = _changed(box, picture)
    handle = box.get_by_role("slider").first
    handle.focus()
    tab.keyboard.press("ArrowLeft")
    _changed(box, picture)
