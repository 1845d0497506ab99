"""`tunegraph ui`: a chat window with every model of params.yaml and every exported one.

page ── window ── engine ── one base in memory, adapters switched
  │       ├── talk        one chat: questions, answers, the order of the columns
  │       ├── board       what each control shows by it; shown: answers as HTML, escaped
  │       ├── rows        examples, references, which row a question is
  │       ├── validated   the record in an answer: as the schema wants it, or its fault
  │       └── kept        verdicts, to the recipe's verdicts.jsonl
  ├── layout              where the controls stand
  ├── speech              a recording to text (Whisper)
  └── guard, address      this machine's own page alone, and nothing from elsewhere
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory


def main(port: int | None) -> None:
    """Open the window, say where, and wait until it is interrupted.

    Raises: ConfigError where Gradio is not installed, nothing is built yet, or the port is taken.
    """
    from importlib.util import find_spec

    from stages.core import entry
    from stages.core.errors import ConfigError, Fault
    from stages.core.params import PATH, load, read_yaml

    load(("recipe", "models", "transcripts", "adapters", "compute", "answer.max_new_tokens"))
    if find_spec("gradio") is None:
        then = "pip install -e '.[ui]'"
        raise ConfigError(Fault("gradio", "is not installed: the window needs it", then=then))
    from tools.chat.models import models

    params = read_yaml(PATH)
    found, lacking = models(params)
    if not found:
        faults = [Fault("models/", line, then="dvc repro") for line in lacking]
        raise ConfigError(*faults or [Fault("models/", "there is none", then="dvc repro")])
    from tools.chat.address import until_interrupted
    from tools.chat.engine import Engine
    from tools.chat.page import build, opened

    with TemporaryDirectory(prefix="tunegraph-ui-") as folder:
        # What is uploaded lies here until it was heard, and never longer than the window is open.
        os.environ["GRADIO_TEMP_DIR"] = folder
        engine = Engine(Path("models/base"), found, params["compute"])
        try:
            blocks = build(engine, found, lacking, params)
            entry.say("ui", f"{opened(blocks, port)} ({len(found)} models; Ctrl-C ends it)")
            try:
                until_interrupted()
            finally:
                blocks.close(verbose=False)
        finally:
            engine.close()
