"""What may be wrong with the sections of the metrics: what they ask for must be measurable."""

from collections.abc import Iterator

from stages.check.meaning import Params, located, section, unknown
from stages.core.errors import Fault
from stages.core.keys import CHAT, UNASKED
from stages.core.scores import KEYS

# What py3langid tells apart: its labels, which take half a CPU-second to read from its model.
CODES = (
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu "
    "ext fa fi fo fr fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is "
    "it ja jv ka kab kik kk km kn ko ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne "
    "nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl sn so sq sr st sv sw ta "
    "te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu zxx"
)
LANGUAGES = CODES.split()
ALL = "all"  # beside the sections in metrics/comparison and summary.json


def check_scoring(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with `evaluate.sections`, `evaluate.table`, `evaluate.headline`."""
    return located(file, check_scores(params))


def fits_primary(metric: str) -> bool:
    """Tell whether forgetting can be taken of a metric: row by row, and better or worse."""
    return KEYS[metric].over == "row" and KEYS[metric].higher_is_better is not None


def _needs(params: Params, where: str, entry: Params, metric: str) -> Iterator[Fault]:
    """Hold that a section says what one of its metrics needs."""
    key = KEYS[metric]
    if key.languages and entry.get("language") not in key.languages:
        what = f"{metric!r} needs to know the language of the answers"
        yield Fault(f"{where}.language", what, "one of: " + ", ".join(key.languages))
    if key.setting and not entry.get(key.setting):
        what = f"{metric!r} needs to know which language the answers are to be in"
        yield Fault(f"{where}.{key.setting}", what, "an ISO 639-1 code, as ro")
    elif key.setting and entry[key.setting] not in LANGUAGES:
        what = f"{entry[key.setting]!r} is no language that can be told from others"
        yield Fault(f"{where}.{key.setting}", what, "one of: " + ", ".join(LANGUAGES))
    if key.needs == "hidden_similarity" and not section(params, "answer").get(key.needs):
        what = f"{metric!r} is taken while the model answers"
        yield Fault(f"{where}.metrics", what, then="write hidden_similarity: true at answer")


def check_table(params: Params, sections: Params) -> Iterator[Fault]:
    """Hold that the columns of the report's first table are figures that are computed."""
    for at, column in enumerate(section(params, "evaluate").get("table", [])):
        where = f"evaluate.table[{at}]"
        name, _, metric = column.rpartition(".")
        yield from unknown(where, name, sections, "section")
        metrics = sections.get(name, {}).get("metrics", [])
        if metrics and KEYS.keys() >= {*metrics}:  # what is unknown there is told there
            then = f"add {metric} to evaluate.sections.{name}.metrics" if metric in KEYS else ""
            known = [f"{name}.{each}" for each in metrics]
            yield from unknown(where, column, known, "figure", then)


def check_scores(params: Params) -> Iterator[Fault]:
    """Hold that the sections of the metrics ask for what can be measured."""
    sections = section(params, "evaluate.sections")
    for name, entry in sections.items():
        where, metrics = f"evaluate.sections.{name}", entry.get("metrics", [])
        if name == ALL:
            yield Fault(where, "is what the mean over the sections is called", "another name")
        if name == CHAT:
            what = "is what the section of the chat window's verdicts is called"
            yield Fault(where, what, "another name")
        for at, metric in enumerate(metrics):
            found = unknown(f"{where}.metrics[{at}]", metric, KEYS.keys() - UNASKED, "metric")
            yield from found or _needs(params, where, entry, metric)
        primary = entry.get("primary")
        if primary is not None and metrics and primary not in metrics:
            what = f"{primary!r} is not among the section's metrics"
            yield Fault(f"{where}.primary", what, "one of: " + ", ".join(metrics))
        elif primary in KEYS and not fits_primary(primary):
            what = f"{primary!r} has no better direction, or no value of each row"
            fit = [metric for metric in metrics if metric in KEYS and fits_primary(metric)]
            yield Fault(f"{where}.primary", what, "one of: " + (", ".join(fit) or "there is none"))
    if not sections:
        return
    yield from check_table(params, sections)
    for at, name in enumerate(section(params, "evaluate").get("headline", [])):
        where = f"evaluate.headline[{at}]"
        yield from unknown(where, name, sections, "section")
        if name in sections and "primary" not in sections[name]:
            what = f"the section {name!r} has no primary metric"
            then = f"add `primary:` to evaluate.sections.{name}"
            yield Fault(where, what, "forgetting and recovery are of one metric", then)
