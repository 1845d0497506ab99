"""What goes into metrics/ shows no digits of a machine."""

from stages.core.rounding import rounded


def test_numbers_are_rounded_wherever_they_stand_and_a_p_keeps_two_digits():
    told = {"value": 1 / 3, "p": 0.000123456, "in": [{"p_holm": 1 / 3}, 1e-9, 7], "n": 3}
    expected = {"value": 0.33333, "p": 0.00012, "in": [{"p_holm": 0.33}, 0.0, 7], "n": 3}
    assert rounded(told) == expected


def test_what_is_no_number_stays_and_zero_has_no_sign():
    assert rounded({"shown": True, "set": "own", "p": None}) == {
        "shown": True,
        "set": "own",
        "p": None,
    }
    assert str(rounded(-1e-9)) == "0.0"
