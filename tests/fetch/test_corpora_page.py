"""The bank and the source that docs/corpora.md shows do what it says."""

import re

from ruamel.yaml import YAML

from stages.check.banks import check_bank
from stages.check.files import check_columns
from stages.core import grammar
from stages.fetch.__main__ import rows_of

BLOCK = re.compile(r"```yaml\n# recipes/mine/(\S+)\n(.*?)```", re.DOTALL)


def test_the_page_shows_a_bank_that_makes_what_it_says(root, tmp_path):
    blocks = dict(BLOCK.findall((root / "docs/corpora.md").read_text(encoding="utf-8")))
    assert blocks.keys() == {"sources/words.yaml", "params.yaml"}
    (tmp_path / "words.yaml").write_text(blocks["sources/words.yaml"], encoding="utf-8")
    bank = YAML(typ="safe", pure=True).load(blocks["sources/words.yaml"])
    source = YAML(typ="safe", pure=True).load(blocks["params.yaml"])["sources"]["corpus"]
    assert check_bank(bank, tmp_path / "words.yaml", table=True)[0] == []
    assert list(check_columns(source, grammar.columns(bank), "corpus")) == []
    rows, _ = rows_of("corpus", source, {}, tmp_path, 13)
    answers = {row["skill"]: set() for row in rows}
    for row in rows:
        answers[row["skill"]].add(row["messages"][-1]["content"])
    assert answers == {
        "platform": {"phone", "web"},
        "steps": {"Set up the payment", "List the goods", "Draw the tiles"},
        "day": {"With a day."},
    }
    assert {row["group"] for row in rows} == {
        f"plan:{app}, {platform}" for app in ("shop", "map") for platform in ("phone", "web")
    }
    said = [row["keywords"]["said"] for row in rows if row["skill"] == "steps"]
    assert len(said) == 24
    seeds, _ = rows_of("own", {"kind": "bank", "file": "words.yaml", "rows": 20}, {}, tmp_path, 13)
    assert {len(seed["truth"]["steps"]) for seed in seeds} == {2, 3}
