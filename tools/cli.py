"""The console script `tunegraph`: what people run by hand beside the graph, a module a command.

A command's module is imported when the command runs, and only then.
"""

import argparse
import os
import sys
from pathlib import Path

from stages.core import entry
from stages.core.errors import ConfigError, Fault


def parser() -> argparse.ArgumentParser:
    """Return the command line of all commands."""
    made = argparse.ArgumentParser(prog="tunegraph", description=(__doc__ or "").split("\n")[0])
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    check = add("check", "tell every fault of params.yaml and of the recipe it names, at once")
    check.add_argument("folder", nargs="?", help="a recipe, in use or not: recipes/mine")
    check.add_argument("--full", action="store_true", help="the folder's params.full.yaml")
    add("show", "print the models of params.yaml side by side, with forgetting and recovery")
    diff = add(
        "diff",
        "make each model an experiment of DVC and print `dvc metrics diff` from one to the next; "
        "nothing retrains, the workspace stays as it was",
    )
    diff.add_argument("models", nargs="*", help="two or more names; without: the whole stack")

    add("estimate", "print what generation would ask, cost and take; asks nothing, needs no key")
    journal = add("journal", "take paid replies out to a file that git can track, or bring them in")
    moves = journal.add_subparsers(dest="move", required=True, metavar="MOVE")
    out = moves.add_parser("export", help="write the replies to the questions of the recipe")
    out.add_argument("file", type=Path)
    out.add_argument("--all", action="store_true", help="all replies that the journal holds")
    back = moves.add_parser("import", help="add the replies of a file that export wrote")
    back.add_argument("file", type=Path)

    prompts = add(
        "prompts",
        "print the prompts to paste into a chat window with their ids, or write a table of them, "
        "which is a transcript when `text`, `model` and `date` are filled in",
    )
    prompts.add_argument("--set", metavar="NAME", help="whose test rows (evaluate.probes)")
    prompts.add_argument("--samples", type=int, default=1, help="answers to each prompt (1)")
    prompts.add_argument("--csv", type=Path, metavar="FILE", help="write a CSV to fill in")
    prompts.add_argument("--json", type=Path, metavar="FILE", help="write JSON to fill in")

    verdicts = add(
        "verdicts",
        "write cases with every model's answer for a person to judge right, partly or wrong, or "
        "take what was filled in into the recipe's verdicts.jsonl",
    )
    verdicts.add_argument("file", type=Path, help="FILE.csv or FILE.jsonl, to write or to take")
    verdicts.add_argument("--set", metavar="NAME", help="whose test rows (evaluate.probes)")
    verdicts.add_argument("--blind", action="store_true", help="do not say whose answer is whose")
    verdicts.add_argument("--take", action="store_true", help="read FILE, filled in")

    rows = add(
        "rows",
        "write the rows as one table: CSV, JSON or JSON Lines, by the ending of FILE; a source of "
        "kind file reads it back",
    )
    rows.add_argument("file", type=Path, metavar="FILE", help="FILE.csv, FILE.json or FILE.jsonl")
    rows.add_argument(
        "--of",
        default="rows",
        metavar="WHAT",
        help="rows, rejects, a set, or one side of it: own/train, own/val, own/test (rows)",
    )
    rows.add_argument(
        "--spreadsheet",
        action="store_true",
        help="a CSV for Excel: a byte order mark, and ' before what would run as a formula",
    )
    rows.add_argument("--force", action="store_true", help="replace FILE")

    explain = add(
        "explain",
        "print where a row came from and where it went: seed, request, raw reply, operations, row, "
        "split, the adapters trained on it; or why a reply made no row",
    )
    explain.add_argument(
        "asked",
        nargs="+",
        metavar="ID or TEXT",
        help="a row's or request's id, its beginning, or a piece of a reply, answer or prompt",
    )
    explain.add_argument("--json", action="store_true", help="one JSON object in place of text")

    changed = add(
        "changed",
        "tell what changed between two revisions: parameters, code, rows added, removed, changed "
        "or moved, rejects by reason, and how far each figure moved, how surely",
    )
    changed.add_argument("revision", metavar="REV", help="a commit, branch, tag or experiment")
    changed.add_argument("other", nargs="?", metavar="REV2", help="likewise; without: what is here")
    forms = changed.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON object in place of text")
    forms.add_argument("--md", action="store_true", help="Markdown, for a pull request")

    noise = add(
        "noise",
        "gather experiments over seed.train and set each difference beside its spread over seeds",
    )
    noise.add_argument("revisions", nargs="*", metavar="REV", help="commits that count, too")
    noise.add_argument("--all", action="store_true", help="every key, not only the primary ones")
    noise.add_argument("--write", action="store_true", help="keep it in recipes/RECIPE/noise.json")

    plots = add(
        "plots",
        "draw the plots of dvc.yaml as one page that needs no network, or as SVG",
    )
    plots.add_argument(
        "revisions",
        nargs="*",
        metavar="REV",
        help="one: beside what is here; several: side by side",
    )
    plots.add_argument("--out", type=Path, metavar="FILE", help="the page (.cache/plots.html)")
    plots.add_argument("--svg", type=Path, metavar="FOLDER", help="write each as SVG instead")

    export = add(
        "export",
        "write a model as one ordinary folder (merged, or one PEFT adapter), compare it with the "
        "stack, bring one of an experiment or an older commit back, push it to the hub; a set, too",
    )
    export.add_argument("name", help="a model of params.yaml, or base; or a set, as a data set")
    export.add_argument("--out", type=Path, help="the folder to write (exports/NAME[@REV])")
    export.add_argument("--rev", help="an experiment, commit, branch or tag; without: what is here")
    export.add_argument(
        "--format",
        choices=("merged", "adapter", "stack", "dataset"),
        default="merged",
        help="merged: a transformers model; adapter: the sum of the chain as one PEFT adapter; "
        "stack: the model's folder and its base's as they are; dataset: the rows of a set (merged)",
    )
    export.add_argument(
        "--dtype", choices=("float32",), help="of merged weights, where it is not to be the base's"
    )
    export.add_argument("--device", help="cpu, cuda, mps; where it is not to be compute.device")
    export.add_argument("--force", action="store_true", help="replace an earlier export")
    export.add_argument("--push", metavar="HUB_ID", help="then push it to the hub: user/name")
    export.add_argument("--license", metavar="ID", help="of a data set, in the hub's words: mit")
    export.add_argument("--public", action="store_true", help="a repository that all can see")
    export.add_argument(
        "--allow-dirty", action="store_true", help="push although dvc.lock or the commit differs"
    )

    card = add(
        "card",
        "print the card of a model or of a set, with the hub's front matter: every figure from "
        "dvc.lock, params.yaml and metrics/",
    )
    card.add_argument("name", help="a model of params.yaml, or base; or a set")
    card.add_argument("--out", type=Path, metavar="FILE", help="write it there")

    ui = add(
        "ui",
        "open a chat window at 127.0.0.1 with every model of params.yaml and every export, one or "
        "several side by side (needs the extra ui)",
    )
    ui.add_argument("--port", type=int, help="the first that is free from 7860 on")

    serve = add(
        "serve",
        "serve a model at 127.0.0.1 to programs that speak the OpenAI API (needs the extra serve)",
    )
    serve.add_argument("name", help="a model of params.yaml, or base")
    serve.add_argument("--port", type=int, default=8000, help="(8000)")
    serve.add_argument("--host", default="127.0.0.1", help="(127.0.0.1: this machine alone)")
    serve.add_argument(
        "--engine",
        choices=("transformers", "vllm"),
        default="transformers",
        help="transformers: the merged export; vllm: the adapter on its base, on a GPU",
    )

    recipe = add("recipe", "switch to another recipe, list them, begin one")
    actions = recipe.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the recipes")
    use = actions.add_parser("use", help="make a recipe's params.yaml the one that is built")
    use.add_argument("name")
    use.add_argument("--full", action="store_true", help="its params.full.yaml: a real run")
    use.add_argument("--force", action="store_true", help="even if edits of params.yaml are lost")
    new = actions.add_parser("new", help="begin a small recipe, or a copy of another one")
    new.add_argument("name")
    new.add_argument("--source", metavar="RECIPE", help="the recipe to copy; without: a small one")
    return made


