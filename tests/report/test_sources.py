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
