"""The plots draw, offline, in the order of params.yaml, and beside another revision."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.params import read_yaml
from tools import cli, plots

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["skills", "loss", "token_accuracy", "metrics/layers.csv", "metrics/scores.csv"]
FILES = {
    "scores": """\
section,metric,model,value,low,high,n,unit,better,level,primary
own,exact,zeta,0.5,0.25,0.75,84,share,↑,0.5,1
own,exact,2b,0.75,0.5,0.875,84,share,↑,0.75,1
own,rouge_l_floor,zeta,0.3,0.2,0.4,84,F-measure,,,0
own,loss,zeta,2.5,,,84,nats per token,↓,,0
code,passes,zeta,1.0,0.9,1.0,80,share,↑,1.0,1
code,passes,2b,0.125,0.0,0.25,80,share,↑,0.125,1
prose,perplexity,zeta,12.5,,,30,perplexity,↓,,1
""",
    "layers": """\
model,against,layer,measure,value,low,high,n
zeta,,0,alike,0.5,0.25,0.75,10
zeta,,1,alike,0.25,0.125,0.5,10
2b,,0,alike,0.5,0.25,0.75,10
2b,,1,alike,0.375,0.25,0.5,10
2b,zeta,0,cosine,1.0,,,10
2b,zeta,1,cosine,0.75,0.5,0.875,10
2b,zeta,0,norm,0.0,,,10
""",
    "curves": """\
