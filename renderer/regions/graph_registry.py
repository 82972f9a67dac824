"""Objects that compiled graphs look up by integer id, so that one graph serves all plans and all edits."""

from itertools import count
from typing import Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor


class Attends(Protocol):
    """Computes a cross-attention's output from its query; shapes equal."""

    def attend(self, query: Tensor) -> Tensor: ...


class MergesKeyValues(Protocol):
    """Completes the keys and values of a self-attention to `total` tokens."""

    total: int

    def merge(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]: ...


class AttendsJointly(Protocol):
    """Computes an attention's output from its query, keys and values; shapes equal."""

    def attend(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor: ...


Entry = Attends | MergesKeyValues | AttendsJointly
_IDS = count()
_REGISTERED = WeakValueDictionary[int, Entry]()


def register(entry: Entry) -> int:
    """An id of the entry, valid while the entry is alive. The registry holds weak references."""
    graph_id = next(_IDS)
    _REGISTERED[graph_id] = entry
    return graph_id


@torch.library.custom_op("ditpipe::region_attention", mutates_args=())
def attend_by_id(query: Tensor, graph_id: Tensor) -> Tensor:
    """`Attends.attend` for compiled code. graph_id: int64 scalar."""
    entry: Attends = _REGISTERED[int(graph_id)]  # type: ignore[assignment]
    return entry.attend(query.clone())  # `attend` may overwrite it


@attend_by_id.register_fake
def _(query: Tensor, graph_id: Tensor) -> Tensor:
    return torch.empty_like(query)


@torch.library.custom_op("ditpipe::joint_attention", mutates_args=())
def joint_attend_by_id(query: Tensor, keys: Tensor, values: Tensor, graph_id: Tensor) -> Tensor:
    """`AttendsJointly.attend` for compiled code. graph_id: int64 scalar."""
    entry: AttendsJointly = _REGISTERED[int(graph_id)]  # type: ignore[assignment]
    return entry.attend(query, keys, values).contiguous()


@joint_attend_by_id.register_fake
def _(query: Tensor, keys: Tensor, values: Tensor, graph_id: Tensor) -> Tensor:
    return query.new_empty(query.shape)


@torch.library.custom_op("ditpipe::merge_key_values", mutates_args=())
def merge_by_id(keys: Tensor, values: Tensor, graph_ids: Tensor) -> tuple[Tensor, Tensor]:
    """`MergesKeyValues.merge` for compiled code. graph_ids: the id, once for each of the `total` tokens, (total,)."""
    entry: MergesKeyValues = _REGISTERED[int(graph_ids[0])]  # type: ignore[assignment]
    if keys.shape[1] < len(graph_ids):
        return entry.merge(keys, values)
    entry.merge(keys, values)
    return keys.clone(), values.clone()  # an op may not return its inputs


@merge_by_id.register_fake
def _(keys: Tensor, values: Tensor, graph_ids: Tensor) -> tuple[Tensor, Tensor]:
    shape = keys.shape[0], graph_ids.shape[0], *keys.shape[2:]  # `len` would specialise the graph
    return keys.new_empty(shape), values.new_empty(shape)
