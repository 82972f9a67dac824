"""`ditpipe evaluate regions`: does each region show its prompt? The paper's comparison, on any checkpoint."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import fmean

from ...prompts.answers.planner_schema import PLACE_PHRASES
from ...prompts.errors import RenderError, RunError
from ...prompts.outside_json import JsonObject
from ...prompts.plan import Box, LeveledPrompt, ScenePlan
from ...prompts.prompt_style import place_of, subject_of
from ...renderer.checkpoints.registry import FAMILIES, checkpoint
from ...renderer.checkpoints.remote_models import is_remote
from ...renderer.metrics.pocket_labels import BACKGROUNDS
from ...renderer.regions.prompt_schedule import preset
from ...renderer.request import RenderRequest
from .drawing import Drawer, picture_of, picture_query, usual_size
from .fixed_plans import BACKGROUND_WORDS, TITLES, fixed_plan, scene_of, seed_of
from .judging.detection_scores import Found, Wanted, coco_ap
from .judging.judges import Judge, PictureSeen
from .report import Part, Report, Sheet, Table, percent
from .rows import Row, RowStore, failure, measure_rows

MOST = 100  # fixed plans of each arrangement
SHOWN_PLANS = 3  # of each arrangement, in the sheet
COUPLE_SHARE = 0.5  # of the region's prompt; the rest is the base prompt's
METHODS = {
    "regions": "Controllable Region-Attention, all blocks (the paper's)",
    "default": "the model's own way with regions (its prompt schedule)",
    "merged": "all prompts merged into one",
    "couple": "Couple (two regions only)",
    "caption": "native layout caption",
}


@dataclass(frozen=True)
class Case:
    """A plan to draw. background: of `BACKGROUND_WORDS`, empty if it is unknown. seed: the same for every method."""

    arrangement: str
    number: int
    plan: ScenePlan
    background: str
    seed: int


def fixed_cases(arrangement: int, limit: int, seed: int = 0) -> list[Case]:
    """The first fixed plans of an arrangement of `TITLES`, with free boxes of different layouts first."""
    cases = []
    for index in range(min(limit, MOST)):
        number = (index * 10) % MOST + index // 10
        plan, _ = fixed_plan(arrangement, number)
        background = BACKGROUND_WORDS[BACKGROUNDS.index(scene_of(arrangement, number).background)]
        plan = plan.model_copy(update={"width": None, "height": None})
        cases.append(Case(TITLES[arrangement], number, plan, background, seed + seed_of(arrangement, number)))
    return cases


def file_cases(plans: Mapping[str, ScenePlan], seeds: int, seed: int = 0) -> list[Case]:
    """Plans of files, by name, each from several seeds."""
    cases = []
    for name, plan in plans.items():
        text = plan.scene.high_level.lower()
        background = next((words for words in BACKGROUND_WORDS if words in text), "")
        cases += [Case(name, number, plan, background, seed + number) for number in range(seeds)]
    return cases


def methods_of(model: str, regions: int, chosen: Sequence[str] = ()) -> list[str]:
    """The methods that draw so many regions with a model; `chosen`: of these only."""
    row = checkpoint(model)
    if is_remote(model):  # what carries the regions is the server's matter
        found = ["default", "merged"]
    elif FAMILIES[row.family].regions == "caption":
        found = ["caption", "merged"]
    else:
        own = [] if row.prompt_schedule == "regions" else ["default"]
        found = ["regions", *own, "merged", *(["couple"] if regions == 2 else [])]
    return [method for method in found if not chosen or method in chosen]


def request_of(model: str, case: Case, method: str, *, steps: int | None, guidance: float | None) -> RenderRequest:
    """How a method draws a case."""
    plan, schedule = plan_in_style(model, usual_size(model, case.plan)), None
    if method == "merged":
        plan, schedule = merged(plan), None
    elif method == "couple":
        halved = [region.model_copy(update={"strength": COUPLE_SHARE}) for region in plan.regions]
        plan, schedule = plan.model_copy(update={"regions": halved}), preset("regions")
    elif method == "regions":
        schedule = preset("regions")
    return RenderRequest(
        plan=plan, model=model, seed=case.seed, steps=steps, guidance_scale=guidance, prompt_schedule=schedule
    )


def plan_in_style(model: str, plan: ScenePlan) -> ScenePlan:
    """The plan with regions that name their place only if the model's prompts do: 'cat on the left' or 'cat'."""
    if checkpoint(model).style.regions_name_places:
        return plan
    regions = [
        region.model_copy(
            update={"prompt": LeveledPrompt(high_level=subject_of(region), low_level=region.prompt.low_level)}
        )
        for region in plan.regions
    ]
    return plan.model_copy(update={"regions": regions})


