"""Requested, replied, parsed, repaired, rejected, split: the rows as a flow with counts."""

from typing import Any

from markupsafe import Markup

from stages.report.build import Build
from stages.report.page import sankey
from stages.report.page.frame import render
from stages.report.page.sankey import Flow, finite

TITLE = "The data's story"
SIDES = ("train", "val", "test")
# What becomes of a reply, in the order in which validate tries it; rejected is the last.
WAYS = {"parsed": "as they came", "repaired": "repaired", "overridden": "by hand"}
ALIKE = {"duplicates": "duplicates", "near_duplicates": "near-duplicates"}
LEAKS = {"row": "the row itself", "prompt": "its prompt", "group": "its group"}


def reasons(data: dict[str, Any]) -> str:
    """Say why replies were rejected, the commonest first."""
    found = {why: finite(count) for why, count in data.get("rejected_by_reason", {}).items()}
    met = sorted((each for each in found.items() if each[1]), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{why} {count:,}" for why, count in met)


def replies(flow: Flow, data: dict[str, Any], level: int) -> int:
    """Add what became of the replies, down to the rows that they made; return the next level.

    An unanswered request is rejected (`no_reply`), or its row was written by hand.
    """
    count = {key: finite(data.get(key)) for key in ("requested", "replied", "rejected", "rows")}
    count |= {key: finite(data.get(key)) for key in (*WAYS, *ALIKE)}
    silent = count["requested"] - count["replied"]
    flow.node("requested", "requested", count["requested"], level)
    flow.node("replied", "replied", count["replied"], level + 1)
    flow.node("silent", "no answer", silent, level + 1, kind="out")
    flow.link("requested", "replied", count["replied"])
    flow.link("requested", "silent", silent)
    lost = min(silent, finite(data.get("rejected_by_reason", {}).get("no_reply")))
    for way, label in WAYS.items():
        flow.node(way, label, count[way], level + 2)
        by_hand = min(silent - lost, count[way]) if way == "overridden" else 0
        flow.link("replied", way, count[way] - by_hand)
        flow.link("silent", way, by_hand)
    flow.node("rejected", "rejected", count["rejected"], level + 2, kind="out", note=reasons(data))
    flow.link("replied", "rejected", count["rejected"] - lost)
    flow.link("silent", "rejected", lost)
    level, made = level + 3, [(way, count[way]) for way in WAYS]
    if any(count[key] for key in ALIKE):  # of which way they came is counted nowhere
        proved = sum(each for _, each in made)
        flow.node("proved", "sound records", proved, level)
        for way, each in made:
            flow.link(way, "proved", each)
        level, made = level + 1, [("proved", proved - sum(count[key] for key in ALIKE))]
    flow.node("rows", "rows of replies", count["rows"], level)
    for way, each in made:
        flow.link(way, "rows", each)
    for key, label in ALIKE.items():
        flow.node(key, label, count[key], level, kind="out")
        flow.link("proved", key, count[key])
    return level + 1


def left_out(origin: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return how many lines a source had before some were left out, and how many, by why."""
    chats, nulls = origin.get("conversations", {}), origin.get("nulls", {})
    lost = {str(why): finite(count) for why, count in chats.get("left_out", {}).items()}
    if nulls:
        lost["a cell that says nothing"] = finite(nulls.get("dropped"))
    return finite(origin.get("rows")) + sum(lost.values()), lost


def source(flow: Flow, name: str, origin: dict[str, Any], level: int) -> int:
    """Add an imported source, and what was left out of it; return how many rows flow on."""
    read, lost = left_out(origin)
    rows, key = finite(origin.get("rows")), f"source {name}"
    if read > rows:
        flow.node(f"read {name}", f"{name}, as read", read, level - 1)
        flow.link(f"read {name}", key, rows)
    flow.node(key, name, rows, level)
    if read > rows:
        reasons_met = ((why.replace("_", " "), count) for why, count in lost.items() if count)
        note = ", ".join(f"{why} ({count:,})" for why, count in reasons_met)
        flow.node(f"lost {name}", "left out", read - rows, level, kind="out", note=note)
        flow.link(f"read {name}", f"lost {name}", read - rows)
    return rows


def sides(flow: Flow, name: str, found: dict[str, Any], level: int) -> None:
    """Add a set, and what its rows were split into; what is not told has a node of its own."""
    rows, key = finite(found.get("rows")), f"set {name}"
    flow.node(key, f"set {name}", rows, level)
    leaking = {why: finite(count) for why, count in found.get("leaking", {}).items()}
    why = ", ".join(
        f"{LEAKS.get(each, each)} ({count:,})" for each, count in leaking.items() if count
    )
    why = f"taken out; on a side that is held out: {why}" if why else ""
    parts = [(side, side, finite(found.get(side)), side, "") for side in SIDES]
    parts.append(("leaking", "would leak", sum(leaking.values()), "out", why))
    parts.append(("capped", "over the cap", finite(found.get("capped")), "out", ""))
    rest = rows - sum(part[2] for part in parts)
    parts.append(("rest", "not told", rest, "out", ""))
    for part, label, count, kind, note in parts:
        flow.node(f"{part} of {name}", label, count, level + 1, kind=kind, note=note)
        flow.link(key, f"{part} of {name}", count)


def of_set(name: str, build: Build, *, asked: bool) -> Flow:
    """Return the flow of one set.

    asked: with all that became of the replies before; else its rows of replies are one node
    """
    found, flow = build.splits[name], Flow()
    origins = found.get("sources", {})
    level, sum_in = 1, 0
    if origins.get("requested"):
        if asked:
            level = replies(flow, build.data, 0) - 1
        else:
            flow.node("rows", "rows of replies", finite(build.data.get("rows")), level)
        sum_in += finite(build.data.get("rows"))
        flow.link("rows", f"set {name}", finite(build.data.get("rows")))
    for each in origins.get("imported", {}):
        count = source(flow, each, build.origins.get(each, {}), level)
        flow.link(f"source {each}", f"set {name}", count)
        sum_in += count
    rest = finite(found.get("rows")) - sum_in
    flow.node("other", "other sources", rest, level)
    flow.link("other", f"set {name}", rest)
    sides(flow, name, found, level + 1)
    return flow


def flows(build: Build) -> list[tuple[str, str, Flow]]:
    """Return (name, heading, flow) of each set that has rows; that of the replies comes first.

    Where replies feed several sets, or none, they are a flow of their own.
    """
    there = [name for name, found in build.splits.items() if finite(found.get("rows"))]
    fed = [name for name in there if build.splits[name].get("sources", {}).get("requested")]
    asked = finite(build.data.get("requested")) > 0
    found = []
    if asked and len(fed) != 1:
        own = Flow()
        replies(own, build.data, 0)
        found.append(("", "From request to row", own))
    for name in sorted(there, key=lambda name: (name not in fed, there.index(name))):
        with_replies = asked and fed == [name]
        heading = f"From request to the set {name}" if with_replies else f"The set {name}"
        found.append((name, heading, of_set(name, build, asked=with_replies)))
    return found


def words(build: Build) -> list[str]:
    """Say who was asked, what was sent back, and which sources are in no set."""
    data, told = build.data, []
    teachers = sorted({
        teacher
        for found in build.splits.values()
        for teacher in found.get("sources", {}).get("requested", {})
    })  # fmt: skip
    asked = finite(data.get("requested"))
    if not asked:
        told.append("No teacher was asked: all rows come from sources.")
    elif teachers:
        told.append(f"Who replied: {', '.join(teachers)}.")
    if "exact" in data:  # validate says it where a truth is known: the offline teacher's
        told.append(
            "A program replied, so that the truth is known: "
            f"{finite(data['exact']):,} records say it, "
            f"{finite(data.get('silently_wrong')):,} something else."
        )
    if before := finite(build.costs.get("generate", {}).get("found")):
        now = finite(build.costs["generate"].get("paid"))
        told.append(
            f"{before:,} replies came with the recipe or were in the journal; {now:,} were new."
        )
    if again := finite(data.get("reasked")):
        back = finite(data.get("reask_recovered"))
        told.append(f"{again:,} replies were sent back with the reason; {back:,} came back sound.")
    used = {
        name
        for found in build.splits.values()
        for name in found.get("sources", {}).get("imported", {})
    }
    unused = [name for name in build.origins if name not in used]
    lines = ", ".join(f"{name} ({finite(build.origins[name].get('rows')):,})" for name in unused)
    if asked and len(unused) == 1:  # requests are made of a source, and that one is in no set
        told.append(f"The requests were made of the lines of {lines}.")
    elif unused:
        told.append(f"Read, and in no set by themselves: {lines}.")
    return told


def part(build: Build) -> Markup:
    """Return the part; nothing where there are no rows."""
    pictures = []
    for number, (name, heading, flow) in enumerate(flows(build), 1):
        if not flow.nodes:
            continue
        shown = sankey.folded(flow)
        found, odd = build.splits.get(name, {}), sankey.odd(flow)
        pictures.append(
            {
                "id": f"story-{number}",
                "heading": heading,
                "drawn": sankey.drawn(shown),
                "told": sankey.told(shown),
                "notes": [(node.label, node.note) for node in shown.nodes if node.note],
                "odd": odd,
                "sample": finite(found.get("train_sample")),
                "joined": finite(found.get("joined")),
                "rows": sankey.table(flow),
                "plain": bool(name)
                and not odd
                and all(len(row) == 1 for row in sankey.levels(flow)),
                "name": name,
                "end": (flow.nodes[-1].label, flow.nodes[-1].count),
            }
        )
    if not pictures:
        return Markup("")
    whole = [picture for picture in pictures if picture["plain"]]
    return render("story.html", pictures=pictures, whole=whole, words=words(build))
