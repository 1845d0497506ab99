"""Refuse a configuration with faults before anything is spent or deleted.

Reads:   params.yaml, whole; the recipe's folder
Writes:  a constant marker, on which the sources depend
Network: none
"""

import sys

from stages.check import faults, notices, warning
from stages.core import entry
from stages.core.errors import ConfigError
from stages.core.jsonl import write_json
from stages.core.params import PATH, read_yaml

# The whole file: dvc.yaml lists it without keys.
PARAMS = ("params.yaml",)


def main() -> None:
    """Write the marker and tell the notices, or tell every fault."""
    args = entry.flags(__doc__, "--recipe", "--out")
    if found := faults(PATH, args.recipe):
        raise ConfigError(*found)
    for notice in notices(read_yaml(PATH)):
        print(warning(notice), file=sys.stderr)
    write_json(args.out, {"faults": 0})
    entry.say("check", f"{PATH} and {args.recipe} hold no fault")


if __name__ == "__main__":
    entry.run(main)
