"""Requests that a rate limit turns away, and rows that are lost to it.

A server with a token bucket (40 requests a second, 10 at once) meets 64 in flight. A request that
it answers with 429 was useless. Once for each way in which a server can say how long to wait; the
plain loop with the openai package's own retries beside it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from figures import Figure, report
from generating import Project, Server, alone, alone_right, scratch, serving
from server import WAITS

from tools.show import aligned


def share(stats: dict[str, Any], behaviour: dict[str, Any]) -> float:
    """Return how fast it went, as a share of what the limit allows (0 to 1)."""
    least_s = max(0, stats["answered"] - behaviour["burst"]) / behaviour["rate"]
    return least_s / max(1e-9, stats["last_s"] - stats["first_s"])


def storm(
    server: Server, project: Project, behaviour: dict[str, Any], rows: int, in_flight: int | None
) -> dict[str, Any]:
    """Run the stage, or the plain loop with so many in flight, once; return what happened."""
    server.behave(**behaviour)
    if in_flight is None:
        status = project.start().wait().status
        right = project.right() if (project.folder / "replies.jsonl").exists() else 0
    else:
        settings = {"base_url": server.base_url, "max_in_flight": in_flight}
        status = alone("with_openai.py", project, **settings).wait().status
        right = alone_right(project)
    if status:
        said = project.said if in_flight is None else project.folder / "alone.txt"
        print(f"{project.folder.name}: exit {status}\n{said.read_text()[-1000:]}", file=sys.stderr)
    stats = server.stats()
    speed = share(stats, behaviour)
    return {
        "limited": stats["limited"],
        "useless": 100 * stats["limited"] / rows,
        "lost": rows - right,
        "speed": speed,
        "status": status,
    }


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rate", type=float, default=40.0, help="requests per second")
    parser.add_argument("--burst", type=int, default=10)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency-s", type=float, default=0.25)
    parser.add_argument("--waits", nargs="+", choices=WAITS, default=WAITS)
    parser.add_argument("--stage-only", action="store_true", help="without the plain loop")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    figures, runs = [], []
    with scratch() as at, serving() as server:
        for wait in args.waits:
            behaviour = {"latency_s": args.latency_s, "rate": args.rate, "burst": args.burst}
            behaviour["wait"] = wait
            for who in ("stage",) if args.stage_only else ("stage", "plain loop"):
                project = Project(
                    at / f"{who}-{wait}", server.base_url, args.rows,
                    max_in_flight=args.in_flight, timeout_s=30,
                )  # fmt: skip
                in_flight = None if who == "stage" else args.in_flight
                told = storm(server, project, behaviour, args.rows, in_flight)
                runs.append({"who": who, "wait": wait, **told})
            told = next(run for run in reversed(runs) if run["who"] == "stage")
            figures += [
                Figure(f"{wait}: useless requests", told["useless"], "%", None, 10, 5),
                Figure(f"{wait}: rows lost", told["lost"], "", at_most=0),
            ]
    rows = [("wait told by", "", "429s", "share of rows", "rows lost", "of the limit", "exit")]
    for run in runs:
        rows.append(
            (
                run["wait"], run["who"], str(run["limited"]), f"{run['useless']:.1f} %",
                str(run["lost"]), f"{run['speed']:.2f}", str(run["status"]),
            )
        )  # fmt: skip
    print(aligned(rows), end="\n\n")
    report(figures, args.json, runs=runs)


if __name__ == "__main__":
    main()
