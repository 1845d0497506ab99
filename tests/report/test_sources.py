"""What the report says of cells that said nothing."""

from stages.report.sources import section


def test_nothing_is_said_where_no_source_has_a_policy():
    assert section({"a": {"rows": 3}, "b": {"rows": 0}}) == []


def test_a_line_for_each_column_with_its_policy():
    columns = {"name": {"drop": 2}, "a|b": {"omit": 0}, "zip": {"left": 4}}
    nulls = {"rows": 9, "dropped": 2, "columns": columns}
    lines = section({"people": {"rows": 7, "nulls": nulls}, "other": {"rows": 1}})
    assert "What is left: 7 of 9 rows of people." in lines
    assert [line for line in lines if line.startswith("| people")] == [
        "| people | name | the row was dropped | 2 |",
        r"| people | a\|b | the field is left out | 0 |",
        "| people | zip | left empty: the policy does not name the column | 4 |",
    ]


def test_each_normalisation_is_told_also_where_it_changed_nothing():
    lines = section({"exemple": {"rows": 16, "normalised": {"nfc": 2, "comma_below": 0}}})
    assert [line for line in lines if line.startswith("| exemple")] == [
        "| exemple | `nfc` | letters and their marks composed (form C) | 2 |",
        r"| exemple | `comma_below` | Romanian letters with a comma instead of a cedilla | 0 |",
    ]


def test_what_became_of_conversations():
    told = {"read": 9, "answers": 12, "several": 3}
    told |= {"mended": {"cut_late_system": 1, "new|reason": 2}, "left_out": {"no_turns": 4}}
    lines = section({"chats": {"rows": 5, "conversations": told}})
    assert lines[:3] == [
        "## Conversations",
        "",
        "What is left: 5 of 9 conversations of chats, with 12 answers; 3 have several.",
    ]
    assert [line for line in lines if line.startswith("| chats")] == [
        "| chats | mended | cut before a system prompt that is not at the beginning | 1 |",
        r"| chats | mended | new\|reason | 2 |",
        "| chats | left out | no turns at all | 4 |",
    ]
    clean = told | {"mended": {}, "left_out": {}}
    assert len(section({"chats": {"rows": 9, "conversations": clean}})) == 4
