"""`tunegraph ui`: a chat window with every model of params.yaml and every exported one.

page ── engine ── one base in memory, adapters switched
  ├──── validated   the record in an answer: as the schema wants it, or its fault
  ├──── speech      a recording to text (Whisper)
  └──── kept        verdicts, to the recipe's verdicts.jsonl
"""


def main(port: int | None) -> None:
    """Open the window, and say where."""
    raise NotImplementedError(port)
