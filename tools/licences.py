"""Tell under which licence everything stands that a card is about, and who says so.

params.yaml (`licenses`) says it for what was written for the recipe; the hub's own cards say it of
what came from there, where they are in its cache. What nobody says is told as not known.
Source: https://huggingface.co/docs/hub/repositories-licenses
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from stages.report.markdown import escape, table
from tools import hub
from tools.facts import Built, Facts, Sources

UNKNOWN = "not known"


class Licence(NamedTuple):
    """What stands under a licence: what it is, the licence in the hub's words, who says so."""

    what: str
    kind: str
    licence: str | None
    by: str


def said(params: dict[str, Any], part: str) -> Any:
    """Return what params.yaml says of a part: base, models, data or sources."""
    return (params.get("licenses") or {}).get(part)


def spelled(told: Any) -> str | None:
    """Return a licence as one text: the hub takes a list, too."""
    if isinstance(told, list):
        return ", ".join(map(str, told)) or None
    return None if told is None else str(told)


def of_sources(params: dict[str, Any], sources: Sources) -> list[Licence]:
    """Return the licence of each source."""
    found = []
    for name, source in sources.items():
        kind = source.get("kind", "")
        licence, by = (said(params, "sources") or {}).get(name), "params.yaml"
        if licence is None and kind == "hub":
            at = {"source": "hub", "id": source["path"], "revision": source.get("revision")}
            licence, by = spelled(hub.shipped(at, "dataset").get("license")), "its own card"
        found.append(Licence(name, f"source, {kind}", licence, by))
    return found


def of_teachers(teachers: Iterable[str]) -> list[Licence]:
    """Return a line for each teacher: no licence, but terms."""
    return [Licence(each, "teacher: its terms may bind", None, "") for each in teachers]


def of_base(facts: Facts, shipped: dict[str, Any]) -> Licence:
    """Return the base's licence. shipped: what its own card says."""
    base = facts.manifest["base"]
    kind = "base, trained here from the sources below" if base["source"] == "scratch" else "base"
    own = spelled(shipped.get("license_name") or shipped.get("license"))
    licence, by = (own, "its own card") if own else (said(facts.params, "base"), "params.yaml")
    if licence is None and base["source"] == "scratch":
        licence = said(facts.params, "models")
    return Licence(base["id"] or "base", kind, licence, by)


def of_model(facts: Facts, shipped: dict[str, Any]) -> dict[str, Any]:
    """Return what the front matter says: the recipe's word, or else the base's licence."""
    languages = {key: told for key, told in shipped.items() if key == "language"}
    if not languages and (spoken := facts.languages(facts.sets)):
        languages = {"language": spoken}
    if named := said(facts.params, "models"):
        return {"license": named, **languages}
    if shipped.get("license"):
        return shipped | languages
    named = said(facts.params, "base") if facts.manifest["base"]["source"] != "scratch" else None
    return ({"license": named} if named else {}) | languages


def lines(own: str | None, rest: list[Licence], whose: str) -> list[str]:
    """Return the card's part on licences.

    own: of what the card is about; whose: what that is
    """
    told = f"{whose}: {escape(own)}." if own else f"{whose}: no licence is named."
    rows = [
        [escape(each.what), escape(each.kind), escape(each.licence or UNKNOWN), escape(each.by)]
        if each.licence
        else [escape(each.what), escape(each.kind), UNKNOWN, ""]
        for each in rest
    ]
    head = ["made of", "which is", "licence", "says"]
    found = ["## Licences", "", told, "", *(table(head, rows, left=4) if rows else [])]
    open_ = [each for each in rest if not each.licence and not each.kind.startswith("teacher")]
    if open_:
        names = ", ".join(escape(each.what) for each in open_)
        found += [f"Nobody says under which licence {names} may be used: find out first.", ""]
    return found


def built(facts: Built, sets: list[str]) -> list[Licence]:
    """Return the licences of all that the rows of sets were made of."""
    return of_sources(facts.params, facts.origins(sets)) + of_teachers(facts.teachers(sets))
