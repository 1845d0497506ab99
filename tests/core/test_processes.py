"""What processes tell each other: the real exchange, of a group of one, and no exchange at all."""

from collections.abc import Iterator

import pytest
from torch import distributed

from stages.core.processes import from_first, rank, true_for_all


@pytest.fixture(params=["alone", "together"])
def group(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask without a process group, and within one."""
    if request.param == "together":
        store = distributed.HashStore()
        distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    if request.param == "together":
        distributed.destroy_process_group()


def test_one_process_is_the_first(group: None) -> None:
    """It hears itself."""
    assert rank() == 0
    assert from_first({"path": None}) == {"path": None}
    assert true_for_all(True) is True
    assert true_for_all(False) is False
