"""The commands that draw without the agent: `ditpipe render`, `edit` and `repaint`."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from ....prompts.errors import RunError, visible
from ....prompts.plan import Box, LeveledPrompt
from ....prompts.revision import RegionChange, Revision
from ....renderer.request import RenderRequest, RenderResult
from ...runs.consent import HERE, agreed_request
from ...settings import chosen_seed, read_seed, settings_of
from ..options import (
    STDIN,
    Agreed,
    Json,
    Options,
    OutFile,
    PlanFile,
    given_plan,
    option,
    print_answer,
    print_seed,
    stderr_console,
    with_settings,
)
from ..signals import ctrl_c

if TYPE_CHECKING:
    from ...agent import Agent

Large = Annotated[bool, option("Render", "--large", help="draw it even if it is more than a server would draw")]


@with_settings(without=("planner", "approve", "rounds", "threshold", "out", "sessions"))
def render(
    plan_file: PlanFile,
    options: Options,
    change: Annotated[
        list[str] | None, option("Plan", "--set", help="a plan field: cat.feather=2, *.strength=0.7, negative=blurred")
    ] = None,
    image: Annotated[Path | None, option("Render", "--image", help="picture to start from")] = None,
    denoise: Annotated[
        float | None, option("Render", "--denoise", help="share of noise it is put under, 0.001 to 1; empty: 0.6")
    ] = None,
    fit: Annotated[
        str | None, option("Render", "--fit", help="of a picture of another shape: cover (cut off), contain, stretch")
    ] = None,
    background: Annotated[
        str | None,
        option("Render", "--background", help="colour where it is transparent, and of frames", show_default="white"),
    ] = None,
    control: Annotated[
        list[str] | None, option("Render", "--control", help="ControlNet: canny=edges.png, depth=map.png,scale=0.7")
    ] = None,
    lora: Annotated[
        list[str] | None, option("Render", "--lora", help="LoRA: FILE, FILE,scale=0.8 or FILE,region=cat")
    ] = None,
    out: OutFile = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Draw a plan file. With --candidates, several pictures in one batch, numbered from the best."""
    from ..overrides import overridden

    scene = overridden(given_plan(plan_file), change or [])
    settings = settings_of(**options)
    from ...agent import Agent
    from ...render_options import with_files

    agent = Agent(settings=settings)
    path = out or (Path("plan.png") if plan_file == STDIN else plan_file.with_suffix(".png"))
    if {"size", "aspect"} & options.keys():  # they win over the plan's own, as --set does
        scene = scene.model_copy(update=dict(zip(("width", "height"), agent.size, strict=True)))
    request = with_files(
        agent.request(scene), image=image, denoise=denoise, controls=control or [], loras=lora or [], fit=fit,
        background=background,
    )  # fmt: skip
    if settings.seed == "random":
        print_seed(request.seed)
    from ....renderer.pictures.artifacts import with_format_warnings, write_picture

    _check_file(path)
    drawn = _draw(agent, DrawInput(request=request, candidates=settings.candidates), as_json)
    if settings.candidates == 1:
        unused = "--critic is not used: one picture has no other to be ranked with (--candidates)"
        _answer(drawn[0], path, as_json, [unused] if "critic" in options else [])
        return
    pictures = []
    unranked = ["the candidates are in the order of drawing, for nobody judges them"] if agent.critic is None else []
    drawn = [replace(result, warnings=(*result.warnings, *unranked)) for result in drawn]
    ranked = agent.rank_candidates([with_format_warnings(path, result) for result in drawn])
    for number, (result, verdict) in enumerate(ranked, start=1):
        file = path.with_name(f"{path.stem}-{number}{path.suffix}")
        write_picture(file, result)
        score = verdict.score if verdict else None
        pictures.append({
            "picture": str(file), "score": score, "seed": result.request.seed, "warnings": result.warnings,
        })  # fmt: skip
    _warn(list(dict.fromkeys(warning for result, _ in ranked for warning in result.warnings)))
    lines = [f"{row['picture']}" + ("" if row["score"] is None else f"  {row['score']:.2f}") for row in pictures]
    print_answer(as_json, {"pictures": pictures}, "\n".join(lines))