def merged(plan: ScenePlan) -> ScenePlan:
    """One prompt for the whole picture: the scene's, and what of the regions it does not name, with their places."""
    scene = plan.scene.high_level
    lacking = [region for region in plan.regions if subject_of(region).lower() not in scene.lower()]
    phrases = [f"{region.prompt.low_level} {subject_of(region)}".strip() + f" {PLACE_PHRASES[place_of(region.box)]}"
               for region in lacking]  # fmt: skip
    text = ", ".join(part for part in (scene, *phrases) if part)
    prompt = LeveledPrompt(high_level=text[:1000], low_level=plan.scene.low_level)
    return plan.model_copy(update={"scene": prompt, "regions": []})


def evaluate_regions(
    models: Sequence[str], cases: Sequence[Case], judge: Judge, store: RowStore, *, workers: Iterable[Drawer],
    steps: int | None = None, guidance: float | None = None, methods: Sequence[str] = (),
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Draws each case by each method with each model and judges the pictures. Raises ModelError."""
    folder, queries = store.path.parent, list[JsonObject]()
    for model in models:
        for case in cases:
            for method in methods_of(model, len(case.plan.regions), methods):
                request = request_of(model, case, method, steps=steps, guidance=guidance)
                queries.append({
                    "experiment": "regions", "arrangement": case.arrangement, "number": case.number, "method": method,
                    "plan": case.plan.model_dump(mode="json", exclude_defaults=True), "background": case.background,
                    "judge": judge.name, "picture": picture_query(model, request),
                })  # fmt: skip

    def measure(drawer: Drawer, query: JsonObject) -> JsonObject:
        return drawn_and_seen(drawer, query, judge, folder)

    rows = measure_rows(queries, measure, store, workers=workers, title="pictures")
    return report_of(rows, judge, folder), {"figures": [figures.as_json() for figures in grouped(rows)]}


def drawn_and_seen(drawer: Drawer, query: JsonObject, judge: Judge, folder: Path) -> JsonObject:
    """Draws a picture and says what it shows; a plan that the model cannot draw is an error of the row."""
    from ...renderer.pictures.artifacts import open_image

    try:
        path, seconds, warnings = drawer.picture(query["picture"], folder)
    except RenderError as error:
        return failure(error)
    plan = ScenePlan.model_validate(query["plan"])
    seen = judge.look(open_image(path), plan, query["background"])
    return {"file": path.name, "seconds": seconds, "warnings": warnings, **seen.as_json()}


@dataclass(frozen=True)
class Figures:
    """Shares over the pictures of one model, arrangement and method; NaN: nothing was judged. failed: pictures that
    could not be drawn; their regions are not right. regions: those, and all whose subject the judge knows."""

    model: str
    arrangement: str
    method: str
    pictures: int
    failed: int
    regions: int
    subject: float
    colour: float
    right: float
    pattern: float
    bleeds: float
    background: float
    light: float
    style: float
    mean_iou: float
    ap: float
    ap50: float
    seconds: float

    def as_json(self) -> JsonObject:
        return {
            name: None if isinstance(value, float) and isnan(value) else value for name, value in vars(self).items()
        }


def grouped(rows: Sequence[Row]) -> list[Figures]:
    """Figures in the order of the rows' models, arrangements and methods."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        key = (row.query["picture"]["model"], row.query["arrangement"], row.query["method"])
        groups.setdefault(key, []).append(row)
    return [figures_of(*key, group) for key, group in groups.items()]


def figures_of(model: str, arrangement: str, method: str, rows: Sequence[Row]) -> Figures:
    drawn = [(row, PictureSeen.from_json(row.measured)) for row in rows if "error" not in row.measured]
    failed = [len(row.query["plan"]["regions"]) for row in rows if "error" in row.measured]
    lost: list[bool | None] = [False] * sum(failed)
    seen = [region for _, picture in drawn for region in picture.regions]
    judged = sum(region.subject is not None for region in seen)
    ious = [region.iou for region in seen if region.iou is not None]
    wanted, found = list[Wanted](), list[Found]()
    for number, (row, picture) in enumerate(drawn):
        if ious:
            plan = ScenePlan.model_validate(row.query["plan"])
            wanted += [Wanted(number, subject_of(region), region.box) for region in plan.regions]
            found += [Found(number, label, score, _box(edges)) for label, score, edges in picture.found]
    ap, ap50 = coco_ap(wanted, found)
    seconds = [row.measured["seconds"] for row, _ in drawn if row.measured["seconds"]]
    return Figures(
        model, arrangement, method, len(rows), len(failed), judged + len(lost),
        share([*(region.subject for region in seen), *lost]), share(region.colour for region in seen),
        share([*(region.right for region in seen), *lost]), share(region.pattern for region in seen),
        share(region.bleeds for region in seen),
        share(picture.background for _, picture in drawn), share(picture.light for _, picture in drawn),
        share(picture.style for _, picture in drawn),
        fmean(ious) if ious else float("nan"), ap, ap50, fmean(seconds) if seconds else float("nan"),
    )  # fmt: skip


def share(values: Iterable[bool | None]) -> float:
    """Of those that are judged; NaN of none."""
    judged = [value for value in values if value is not None]
    return sum(judged) / len(judged) if judged else float("nan")


COLUMNS: dict[str, Callable[[Figures], str]] = {
    "subject": lambda figures: percent(figures.subject),
    "colour": lambda figures: percent(figures.colour),
    "both": lambda figures: percent(figures.right),
    "pattern": lambda figures: percent(figures.pattern),
    "bleeding": lambda figures: percent(figures.bleeds),
    "background": lambda figures: percent(figures.background),
    "light": lambda figures: percent(figures.light),
    "style": lambda figures: percent(figures.style),
    "mIoU": lambda figures: _number(figures.mean_iou),
    "AP": lambda figures: _number(figures.ap),
    "AP50": lambda figures: _number(figures.ap50),
    "seconds": lambda figures: _number(figures.seconds),
}
MEANING = (
    "subject, colour, both: per cent of regions that show what their prompt names, of those that name it. pattern: of "
    "regions with the right subject that ask for stripes or dots. bleeding: per cent of regions whose subject is also "
    "seen where nobody asked for it. background: per cent of pictures with the setting of the scene prompt; light and "
    "style: of those that ask for warm or dim light, for a glossy style. mIoU: overlap of a region's box with the "
    "found box of its subject that fits best. AP: COCO's, over IoU 0.50 to 0.95; AP50: at 0.50. A dash: "
    "this judge cannot tell, or nothing asks for it. seconds: of drawing a picture on this machine, with all that ran "
    "beside it."
)


def report_of(rows: Sequence[Row], judge: Judge, folder: Path) -> Report:
    figures = grouped(rows)
    columns = {name: cell for name, cell in COLUMNS.items() if any(cell(each) != "–" for each in figures)}
    lines = [
        [each.model, each.arrangement, METHODS[each.method], f"{each.pictures} / {each.regions}",
         *(cell(each) for cell in columns.values())]
        for each in figures
    ]  # fmt: skip
    head = ["model", "plans", "method", "pictures / regions", *columns]
    parts: list[Part] = [Table(head, lines, "What the regions show", MEANING)]
    parts += not_drawn(rows)
    parts += [sheet(rows, model, folder) for model in dict.fromkeys(row.query["picture"]["model"] for row in rows)]
    return Report(
        "Regions: does each show its prompt?",
        f"The same plans and seeds for every method; {judge.name} looks at each region's box and at the whole picture.",
        parts,
        [
            "Methods on one model with each other: they draw the same plans from the same noise.",
            "Models with each other only as far as the judge knows them equally well: the pocket judge knows the "
            "pocket model's drawings only.",
            "Not with the paper's figures: of this comparison it shows pictures (Figure 5), and publishes no numbers.",
            "Not with COCO-Position's or 7Bench's published numbers: other plans, another detector. mIoU and AP are "
            "computed as there.",
        ],
        seeds="of a plan's own number, the same for every method and model: " + seeds_of(rows),
    )  # fmt: skip


def not_drawn(rows: Sequence[Row]) -> list[Part]:
    """The pictures that could not be drawn, and why, if there are any. Raises RunError if there are no others."""
    failed = [row for row in rows if "error" in row.measured]
    lines = dict.fromkeys(
        (f"{row.query['arrangement']} {row.query['number']}", str(row.measured["error"])) for row in failed
    )
    if failed and len(failed) == len(rows):
        raise RunError(f"no picture could be drawn; the first one: {next(iter(lines))[1]}")
    title, cells = f"{len(failed)} of {len(rows)} pictures could not be drawn", [list(line) for line in lines][:20]
    return [Table(["plan", "why"], cells, title, "They count as wrong.")] if failed else []


def seeds_of(rows: Sequence[Row]) -> str:
    seeds = sorted({row.query["picture"]["request"].get("seed", 0) for row in rows})
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 12 else ", ".join(map(str, seeds))


def sheet(rows: Sequence[Row], model: str, folder: Path) -> Sheet:
    """The first plans of each arrangement (lines) by every method (columns)."""
    own = [row for row in rows if row.query["picture"]["model"] == model]
    methods = [method for method in METHODS if any(row.query["method"] == method for row in own)]
    files = {
        (row.query["arrangement"], row.query["number"], row.query["method"]): picture_of(row.measured, folder)
        for row in own
        if "file" in row.measured
    }
    lines: list[tuple[str, Sequence[Path | None]]] = []
    for arrangement in dict.fromkeys(row.query["arrangement"] for row in own):
        numbers = dict.fromkeys(row.query["number"] for row in own if row.query["arrangement"] == arrangement)
        for number in list(numbers)[:SHOWN_PLANS]:
            lines.append((arrangement, [files.get((arrangement, number, method)) for method in methods]))
    return Sheet([METHODS[method] for method in methods], lines, f"Pictures of {model}", "Not chosen: the first plans.")


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.2f}"


def _box(edges: Sequence[float]) -> Box:
    return Box(left=edges[0], top=edges[1], right=edges[2], bottom=edges[3])
