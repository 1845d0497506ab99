"""What the project's files hold at a revision, or in the workspace.

Of a revision they are read from git's objects, its data from DVC's cache by the MD5 that is in its
dvc.lock; no remote is asked. The workspace is read as it is, and never written.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.params import PATH, read_yaml
from tools import lock
from tools.revisions import LOCK, git, git_bytes, knows, resolve

# Where what is read of a revision at once is; curves and pages are not.
FILES = (str(PATH), str(LOCK), "metrics", "recipes")


class Datum(NamedTuple):
    """One data file of a revision.

    md5: of its bytes; at: where these are, None where neither workspace nor cache has them
    """

    path: str
    md5: str
    at: Path | None


class Snapshot:
    """The files of the project at a revision, or (None) in the workspace.

    said: what people read for it; commit: None for the workspace
    experiment: whether DVC alone knows the name
    """

    def __init__(self, revision: str | None = None, where: str = "--rev") -> None:
        """Read what git has of it.

        Raises: ConfigError when there is no such revision, or nothing was built there.
        """
        self.revision = revision
        self.commit = None if revision is None else resolve(revision, where)
        self.experiment = bool(revision) and not knows(str(revision))
        self.said = "the workspace" if revision is None else f"revision {revision}"
        self.files = _present() if self.commit is None else _committed(self.commit)
        if str(LOCK) not in self.files:
            what, then = "there is none: nothing was built there", "dvc repro"
            if self.commit:
                then = f"`git log --all --oneline -- {LOCK}` lists the commits that have one"
            where = f"{self.said}: {LOCK}"
            raise ConfigError(Fault(where, what, "a build that was committed", then))

    @cached_property
    def params(self) -> dict[str, Any]:
        """Return params.yaml.

        Raises: ConfigError when there is none, or it is not YAML.
        """
        if (content := self.files.get(str(PATH))) is None:
            raise ConfigError(Fault(f"{self.said}: {PATH}", "there is none"))
        if self.commit is None:
            return read_yaml(PATH)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / PATH
            copy.write_bytes(content)
            try:
                return read_yaml(copy)
            except ConfigError as error:
                what = "; ".join(fault.what for fault in error.faults)
                raise ConfigError(Fault(f"{self.said}: {PATH}", what)) from None

    @cached_property
    def stages(self) -> lock.Stages:
        """Return the stages of dvc.lock; raises what `lock.parse` raises."""
        return lock.parse(self.files[str(LOCK)], f"{self.said}: {LOCK}")

    def json(self, path: str) -> Any:
        """Return a git-tracked JSON file, or None where there is none.

        Raises: InputError when it is not JSON.
        """
        if (content := self.files.get(path)) is None:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise InputError(Fault(f"{self.said}: {path}", f"not JSON in UTF-8: {error}")) from None

    def folder(self, path: str) -> dict[str, Any]:
        """Return the JSON files of a git-tracked folder, by name without `.json`."""
        names = [name for name in self.files if PurePosixPath(name).parent == PurePosixPath(path)]
        return {PurePosixPath(n).stem: self.json(n) for n in sorted(names) if n.endswith(".json")}

    @cached_property
    def data(self) -> dict[str, Datum]:
        """Return the files below data/ by path; of a folder that is nowhere, the folder itself."""
        found: dict[str, Datum] = {}
        for stage in self.stages.values():
            for out in stage.get("outs", ()):
                if out["path"].startswith("data/") and "md5" in out:
                    found |= {each.path: each for each in self._files(out["path"], out["md5"])}
        return found

    def datum(self, path: str) -> Datum | None:
        """Return a data file, or the folder that may hold it where its list of files is lost."""
        folders = (self.data.get(str(parent)) for parent in PurePosixPath(path).parents)
        return self.data.get(path) or next(filter(None, folders), None)

    def about(self) -> dict[str, Any]:
        """Return what names this state: revision, commit, its first line, the recipe."""
        told = {"revision": self.revision, "commit": self.commit, "experiment": self.experiment}
        if self.commit:
            told["subject"] = git("log", "-1", "--format=%s", self.commit).strip()
        return told | {"recipe": self.params.get("recipe")}

    def _files(self, path: str, md5: str) -> Iterator[Datum]:
        """Yield the files of one output of a stage."""
        if self.commit is None and Path(path).exists():
            top = Path(path)
            for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if file.is_file():
                    with file.open("rb") as opened:
                        yield Datum(file.as_posix(), lock.md5_of(opened), file)
            return
        at = self._cached(md5)
        if at is None or not md5.endswith(".dir"):
            yield Datum(path, md5, at)
            return
        for each in json.loads(at.read_bytes()):
            yield Datum(f"{path}/{each['relpath']}", each["md5"], self._cached(each["md5"]))

    @cached_property
    def _cache(self) -> Path:
        """Return the folder of DVC's local cache that is configured now."""
        from dvc.config import Config
        from dvc.config import ConfigError as Unreadable

        home = next(
            (at for at in (Path.cwd(), *Path.cwd().parents) if (at / ".dvc").is_dir()), None
        )
        if home is None:
            raise ConfigError(
                Fault(".dvc", "there is none: DVC does not know this", then="dvc init")
            )
        try:
            told = Config(str(home / ".dvc"), validate=False)["cache"].get("dir")
        except Unreadable as error:
            raise ConfigError(Fault(".dvc/config", str(error).splitlines()[0])) from None
        return Path(told) if told else home / ".dvc/cache"

    def _cached(self, md5: str) -> Path | None:
        """Return the file of DVC's cache with a content, or None."""
        file = self._cache / "files/md5" / md5[:2] / md5[2:]
        return file if file.is_file() else None


def _committed(commit: str) -> dict[str, bytes]:
    """Return what a commit has of FILES, by path from here: JSON, params.yaml and dvc.lock."""
    listed = git("ls-tree", "-r", "-z", commit, "--", *FILES).split("\0")
    ids: dict[str, str] = {}
    for line in filter(None, listed):
        about, path = line.split("\t", 1)
        if _wanted(path):
            ids[path] = about.split()[2]
    if not ids:
        return {}
    told = git_bytes("cat-file", "--batch", given="\n".join(ids.values()).encode() + b"\n")
    files, at = {}, 0
    for path in ids:
        end = told.index(b"\n", at)
        size = int(told[at:end].split()[2])
        files[path] = told[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return files


def _present() -> dict[str, bytes]:
    """Return what the workspace has of FILES, as `_committed` does."""
    found = [Path(name) for name in FILES if Path(name).is_file()]
    for name in FILES:
        found += [Path(at) / file for at, _, names in os.walk(name) for file in names]
    return {path.as_posix(): path.read_bytes() for path in found if _wanted(path.as_posix())}


def _wanted(path: str) -> bool:
    """Tell whether a file is read: a recipe's tables may be large."""
    figures = path.startswith("metrics/") and path.endswith(".json")
    return figures or path in FILES or path.endswith("/noise.json")
