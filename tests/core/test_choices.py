"""A base by its short name: id and revision are those of the choice."""

from stages.core.choices import chosen, named, place

CHOICES = {"1b": {"id": "some/1B", "revision": "a" * 40}, "3b": {"id": "some/3B", "revision": "b"}}


def test_a_choice_is_its_id_and_its_revision():
    base = {"source": "hub", "id": "3b", "choices": CHOICES, "dtype": "float32"}
    assert named(base)
    assert chosen(base) == base | {"id": "some/3B", "revision": "b"}
    assert place(base) == "base.choices.3b"
    assert base["id"] == "3b"


def test_an_id_of_the_hub_stays_what_it_is_beside_choices_and_without():
    for more in ({}, {"choices": CHOICES}, {"choices": None}):
        base = {"source": "hub", "id": "some/7B", "revision": "c", **more}
        assert not named(base)
        assert chosen(base) == base
        assert place(base) == "base"
    assert chosen({"source": "scratch"}) == {"source": "scratch"}
