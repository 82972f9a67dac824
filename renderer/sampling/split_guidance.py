"""The two halves of classifier-free guidance on two devices, each of which computes one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..families.base import Family
from ..forward import ForwardOptions, JointText, PictureCondition, Predict, StepConditioning
from ..regions.attention import TokenGroup
from ..regions.joint_attention import SequenceGroup

Group = TypeVar("Group", TokenGroup, SequenceGroup)
Value = TypeVar("Value")
UNCONDITIONAL, CONDITIONAL = 0, 1


def split_forward(
    first: Family, second: Family, shape: torch.Size, condition: PictureCondition, options: ForwardOptions
) -> Predict:
    """A forward like `Family.forward`'s, whose unconditional rows are computed by the same model on a second device,
    at the same time. shape: of the pictures' latents. Without LoRAs, edits, ControlNets and the step cache."""
    pictures = shape[0]
    own = first.forward(shape, _half_of_condition(condition, CONDITIONAL), options)
    other = second.forward(shape, on_device(_half_of_condition(condition, UNCONDITIONAL), second.device), options)
    latest: list[tuple[StepConditioning, StepConditioning, StepConditioning]] = []  # whole, and its halves

    def on_second(latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int) -> Tensor:
        with torch.inference_mode(), torch.accelerator.device_index(second.device.index):
            return other(latents.to(second.device), timestep.to(second.device), conditioning, step, False)

    def forward(latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool) -> Tensor:
        if not latest or latest[0][0] is not conditioning:
            halves = (half_of(conditioning, half, pictures) for half in (UNCONDITIONAL, CONDITIONAL))
            latest[:] = [(conditioning, on_device(next(halves), second.device), next(halves))]
        _, without, given = latest[0]
        unconditional, conditional = latents.chunk(2)
        with ThreadPoolExecutor(1) as pool:
            negative = pool.submit(on_second, unconditional, timestep, without, step)
            positive = own(conditional, timestep, given, step, partial)
        return torch.cat([negative.result().to(positive.device), positive])

    return forward


def half_of(conditioning: StepConditioning, half: int, pictures: int) -> StepConditioning:
    """The conditioning of the unconditional rows alone (0), or of the conditional ones (1)."""
    texts = conditioning.texts
    if not isinstance(texts, JointText):
        contexts = [replace(text, groups=_groups_of(text.groups, half, pictures)) for text in texts]
        return StepConditioning(contexts, conditioning.loras)
    own = slice(half * pictures, (half + 1) * pictures)
    layouts = {  # one for each that blocks share
        id(layout): replace(layout, groups=_groups_of(layout.groups, half, pictures)) for layout in texts.layouts
    }
    joint = replace(
        texts, states=texts.states[own], own=texts.own[own], positions=texts.positions[own], lengths=texts.lengths[own],
        layouts=tuple(layouts[id(layout)] for layout in texts.layouts),
    )  # fmt: skip
    return StepConditioning(joint, conditioning.loras)


def _groups_of(groups: Sequence[Group], half: int, pictures: int) -> tuple[Group, ...]:
    """The groups of one half's rows, which begin with 0 there."""
    start, chosen = half * pictures, list[Group]()
    for group in groups:
        rows = group.rows
        if rows == slice(None):  # both halves alike
            chosen.append(group)
        elif start <= rows.start < start + pictures:
            chosen.append(replace(group, rows=slice(rows.start - start, rows.stop - start)))
    return tuple(chosen)


def _half_of_condition(condition: PictureCondition, half: int) -> PictureCondition:
    return None if condition is None else condition[half : half + 1]


def on_device(value: Value, device: torch.device) -> Value:
    """A copy of a value whose tensors, wherever they stand in it, are on a device; those of main memory stay there."""
    new: Any = value
    if isinstance(value, Tensor):
        new = value if value.device.type == "cpu" else value.to(device)
    elif is_dataclass(value) and not isinstance(value, type):
        given = [field.name for field in fields(value) if field.init]
        new = replace(value, **{name: on_device(getattr(value, name), device) for name in given})
    elif isinstance(value, (list, tuple)):
        copies = {id(item): on_device(item, device) for item in value}  # the blocks of a level share a layout
        new = type(value)(copies[id(item)] for item in value)
    return new  # type: ignore[no-any-return]
