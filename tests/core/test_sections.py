"""A section holds the rows of its sets and of its skill; of several sets, all of them."""

from stages.core.sections import alone, holds, is_trained, sets_of

OWN = {"set": "own"}
BOTH = {"set": ["own", "original"]}
CODE = {"set": ["original"], "skill": "code"}


def test_a_section_names_a_set_or_several():
    assert [sets_of(each) for each in (OWN, BOTH, CODE)] == [
        ("own",), ("own", "original"), ("original",)
    ]  # fmt: skip
    assert alone(OWN, "own")
    assert alone(CODE, "original")
    assert not alone(BOTH, "own")
    assert not alone(OWN, "original")


def test_it_holds_the_rows_of_its_sets_and_of_its_skill():
    def row(name, skill):
        return {"set": name, "skill": skill}

    assert holds(OWN, row("own", "own"))
    assert not holds(OWN, row("own_train", "own"))
    assert holds(BOTH, row("original", "poem"))
    assert not holds(BOTH, row("probes", "poem"))
    assert holds(CODE, row("original", "code"))
    assert not holds(CODE, row("original", "poem"))


def test_training_rows_are_those_of_samples_alone():
    sections = {"both": BOTH, "probes": {"set": "probes"}}
    assert is_trained({"set": "own_train"}, sections)
    assert is_trained({"set": ["own_train", "original_train"]}, sections)
    assert not is_trained({"set": ["own_train", "original"]}, sections)
    assert not is_trained({"set": "other_train"}, sections)
    assert not is_trained(BOTH, sections)
