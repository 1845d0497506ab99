"""A cache whose rows come and go, and that grows in place.

transformers' own copies all keys and values of a layer for every token that is added, which takes
twice as long as the attention over them.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache

ROOM = 32  # columns that are added at once


def growing_cache() -> "Cache":
    """Return an empty cache.

    It is not told the model's config: a sliding window would drop columns that are padding here.
    """
    from transformers import Cache

    return Cache(layer_class_to_replicate=layer_class())


@cache
def layer_class() -> type[Any]:
    """Return the class of its layers: made here, since it derives from one of transformers'."""
    import torch
    from transformers.cache_utils import DynamicLayer

    class Growing(DynamicLayer):
        """Keys and values `(batch, heads, length, size)`: views of the first columns of more."""

        def update(
            self, key_states: "Tensor", value_states: "Tensor", *_: Any, **__: Any
        ) -> tuple["Tensor", "Tensor"]:
            """Add columns; return all."""
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self.keys, self.values = key_states, value_states
                self.rooms = [key_states, value_states]
                return key_states, value_states
            parts = [self.keys, self.values]
            length = self.keys.shape[2]
            wanted = length + key_states.shape[2]
            for at, added in enumerate((key_states, value_states)):
                if self.rooms[at].shape[2] < wanted:
                    self.rooms[at] = roomy(parts[at], parts[at].shape[0], wanted + ROOM)
                    self.rooms[at][:, :, :length] = parts[at]
                self.rooms[at][:, :, length:wanted] = added
            self.keys, self.values = (room[:, :, :wanted] for room in self.rooms)
            return self.keys, self.values

        def hold(self, keys: "Tensor", values: "Tensor") -> None:
            """Hold these instead of all that was there."""
            self.keys, self.values = keys, values
            self.rooms = [keys, values]

        def keep(self, rows: "Tensor", empty: int) -> None:
            """Keep these rows, without the first `empty` columns."""
            length = self.keys.shape[2] - empty
            for at, part in enumerate((self.keys, self.values)):
                room = roomy(part, len(rows), length + ROOM)
                torch.index_select(part[:, :, empty:], 0, rows, out=room[:, :, :length])
                self.rooms[at] = room
            self.keys, self.values = (room[:, :, :length] for room in self.rooms)

        def join(self, other: "Growing") -> None:
            """Take in the rows of another one, behind its own: all end in one column."""
            mine, its = self.keys.shape, other.keys.shape
            length = max(mine[2], its[2])
            pairs = ((self.keys, other.keys), (self.values, other.values))
            for at, (part, more) in enumerate(pairs):
                room = roomy(part, mine[0] + its[0], length + ROOM)
                room[: mine[0], :, : length - mine[2]] = 0
                room[mine[0] :, :, : length - its[2]] = 0
                room[: mine[0], :, length - mine[2] : length] = part
                room[mine[0] :, :, length - its[2] : length] = more
                self.rooms[at] = room
            self.keys, self.values = (room[:, :, :length] for room in self.rooms)

    def roomy(part: "Tensor", rows: int, columns: int) -> "Tensor":
        """Return room for so many rows and columns like those of `part`, not written yet."""
        return part.new_empty((rows, part.shape[1], columns, part.shape[3]))

    return Growing
