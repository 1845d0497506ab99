"""Count the rows that are lost, wrong or paid twice under each single fault of a server.

The fault hits one row of ten, which has to be either the right row after validate, or a reject with
its reason. Faults of the account (bad key, no credit, quota gone) hit whatever comes after the
third answer: generate has to stop with exit 1 and keep what arrived; once the fault is gone, it
asks for the rest and for nothing else.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Figure, report
from generating import Project, Server, request_id, scratch, serving
from server import faulty, record

from tools.show import aligned

EVERY = 10


@dataclass(frozen=True)
class Case:
    """A fault of rows, and what has to become of them.

    times:  how often a question gets it; None: for ever
    reason: why its rows are rejects; None: they are rows
    asked:  how often its question may be asked; None: as often as the retries allow
    """

    fault: str
    times: int | None
    reason: str | None
    asked: int | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.fault if self.fault in ONE_ASK else f"{self.fault}, {self.often}"

    @property
    def often(self) -> str:
        """How often, in words."""
        return "once" if self.times else "for ever"


# What the same question again will not change.
ONE_ASK = {"length": "length", "refusal": "refusal", "empty": "empty", "filter": "content_filter"}
PASSING = ("429", "500", "hang", "reset", "cut", "html", "choices")
CASES = (
    *(Case(fault, 1, None, 2) for fault in PASSING),
    *(Case(fault, None, "no_reply") for fault in PASSING),
    *(Case(fault, None, reason, 1) for fault, reason in ONE_ASK.items()),
)
ACCOUNT = ("401", "402", "403", "quota")


def outcome(project: Project, rows: int) -> tuple[Counter[str], int]:
    """Return what became of the requests (row, or the reason of the reject), and how many are bad.

    Bad is lost, wrong, or both a row and a reject.
    """
    made = {row["request"]: row["record"] for row in project.read("rows.jsonl")}
    rejects = {reject["request"]: reject["reason"] for reject in project.read("rejects.jsonl")}
    became, bad = Counter(), 0
    for number in range(rows):
        name = request_id(number)
        if name in made:
            became["row"] += 1
            bad += made[name] != record(number) or name in rejects
        elif name in rejects:
            became[rejects[name]] += 1
        else:
            bad += 1
    return became, bad


def of_rows(server: Server, project: Project, case: Case, rows: int) -> dict[str, Any]:
    """Run one fault of rows; return the line of the table."""
    server.behave(fault=case.fault, every=EVERY, times=case.times, latency_s=0.01)
    used = project.start().wait()
    hit = [number for number in range(rows) if faulty(number, EVERY)]
    questions = server.questions()
    asked = max(len(questions["asked"].get(number, [])) for number in hit)
    twice = sum(len(epochs) > 1 for epochs in questions["answered"].values())
    if used.status or project.validate().status:
        became, bad = Counter(), rows
    else:
        became, bad = outcome(project, rows)
    wanted = Counter({"row": rows - len(hit)})
    wanted[case.reason or "row"] += len(hit)
    more = case.asked is not None and asked > case.asked
    return {
        "fault": case.name,
        "exit": used.status,
        "became": dict(became),
        "asked": asked,
        "wall_s": used.wall_s,
        "bad": bad,
        "twice": twice,
        "as_wanted": became == wanted and not used.status and not more,
    }


def of_account(server: Server, project: Project, fault: str, rows: int) -> dict[str, Any]:
    """Run one fault of the account, take it away, run again; return the line of the table."""
    server.behave(fault=fault, after=3, latency_s=0.01)
    used = project.start().wait()
    said = project.said.read_text()
    answered = server.stats()["answered"]
    refused = server.stats()["requests"] - answered
    server.change(fault=None, after=None)
    again = project.start().wait()
    questions = server.questions()["answered"]
    twice = sum(len(epochs) > 1 for epochs in questions.values())
    if again.status or project.validate().status:
        became, bad = Counter(), rows
    else:
        became, bad = outcome(project, rows)
    plain = "Traceback" not in said and "to do:" in said
    return {
        "fault": f"account: {fault}",
        "exit": used.status,
        "became": dict(became),
        "asked": refused,
        "wall_s": used.wall_s,
        "bad": bad,
        "twice": twice,
        "as_wanted": used.status == 1 and plain and answered >= 3 and became == {"row": rows},
    }


def complain(project: Project, line: dict[str, Any]) -> None:
    """Show what the stage said last, where something was not as wanted."""
    if not line["as_wanted"]:
        print(f"{line['fault']}:\n{project.said.read_text()[-1000:]}", file=sys.stderr)


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--only", nargs="+", help="faults, as the server calls them")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    # Few retries and a short patience: what a fault for ever costs is not what is measured.
    settings = {"max_in_flight": 8, "max_retries": 3, "timeout_s": 2}
    lines = []
    with scratch() as at, serving() as server:
        for case in CASES:
            if not args.only or case.fault in args.only:
                project = Project(at / case.name, server.base_url, args.rows, **settings)
                lines.append(of_rows(server, project, case, args.rows))
                complain(project, lines[-1])
        for fault in ACCOUNT:
            if not args.only or fault in args.only:
                project = Project(at / fault, server.base_url, args.rows, **settings)
                lines.append(of_account(server, project, fault, args.rows))
                complain(project, lines[-1])
    shown = [("fault", "exit", "became", "asked", "s", "bad", "paid twice", "")]
    for line in lines:
        became = ", ".join(f"{count} {what}" for what, count in sorted(line["became"].items()))
        verdict = "ok" if line["as_wanted"] else "NOT AS WANTED"
        shown.append(
            (
                line["fault"], str(line["exit"]), became, str(line["asked"]),
                f"{line['wall_s']:.1f}", str(line["bad"]), str(line["twice"]), verdict,
            )
        )  # fmt: skip
    print(aligned(shown))
    print(
        f"{args.rows} rows each; asked: the most that one faulty question was asked; of an account,"
        "\nthe requests that it refused\n"
    )
    figures = [
        Figure("faults tried", len(lines), "", at_least=1),
        Figure("rows lost or wrong", sum(line["bad"] for line in lines), "", at_most=0),
        Figure("questions paid twice", sum(line["twice"] for line in lines), "", at_most=0),
        Figure("not as wanted", sum(not line["as_wanted"] for line in lines), "faults", None, 0),
    ]
    report(figures, args.json, faults=lines)


if __name__ == "__main__":
    main()
