"""Where the page was written: versions, and nothing of whose machine it is."""

import getpass
import re
import socket
from importlib.metadata import version
from pathlib import Path

from stages.report.build import Build
from stages.report.page import environment


def test_versions_that_decide_are_told(build: Build):
    text = environment.part(build)
    found = dict(re.findall(r"<dt>([\w-]+)</dt><dd class=\"mono\">([^<]+)</dd>", text))
    assert {"torch", "transformers", "peft", "trl", "dvc"} <= found.keys()
    assert found["transformers"] == version("transformers")
    assert "<dt>compute.device</dt><dd>cpu</dd>" in text


def test_it_says_nothing_of_whose_machine_it_is(build: Build):
    text = environment.part(build)
    for private in (
        str(Path.home()),
        str(Path.cwd()),
        socket.gethostname(),
        f">{getpass.getuser()}<",
    ):
        assert private not in text


def test_a_package_that_is_not_there_is_left_out(build: Build, monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("dvc", "no-such-package"))
    assert list(environment.versions()) == ["dvc"]
