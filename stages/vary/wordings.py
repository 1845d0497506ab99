"""The same question in other words: what a variant of the prompt makes of a row."""

from typing import TYPE_CHECKING

from stages.core import templates
from stages.core.draw import draw
from stages.core.errors import ConfigError, Fault
from stages.core.records import Message, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Which rows are chosen must depend on nothing that one compares: not on the seed of the sampling.
DRAW = 0
MARK, ASKED = "its system prompt 7c1e", "its question 7c1e"


def chosen(rows: list[Row], name: str, count: int) -> list[Row]:
    """Return `count` rows of a set, or all where it has fewer: the same ones for every model.

    Chosen by the hash of their ids, so that a smaller number takes some of the same.
    """
    own = sorted((row for row in rows if row["set"] == name), key=lambda row: row["id"])
    return draw(own, count, DRAW) if count < len(own) else own


class Wording:
    """One variant of the prompt.

    name:      its key in `ablation.variants`
    templates: `instruction` and `system`, as far as the variant has them
    bare:      it takes the system prompt away
    """

    def __init__(self, name: str, variant: dict[str, str | None]) -> None:
        """Parse the templates.

        Raises: ConfigError with the line of a syntax error.
        """
        self.name = name
        self.where = f"params.yaml: ablation.variants.{name}"
        self.bare = "system" in variant and variant["system"] is None
        self.templates = {
            key: templates.parse(text, f"{self.where}.{key}")
            for key, text in variant.items()
            if text is not None
        }

    def conversation(self, row: Row) -> list[Message]:
        """Return what the model is asked: the row's turns before its answer, in this wording.

        The last thing the user says is replaced, and the system prompt; what the variant is silent
        about stays. A template's `prompt` is that last turn, its `system` the row's system prompt,
        empty where it has none.
        Raises: ConfigError where a template fails, or leaves nothing to ask.
        """
        turns = row["messages"][:-1]
        said = turns[0]["content"] if turns and turns[0]["role"] == "system" else ""
        last = max((at for at, turn in enumerate(turns) if turn["role"] == "user"), default=None)
        if last is None:
            what = f"row {row['id']} has no turn of the user, which could be put otherwise"
            raise ConfigError(Fault(self.where, what, "a set of questions", "write rows: 0"))
        values = {"prompt": turns[last]["content"], "system": said}
        filled = {
            key: templates.render(template, f"{self.where}.{key}", **values)
            for key, template in self.templates.items()
        }
        if not filled.get("instruction", "asked").strip():
            what = f"leaves nothing to ask of row {row['id']}"
            raise ConfigError(Fault(f"{self.where}.instruction", what, "a text that is not blank"))
        asked: list[Message] = [
            turn | {"content": filled.get("instruction", turn["content"])} if at == last else turn
            for at, turn in enumerate(turns)
        ]
        if not self.bare and "system" not in filled:
            return asked
        asked = [turn for turn in asked if turn["role"] != "system"]
        system = filled.get("system", "")
        return [{"role": "system", "content": system}, *asked] if system.strip() else asked


def before_bare(tokenizer: "PreTrainedTokenizerBase") -> list[Message]:
    """Return the turns under which a chat template writes no system prompt of its own.

    Mostly none. Some templates (Qwen 2.5) write one where a conversation has none; there an empty
    one keeps it away.
    Raises: ConfigError where not even that does.
    """
    from jinja2 import TemplateError

    def written(*turns: Message) -> str:
        return str(tokenizer.apply_chat_template(list(turns), tokenize=False))

    user: Message = {"role": "user", "content": ASKED}
    alone = written(user)
    try:
        before, mark, after = written({"role": "system", "content": MARK}, user).partition(MARK)
    except TemplateError:  # it refuses system prompts, and so writes none
        return []
    if not (mark and alone.startswith(before) and alone.endswith(after)):
        return []
    # Where prompt and question stand in one turn the two ends may overlap: then it is empty.
    default = alone[len(before) : len(alone) - len(after)].strip()
    empty: Message = {"role": "system", "content": ""}
    if not default:
        return []
    if default in written(empty, user):
        raise ConfigError(
            Fault(
                "models/base: chat template",
                f"it writes the system prompt {default[:60]!r} whatever it is given",
                "one that leaves it out for an empty system prompt",
                "take `system: null` out of ablation.variants",
            )
        )
    return [empty]