@with_settings("model", "critic", "base_url", "timeout", "device")
def edit(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE.png")],
    options: Options,
    region: Annotated[str, option("Plan", "--region", help="name of the region to draw again")],
    prompt: Annotated[str | None, option("Plan", "--prompt", help="what is to be there")] = None,
    low: Annotated[str | None, option("Plan", "--low", help="colour, texture, material, light and detail")] = None,
    scene: Annotated[str | None, option("Plan", "--scene", help="new scene prompt, if the old names it")] = None,
    negative: Annotated[str | None, option("Plan", "--negative", help="what must not appear in the region")] = None,
    seed: Annotated[str | None, option("Plan", "--seed", help="new noise seed of the region, or random")] = None,
    box: Annotated[str | None, option("Plan", "--box", help="new place: left,top,right,bottom in 0 to 1")] = None,
    feather: Annotated[float | None, option("Plan", "--feather", help="soft edge in latent cells")] = None,
    strength: Annotated[float | None, option("Plan", "--strength", help="share of its own prompt, 0 to 1")] = None,
    start: Annotated[float | None, option("Plan", "--start", help="share of the steps before its prompt acts")] = None,
    end: Annotated[float | None, option("Plan", "--end", help="share of the steps after which it stops")] = None,
    z_order: Annotated[int | None, option("Plan", "--z-order", help="higher regions cover lower ones")] = None,
    control: Agreed = None, out: OutFile = None, large: Large = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Draw one region of a picture again and keep the rest as it is; --seed alone draws it from new noise.

    The latents are stored beside the new picture: the next edit starts from them, without drawing the rest again. The
    critic compares it with the picture before, and what is worse is said; the file of the picture before stays.
    """
    from ....prompts.prompt_style import sync_revision
    from ....renderer.pictures.artifacts import read_result, write_result
    from ...agent import Agent
    from ...refine.edit_critique import review_edit

    before = read_result(picture)
    own = before if isinstance(before, RenderRequest) else before.request
    request, notes = agreed_request(picture, own, model=options.get("model"), controls=control or [])
    before = before if request is own else request  # latents are those of the model that drew them
    plan = request.edited_plan
    old = plan.region(region).prompt
    prompts = None
    if prompt is not None or low is not None:
        prompts = LeveledPrompt(
            high_level=old.high_level if prompt is None else prompt,
            low_level=("" if prompt else old.low_level) if low is None else low,
        )
    new_seed = None if seed is None else chosen_seed(read_seed(seed))
    change = RegionChange(
        name=region, prompt=prompts, negative=negative, seed=new_seed, box=_box(box), feather=feather,
        strength=strength, start=start, end=end, z_order=z_order,
    )  # fmt: skip
    if change == RegionChange(name=region):
        raise ValueError(
            "nothing to change: give --prompt, --low, --negative, --seed, --box, --feather, --strength, --start, --end "
            "or --z-order"
        )
    scene_prompt = None if scene is None else LeveledPrompt(high_level=scene, low_level=plan.scene.low_level)
    revision = sync_revision(Revision(changes=[change], scene=scene_prompt), plan)
    if seed == "random" and new_seed is not None:
        print_seed(new_seed)
    path = out or picture.with_name(f"{picture.stem}-edited.png")
    if before is own:
        notes.append("no latents are kept beside this picture, so all of it was drawn first")
    agent = Agent(settings=settings_of(**options | {"model": request.model or HERE}))

    _check_file(path)
    if before is request:
        message, steps = _check_work(request.model_copy(update={"edits": [*request.edits, revision]}), large=large)
        work = DrawInput(request=request, revision=revision)
    else:  # the edit alone is drawn, in the picture's own steps
        _check_work(request.model_copy(update={"edits": [], "together": []}), large=large)
        message, steps, work = "", 0, DrawInput(request=request, picture=picture, revision=revision)
    drawn, edited = _draw(agent, work, as_json, message=message, steps=steps)
    compared = review_edit(drawn, edited, agent.critic, threshold=agent.settings.threshold)
    result = replace(edited, warnings=(*edited.warnings, *compared.warnings))
    _answer(result, path, as_json, notes, keep=write_result)


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"--box needs four numbers left,top,right,bottom, got {text!r}") from error
    return Box(left=left, top=top, right=right, bottom=bottom)


@with_settings("model", "device")
def repaint(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE.png")], options: Options, control: Agreed = None,
    out: OutFile = None, large: Large = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Draw a picture again from what its file carries: the same pixels on the same machine."""
    from ....renderer.pictures.artifacts import read_request
    from ...agent import Agent

    request, notes = agreed_request(picture, read_request(picture), model=options.get("model"), controls=control or [])
    path = out or picture.with_name(f"{picture.stem}-again.png")
    _check_file(path)
    agent = Agent(settings=settings_of(**options | {"model": request.model or HERE}))
    message, steps = _check_work(request, large=large)
    (result,) = _draw(agent, DrawInput(request=request), as_json, message=message, steps=steps)
    if path != picture and picture.suffix.lower() == ".png" and _pixels(picture) != result.image.tobytes():
        notes.append("the pixels are not those of the file: another machine, version or model drew it, or a server")
    _answer(result, path, as_json, notes)


def _pixels(picture: Path) -> bytes:
    from ....renderer.pictures.artifacts import open_image

    return open_image(picture).tobytes()


def _check_work(request: RenderRequest, *, large: bool) -> tuple[str, int]:
    """What a picture's own request asks for, in words, and its steps with those of its edits.

    Raises ValueError if that is more than a server would draw, unless `large`.
    """
    from ....renderer.checkpoints.registry import checkpoint
    from ....tools.api_schema import check_work

    model = checkpoint(request.model or "pocket")
    steps, (width, height) = request.steps or model.steps, request.plan.with_size(model.size, model.size).size
    pictures, edits = len(request.together or [request.seed]), len(request.edits)
    parts = [f"{steps} steps"] + [f"of {pictures} pictures together"] * (pictures > 1)
    parts += [f"and {edits} edit{'s' * (edits > 1)} of as many"] * (edits > 0)
    size = f"{width}×{height} pixels"
    files = f", with {', '.join(file.path for file in request.files)}" if request.files else ""
    message = f"{' '.join(parts)}, {size}, with the model {request.model or 'pocket'}{files}"
    try:
        check_work(request, steps=steps, edits=edits)
    except ValueError as error:
        if not large:
            raise ValueError(f"this picture asks for {message}: {error}; --large draws it all the same") from error
    return message, steps * (1 + edits)


def _duration(seconds: float) -> str:
    """'40 seconds', '3 minutes', '2 hours': rounded as an estimate should be."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{max(1, round(seconds))} second{'s' * (round(seconds) > 1)}"


class DrawInput(BaseModel):
    """The input of a job that draws: a request, or with `revision` an edit of it. picture: the file of its finished
    picture with the latents, None if it has to be drawn first."""

    request: RenderRequest
    candidates: int = 1
    picture: Path | None = None
    revision: Revision | None = None


def _draw(agent: "Agent", work: DrawInput, as_json: bool, *, message: str = "", steps: int = 0) -> list[RenderResult]:
    """Runs a job under a progress bar; the first Ctrl-C ends it at its next step. Returns the candidates; of an edit
    the picture before and after it. message: what is drawn; steps: how many, for an estimate of the time left."""
    from rich.progress import Progress

    from ....renderer.pictures.artifacts import read_result
    from ....tools.jobs.device_lock import drawing_on
    from ....tools.jobs.engine import JobContext
    from ....tools.jobs.in_process import InProcessEngine
    from ....tools.jobs.job_events import Stepped

    results: list[RenderResult] = []

    def draw(payload: dict[str, Any], context: JobContext) -> None:
        work, renderer = DrawInput.model_validate(payload), agent.renderer
        with drawing_on(renderer.device, context):
            if work.revision:
                before = read_result(work.picture) if work.picture else work.request
                before = renderer.render(before, context.on_step) if isinstance(before, RenderRequest) else before
                results.extend([before, renderer.edit(before, work.revision, context.on_step)])
            elif work.candidates > 1:
                results.extend(renderer.candidates(work.request, work.candidates, context.on_step))
            else:
                results.append(renderer.render(work.request, context.on_step))

    if message:
        stderr_console.print(f"drawing {message}", style="dim", markup=False)
    engine = InProcessEngine(Path(), {"draw": draw})
    job = engine.submit("draw", work.model_dump(mode="json"))

    def stop() -> None:
        stderr_console.print("stopping at the next step; Ctrl-C again stops at once", style="dim")
        engine.cancel(job.id)

    done: list[float] = []  # when each step was done
    with Progress(console=stderr_console, disable=as_json, transient=True) as progress, ctrl_c(stop):
        bar = progress.add_task("drawing", total=None)
        for event in engine.read(job):
            if isinstance(event, Stepped):
                done.append(time.monotonic())
                if steps > 2 and len(done) == 2:
                    left = (done[1] - done[0]) * (steps - 2)
                    stderr_console.print(f"about {_duration(left)} from here", style="dim")
                progress.update(bar, total=event.total, completed=event.index)
    return results


def _answer(
    result: RenderResult,
    path: Path,
    as_json: bool,
    notes: Sequence[str],
    keep: Callable[[Path, Any], None] | None = None,
) -> None:
    """Writes a picture, and prints where it is. notes: warnings before those of the picture."""
    from ....renderer.pictures.artifacts import with_format_warnings, write_picture

    result = with_format_warnings(path, result)
    warnings = [*notes, *result.warnings]
    _warn(warnings)
    (keep or write_picture)(path, result)
    answer = {"picture": str(path), "seconds": round(result.seconds, 2), "seed": result.request.seed}
    print_answer(as_json, answer | {"warnings": warnings}, str(path))


def _check_file(path: Path) -> None:
    from ....renderer.pictures.artifacts import format_of

    if path.is_dir():
        raise ValueError(f"{path} is a folder; give --out the name of a picture file")
    format_of(path)
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise RunError(f"cannot write {path}: {there} is not a folder that can be written to")


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        stderr_console.print(visible(f"note: {warning}"), style="yellow", markup=False)
