"""Trains a LoRA that draws in grey, for docs/controls.md: needs peft, and a minute on a CPU."""

import random
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from PIL import ImageOps
from safetensors.torch import save_file

from ditpipe import Renderer, RenderRequest
from ditpipe.agent.evaluate.fixed_plans import fixed_plan
from ditpipe.renderer.families.hunyuan import size_and_style
from ditpipe.renderer.families.hunyuan_attention import rotary_embedding

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]


def trained(renderer: Renderer, path: Path, *, pictures: int = 8, steps: int = 200, batch: int = 6) -> Path:
    """Trains a LoRA for a Hunyuan-DiT on the model's own pictures in greyscale, and writes it to `path`."""
    latents, states = [], []
    for number in range(pictures):
        plan = fixed_plan(2 - number % 2, number)[0]
        prompt = plan.regions[0].prompt.text if number % 2 else plan.scene.high_level
        result = renderer.render(RenderRequest(plan=plan, model=renderer.model, seed=number))
        with torch.inference_mode():
            latents.append(renderer.family.encode_image(ImageOps.grayscale(result.image).convert("RGB")))
            states += renderer.prompts([prompt])
    clean = torch.cat(latents).clone()
    parts = ("states", "mask", "t5", "t5_mask")
    text = [torch.cat([getattr(prompt, part) for prompt in states]).clone() for part in parts]
    copy: Any = Renderer(renderer.model, device=str(renderer.family.device)).family
    copy.model.set_default_attn_processor()
    rows, columns = (side // copy.patch for side in clean.shape[-2:])
    rotary = rotary_embedding(copy.model, rows, columns)
    size, style = size_and_style(batch, *(copy.cell * side for side in clean.shape[-2:]), like=clean)
    model: Any = get_peft_model(copy.model, LoraConfig(r=8, lora_alpha=8, target_modules=TARGETS))
    noising = DDPMScheduler.from_config(copy.pipe.scheduler.config)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    torch.manual_seed(0)
    rng = random.Random(0)
    for _ in range(steps):
        chosen = [rng.randrange(pictures) for _ in range(batch)]
        noise, times = torch.randn_like(clean[chosen]), torch.randint(0, 1000, (batch,), device=clean.device)
        bert, bert_mask, t5, t5_mask = (part[chosen] for part in text)
        predicted = model(
            noising.add_noise(clean[chosen], noise, times), times.float(), encoder_hidden_states=bert,
            text_embedding_mask=bert_mask, encoder_hidden_states_t5=t5, text_embedding_mask_t5=t5_mask,
            image_meta_size=size, style=style, image_rotary_emb=rotary, return_dict=False,
        )[0].chunk(2, dim=1)[0]  # fmt: skip
        wanted = {"epsilon": noise, "sample": clean[chosen]}.get(noising.config.prediction_type)
        if wanted is None:
            wanted = noising.get_velocity(clean[chosen], noise, times)
        loss = torch.nn.functional.mse_loss(predicted, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_file({name: value.contiguous() for name, value in get_peft_model_state_dict(model).items()}, path)
    return path
