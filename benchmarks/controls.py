"""Pictures of the controls, drawn by the pocket checkpoint: python -m benchmarks.controls [SECTION …]

Writes docs/controls/*.png and docs/controls.md, and measures the approximation of edits and the reach of the decoder.
The page is written after each section, which names the commit that drew it. Without names those of other commits are
drawn again, so a run that was stopped goes on where it stopped.
"""

import argparse
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from ditpipe.renderer.request import Lora, RenderResult
from ditpipe.renderer.sampling.edit import changed_tokens
from ditpipe.renderer.sampling.sampler import tokens_to_cells

SEED = 3
SIDE = 256  # pixels of a picture in its row
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


@dataclass(frozen=True)
class Drawn:
    """What a section shows: captions with their pictures, from left to right, and lines below them."""

    pictures: dict[str, Image.Image]
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the page. how: the command that does it; empty: none."""

    title: str
    how: str
    draw: Callable[[Renderer], Drawn]


def vary(requests: dict[str, RenderRequest]) -> Callable[[Renderer], Drawn]:
    """Draws requests, by their captions."""
    return lambda renderer: Drawn({name: renderer.render(request).image for name, request in requests.items()})


def all_of(plan: ScenePlan, **fields: Any) -> ScenePlan:
    """The plan with fields of all regions set."""
    return plan.model_copy(update={"regions": [region.model_copy(update=fields) for region in plan.regions]})


def boxes() -> dict[str, RenderRequest]:
    whole = region("red cat", Box(left=0, top=0, right=1, bottom=1))
    corner = region("blue rocket", Box(left=0.5, top=0, right=1, bottom=0.5))
    low = region("red cat", Box(left=0, top=0.3, right=0.4, bottom=1))
    plans = {
        "rocket above": [whole, corner.model_copy(update={"z_order": 1})],
        "rocket below": [corner, whole.model_copy(update={"z_order": 1})],
        "gap": [low, corner],
    }
    return {name: request(ScenePlan(scene=pair().scene, regions=regions)) for name, regions in plans.items()}


def candidates(renderer: Renderer) -> Drawn:
    best = rank_candidates(renderer.candidates(request(pair()), 4), EmbeddedCritic())
    scores = [score_text(verdict.score) for _, verdict in best if verdict]
    return Drawn({f"{score} (seed {result.request.seed})": result.image for score, (result, _) in zip(scores, best)})


CAR = Revision(changes=[RegionChange(name="house", prompt=LeveledPrompt(high_level="car", low_level="blue"), seed=77)])


def edit(renderer: Renderer) -> Drawn:
    before = renderer.render(request(nine()))
    after = renderer.edit(before, CAR)
    change = ImageChops.difference(before.image, after.image).convert("L").point(lambda level: 255 * (level > 0))
    return Drawn({"before": before.image, "after": after.image, "pixels that differ": change.convert("RGB")})


def start_picture(renderer: Renderer) -> Drawn:
    size = renderer.checkpoint.size
    sketch = Image.new("RGB", (size, size), "midnightblue")
    pen = ImageDraw.Draw(sketch)
    pen.ellipse([size * x for x in (0.06, 0.5, 0.44, 0.88)], fill="red")
    pen.polygon([size * x for x in (0.75, 0.1, 0.62, 0.8, 0.88, 0.8)], fill="royalblue")
    with TemporaryDirectory() as folder:
        start = Path(folder) / "start.png"
        sketch.save(start)
        drawn = {
            f"denoise {share:g}": renderer.render(request(pair(), image=FileRef.of(start), denoise=share)).image
            for share in (0.2, 0.4, 0.7)
        }
    return Drawn({"the start": sketch} | drawn)


def lora(renderer: Renderer) -> Drawn:
    from benchmarks.grey_lora import trained

    with TemporaryDirectory() as folder:
        file = FileRef.of(trained(renderer, Path(folder) / "grey.safetensors"))
        loras = {"none": [], "the picture": [Lora(file=file)]} | {
            name: [Lora(file=file, region=name)] for name in ("cat", "rocket")
        }
        return vary({name: request(pair(), loras=some) for name, some in loras.items()})(renderer)


def step_cache(renderer: Renderer) -> Drawn:
    exact = renderer.render(request(pair()))
    cached = {f"step cache {share:g}": renderer.render(request(pair(), step_cache=share)) for share in (0.1, 0.15)}
    int8 = renderer.render(request(pair(), save_memory=["int8"]))

    def off(result: RenderResult) -> float:
        return float((result.latents - exact.latents).norm() / exact.latents.norm())

    lines = [
        f"- {name}: {result.warnings[-1].removeprefix('step cache: ')}; latents off by {off(result):.1%} at the end."
        for name, result in cached.items()
    ]
    pictures = {name: result.image for name, result in ({"exact": exact} | cached | {"int8": int8}).items()}
    return Drawn(pictures, tuple(lines))


def measure_edits(renderer: Renderer) -> tuple[list[float], dict[int, list[float]]]:
    """Over edits of one region of nine: the RMS distance to the edit with full steps only, relative to the RMS change;
    and, by distance in pixels from the redrawn cells, the change of the decoded picture of 255 (mean, largest)."""
    distances, far = [], {16: [0.0, 0.0], 32: [0.0, 0.0], 48: [0.0, 0.0]}
    for seed in (1, 2, 3):
        before = renderer.render(request(nine(), seed=seed))
        ours = renderer.edit(before, CAR)
        plan = ours.request.edited_plan
        width, height = plan.size
        cell = renderer.family.cell
        tokens, cells = height // renderer.token, height // cell  # a side
        drawn = changed_tokens(before.request.plan, plan, rows=tokens, columns=tokens, patch=2)
        every = EditBase(before.latents, drawn, full_steps=lambda steps: set(range(steps)))
        exact, _ = renderer.loaded.denoised(ours.request, plan, [seed], None, every)
        distances.append(float((ours.latents - exact).norm() / (exact - before.latents).norm()))
        with torch.inference_mode():
            change = ImageChops.difference(before.image, renderer.family.decode(ours.latents))
        levels = torch.tensor(list(change.convert("L").tobytes())).view(height, width).float()
        inside = tokens_to_cells(drawn, cells, cells, 2).repeat_interleave(cell, 0).repeat_interleave(cell, 1)
        for pixels, (mean, most) in far.items():
            wide = torch.nn.functional.max_pool2d(inside.float()[None], 2 * pixels + 1, 1, pixels)[0] > 0
            ring = levels[~wide]
            far[pixels] = [mean + float(ring.mean()) / 3, max(most, float(ring.max()))]
    return distances, far


def approximation(renderer: Renderer) -> Drawn:
    distances, far = measure_edits(renderer)
    return Drawn({}, (
        f"Five of twenty steps are full steps. Three edits differ from the same edits with full steps only by "
        f"{min(distances):.2f} to {max(distances):.2f} of their change (RMS of the redrawn latents).", "",
        "An edit keeps the pixels more than 32 beyond the redrawn cells. The decoder alone would change them by:", "",
        "| pixels beyond | mean, levels of 255 | largest |", "|---|---|---|",
        *(f"| {pixels} | {mean:.2f} | {most:.0f} |" for pixels, (mean, most) in far.items()),
    ))  # fmt: skip


SCHEDULES = (*PRESETS, "scene-high*4,region-high*2,region-low*2")
SECTIONS = {
    "feather": Section("Soft edges", "ditpipe render plan.json --set rocket.feather=4", vary({
        f"feather {cells}": request(pair(feather=float(cells))) for cells in (0, 2, 4)})),
    "boxes": Section("Free boxes: nested, hidden, with a gap", "ditpipe render plan.json --set rocket.z_order=1",
                     vary(boxes())),
    "strength": Section("Strength: the share of the region's own prompt",
                        "ditpipe render plan.json --set '*.strength=0.5'", vary({
        f"strength {share:g}": request(all_of(pair(), strength=share)) for share in (1.0, 0.7, 0.4, 0.0)})),
    "steps": Section("Start and end of regional control", "ditpipe render plan.json --set '*.start=0.4'", vary({
        "all steps": request(pair()), "from 40%": request(all_of(pair(), start=0.4)),
        "until 40%": request(all_of(pair(), end=0.4))})),
    "schedule": Section("Prompt schedules: the prompt level of each block",
                        f"ditpipe render plan.json --prompt-schedule '{SCHEDULES[-1]}'", vary({
        name: request(pair(), prompt_schedule=preset(name)) for name in SCHEDULES})),
    "negative": Section("Negatives: of the picture, of a region",
                        "ditpipe render plan.json --set rocket.negative=blue", vary({
        "none": request(pair()), "picture: blue": request(pair().model_copy(update={"negative": "blue"})),
        "rocket: blue": request(pair(negative="blue"))})),
    "seed": Section("Seeds: new noise in one region", "ditpipe render plan.json --set rocket.seed=1", vary({
        "the picture's": request(pair()), **{f"rocket {seed}": request(pair(seed=seed)) for seed in (1, 2)}})),
    "candidates": Section("Candidates: one batch, best first", "ditpipe render plan.json --candidates 4", candidates),
    "edit": Section("Edit: one region of nine becomes a blue car",
                    "ditpipe edit picture.png --region house --prompt car --low blue --seed 77", edit),
    "image": Section("Start from a picture", "ditpipe render plan.json --image start.png --denoise 0.4", start_picture),
    "lora": Section("LoRA: for the picture, for one region (trained to draw in grey)",
                    "ditpipe render plan.json --lora grey.safetensors,region=cat", lora),
    "stepcache": Section("A step cache, and 8-bit weights",
                         "ditpipe render plan.json --step-cache 0.15 --save-memory int8", step_cache),
    "approximation": Section("What an edit approximates", "", approximation),
}  # fmt: skip
INTRODUCTION = f"""# Controls, as pictures

