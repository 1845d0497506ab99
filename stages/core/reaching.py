"""Reach a base on the hub, in its cache or in a folder; where that fails, say what helps.

transformers tells most of what can go wrong as an OSError with a page of text; which of them it
was, and so what to do next, stands in the errors below it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core.entry import OUT_OF_SPACE
from stages.core.errors import ConfigError, Fault


@contextmanager
def reaching(identity: dict[str, Any], section: str = "base") -> Iterator[None]:
    """Turn what the libraries raise when they cannot load a base into a ConfigError.

    identity: `source`, `id` and `revision` at least
    section:  of params.yaml, which names it: base, base.choices.<name> or base.adapter
    transformers takes whatever folder bears the id, and goes to the hub where none does: another
    model than the manifest would say.
    """
    if section != "base.adapter":
        _hold_source(identity, section)
    from huggingface_hub.utils import httpx
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        where, then = f"{section}.id: {identity['id']}", "take another base"
        if (attention := identity.get("attn_implementation") or "").startswith("flash"):
            where, then = f"base.attn_implementation: {attention}", "write sdpa, which needs none"
        raise ConfigError(
            Fault(
                f"params.yaml: {where}",
                str(error).strip().splitlines()[0],
                "a package that is installed here",
                f"install it, or {then}",
            )
        ) from error
    except (OSError, ValueError, SafetensorError, httpx.HTTPError) as error:
        if isinstance(error, OSError) and error.errno in OUT_OF_SPACE:
            raise
        raise unreachable(identity, error, section) from error


def _hold_source(identity: dict[str, Any], section: str) -> None:
    """Hold that a base comes from where its source says: a folder, or a commit of the hub.

    Raises: ConfigError.
    """
    here, source = Path(identity["id"] or "").is_dir(), identity["source"]
    where = f"params.yaml: {section}.id: {identity['id']}"
    if source == "hub" and here:
        what = "there is a folder of that name here, which would be loaded in place of the hub's"
        raise ConfigError(Fault(where, what, then="rename the folder, or write base.source: local"))
    revision = identity["revision"] or "main"
    if source == "hub" and not re.fullmatch("[0-9a-f]{7,40}", revision):
        what = f"{revision} moves: it would be another model some day, under the same name"
        then = "write one of its commits (its page of the hub: Files, History)"
        raise ConfigError(Fault(f"params.yaml: {section}.revision", what, "a commit's hash", then))
    if source == "local" and not here:
        what = "there is no such folder (base.id counts from here)"
        raise ConfigError(Fault(where, what, "a folder", "mend it, or write base.source: hub"))


def unreachable(identity: dict[str, Any], error: Exception, section: str = "base") -> ConfigError:
    """Return the fault of a base, or of its adapter, that cannot be loaded.

    identity: `source`, `id` and `revision` at least
    """
    what = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
    return ConfigError(
        Fault(
            f"params.yaml: {section}.id: {identity['id']}",
            f"cannot be loaded at revision {identity['revision']}: {what}",
            "a hub id with a revision of it, or a folder that `save_pretrained` wrote: "
            "weights in safetensors, no code of its own",
            _remedy(identity, error, section),
        )
    )


def _remedy(identity: dict[str, Any], error: Exception, section: str) -> str:
    """Return what to do against the cause of an error, as the libraries' own types name it.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/utilities#errors
    """
    from huggingface_hub import errors
    from safetensors import SafetensorError

    if Path(identity["id"] or "").is_dir():
        return "look into the folder"
    if identity["source"] == "local":
        return "there is no such folder (base.id counts from here); or write base.source: hub"
    fetch = f"hf download {identity['id']} --revision {identity['revision']} --exclude 'original/*'"
    offline = f"connect and unset HF_HUB_OFFLINE, or fill the hub's cache beforehand: `{fetch}`"
    remedies = (
        (
            errors.GatedRepoError,
            "accept its licence on its page of the hub, then `hf auth login` (or set HF_TOKEN)",
        ),
        (
            errors.RepositoryNotFoundError,
            f"spell {section}.id as its page of the hub does; `hf auth login` when it is private",
        ),
        (
            errors.RevisionNotFoundError,
            f"write one of its commits as {section}.revision (its page of the hub: Files, History)",
        ),
        (SafetensorError, f"fetch what is damaged again: `{fetch} --force-download`"),
        ((errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled), offline),
    )
    causes = list(_causes(error))
    for kind, then in remedies:
        if any(isinstance(cause, kind) for cause in causes):
            return then
    if "custom code" in str(error):
        return "take a base that transformers itself knows: code of a repository is never run"
    return f"look for *.safetensors of this revision on its page; are there some, `{fetch}`"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
