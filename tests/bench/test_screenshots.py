"""`make screenshots`: what it says where nothing can be shown; colours survive a palette."""

import io
import shutil

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.params import read_yaml


@pytest.fixture
def screenshots(bench):
    return bench("screenshots")


def test_what_is_not_built_is_named_all_at_once(screenshots, project, monkeypatch):
    monkeypatch.setattr(screenshots, "ROOT", project)
    with pytest.raises(InputError, match=r"report\.html") as told:
        screenshots.built()
    names = [model["name"] for model in read_yaml(project / "params.yaml")["models"].values()]
    wanted = ["report.html", "data/test.jsonl", *(f"models/{n}/manifest.json" for n in names)]
    assert [fault.where for fault in told.value.faults] == wanted
    assert {fault.then for fault in told.value.faults} == {"make repro"}


def test_a_browser_that_is_not_there_is_named(screenshots, monkeypatch):
    with pytest.raises(ConfigError, match="no program chromium-of-nobody"):
        screenshots.chromium("chromium-of-nobody")
    monkeypatch.delenv("TUNEGRAPH_CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="there is no Chromium") as told:
        screenshots.chromium(None)
    assert "--chromium PATH" in told.value.faults[0].then


def test_a_small_mark_keeps_its_colour(screenshots, tmp_path):
    from PIL import Image

    marks = {(8 * at, 4): (200 - at, 40 + at, 120) for at in range(40)}
    image = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    for (x, y), color in marks.items():
        image.paste(color, (x, y, x + 4, y + 4))
    png = io.BytesIO()
    image.save(png, "PNG")
    size = screenshots.kept(png.getvalue(), tmp_path / "a.png")
    few = Image.open(tmp_path / "a.png")
    assert few.mode == "P"
    assert size == (tmp_path / "a.png").stat().st_size
    shown = few.convert("RGB")
    for (x, y), color in marks.items():
        found = shown.getpixel((x + 1, y + 1))
        assert max(abs(a - b) for a, b in zip(found, color, strict=True)) <= 12


def test_every_picture_has_a_name_of_its_own(screenshots):
    names = [shot.name for shot in (*screenshots.REPORT, *screenshots.CHAT)]
    assert len(names) == len(set(names)) >= 12
