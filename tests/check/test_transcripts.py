"""What is wrong with a pasted file is told by `check`, before anything is paid: each fault once."""

from pathlib import Path

from stages.check import faults

ENTRY = "{{name: {0}, file: pasted.csv, model: {1}}}"
FILE = "row,text,model,date\na1,x,Claude,2026-01-31\na1,y,Gemini,2026-01-31\n"


def told(project: Path, pasted: str, **models: str) -> list[str]:
    """Return the faults of the default recipe with a transcript for each of the models."""
    entries = ", ".join(f"{name}: {ENTRY.format(name, of)}" for name, of in models.items())
    named = "".join(f"  {name}: {{name: {name}}}\n" for name in models)
    text = (project / "params.yaml").read_text(encoding="utf-8")
    for before, after in {
        "transcripts: {}": f"transcripts: {{{entries}}}",
        "  m2c: {name: 2c}\n": f"  m2c: {{name: 2c}}\n{named}",
    }.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (project / "params.yaml").write_text(text, encoding="utf-8")
    (project / "recipes/reviews/pasted.csv").write_text(pasted, encoding="utf-8")
    return [str(fault) for fault in faults(Path("params.yaml"), Path("recipes/reviews"))]


def test_one_file_of_two_assistants_has_no_fault(project):
    assert told(project, FILE, claude="Claude", gemini="Gemini") == []


def test_each_fault_is_told_once(project):
    faults = told(project, FILE.replace("a1,y", ",y"), claude="Claude", gemini="GPT")
    assert [fault.splitlines()[0] for fault in faults] == [
        "error: recipes/reviews/pasted.csv:3: neither `row` nor `prompt`",
        "error: params.yaml: transcripts.gemini.model: no answer is of 'GPT'",
    ]
