"""Measure the speed of generation against what latency allows, and the CPU time of a reply.

(a) With a latency of 1 s and 128 in flight no client can do more than 128 rows/s. The time runs
    from the first request that the server sees to the last reply in the journal. It needs a quiet
    machine.
(b) CPU (user and system) of the whole stage against `openai[aiohttp]` used alone, in turns, on a
    server without latency: the median of the ratios. "Imports apart" takes off a run over one row.
"""

import argparse
import statistics
from pathlib import Path

from figures import Figure, report
from generating import Project, Server, alone, alone_right, scratch, serving


def speed(server: Server, at: Path, rows: int, in_flight: int, latency_s: float) -> list[Figure]:
    """Measure (a)."""
    project = Project(at, server.base_url, rows, max_in_flight=in_flight, timeout_s=60)
    server.behave(latency_s=latency_s)
    used = project.generate()
    stats = server.stats()
    took_s = project.journal.stat().st_mtime - stats["first_s"]
    most = in_flight / latency_s
    wrong = rows - project.right()
    return [
        Figure("rows/s as a share of in-flight/latency", rows / took_s / most, "", 0.85, goal=0.95),
        Figure("the same by the whole stage's time", rows / used.wall_s / most),
        Figure("rows lost or wrong", wrong, "", at_most=0),
        Figure("requests beyond one a row", stats["requests"] - rows),
        Figure("most at once, seen by the server", stats["most_at_once"]),
    ]


def cpu(
    server: Server, at: Path, rows: int, in_flight: int, repeats: int
) -> tuple[list[Figure], dict[str, list[float]]]:
    """Measure (b); return the figures, and the ms of every run."""
    server.behave()
    settings = {"base_url": server.base_url, "max_in_flight": in_flight}
    ms: dict[str, list[float]] = {name: [] for name in ("stage", "stage all", "loop", "loop all")}
    wrong = 0
    for repeat in range(repeats):
        for name in ("stage", "loop") if repeat % 2 else ("loop", "stage"):
            spent = []
            for count in (1, rows):
                folder = at / f"{name}-{repeat}-{count}"
                project = Project(folder, server.base_url, count, max_in_flight=in_flight)
                if name == "stage":
                    spent.append(project.generate().cpu_s)
                    wrong += count - project.right()
                else:
                    spent.append(alone("with_openai.py", project, **settings).wait().cpu_s)
                    wrong += count - alone_right(project)
            ms[name].append(1e3 * (spent[1] - spent[0]) / (rows - 1))
            ms[f"{name} all"].append(1e3 * spent[1] / rows)

    def ratio(kind: str) -> float:
        pairs = zip(ms[f"stage{kind}"], ms[f"loop{kind}"], strict=True)
        return statistics.median(stage / loop for stage, loop in pairs)

    found = [
        Figure("CPU per reply, imports apart, of the plain loop's", ratio(""), "x", None, 1.1, 0.8),
        Figure("CPU per reply, imports included", ratio(" all"), "x"),
        *(
            Figure(f"{who}, imports {which}", statistics.median(ms[who + kind]), "ms")
            for who in ("stage", "loop")
            for kind, which in (("", "apart"), (" all", "included"))
        ),
        Figure("rows lost or wrong in these runs", wrong, "", at_most=0),
    ]
    return found, ms


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--latency-s", type=float, default=1.0)
    parser.add_argument("--in-flight", type=int, default=128, help="of (a); (b) takes half of it")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of runs of (b)")
    parser.add_argument("--only", choices=("speed", "cpu"))
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    figures: list[Figure] = []
    runs: dict[str, list[float]] = {}
    with scratch() as at, serving() as server:
        if args.only != "cpu":
            figures += speed(server, at / "speed", args.rows, args.in_flight, args.latency_s)
        if args.only != "speed":
            found, runs = cpu(server, at, args.rows, max(1, args.in_flight // 2), args.repeats)
            figures += found
    report(figures, args.json, rows=args.rows, runs_ms=runs)


if __name__ == "__main__":
    main()
