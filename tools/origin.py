"""Where a model's files come from: the workspace, or an experiment, commit, branch or tag.

Those of a revision are read through DVC's own file system, from git, from DVC's cache or else from
the remote: the workspace is neither read nor written.
Source: https://doc.dvc.org/api-reference/dvcfilesystem
"""

from pathlib import Path, PurePosixPath
from typing import Any

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.params import PATH, read_yaml
from tools.diff import outdated
from tools.revisions import LOCK, git, knows, resolve

# What a card tells of that git tracks, beside dvc.lock.
TRACKED = ("dvc.lock", "dvc.yaml", "params.yaml", "metrics", "recipes", "stages")


def _config(repo: Any) -> dict[str, Any]:
    """Return what is configured now of cache and remotes: an old commit's may not hold any more."""
    told = {section: repo.config[section] for section in ("core", "remote", "cache")}
    if repo.cache.local_cache_dir:
        told["cache"] = {**told["cache"], "dir": repo.cache.local_cache_dir}
    return told


def _absent() -> tuple[type[Exception], ...]:
    """Return what is raised for a file that is not there, or neither in the cache nor remote."""
    from dvc_data.index.index import DataIndexError

    return (FileNotFoundError, IsADirectoryError, DataIndexError)


class Origin:
    """The files of the project as they are now, or as a revision has them.

    revision: as it was asked for; None for the workspace
    commit:   the commit, 40 hex digits; for the workspace the last one, None without any
    """

    def __init__(self, revision: str | None = None) -> None:
        """Open the workspace or a revision.

        Raises: ConfigError when there is no such revision, or several experiments have its name.
        """
        self.revision = revision
        self._files: Any = None
        if revision is None:
            self.commit = git("rev-parse", "HEAD").strip() if knows("HEAD") else None
            return
        self.commit = resolve(revision)
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo(".") as repo:
                config = _config(repo)
            self._files = DVCFileSystem(".", rev=self.commit, config=config)
        except DvcException as error:
            raise ConfigError(Fault(f"--rev {revision}", str(error).splitlines()[0])) from error

    @property
    def said(self) -> str:
        """Return what messages call this place."""
        return "the workspace" if self.revision is None else f"revision {self.revision}"

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is no such file to be had."""
        try:
            if self._files is None:
                return Path(path).read_bytes()
            return self._files.cat_file(path)
        except _absent():
            return None

    def yaml(self, path: str, scratch: Path) -> Any:
        """Read a YAML file, or None where there is none.

        Raises: ConfigError when it is not YAML.
        """
        if (content := self.read(path)) is None:
            return None
        copy = scratch / PurePosixPath(path).name
        copy.write_bytes(content)
        return read_yaml(copy)

    def params(self, scratch: Path) -> dict[str, Any]:
        """Read params.yaml.

        Raises: ConfigError when there is none, or it is not YAML.
        """
        if (found := self.yaml(str(PATH), scratch)) is None:
            raise ConfigError(Fault(f"{self.said}: {PATH}", "there is none"))
        return found

    def folder(self, path: str, scratch: Path) -> Path:
        """Return a folder to read; that of a revision is brought below `scratch`.

        Raises: InputError when it is not built yet, or neither the cache nor a remote has it.
        """
        if self._files is None:
            if not (Path(path) / "manifest.json").is_file():
                then = "dvc repro, or `dvc pull` where somebody else built it"
                raise InputError(Fault(path, "not built yet", then=then))
            return Path(path)
        to = scratch / path
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not self._files.isdir(path):
                raise FileNotFoundError
            self._files.get(path, str(to), recursive=True)
        except _absent() as error:
            raise InputError(
                Fault(
                    f"{self.said}: {path}",
                    "neither DVC's cache nor a remote has it",
                    "a model that was built and kept; `dvc gc` drops those of old experiments",
                    "dvc push (or dvc exp push), where it was built; or build it again: "
                    f"git checkout {self.commit}, dvc repro",
                )
            ) from error
        return to


def changes(name: str, params: dict[str, Any]) -> list[str]:
    """Return how a model's workspace differs from dvc.lock and the commit, in words."""
    key = next((key for key, told in params["adapters"].items() if told["name"] == name), None)
    model = next((key for key, told in params["models"].items() if told["name"] == name), None)
    return _since(f"train@{key}" if key else "base", f"evaluate@{model}", f"compare@{key}")


def data_changes() -> list[str]:
    """Return how the workspace differs, for the sets, from dvc.lock and from the commit."""
    return _since("split")


def _since(made: str, *also: str) -> list[str]:
    """Return how the workspace differs from what dvc.lock has of a stage, and from the commit.

    also: stages whose outputs tell of it; those that dvc.lock does not have do not count
    """
    if not (LOCK.exists() and knows("HEAD")):
        return ["there is no commit, or no dvc.lock"]
    built = read_yaml(LOCK).get("stages", {})
    if made not in built:
        return [f"dvc.lock knows nothing of {made}"]
    stale = outdated("--with-deps", made, *(each for each in also if each in built))
    told = [f"not up to date with dvc.lock: {', '.join(stale)}"] if stale else []
    edited = git("status", "--porcelain", "--", *TRACKED).splitlines()
    files = ", ".join(line[3:] for line in edited[:5]) + (", ..." if len(edited) > 5 else "")
    return told + ([f"not as committed: {files}"] if edited else [])