def command() -> None:
    """Run the command that the command line names."""
    args = parser().parse_args()
    if not Path("dvc.yaml").exists():
        raise ConfigError(
            Fault("dvc.yaml", "there is none here", then="run tunegraph where dvc.yaml is")
        )
    if args.command == "check":
        from tools import check

        check.main(args.folder, full=args.full)
    elif args.command == "show":
        from tools import show

        show.main()
    elif args.command == "diff":
        from tools import diff

        diff.main(args.models)
    elif args.command == "estimate":
        from tools import estimate

        estimate.main()
    elif args.command == "journal":
        from tools import journal

        if args.move == "export":
            journal.export(args.file, everything=args.all)
        else:
            journal.bring(args.file)
    elif args.command == "prompts":
        from tools import prompts

        prompts.main(args.set, args.samples, args.csv, args.json)
    elif args.command == "verdicts":
        from tools import verdicts

        verdicts.main(args.file, args.set, blind=args.blind, back=args.take)
    elif args.command == "rows":
        from tools import rows

        rows.main(args.file, args.of, spreadsheet=args.spreadsheet, force=args.force)
    elif args.command == "explain":
        from tools import explain

        explain.main(" ".join(args.asked), as_json=args.json)
    elif args.command == "changed":
        from tools import changed

        form = "json" if args.json else "md" if args.md else "text"
        changed.main(args.revision, args.other, form)
    elif args.command == "noise":
        from tools import noise

        noise.main(args.revisions, everything=args.all, write=args.write)
    elif args.command == "plots":
        from tools import plots

        plots.main(args.revisions, out=args.out, svg=args.svg)
    elif args.command == "export":
        from tools import export

        export.main(
            export.Asked(
                args.name,
                out=args.out,
                revision=args.rev,
                form=args.format,
                dtype=args.dtype,
                device=args.device,
                repository=args.push,
                public=args.public,
                force=args.force,
                dirty=args.allow_dirty,
                license=args.license,
            )
        )
    elif args.command == "card":
        from tools import card

        card.main(args.name, args.out)
    elif args.command == "ui":
        from tools import chat

        chat.main(args.port)
    elif args.command == "serve":
        from tools import serve

        serve.main(args.name, args.host, args.port, args.engine)
    elif args.action == "list":
        from tools import recipe

        recipe.list_all()
    elif args.action == "use":
        from tools import recipe

        recipe.use(args.name, full=args.full, force=args.force)
    else:
        from tools import recipe

        recipe.new(args.name, source=args.source)


def main() -> None:
    """Run; a user's mistake is a message and exit 1, a reader that leaves is no fault."""
    try:
        entry.run(command)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would flush once more at exit, and say so: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
