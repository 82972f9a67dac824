"""Pictures of the controls, drawn by the pocket checkpoint: python -m benchmarks.controls

Writes docs/controls/*.png and docs/controls.md, and measures the approximation of edits and the reach of the decoder.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image, ImageChops, ImageDraw
from rich.console import Console

from benchmarks.pages import DOCS
from ditpipe import Box, LeveledPrompt, Region, Renderer, RenderRequest, Revision, ScenePlan, boxes_for, grid
from ditpipe.agent.chat.phrases import score_text
from ditpipe.agent.refine.critic import EmbeddedCritic, rank_candidates
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.forward import EditBase
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import PRESETS, preset
from ditpipe.renderer.request import Lora
from ditpipe.renderer.sampling.edit import changed_tokens
from ditpipe.renderer.sampling.sampler import tokens_to_cells

SEED = 3
WORDS = ("red cat", "blue rocket", "green tree", "yellow star", "pink house", "purple castle", "orange fish",
         "white rabbit", "red apple")  # fmt: skip


def region(words: str, box: Any, **fields: Any) -> Region:
    low, high = words.split()
    return Region(name=high, box=box, prompt=LeveledPrompt(high_level=high, low_level=low), **fields)


def pair(**fields: Any) -> ScenePlan:
    """A red cat on the left and a blue rocket on the right. fields: of the rocket's region."""
    left, right = boxes_for(["left", "right"])
    scene = LeveledPrompt(high_level="a red cat on the left and a blue rocket on the right at night")
    return ScenePlan(scene=scene, regions=[region("red cat", left), region("blue rocket", right, **fields)])


def nine() -> ScenePlan:
    regions = [region(words, box) for words, box in zip(WORDS, grid(3, 3), strict=True)]
    return ScenePlan(scene=LeveledPrompt(high_level=", ".join(f"a {words}" for words in WORDS)), regions=regions)


def request(plan: ScenePlan, **fields: Any) -> RenderRequest:
    return RenderRequest(plan=plan, **({"seed": SEED} | fields))


