"""What the processes that train together tell each other; one alone is the first of one."""

from typing import Any


def _together() -> bool:
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Return which of the processes that train together this is: 0 is the first."""
    from torch import distributed

    return distributed.get_rank() if _together() else 0


def from_first(told: Any) -> Any:
    """Return what the first process tells all of them."""
    from torch import distributed

    if not _together():
        return told
    box = [told]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def true_for_all(here: bool) -> bool:
    """Return whether something is true for every one of them."""
    from torch import distributed

    if not _together():
        return here
    told = [False] * distributed.get_world_size()
    distributed.all_gather_object(told, here)
    return all(told)
