"""The first table: a row a model, a column an entry, the best one marked where models compare."""

from stages.report.first_table import best, first_table


def line(section, metric, model, value, n=20, **ends):
    return {"section": section, "metric": metric, "model": model, "value": value, "n": n, **ends}


FIGURES = [
    line("own", "exact", "base", 0.25, low=0.1, high=0.4),
    line("own", "exact", "2b", 0.75, low=0.5, high=0.9),
    line("own", "exact", "chat", 0.9, n=4, low=0.4, high=1.0),
    line("own", "loss", "base", 2.0),
    line("own", "loss", "2b", 0.5),
    line("own", "rouge_l_floor", "base", 0.5),
    line("own", "rouge_l_floor", "2b", 0.6),
    line("code_x", "any", "base", 0.9996, n=7),
    line("code_x", "any", "2b", 1.0, n=7),
]
MODELS = ["base", "2b", "chat"]


def rows(*asked):
    return [each for each in first_table(asked, MODELS, FIGURES) if each.startswith("|")]


def test_nothing_is_written_where_nothing_is_asked():
    assert first_table([], MODELS, FIGURES) == []


def test_a_row_a_model_with_n_under_each_head_and_an_empty_cell_for_what_is_missing():
    told = rows("own.exact", "own.loss", "own.rouge_l_floor", "code_x.any", "own.sacrebleu")
    assert told == [
        "| model | own `exact` ↑ | own `loss` ↓ | own `rouge_l_floor` | code_x `any` ↑ | "
        "own `sacrebleu` ↑ |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| rows | n = 20 | n = 20 | n = 20 | n = 7 | n = 0 |",
        "| base | 0.250 [0.100, 0.400] | 2.000 | 0.500 | 1.000 |  |",
        "| 2b | **0.750** [0.500, 0.900] | **0.500** | 0.600 | 1.000 |  |",
        "| chat | 0.900 [0.400, 1.000], n = 4 |  |  |  |  |",
    ]


def test_many_columns_leave_no_room_for_intervals():
    wide = ["own.exact", "own.loss", "own.rouge_l_floor", "code_x.any", "own.chrf", "own.n_x"][:5]
    assert "[0.100, 0.400]" in "".join(rows(*wide))
    assert "[" not in "".join(rows(*wide, "own.sentence_chrf"))
    lines = first_table(["own.exact"], MODELS, FIGURES)
    assert lines[0].startswith("## ")
    assert "interval" in lines[2]


def test_the_best_is_of_those_that_answered_all_and_not_where_all_are_equal():
    def of(key, *values):
        return best(key, [line("s", key, "m", value, n) for value, n in values], 20)

    assert of("exact", (0.25, 20), (0.75, 20), (0.9, 4)) == 0.75
    assert of("loss", (0.25, 20), (0.75, 20)) == 0.25
    assert of("exact", (0.5, 20), (0.5, 20)) is None
    assert of("exact", (0.5, 20), (0.5002, 20)) is None  # nor where they look equal
    assert of("exact", (0.5, 20)) is None
    assert of("rouge_l_floor", (0.25, 20), (0.75, 20)) is None