Drawn by `python -m benchmarks.controls` with the pocket checkpoint, seed {SEED}; from left to right as listed. Each
section names the commit that drew it. Not shown: ControlNets, as none is published for the pocket checkpoint, and what
saves memory or time and leaves a small picture as it is: `--save-memory tiling`, `--save-memory offload`, `--compile`.
`tests/test_options.py` and `tests/test_memory.py` test them on tiny checkpoints."""


def text_of(name: str, section: Section, drawn: Drawn, commit: str) -> str:
    """The section as Markdown; its row of pictures is written to docs/controls."""
    parts = [f"## {section.title}"]
    if drawn.pictures:
        row = Image.new("RGB", ((SIDE + 4) * len(drawn.pictures) - 4, SIDE), "white")
        for i, picture in enumerate(drawn.pictures.values()):
            row.paste(picture.resize((SIDE, SIDE)), ((SIDE + 4) * i, 0))
        row.save(DOCS / "controls" / f"{name}.png", optimize=True)
        parts += [f"![{section.title}](controls/{name}.png)", " · ".join(drawn.pictures)]
    parts += [f"`{section.how}`"] if section.how else []
    parts += ["\n".join(drawn.lines)] if drawn.lines else []
    return "\n\n".join([*parts, f"Commit {commit}."])


def sections_in(page: str) -> Iterator[tuple[str, str]]:
    """The sections of a page by name, without those of other titles."""
    names = {section.title: name for name, section in SECTIONS.items()}
    for part in page.split("\n## ")[1:]:
        if name := names.get(part.splitlines()[0]):
            yield name, f"## {part}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=DOCS, capture_output=True, text=True, check=True).stdout.strip()
    (DOCS / "controls").mkdir(exist_ok=True)
    page, renderer = DOCS / "controls.md", Renderer()
    texts = dict(sections_in(page.read_text())) if page.exists() else {}
    for name in chosen or [name for name in SECTIONS if not texts.get(name, "").endswith(f"Commit {commit}.")]:
        texts[name] = text_of(name, SECTIONS[name], SECTIONS[name].draw(renderer), commit)
        page.write_text("\n\n".join([INTRODUCTION, *(texts[name] for name in SECTIONS if name in texts)]) + "\n")
        Console().print(texts[name], markup=False)


if __name__ == "__main__":
    main()
