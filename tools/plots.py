"""Draw what `dvc plots` draws as one page that needs no network, and as SVG.

DVC's own page loads Vega from a server; where there is none it stays blank. Here Vega comes out of
the package vl-convert-python and stands in the page itself, whose content policy forbids to load
anything. The plots are DVC's: `dvc plots show`, or `dvc plots diff` between revisions.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import replacing
from stages.core.params import read_yaml
from tools.diff import dvc
from tools.revisions import resolve

GRAPH = Path("dvc.yaml")
PAGE = Path(".cache/plots.html")
HASH = re.compile("^([0-9a-f]{7})[0-9a-f]*$")  # of a commit: DVC shows as much of it
Spec = dict[str, Any]  # of Vega-Lite

# Vega makes functions of its expressions: that is `unsafe-eval`.
HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:;
 script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>TITLE</title>
<style>
body { font-family: sans-serif; margin: 1.5em; background: #fff; color: #111 }
figure { margin: 0 0 2.5em; overflow-x: auto }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #eee } }
</style>
<script>BUNDLE</script>
</head>
<body>
<h1>TITLE</h1>
<noscript>This page draws with JavaScript, which is switched off here.</noscript>
FIGURES
<script type="application/json" id="specs">SPECS</script>
<script>
const specs = JSON.parse(document.getElementById("specs").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  for (const [id, spec] of Object.entries(specs))
    vegaEmbed(document.getElementById(id), spec, {
      mode: "vega-lite",
      theme: dark.matches ? "dark" : undefined,
      config: {background: null},
      renderer: "svg",
      actions: {export: true, source: true, compiled: false, editor: false},
    });
}
dark.addEventListener("change", draw);
draw();
</script>
</body>
</html>
"""


def declared(graph: dict[str, Any]) -> list[str]:
    """Return the plots that dvc.yaml declares with a template of the project's own.

    A curve of one model has none: the plots of all models show it.
    """
    named = [name for each in graph.get("plots", []) for name in each]
    for stage in graph.get("stages", {}).values():
        for each in stage.get("plots", []):
            named += [path for path, how in dict(each).items() if how and "template" in how]
    return named


def drawn(names: Sequence[str], revisions: Sequence[str]) -> tuple[dict[str, Spec], dict[str, str]]:
    """Return the specs of the plots, data included, by name, and what is lacking of which, and why.

    revisions: none: what is here; one: it beside what is here; several: side by side
    Raises: ConfigError for a revision that there is not, or with DVC's own message.
    """
    for revision in revisions:
        resolve(revision, "tunegraph plots")
    # DVC takes all words after --targets for targets.
    words = ["diff", "--json", *revisions, "--targets"] if revisions else ["show", "--json"]
    told = json.loads(dvc("plots", *words, *names))
    found = told.get("data", {})
    specs, absent = {}, dict.fromkeys(names, "no figures")
    for error in told.get("errors", []):
        if error.get("name") in absent:
            absent[error["name"]] = f"{error.get('source', '')}: {error['msg']}".strip(": ")
    for name in names:
        for plot in found.get(name, []):
            specs[name] = plot["content"]
            known = {*plot["revisions"]}
            lacking = [r for r in revisions if known.isdisjoint({r, *HASH.findall(r)})]
            absent[name] = f"not of {', '.join(lacking)}" if lacking else ""
    return specs, {name: why for name, why in absent.items() if why}


def page(title: str, specs: dict[str, Spec]) -> str:
    """Return one HTML page that holds the plots, their data and what draws them."""
    import vl_convert

    bundle = vl_convert.javascript_bundle().replace("</script", "<\\/script")
    ids = {name: f"plot-{at}" for at, name in enumerate(specs)}
    # Without the version that a template was written for, Vega would say that it has another one.
    plain = {ids[name]: {**spec, "$schema": None} for name, spec in specs.items()}
    shown = json.dumps(plain, ensure_ascii=False)
    parts = {
        "TITLE": title.replace("&", "&amp;").replace("<", "&lt;"),
        "FIGURES": "\n".join(f'<figure id="{each}"></figure>' for each in ids.values()),
        "SPECS": shown.replace("<", "\\u003c"),  # no name of a model can end the script
        "BUNDLE": bundle,
    }
    # At once: any part may hold another one's word.
    return re.sub("|".join(parts), lambda word: parts[word[0]], HTML)


def pictures(specs: dict[str, Spec]) -> Iterator[tuple[str, str]]:
    """Yield each plot's file name and its SVG, black on white: it shows on any page.

    Raises: ConfigError naming the plot that cannot be drawn, with what Vega says.
    """
    import vl_convert

    for name, spec in specs.items():
        try:
            yield f"{Path(name).stem}.svg", vl_convert.vegalite_to_svg(spec)
        except ValueError as error:
            what = str(error).strip().splitlines()[0]
            raise ConfigError(Fault(f"plot {name}", what, "a spec of Vega-Lite")) from None


def main(revisions: Sequence[str], out: Path | None = None, svg: Path | None = None) -> None:
    """Write the page, or with `svg` a folder of pictures (and the page where `out` is given)."""
    specs, absent = drawn(declared(read_yaml(GRAPH)), revisions)
    if not specs:
        faults = [Fault(name, why, then="dvc repro") for name, why in absent.items()]
        raise InputError(*faults or [Fault(str(GRAPH), "declares no plots")])
    for name, why in absent.items():
        entry.say("plots", f"{name} is drawn, but {why}" if name in specs else f"no {name} ({why})")
    if svg:
        svg.mkdir(parents=True, exist_ok=True)
        for name, text in pictures(specs):
            with replacing(svg / name) as file:
                file.write(text)
        entry.say("plots", f"{len(specs)} pictures in {svg}")
    if out or not svg:
        out = out or PAGE
        with replacing(out) as file:
            file.write(page(" ".join(["TuneGraph", *revisions]), specs))
        entry.say("plots", f"{out}: open it in a browser, it needs no network")