class Page:
    """docs/controls.md, a row of pictures and a table line per control."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.lines = ["# Controls, as pictures", "", "Drawn by `python -m benchmarks.controls` with the pocket "
                      f"checkpoint, seed {SEED}; from left to right as listed. Not shown: ControlNets, as "
                      "none is published for the pocket checkpoint, and what saves memory or time and leaves a small "
                      "picture as it is: `--save tiling`, `--save offload`, `--compile`. "
                      "`tests/test_options.py` and `tests/test_memory.py` test them on tiny checkpoints."]  # fmt: skip

    def show(self, name: str, title: str, how: str, captions: Sequence[str], pictures: Sequence[Image.Image]) -> None:
        row = Image.new("RGB", (132 * len(pictures) - 4, 128), "white")
        for i, picture in enumerate(pictures):
            row.paste(picture.resize((128, 128)), (132 * i, 0))
        row.save(DOCS / "controls" / f"{name}.png", optimize=True)
        self.lines += ["", f"## {title}", "", f"![{title}](controls/{name}.png)", "",
                       " · ".join(captions), "", f"`{how}`"]  # fmt: skip

    def vary(self, name: str, title: str, how: str, requests: dict[str, RenderRequest]) -> None:
        pictures = [self.renderer.render(request).image for request in requests.values()]
        self.show(name, title, how, list(requests), pictures)


CAR = Revision(changes=[RegionChange(name="house", prompt=LeveledPrompt(high_level="car", low_level="blue"), seed=77)])


def measure_edits(renderer: Renderer) -> tuple[list[float], dict[int, list[float]]]:
    """Over edits of one region of nine: the RMS distance to the edit with full steps only, relative to the RMS change;
    and, by distance in pixels from the redrawn cells, the change of the decoded picture of 255 (mean, largest)."""
    distances, far = [], {8: [0.0, 0.0], 16: [0.0, 0.0], 24: [0.0, 0.0]}
    for seed in (1, 2, 3):
        before = renderer.render(request(nine(), seed=seed))
        ours = renderer.edit(before, CAR)
        plan = ours.request.edited_plan
        width, height = plan.size
        tokens, cells = height // 16, height // 8  # a side
        drawn = changed_tokens(before.request.plan, plan, rows=tokens, columns=tokens, patch=2)
        every = EditBase(before.latents, drawn, full_steps=lambda steps: set(range(steps)))
        exact, _ = renderer.loaded.denoised(ours.request, plan, [seed], None, every)
        distances.append(float((ours.latents - exact).norm() / (exact - before.latents).norm()))
        with torch.inference_mode():
            change = ImageChops.difference(before.image, renderer.family.decode(ours.latents))
        levels = torch.tensor(list(change.convert("L").tobytes())).view(height, width).float()
        inside = tokens_to_cells(drawn, cells, cells, 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
        for pixels, (mean, most) in far.items():
            wide = torch.nn.functional.max_pool2d(inside.float()[None], 2 * pixels + 1, 1, pixels)[0] > 0
            ring = levels[~wide]
            far[pixels] = [mean + float(ring.mean()) / 3, max(most, float(ring.max()))]
    return distances, far


def main() -> None:
    renderer = Renderer()
    page = Page(renderer)
    (DOCS / "controls").mkdir(exist_ok=True)
    page.vary("feather", "Soft edges", "ditpipe render plan.json --set rocket.feather=4", {
        f"feather {cells}": request(pair(feather=float(cells))) for cells in (0, 2, 4)})  # fmt: skip
    inner = [region("red cat", Box(left=0, top=0, right=1, bottom=1)),
             region("blue rocket", Box(left=0.5, top=0, right=1, bottom=0.5))]  # fmt: skip
    over = ScenePlan(scene=pair().scene, regions=[inner[0], inner[1].model_copy(update={"z_order": 1})])
    under = ScenePlan(scene=pair().scene, regions=[inner[1], inner[0].model_copy(update={"z_order": 1})])
    low = region("red cat", Box(left=0, top=0.3, right=0.4, bottom=1))
    apart = ScenePlan(scene=pair().scene, regions=[low, inner[1]])
    page.vary("boxes", "Free boxes: nested, hidden, with a gap", "ditpipe render plan.json --set rocket.z_order=1", {
        "rocket above": request(over), "rocket below": request(under), "gap": request(apart)})  # fmt: skip
    mixed = {f"strength {s:g}": request(all_of(pair(), strength=s)) for s in (1.0, 0.7, 0.4, 0.0)}
    how = "ditpipe render plan.json --set '*.strength=0.5'"
    page.vary("strength", "Strength: the share of the region's own prompt", how, mixed)
    page.vary("steps", "Start and end of regional control", "ditpipe render plan.json --set '*.start=0.4'", {
        "all steps": request(pair()), "from 40%": request(all_of(pair(), start=0.4)),
        "until 40%": request(all_of(pair(), end=0.4))})  # fmt: skip
    schedules = (*PRESETS, "scene-high*4,region-high*2,region-low*2")
    page.vary("depth", "Depth: the prompt level of each block", f"ditpipe render plan.json --depth '{schedules[-1]}'",
              {name: request(pair(), depth=preset(name)) for name in schedules})  # fmt: skip
    page.vary("negative", "Negatives: of the picture, of a region",
              "ditpipe render plan.json --set rocket.negative=blue", {
        "none": request(pair()), "picture: blue": request(pair().model_copy(update={"negative": "blue"})),
        "rocket: blue": request(pair(negative="blue"))})  # fmt: skip
    page.vary("seed", "Seeds: new noise in one region", "ditpipe render plan.json --set rocket.seed=1", {
        "the picture's": request(pair()), **{f"rocket {s}": request(pair(seed=s)) for s in (1, 2)}})  # fmt: skip
    best = rank_candidates(renderer.candidates(request(pair()), 4), EmbeddedCritic())
    page.show(
        "candidates",
        "Candidates: one batch, best first",
        "ditpipe render plan.json --candidates 4",
        [score_text(verdict.score) for _, verdict in best if verdict],
        [result.image for result, _ in best],
    )
    before = renderer.render(request(nine()))
    after = renderer.edit(before, CAR)
    change = ImageChops.difference(before.image, after.image).convert("L").point(lambda level: 255 * (level > 0))
    page.show(
        "edit",
        "Edit: one region of nine becomes a blue car",
        "ditpipe edit picture.png --region house --prompt car --low blue --seed 77",
        ["before", "after", "pixels that differ"],
        [before.image, after.image, change.convert("RGB")],
    )
    with_files(page)
    distances, far = measure_edits(renderer)
    page.lines += [
        "", "## What an edit approximates", "",
        f"Five of twenty steps are full steps. Three edits differ from the same edits with full steps only by "
        f"{min(distances):.2f} to {max(distances):.2f} of their change (RMS of the redrawn latents).", "",
        "An edit keeps the pixels more than 16 beyond the redrawn cells. The decoder alone would change them by:", "",
        "| pixels beyond | mean, levels of 255 | largest |", "|---|---|---|",
        *(f"| {pixels} | {mean:.2f} | {most:.0f} |" for pixels, (mean, most) in far.items()),
    ]  # fmt: skip
    (DOCS / "controls.md").write_text("\n".join(page.lines) + "\n")
    Console().print("\n".join(page.lines[-12:]), markup=False)


def with_files(page: Page) -> None:
    """Controls that need files: a start picture, a LoRA; then the step cache and 8-bit weights."""
    from benchmarks.grey_lora import trained

    size = page.renderer.checkpoint.size
    with TemporaryDirectory() as folder:
        start = Path(folder) / "start.png"
        sketch = Image.new("RGB", (size, size), "midnightblue")
        pen = ImageDraw.Draw(sketch)
        pen.ellipse([size * x for x in (0.06, 0.5, 0.44, 0.88)], fill="red")
        pen.polygon([size * x for x in (0.75, 0.1, 0.62, 0.8, 0.88, 0.8)], fill="royalblue")
        sketch.save(start)
        drawn = {
            f"denoise {share:g}": page.renderer.render(request(pair(), image=FileRef.of(start), denoise=share)).image
            for share in (0.2, 0.4, 0.7)
        }
        how = "ditpipe render plan.json --image start.png --denoise 0.4"
        page.show("image", "Start from a picture", how, ["the start", *drawn], [sketch, *drawn.values()])
        file = FileRef.of(trained(page.renderer, Path(folder) / "grey.safetensors"))
        page.vary("lora", "LoRA: for the picture, for one region (trained to draw in grey)",
                  "ditpipe render plan.json --lora grey.safetensors,region=cat", {
            "none": request(pair()), "the picture": request(pair(), loras=[Lora(file=file)]),
            "cat": request(pair(), loras=[Lora(file=file, region="cat")]),
            "rocket": request(pair(), loras=[Lora(file=file, region="rocket")])})  # fmt: skip
        cached = {
            f"step cache {share:g}": page.renderer.render(request(pair(), step_cache=share)) for share in (0.1, 0.15)
        }
        exact = page.renderer.render(request(pair()))
        how = "ditpipe render plan.json --step-cache 0.15 --save int8"
        page.show("stepcache", "A step cache, and 8-bit weights", how,
                  ["exact", *cached, "int8"],
                  [exact.image, *(result.image for result in cached.values()),
                   page.renderer.render(request(pair(), save=["int8"])).image])  # fmt: skip
        page.lines += ["", *(f"- {name}: {result.warnings[-1].removeprefix('step cache: ')}; latents off by "
                             f"{float((result.latents - exact.latents).norm() / exact.latents.norm()):.1%} at the end."
                             for name, result in cached.items())]  # fmt: skip


def all_of(plan: ScenePlan, **fields: Any) -> ScenePlan:
    """The plan with fields of all regions set."""
    return plan.model_copy(update={"regions": [region.model_copy(update=fields) for region in plan.regions]})


if __name__ == "__main__":
    main()
