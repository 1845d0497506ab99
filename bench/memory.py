"""Peak memory of generate with 100,000 rows queued, against 1,000.

The whole stage, from reading the requests to writing the replies; on a server without latency.
"""

import argparse
import resource
from pathlib import Path

from figures import Figure, report
from generating import Project, Used, scratch, serving


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1000, help="what it is compared with")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    used: dict[int, Used] = {}
    wrong = 0
    with scratch() as at, serving() as server:
        for rows in (args.few, args.rows):
            server.behave()
            settings = {"max_in_flight": args.in_flight, "timeout_s": 60}
            project = Project(at / str(rows), server.base_url, rows, **settings)
            used[rows] = project.generate()
            wrong += rows - project.right()
        again = project.generate()  # all of it is in the journal by now
    # A child begins with its parent's peak: this process has to stay the smaller one.
    mine_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    few, many = used[args.few], used[args.rows]
    assert mine_mb < few.peak_mb, "the measuring process is larger than what it measures"
    figures = [
        Figure(f"more than with {args.few:,} rows", many.peak_mb - few.peak_mb, "MB", None, 20),
        Figure(f"peak with {args.few:,} rows", few.peak_mb, "MB"),
        Figure(f"peak with {args.rows:,} rows", many.peak_mb, "MB"),
        Figure("peak with all of them in the journal", again.peak_mb, "MB"),
        Figure("rows/s", args.rows / many.wall_s),
        Figure("rows lost or wrong", wrong, "", at_most=0),
    ]
    report(figures, args.json, rows=args.rows)


if __name__ == "__main__":
    main()
