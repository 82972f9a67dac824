"""Draws many plans of one layout in a batch, with the renderer's own parts; each picture equals `Renderer.render`'s.

A batch halves the cost of a picture on a CPU, where a step on a single picture is mostly overhead. Texts are encoded
and projected once for all methods that are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from PIL import Image
from torch import Tensor

from ditpipe import PromptSchedule, Renderer, ScenePlan
from ditpipe.prompts.prompt_style import style_of
from ditpipe.renderer.families.hunyuan import Hunyuan, embed_picture_condition, predict
from ditpipe.renderer.families.hunyuan_attention import CrossAttention, Positions, rotary_embedding, rotary_pairs_of
from ditpipe.renderer.families.hunyuan_text import join
from ditpipe.renderer.regions.attention import TextContext, TokenGroup, token_groups
from ditpipe.renderer.regions.conditioning import prompts_at_level
from ditpipe.renderer.regions.region_masks import region_ids
from ditpipe.renderer.sampling.sampler import initial_noise

COUPLE = "couple"
Method = PromptSchedule | str  # a prompt schedule of the shipped attention, or COUPLE
BASE_SHARE = 0.5


@dataclass(frozen=True)
class CoupledText:
    """The text of a block with Couple: the base prompt everywhere, and each region's prompt in its mask."""

    base: TextContext
    regions: TextContext


class CoupleAttention(CrossAttention):
    """Couple ("attention couple") in a cross-attention layer; other texts are passed to CrossAttention.

    As documented in asagi4/comfyui-prompt-control, attention_couple.md: the base prompt has mask 1 everywhere, each
    coupled prompt mask 1 in its region; masks are normalised to sum to one, and the layer's outputs for the prompts are
    summed with these weights: in every region half base, half region prompt. The output projection is affine and the
    weights sum to one, so mixing after it is equivalent.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: TextContext | CoupledText,
        attention_mask: None = None,
        image_rotary_emb: Positions = Positions(None),
    ) -> Tensor:
        def attend(text: TextContext) -> Tensor:
            return super(CoupleAttention, self).__call__(attn, hidden_states, text, attention_mask, image_rotary_emb)

        if isinstance(encoder_hidden_states, TextContext):
            return attend(encoder_hidden_states)
        return torch.lerp(attend(encoder_hidden_states.regions), attend(encoder_hidden_states.base), BASE_SHARE)


class Batch:
    """Plans with equal boxes and sizes, encoded and projected; `paint` draws them all by one method.

    Raises ValueError if the plans differ in their boxes, their sizes or their negative prompts.
    """

    def __init__(self, renderer: Renderer, plans: Sequence[ScenePlan]) -> None:
        first = plans[0]
        layouts = {(p.width, p.height, p.negative, *(region.box for region in p.regions)) for p in plans}
        if len(layouts) > 1:
            raise ValueError("the plans of a batch must have the same size, boxes and negative prompt")
        assert isinstance(renderer.family, Hunyuan)
        self.family, self.checkpoint, self.plans = renderer.family, renderer.checkpoint, plans
        self.pipe = renderer.pipe
        transformer = self.pipe.transformer
        for block in transformer.blocks:
            block.attn2.set_processor(CoupleAttention())  # a superset of CrossAttention
        patch = 8 * transformer.config.patch_size
        width, height = first.size
        self.region_ids = region_ids(first.regions, rows=height // patch, columns=width // patch)
        # Prompts in this order: the first plan's scene and its regions, the second plan's, …, the negative.
        style = renderer.family.style
        if style.manner == "sticker words":  # as `LoadedModel` words them
            plans = [plan.model_copy(update={"style": style_of(plan)}) for plan in plans]
        ordered = [*(text for plan in plans for text in prompts_at_level(plan, "region", style)), first.negative]
        with torch.inference_mode():
            unique = list(dict.fromkeys(ordered))
            rows = torch.tensor([unique.index(text) for text in ordered])
            states = renderer.prompts(unique)
            t5 = join(states).t5
            t5 = torch.cat([t5[rows[-1:]], t5[rows[: -1 : len(first.regions) + 1]]])
            negative, *scenes = embed_picture_condition(transformer, t5, height // 8, width // 8)
            self.picture_condition = torch.stack([negative] * len(plans) + scenes)
            text = self.family.text_states(states)
            self.projected = [
                tuple(torch.as_tensor(projection)[rows] for projection in self.family.project(index, text))
                for index in range(len(transformer.blocks))
            ]

    def _contexts(self, method: Method) -> list[Any]:
        """One text per block for rows [negative × plans, positive × plans]."""
        count, each, device = len(self.plans), len(self.plans[0].regions) + 1, self.region_ids.device

        def groups_by(ids: Tensor) -> tuple[TokenGroup, ...]:
            """Each plan's tokens attend to the plan's own prompts, by prompt ids (tokens,)."""
            prompts = torch.arange(count * each)[:, None]
            groups = [TokenGroup(slice(0, count), slice(count * each, None))]
            for i in range(count):
                groups += token_groups(slice(count + i, count + i + 1), prompts == ids + i * each, device=device)
            return tuple(groups)

        scene, regions = groups_by(torch.zeros_like(self.region_ids)), groups_by(self.region_ids)
        contexts: list[Any] = []  # TextContext, or CoupledText
        for (keys, values), level in zip(self.projected, levels_of(method, len(self.projected)), strict=True):
            at_scene, at_regions = TextContext(keys, values, scene), TextContext(keys, values, regions)
            contexts.append({"scene": at_scene, "region": at_regions, COUPLE: CoupledText(at_scene, at_regions)}[level])
        return contexts

    @torch.inference_mode()
    def paint(
        self, method: Method, seeds: Sequence[int], *, steps: int | None = None, guidance_scale: float | None = None
    ) -> list[Image.Image]:
        """One picture per plan, from that plan's seed. steps, guidance_scale: None for the model's own."""
        pipe, transformer = self.pipe, self.pipe.transformer
        contexts = self._contexts(method)
        pairs = zip(self.plans, seeds, strict=True)
        noise = [initial_noise(self.family, plan, self.region_ids, seed) for plan, seed in pairs]
        scheduler: Any = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
        scheduler.set_timesteps(steps or self.checkpoint.steps, device=transformer.device)
        latents = torch.cat(noise) * scheduler.init_noise_sigma
        patch = transformer.config.patch_size
        rotary_pairs = rotary_pairs_of(
            rotary_embedding(transformer, latents.shape[-2] // patch, latents.shape[-1] // patch)
        )
        guidance = guidance_scale or self.checkpoint.guidance_scale
        for timestep in scheduler.timesteps:
            both = scheduler.scale_model_input(latents, timestep).repeat(2, 1, 1, 1).to(self.picture_condition.dtype)
            predicted = predict(
                transformer,
                both,
                timestep,
                picture_condition=self.picture_condition,
                contexts=contexts,
                rotary_pairs=rotary_pairs,
            )
            negative, positive = predicted.float().chunk(2)
            latents = scheduler.step(negative + guidance * (positive - negative), timestep, latents).prev_sample
        pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor).sample
        return list(pipe.image_processor.postprocess(pixels, output_type="pil"))


def levels_of(method: Method, blocks: int) -> list[str]:
    """The level of each block: 'scene', 'region', or COUPLE for both."""
    return list(method.levels(blocks)) if isinstance(method, PromptSchedule) else [method] * blocks
