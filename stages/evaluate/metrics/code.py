"""Code: whether there is any, whether it parses, passes its cases, and looks like the reference."""

import ast
import logging
import re
import warnings
from math import inf
from typing import Any

from codebleu import calc_codebleu, dataflow_match
from codebleu.dataflow_match import get_data_flow

from stages.core.marks import CODE_LINE, has_code
from stages.core.records import Case
from stages.evaluate.metrics.metric import RowMetric
from stages.evaluate.sandbox import Limits, Sandbox
from stages.evaluate.verdicts import PASSED

FENCED = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
# What a line at the margin may begin with, once code has begun.
GOES_ON = re.compile(r"\s|$|[)\]}#'\"]|(?:else|elif|except|finally|try|with|async|del|assert)\b")
FLOOR = 0.25
COMPONENTS = {
    "codebleu": "codebleu",
    "codebleu_ngram": "ngram_match_score",
    "codebleu_weighted_ngram": "weighted_ngram_match_score",
    "codebleu_syntax": "syntax_match_score",
    "codebleu_dataflow": "dataflow_match_score",
}
# A value's name and token, how it comes about, the names of its sources and their tokens.
Flow = tuple[str, int, str, list[str], list[int]]


def code_of(text: str) -> str:
    """Return an answer's code: the first fenced block, else what is left without prose around.

    Without a fence it begins at the first line that looks like Python and ends before the first
    line at the margin that does not; where no line does, it is the whole text.
    """
    if fenced := FENCED.search(text):
        return fenced[1].strip("\n")
    lines = text.strip().splitlines()
    begins = next((at for at, line in enumerate(lines) if CODE_LINE.match(line)), None)
    if begins is None:
        return text.strip()
    ends = begins
    while ends < len(lines) and (GOES_ON.match(lines[ends]) or CODE_LINE.match(lines[ends])):
        ends += 1
    return "\n".join(lines[begins:ends])


def parses(code: str) -> bool:
    """Say whether it is Python, and more than bare expressions (any single word is one)."""
    try:
        with warnings.catch_warnings(action="ignore"):
            body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        not isinstance(statement, ast.Expr)
        and not (isinstance(statement, ast.AnnAssign) and statement.value is None)
        for statement in body
    )


def codebleu(code: str, reference: str) -> dict[str, float]:
    """Return CodeBLEU of one pair, as published (0.25 when nothing matches), and its components.

    Source: https://arxiv.org/abs/2009.10297, by https://github.com/k4black/codebleu
    """
    # It tells the root logger of every reference without a data flow; that is no news here.
    logging.getLogger().addFilter(_silent)
    dataflow_match.get_data_flow = _ordered_data_flow
    try:
        found = calc_codebleu([reference], [code], "python")
    finally:
        dataflow_match.get_data_flow = get_data_flow
        logging.getLogger().removeFilter(_silent)
    return {key: float(found[name]) for key, name in COMPONENTS.items()}


def in_order(flows: list[Flow]) -> list[Flow]:
    """Put the sources of each value in the order in which they stand in the code.

    The package takes them out of a set: their order, by which it numbers the variables, is that of
    the process's hash seed, and so is the score (0.734 in one run, 0.779 in the next).
    """
    names = {token: name for name, token, *_ in flows}
    ordered = []
    for name, token, relation, sources, tokens in flows:
        first: dict[str, int] = {}
        for at in sorted(tokens):
            first.setdefault(names.get(at, ""), at)
        place = {source: (first.get(source, inf), source) for source in sources}
        ordered.append((name, token, relation, sorted(sources, key=place.get), tokens))
    return ordered


def _ordered_data_flow(code: str, parser: Any) -> list[Flow]:
    return in_order(get_data_flow(code, parser))


def _silent(record: logging.LogRecord) -> bool:
    return "data-flow" not in record.getMessage()


class Code(RowMetric):
    """Any code, code that parses."""

    citation = "https://docs.python.org/3/library/ast.html"

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        return {
            "any": [float(has_code(text)) for text in predictions],
            "parses": [float(parses(code_of(text))) for text in predictions],
        }


class CodeBleu(RowMetric):
    """CodeBLEU row by row, as published, above its floor, and by component."""

    citation = "https://arxiv.org/abs/2009.10297"

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        pairs = zip(predictions, references, strict=True)
        found = [codebleu(code_of(text), code_of(reference)) for text, reference in pairs]
        values = {key: [of_row[key] for of_row in found] for key in COMPONENTS}
        above = [(value - FLOOR) / (1 - FLOOR) for value in values["codebleu"]]
        return values | {"codebleu_above_floor": above}


class Passes(RowMetric):
    """Code that gives the right result in every case; runs what a model wrote."""

    citation = "https://arxiv.org/abs/2107.03374"

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        cases: list[list[Case]],
        limits: Limits,
    ) -> dict[str, Any]:
        codes = [code_of(text) for text in predictions]
        with Sandbox(limits) as sandbox:
            verdicts = [  # nothing is run that cannot define a function
                sandbox.run(code, of_row) if parses(code) else "does not parse"
                for code, of_row in zip(codes, cases, strict=True)
            ]
            guards = sandbox.told()
        passes = [float(verdict == PASSED) for verdict in verdicts]
        return {"passes": passes, "verdicts": verdicts, "guards": guards}
