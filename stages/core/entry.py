"""How a stage starts and ends: flags in, one summary line out, one place that catches."""

import argparse
import errno
import sys
from collections.abc import Callable
from pathlib import Path

from stages.core.errors import Fault, UserError

# EFBIG: the file would be larger than the file system, or `ulimit -f`, allows.
OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_TO_BE_USED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR}


def flags(doc: str | None, *paths: str, names: tuple[str, ...] = ()) -> argparse.Namespace:
    """Parse a stage's command line: required flags that hold paths, and flags that hold names.

    The command line carries names and paths only: numbers come from params.yaml, so that DVC
    tracks them, and secrets from the environment, so that nothing records them.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for flag in paths:
        parser.add_argument(flag, type=Path, required=True)
    for flag in names:
        parser.add_argument(flag, required=True)
    return parser.parse_args()


def say(stage: str, message: str) -> None:
    """Print a stage's one summary line."""
    print(f"{stage}: {message}", flush=True)


def run(main: Callable[[], None]) -> None:
    """Run a stage (or a command): a user's mistake is a message and exit 1, never a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        if error.errno in NOT_TO_BE_USED and error.filename:
            sys.exit(
                str(Fault(str(error.filename), str(error.strerror), "a file to read and write"))
            )
        if error.errno not in OUT_OF_SPACE:
            raise
        fault = Fault(
            str(error.filename or "disk"),
            "no room left on the disk",
            then="free some space, then run the same command again: what was paid for is kept",
        )
        sys.exit(str(fault))
    except KeyboardInterrupt:
        sys.exit(130)
