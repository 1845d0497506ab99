"""Count what is paid again after SIGKILL at ten random moments, and compare the end.

generate is killed, started again, killed again ..., and at last runs to its end. The server counts
what it answered, whether or not somebody was left to take it: that was paid. Only what was in
flight at a kill may be paid again, which means: what the journal did not hold at that moment. The
replies have to be byte for byte those of a run that nobody disturbed.
"""

import argparse
import random
import time
from pathlib import Path

from figures import Figure, report
from generating import Project, Run, Server, request_id, scratch, serving

from stages.core.asking.journal import Journal
from tools.show import aligned


def held(project: Project, rows: int, max_tokens: int) -> set[int]:
    """Return the questions whose replies the journal holds."""
    journal = Journal(project.journal)
    try:
        journal.refresh()
        return {number for number in range(rows) if journal.has(request_id(number), max_tokens)}
    finally:
        journal.close()


def needless(answered: dict[int, list[int]], kept: list[set[int]]) -> int:
    """Count the answers to questions whose reply the journal held when the run began.

    answered: question -> the epoch of each answer; epoch k begins with the k-th kill
    kept:     what the journal held at each kill
    """
    return sum(
        number in kept[epoch - 1]
        for number, epochs in answered.items()
        for epoch in epochs
        if epoch
    )


def wait_for(server: Server, answered: int, run: Run, most_s: float = 120.0) -> None:
    """Wait until the server has answered so many questions.

    Raises: SystemExit when the stage ended before, or takes too long.
    """
    until = time.monotonic() + most_s
    while server.stats()["answered"] < answered:
        if not run.running() or time.monotonic() > until:
            raise SystemExit(f"the stage came to no {answered} answers")
        time.sleep(0.005)


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--latency-s", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=3, help="of the moments")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    moments = random.Random(args.seed)
    # The end of one run is counted in answers, and a random part of a latency comes on top.
    share = max(1, (args.rows - args.kills * args.in_flight) // (args.kills + 1))
    lines = [("kill", "answered", "in the journal", "lost", "in flight at most")]
    kept: list[set[int]] = []
    with scratch() as at, serving() as server:
        settings = {"max_in_flight": args.in_flight, "timeout_s": 30}
        undisturbed = Project(at / "undisturbed", server.base_url, args.rows, **settings)
        server.behave(latency_s=args.latency_s / 10)
        undisturbed.generate()

        project = Project(at / "killed", server.base_url, args.rows, **settings)
        server.behave(latency_s=args.latency_s, spread=0.5)
        answered = 0
        for kill in range(args.kills):
            run = project.start()
            wait_for(server, answered + moments.randint(1, share), run)
            time.sleep(moments.uniform(0, args.latency_s))
            run.kill()
            run.wait()
            # What was in flight is answered to nobody: it is paid all the same.
            time.sleep(2 * args.latency_s)
            answered = server.stats()["answered"]
            kept.append(held(project, args.rows, 256))
            lost = answered - len(kept[-1]) - sum(int(line[3]) for line in lines[1:])
            lines.append(
                (str(kill + 1), str(answered), str(len(kept[-1])), str(lost), str(args.in_flight))
            )
            server.change()
        last = project.generate()
        questions = server.questions()["answered"]
        same = (project.folder / "replies.jsonl").read_bytes() == (
            undisturbed.folder / "replies.jsonl"
        ).read_bytes()
        wrong = args.rows - project.right()
    again = sum(len(epochs) - 1 for epochs in questions.values())
    at_a_kill = max(int(line[3]) for line in lines[1:])
    print(aligned(lines), end="\n\n")
    assert len(questions) == args.rows
    figures = [
        Figure("kills before the end", len(kept), "", at_least=args.kills),
        Figure("paid again", again, "replies", at_most=args.kills * args.in_flight),
        Figure("paid again at one kill, at most", at_a_kill, "replies", None, args.in_flight),
        Figure("paid again though in the journal", needless(questions, kept), "replies", at_most=0),
        Figure("replies.jsonl as undisturbed", same, "(1: yes)", at_least=1),
        Figure("rows lost or wrong", wrong, "", at_most=0),
        Figure("seconds of the last run", last.wall_s),
    ]
    report(figures, args.json, rows=args.rows, seed=args.seed)


if __name__ == "__main__":
    main()
