"""Push an exported folder to the hub, in one commit; private unless asked otherwise.

The token is huggingface_hub's own: HF_TOKEN, or what `hf auth login` kept.
Source: https://huggingface.co/docs/huggingface_hub/guides/upload
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from stages.core.errors import ConfigError, Fault

# Of an earlier export in the same place; what people added (pictures, licences) is left alone.
WRITTEN = {
    "model": ("*.safetensors", "*.json", "*.jinja"),
    "dataset": ("data/*.jsonl", "export.json"),
}
# What a base's own card may say of it that holds for what was made of it, too.
LICENCE = ("license", "license_name", "license_link", "language")


def shipped(identity: dict[str, Any], kind: str = "model") -> dict[str, Any]:
    """Return licence and language of a base as its own card says; nothing where there is none.

    identity: of the base, or of a data set: `source`, `id`, `revision`
    kind:     model or dataset
    Looks into the folder, or into the hub's cache: a base that was loaded from the hub may have
    left its card there.
    """
    from huggingface_hub import DatasetCard, ModelCard, try_to_load_from_cache
    from yaml import YAMLError

    if identity["source"] == "local":
        file: Any = Path(identity["id"]) / "README.md"
    elif identity["source"] == "hub":
        file = try_to_load_from_cache(
            identity["id"],
            "README.md",
            revision=identity["revision"] or "main",
            repo_type=kind,
        )
    else:
        return {}
    try:
        card = DatasetCard if kind == "dataset" else ModelCard
        told = card(Path(file).read_text(encoding="utf-8")).data.to_dict()
    except (OSError, TypeError, ValueError, YAMLError):
        return {}  # no card, or one that is not as the hub wants it
    return {key: told[key] for key in LICENCE if told.get(key)}


def bring_card(identity: dict[str, Any]) -> None:
    """Bring the card of a hub base into the cache, where `shipped` looks, if that can be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if identity["source"] == "hub":
        try:
            hf_hub_download(identity["id"], "README.md", revision=identity["revision"])
        except (HfHubHTTPError, LocalEntryNotFoundError):
            return  # a base without a card, or one that is not to be seen, names no licence


@contextmanager
def told(repository: str) -> Iterator[None]:
    """Turn what the hub or the network says into a fault.

    Raises: ConfigError.
    """
    # HTTPError is that of the library below, whatever its name is this year.
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        OfflineModeIsEnabled,
    )

    where = f"--push {repository}"
    try:
        yield
    except HFValidationError as error:
        raise ConfigError(Fault(where, str(error).splitlines()[0], "user/name")) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        then = {
            401: "hf auth login, or HF_TOKEN with a token that may write",
            403: "a token that may write there, and a name that is yours",
        }.get(status, "try again later")
        said = error.server_message or str(error).splitlines()[0]
        raise ConfigError(Fault(where, f"the hub says {status}: {said}", then=then)) from error
    except (OfflineModeIsEnabled, HTTPError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        then = "push it when the hub can be reached; the folder is whole"
        raise ConfigError(Fault(where, f"the hub cannot be reached: {said}", then=then)) from error


def hold(repository: str) -> None:
    """Hold that a push can begin, before anything is computed.

    Raises: ConfigError when the name is none, or there is no token.
    """
    from huggingface_hub import get_token
    from huggingface_hub.utils import validate_repo_id

    where = f"--push {repository}"
    with told(repository):
        validate_repo_id(repository)
    if get_token() is None:
        raise ConfigError(
            Fault(where, "there is no token for the hub", then="hf auth login, or HF_TOKEN=...")
        )


def push(folder: Path, repository: str, public: bool, message: str, kind: str = "model") -> str:
    """Push a folder's files in one commit, and return its address.

    kind: model or dataset
    repository: `user/name`; made where there is none, private unless `public`
    Raises: ConfigError when the hub refuses or cannot be reached, and when the repository is public
    already although `public` was not said.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    with told(repository):
        made = api.create_repo(repository, private=not public, exist_ok=True, repo_type=kind)
        about = api.repo_info(made.repo_id, repo_type=kind)
        if not (about.private or public):
            what = "this repository is public already"
            raise ConfigError(
                Fault(f"--push {repository}", what, "a private one", "--public, if it shall be")
            )
        files = {
            file.relative_to(folder).as_posix(): file
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        old = [each.rfilename for each in about.siblings or [] if each.rfilename not in files]
        stale = [each for each in old if any(fnmatch(each, kept) for kept in WRITTEN[kind])]
        done = api.create_commit(
            made.repo_id,
            [
                *(CommitOperationAdd(name, str(file)) for name, file in files.items()),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message=message,
            repo_type=kind,
        )
    return done.commit_url
