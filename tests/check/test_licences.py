"""`licenses` names sources that there are."""

from stages.check.licences import check_licences


def test_a_licence_of_a_source_that_is_not_there_is_a_fault():
    params = {"sources": {"seeds": {}, "skills": {}}}
    params["licenses"] = {"models": "mit", "sources": {"seeds": "mit", "skils": "mit"}}
    (fault,) = check_licences(params)
    assert fault.where == "params.yaml: licenses.sources.skils"
    assert "'skils'" in fault.what
    assert check_licences({"sources": {"seeds": {}}, "licenses": {"sources": {}}}) == []
    assert check_licences({"sources": {"seeds": {}}}) == []


def test_no_licences_at_all_and_no_sources():
    assert check_licences({}) == []
    assert check_licences({"licenses": {"sources": {"a": "mit"}}}) == []  # told elsewhere
