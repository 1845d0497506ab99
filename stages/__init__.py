"""The pipeline. One module (or folder) a verb; `ls` shows it, dvc.yaml wires it.

    params.yaml, recipes/<name>/
      │
    check ─ fetch ─ prompt ─ generate ─ validate ─┬─ diversity
              │                                   │
              └───────────────────────────────── split ─┬─ base ──────────┐
                                                        ├─ mix@2b ─ train@2b ─ train@2c
                                                        └─ mix@2c ────────────────┘
    base, train@*, transcript@* ─┬─ answer@* ──┬─ evaluate@* ─┬─ compare@* ── price@* ──┐
                                 ├─ vary@* ────┘              ├─ ablate, profile, judge ├─ report
                                 └─ layers@* ─ drift ─────────│─────────────────────────┘
                                                              └─ select

`diversity` reads the fetched tables, too: those that a set mixes with the rows.

Stages import `stages.core`, never one another; `stages.core` imports no stage.
"""

import sys
from importlib.util import find_spec

# The commonest mistake: `dvc` was found, `python` is another one. Told where a stage runs (argv is
# "-m" until Python has found the module; tools that need less may have less), before the first
# import of something that this Python lacks ends in a traceback. (The package's own metadata says
# nothing: an editable installation leaves it in the working directory, where each Python finds it.)
if sys.argv[:1] == ["-m"] and not all(map(find_spec, ("jinja2", "jsonschema", "torch"))):
    sys.exit(
        f"error: TuneGraph is not installed in the Python that runs this stage ({sys.executable})\n"
        "  to do: activate .venv with `. .venv/bin/activate` (or your conda environment), "
        "then run the command again; `make repro` does it by itself"
    )
