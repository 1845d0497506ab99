"""CPU per reply against bespokelabs-curator and distilabel, on the same rows and the same server.

Each peer is installed by pip, once, into an environment of its own below .cache/bench/. CPU is user
and system time of the process and its children, in turns; "imports apart" takes off a run over one
row. A peer that cannot be installed or run fails its own figure, and the other is still measured.
"""

import argparse
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from figures import Figure, report
from fresh import ROOT
from generating import Project, Server, alone, alone_right, scratch, serving

# What pip gets: distilabel imports requests without saying so.
PEERS = {
    "curator": ("bespokelabs-curator==0.1.31",),
    "distilabel": ("distilabel[openai]==1.5.3", "requests"),
}
GOALS = {"curator": 0.5, "distilabel": None}


def install(name: str) -> str | None:
    """Return the Python of a peer's environment, made if need be; None when pip cannot."""
    place = ROOT / ".cache" / "bench" / name
    python, done = place / "bin" / "python", place / "installed.txt"
    wanted = "\n".join(PEERS[name])
    if done.exists() and done.read_text() == wanted:
        return str(python)
    print(f"installing {' '.join(PEERS[name])} into {place.relative_to(ROOT)}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(place)], check=False).returncode
    command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", *PEERS[name]]
    if made:
        return None
    pip = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if pip.returncode:
        print(pip.stderr[-500:], file=sys.stderr)
        return None
    done.write_text(wanted)
    return str(python)


class Peer:
    """One of those measured: `python` runs its script of bench/alone, or None: the stage.

    apart, included: ms of CPU per reply, a run each
    failed:          why it could not be measured
    """

    def __init__(self, name: str, python: str | None) -> None:
        self.name, self.python = name, python
        self.apart: list[float] = []
        self.included: list[float] = []
        self.failed: str | None = None

    def cpu_s(self, server: Server, at: Path, rows: int, in_flight: int) -> float:
        """Run it over so many rows and return its CPU-seconds; NaN when it failed."""
        server.behave()
        project = Project(at, server.base_url, rows, max_in_flight=in_flight)
        if self.python is None:
            used = project.generate()
            right = project.right()
        else:
            settings = {"base_url": server.base_url, "max_in_flight": in_flight}
            run = alone(f"with_{self.name}.py", project, self.python, **settings)
            used = run.wait()
            right = alone_right(project)
        if used.status or right < rows:
            self.failed = f"exit {used.status}, {right} of {rows} rows right"
            said = project.said if self.python is None else project.folder / "alone.txt"
            print(said.read_text()[-2000:], file=sys.stderr)
            return math.nan
        shutil.rmtree(at)
        return used.cpu_s

    def measure(self, server: Server, at: Path, rows: int, in_flight: int) -> None:
        """Add a run."""
        one = self.cpu_s(server, at / "one", 1, in_flight)
        many = math.nan if self.failed else self.cpu_s(server, at / "many", rows, in_flight)
        self.apart.append(1e3 * (many - one) / (rows - 1))
        self.included.append(1e3 * many / rows)


def figures(stage: Peer, peers: list[Peer]) -> list[Figure]:
    """Return the figures: the stage against each peer, by the median of the ratios of the runs."""

    def ratio(mine: list[float], other: list[float]) -> float:
        ratios = [a / b for a, b in zip(mine, other, strict=False)]
        return statistics.median(ratios) if ratios else math.nan

    found = []
    for peer in peers:
        apart = ratio(stage.apart, peer.apart)
        included = ratio(stage.included, peer.included)
        goal = GOALS[peer.name]
        found.append(Figure(f"CPU per reply, of {peer.name}'s", apart, "x", None, 1.0, goal))
        found.append(Figure(f"the same, imports included, of {peer.name}'s", included, "x"))
    for one in (stage, *peers):
        if one.apart:
            found.append(Figure(f"{one.name}, imports apart", statistics.median(one.apart), "ms"))
    return found


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=sorted(PEERS), default=list(PEERS))
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    stage, peers = Peer("stage", None), []
    for name in args.only:
        python = install(name)
        peers.append(Peer(name, python))
        if python is None:
            peers[-1].failed = "pip could not install it"
    with scratch() as at, serving() as server:
        for repeat in range(args.repeats):
            able = [stage, *(peer for peer in peers if not peer.failed)]
            for one in able[:: -1 if repeat % 2 else 1]:
                one.measure(server, at / f"{one.name}-{repeat}", args.rows, args.in_flight)
    for one in (stage, *peers):
        if one.failed:
            print(f"{one.name} was not measured: {one.failed}", flush=True)
    runs = {
        one.name: {"apart_ms": one.apart, "included_ms": one.included} for one in (stage, *peers)
    }
    report(figures(stage, peers), args.json, rows=args.rows, runs=runs)


if __name__ == "__main__":
    main()
