"""Templates: strict, sandboxed, and with their place in every fault."""

from pathlib import Path

import pytest

from stages.core import templates
from stages.core.errors import ConfigError


def fill(text: str, **values: object) -> str:
    return templates.render(templates.parse(text, "here"), "here", **values)


def test_values_are_filled_in_as_they_are():
    assert fill("{{ a }} & {{ b }}", a="<i>", b='"') == '<i> & "'


def test_json_is_written_without_escapes_of_html():
    assert fill("{{ a | json }}", a={"k": "<é>"}) == '{"k": "<é>"}'


def test_tojson_keeps_letters_and_the_order_of_keys():
    assert fill("{{ a | tojson }}", a={"z": "Łódź", "a": 1}) == '{"z": "Łódź", "a": 1}'


def test_blocks_leave_no_lines_behind():
    assert fill("{% if a %}\nyes\n{% endif %}\n  {% if not a %}\nno\n{% endif %}\nend", a=1) == (
        "yes\nend"
    )


def test_an_unknown_variable_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"here: 'reveiw' is undefined\n  expected: .*: review"):
        fill("{{ reveiw }}", review="x")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ a.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(a) }}",
        "{{ (a | attr('__class__')).__mro__ }}",
        "{% for x in range(999999999) %}{% endfor %}",
        "{{ namespace.__init__.__globals__ }}",
    ],
)
def test_a_template_does_not_get_out_of_its_sandbox(text: str):
    with pytest.raises(ConfigError, match=r"here: .*(unsafe|undefined|Range too big)"):
        fill(text, a=Path("x"))


@pytest.mark.parametrize("text", ["{{ a + 1 }}", "{{ 1 / 0 }}", "{{ a | round }}", "{{ [][a] }}"])
def test_a_template_that_fails_on_its_values_is_a_user_s_mistake(text: str):
    with pytest.raises(ConfigError, match="here: "):
        fill(text, a="x")


def test_a_syntax_error_has_its_line():
    with pytest.raises(ConfigError, match=r"generate.md:3: not a Jinja template"):
        templates.parse("one\ntwo\n{% if %}", "generate.md")


def test_variables_are_those_that_a_template_takes():
    assert templates.variables(
        "{% set b = 1 %}{{ a }}{{ b }}{% for c in d %}{{ c }}{% endfor %}"
    ) == {*"ad"}


def test_a_template_is_read_without_its_last_newline(tmp_path: Path):
    path = tmp_path / "a.md"
    path.write_text("é\n\n", encoding="utf-8")
    assert templates.read(path) == "é\n"
    path.write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="no template in UTF-8 here"):
        templates.read(path)
    with pytest.raises(ConfigError, match="no template in UTF-8 here"):
        templates.read(tmp_path / "none.md")


def test_keys_of_a_variable_are_told_with_their_lines():
    text = "{{ record.who }}\n{% for k in record['when'] %}{{ k.a }}{% endfor %}{{ record[k] }}"
    assert sorted(templates.keys_of("record", text)) == [(1, "who"), (2, "when")]
    assert templates.keys_of("record", "{{ record.items() }} {{ note.who }}") == []


def test_a_variable_is_found_on_its_first_line():
    assert templates.line_of("note", "one\n{{ who }}{% if note %}\n{{ note }}{% endif %}") == 2


@pytest.mark.parametrize(
    "text", ["{{ age }}", "{{ record.age }}", "{% for x in [age] %}{{ x }}{% endfor %}"]
)
def test_a_null_is_not_printed_as_a_word(text: str):
    with pytest.raises(ConfigError, match="prints a value that is null"):
        templates.render(templates.parse(text, "here"), "here", age=None, record={"age": None})
    guarded = "{% if age %}{{ age }}{% endif %}{{ record.age | tojson }}{{ age or '-' }}"
    assert (
        templates.render(templates.parse(guarded, "here"), "here", age=None, record={"age": None})
        == "null-"
    )
