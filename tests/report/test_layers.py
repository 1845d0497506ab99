"""The report's part on layers: a table, and what it does not show."""

from stages.report.layers import NOTE, section

PAIR = {
    "cosine": {"first": 1.0, "last": 0.75, "low": 0.5, "high": 0.875, "least": 0.625, "at": 3,
               "last_token": 0.7},
    "cka": 0.9, "norm": -0.125, "entropy": 0.0625,
}  # fmt: skip
FOUND = {
    "n": 10,
    "set": "probes",
    "models": {
        "2b": {"alike": {"first": 0.25, "last": 0.5, "last_token": 0.625}, "entropy": 0.375},
        "base": {"alike": {"first": 0.25, "last": 0.125, "last_token": 0.0}, "entropy": 0.5},
    },
    "drift": {"2b": {"base": PAIR}},
}


def test_it_tells_models_pairs_and_what_it_does_not_show():
    lines = section(FOUND)
    assert lines[0] == "## Layers"
    assert "10 prompts of probes" in lines[2]
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 4 + 3
    assert tables[2:4] == [  # the base first
        "| base | 0.250 | 0.125 | 0.000 | 0.500 |",
        "| 2b | 0.250 | 0.500 | 0.625 | 0.375 |",
    ]
    told = "| 1.000 | 0.750 [0.500, 0.875] | 0.625 (layer 3) | 0.700 | 0.900 | -0.125 | +0.062 |"
    assert tables[6] == f"| 2b | base {told}"
    assert lines[-2:] == [NOTE, ""]
    assert "Drift is not forgetting" in NOTE


def test_what_cannot_be_told_is_left_blank():
    bare = {key: value for key, value in PAIR["cosine"].items() if key not in ("low", "high")}
    found = FOUND | {
        "models": {"base": {}},
        "drift": {"2b": {"base": {"cosine": bare, "norm": 0.0}}},
    }
    lines = section(found)
    assert "| base |  |  |  |  |" in lines
    assert "| 2b | base | 1.000 | 0.750 | 0.625 (layer 3) | 0.700 |  | +0.000 |  |" in lines


def test_switched_off_it_is_not_there():
    assert section({}) == []
