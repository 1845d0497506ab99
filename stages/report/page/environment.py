"""Where this page was written: packages, Python, machine."""

import platform
from importlib.metadata import PackageNotFoundError, version

from markupsafe import Markup

from stages.report.build import Build
from stages.report.page.frame import render

TITLE = "Environment"
# Those that decide what a model computes, and those that the graph is made with.
PACKAGES = (
    *("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "bitsandbytes"),
    *("safetensors", "datasets", "huggingface-hub", "numpy", "dvc", "json-repair", "jsonschema"),
    *("jsonschema-rs", "rouge-score", "bert-score", "codebleu", "openai", "gradio"),
)


def versions() -> dict[str, str]:
    """Return the packages that are installed here, with their versions."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def part(build: Build) -> Markup:
    """Return the part: no name of a machine or a person, and no path."""
    machine = {
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": " ".join(filter(None, [platform.system(), platform.machine()])),
        "C library": " ".join(filter(None, platform.libc_ver())),
        **{f"compute.{key}": str(value) for key, value in build.params["compute"].items()},
    }
    return render("environment.html", machine=machine, versions=versions())