model,step,split,loss,token_accuracy
zeta,50,train,1.5,
zeta,50,val,1.25,
zeta,100,train,0.5,
zeta,100,val,0.75,
2b,25,train,0.75,0.875
2b,25,val,0.875,0.75
""",
}
Drawn = tuple[dict[str, dict[str, Any]], dict[str, str]]


def git(*words: str, at: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *words], cwd=at, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with one commit of figures, of which one has changed since."""
    folder = tmp_path_factory.mktemp("plots")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    for name in (".dvc/config", *(f".dvc/plots/{each.name}" for each in templates())):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "metrics").mkdir()
    for name, text in FILES.items():
        (folder / f"metrics/{name}.csv").write_text(text, encoding="utf-8")
    git("init", "--quiet", at=folder)
    git("add", "--all", at=folder)
    git("commit", "--quiet", "-m", "figures", at=folder)
    text = FILES["scores"].replace("own,exact,2b,0.75", "own,exact,2b,0.625")
    (folder / "metrics/scores.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def drawn(repository: Path) -> Drawn:
    """Return what DVC makes of the commit beside the present state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return plots.drawn(NAMES, ["HEAD"])


def templates() -> list[Path]:
    return sorted((ROOT / ".dvc/plots").glob("*.json"))


def words(svg: str) -> list[str]:
    """Return the texts of a picture, in its order; raises where it is no XML."""
    root = ElementTree.fromstring(svg)
    lines = (each.itertext() for each in root.iter("{http://www.w3.org/2000/svg}text"))
    return [line for each in lines for line in each if line.strip()]


def test_the_plots_of_all_models_are_declared():
    assert plots.declared(read_yaml(ROOT / "dvc.yaml")) == NAMES


def test_every_template_is_used_and_says_where_the_data_go():
    used = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert len(templates()) == 4
    for file in templates():
        assert re.search(rf"template: (\.dvc/plots/)?{file.stem}(\.json)?\n", used), file
        template = json.loads(file.read_text(encoding="utf-8"))
        assert template["data"] == {"values": "<DVC_METRIC_DATA>"}
        assert '"field": "rev"' in file.read_text(encoding="utf-8")


def test_all_are_drawn_of_both_revisions(drawn: Drawn):
    specs, absent = drawn
    assert (list(specs), absent) == (NAMES, {})
    for spec in specs.values():
        values = spec["data"]["values"]
        assert {each["rev"] for each in values} == {"workspace", "HEAD"}
        assert "<DVC_METRIC" not in json.dumps(spec)


def test_every_spec_is_a_picture_with_what_people_look_for(drawn: Drawn):
    pictures = {name: words(svg) for name, svg in plots.pictures(drawn[0])}
    files = ["skills.svg", "loss.svg", "token_accuracy.svg", "layers.svg", "scores.svg"]
    assert list(pictures) == files
    skills, loss, accuracy, layers, scores = pictures.values()
    # In the order of params.yaml, which is the file's, and not of the alphabet.
    assert skills.index("zeta") < skills.index("2b")
    assert skills.index("own · exact ↑ (n = 84)") < skills.index("code · passes ↑ (n = 80)")
    assert "#cfcfcf" in next(plots.pictures(drawn[0]))[1]  # it has no best: it has no shade
    assert {"workspace", "HEAD", "12.50", "0.50", "0.75", "0.63", "0.13"} <= {*skills}
    assert loss.index("zeta") < loss.index("2b")
    assert {"loss (nats per token)", "training step", "train", "val"} <= {*loss}
    assert "token accuracy (share)" in accuracy
    assert "zeta" not in accuracy  # it has none
    assert {"2b against zeta", "layer (0: embeddings)"} <= {*layers}
    assert {"cosine, mean over tokens  (n = 10)", "alike (cosine), mean over tokens  (n = 10)"} <= {
        *layers
    }
    assert not [each for each in layers if "undefined" in each or "norm" in each]
    panels = [each for each in scores if " · " in each]
    assert panels == [
        "own · exact ↑", "own · loss ↓", "code · passes ↑", "prose · perplexity ↓",
    ]  # fmt: skip
    assert {"share, n = 84", "nats per token, n = 84", "HEAD"} <= {*scores}


def test_the_page_holds_all_it_needs(drawn: Drawn):
    html = plots.page("TuneGraph HEAD", drawn[0])
    assert html.count("<figure id=") == 5
    assert html.count("<script") == html.count("</script>") == 3
    assert len(html) > 500_000  # Vega itself is in it
    assert "vegaEmbed" in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]
    tags: list[tuple[str, list[str]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, names: tags.append((tag, [name for name, _ in names]))
    parser.feed(html)  # what stands in a script is no tag
    assert len(tags) > 15
    assert not [tag for tag, names in tags if {"src", "href", "srcset"} & {*names}]
    specs = json.loads(html.split('id="specs">')[1].split("</script>")[0])
    assert list(specs) == [f"plot-{at}" for at in range(5)]
    assert len(specs["plot-4"]["data"]["values"]) == 2 * 7


def test_no_name_breaks_out_of_the_page(monkeypatch: pytest.MonkeyPatch):
    import vl_convert

    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "'</script><b>BUNDLE'")
    evil = "</script><script>alert(1)</script>"
    html = plots.page(evil, {"a": {"title": evil, "data": {"values": [{"model": evil}]}}})
    assert html.count("</script>") == 3
    assert html.count("<script") == 3
    spec = json.loads(html.split('id="specs">')[1].split("</script>")[0])["plot-0"]
    assert spec["data"]["values"] == [{"model": evil}]
    html = plots.page("SPECS", {"BUNDLE": {"title": "BUNDLE TITLE"}})
    assert "<title>SPECS</title>" in html
    assert json.loads(html.split('id="specs">')[1].split("</script>")[0])["plot-0"] == {
        "title": "BUNDLE TITLE", "$schema": None
    }  # fmt: skip


def test_the_command_writes_a_page_or_pictures(
    repository: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(repository)
    asked: list[Any] = []

    def told(names: list[str], revisions: list[str]) -> Drawn:
        asked.append((names, revisions))
        specs = {name: spec for name, spec in drawn[0].items() if name != "skills"}
        return specs, {"skills": "no figures"}

    monkeypatch.setattr(plots, "drawn", told)
    monkeypatch.setattr(plots, "page", lambda title, specs: f"{title}: {', '.join(specs)}")
    monkeypatch.setattr(sys, "argv", ["tunegraph", "plots"])
    cli.command()
    page = Path(".cache/plots.html")
    assert page.read_text(encoding="utf-8") == f"TuneGraph: {', '.join(NAMES[1:])}"
    told_of = capsys.readouterr().out
    assert "plots: no skills (no figures)" in told_of
    assert str(page) in told_of
    page.unlink()
    monkeypatch.setattr(sys, "argv", ["tunegraph", "plots", "HEAD~1", "HEAD", "--svg", "shown"])
    cli.command()
    assert asked == [(NAMES, []), (NAMES, ["HEAD~1", "HEAD"])]
    assert sorted(each.name for each in Path("shown").iterdir()) == [
        "layers.svg", "loss.svg", "scores.svg", "token_accuracy.svg",
    ]  # fmt: skip
    assert not page.exists()


def test_what_was_not_built_is_named(monkeypatch: pytest.MonkeyPatch, project: Path):
    error = {"name": "loss", "rev": "workspace", "source": "metrics/curves.csv", "msg": "not there"}
    answer = json.dumps({"data": {"loss": [], "skills": []}, "errors": [error]})
    monkeypatch.setattr(plots, "dvc", lambda *_: answer)
    specs, absent = plots.drawn(["loss", "skills"], [])
    assert specs == {}
    assert absent == {"loss": "metrics/curves.csv: not there", "skills": "no figures"}
    with pytest.raises(InputError, match=r"(?s)loss: metrics/curves.csv: not there.*dvc repro"):
        plots.main([])


def test_a_revision_without_figures_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, project: Path
):
    plot = {"content": {"mark": "bar"}, "revisions": ["workspace", "abcdef0"]}
    answer = json.dumps({"data": {"loss": [plot]}})
    monkeypatch.setattr(plots, "dvc", lambda *_: answer)
    monkeypatch.setattr(plots, "resolve", lambda *_: "")
    specs, absent = plots.drawn(["loss"], ["abcdef0" + "1" * 33, "v1", "workspace-2"])
    assert (list(specs), absent) == (["loss"], {"loss": "not of v1, workspace-2"})
    monkeypatch.setattr(plots, "declared", lambda _: ["loss"])
    monkeypatch.setattr(plots, "page", lambda *_: "")
    plots.main(["v1"])
    assert "plots: loss is drawn, but not of v1\n" in capsys.readouterr().out


def test_how_dvc_is_asked(monkeypatch: pytest.MonkeyPatch, repository: Path):
    monkeypatch.chdir(repository)
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(plots, "dvc", lambda *words: asked.append(words) or "{}")
    plots.drawn(["loss"], [])
    plots.drawn(["loss"], ["HEAD"])
    assert asked == [
        ("plots", "show", "--json", "loss"),
        ("plots", "diff", "--json", "HEAD", "--targets", "loss"),
    ]
    with pytest.raises(
        ConfigError, match=r"tunegraph plots: there is no experiment, commit, .* 'nothing'"
    ):
        plots.drawn(["loss"], ["nothing"])


def test_a_spec_that_vega_refuses_is_named():
    with pytest.raises(ConfigError, match=r"plot odd: "):
        list(plots.pictures({"odd": {"mark": {"type": "nothing of the kind"}, "encoding": 3}}))


@pytest.mark.browser
def test_a_browser_draws_the_page_without_a_network(drawn: Drawn, tmp_path: Path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "no Chromium here: apt-get install chromium"
    page = tmp_path / "plots.html"
    page.write_text(plots.page("TuneGraph", drawn[0]), encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *("--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert len(re.findall(r'<svg [^>]*class="marks"', done.stdout)) == 5
    for word in ("Skills by model", "own · exact ↑", "2b against zeta", "training step"):
        assert word in done.stdout
    assert "CONSOLE" not in done.stderr
