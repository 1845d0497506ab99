"""Every attempt of the bench is contained and named here, too."""

import json

import pytest


@pytest.mark.slow
def test_all_that_is_attempted_is_contained_and_named(bench, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["sandbox", "--keep", str(kept)])
    module = bench("sandbox")
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0, capsys.readouterr().out
    figures = json.loads(kept.read_text())["figures"]
    of_users = [of["value"] for name, of in figures.items() if name.startswith("contained")]
    assert of_users
    assert set(of_users) == {len(module.ATTEMPTS)} == {27}
