"""`ditpipe evaluate ablation`: which blocks should attend to region prompts, and to which level of them.

Two questions of the paper. Figure 6: how many blocks of Controllable Region-Attention, from none to all, from either
end of the network. Abstract: which level (high: content; low: style, colour) belongs at which depth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...prompts.outside_json import JsonObject
from ...renderer.checkpoints.registry import FAMILIES, checkpoint
from ...renderer.checkpoints.remote_models import is_remote
from ...renderer.regions.prompt_schedule import Level, PromptSchedule, preset
from ...renderer.request import RenderRequest
from .drawing import Drawer, picture_of, picture_query, usual_size
from .judging.judges import Judge
from .regions import MEANING, Case, Figures, drawn_and_seen, figures_of, not_drawn, plan_in_style, seeds_of
from .report import Part, Plot, Report, Sheet, Table, Text, percent
from .rows import Row, RowStore, measure_rows

POINTS = 9  # depths of each curve, evenly spaced, both ends among them
SHOWN_PLANS = 2
REGION_LEVELS: dict[str, Level] = {"high": "region-high", "low": "region-low", "joined": "region"}
DEEP, SHALLOW, LEVELS = "regional from the deep end", "regional from the shallow end", "levels"


@dataclass(frozen=True)
class Setting:
    """A schedule of the ablation. curve: DEEP or SHALLOW with the number of regional blocks, or LEVELS with the levels
    of the shallow and of the deep half."""

    curve: str
    blocks: int
    shallow: str
    deep: str
    levels: tuple[Level, ...]

    @property
    def key(self) -> str:
        return f"{self.shallow}/{self.deep}" if self.curve == LEVELS else f"{self.curve}: {self.blocks}"


def settings_of(blocks: int, points: int = POINTS) -> list[Setting]:
    """Every schedule of a transformer with so many blocks: two curves of region prompts (joined levels) beside the
    scene prompt, and nine pairs of levels of the shallow and the deep half."""
    counts = sorted({round(index * blocks / (points - 1)) for index in range(points)})
    found = []
    for count in counts:
        scene, regional = list[Level](["scene"]) * (blocks - count), list[Level](["region"]) * count
        found.append(Setting(DEEP, count, "", "", (*scene, *regional)))
        found.append(Setting(SHALLOW, count, "", "", (*regional, *scene)))
    half = blocks // 2
    for shallow, first in REGION_LEVELS.items():
        for deep, then in REGION_LEVELS.items():
            found.append(Setting(LEVELS, blocks, shallow, deep, (*(first,) * half, *(then,) * (blocks - half))))
    return found


def evaluate_ablation(
    models: Sequence[str], cases: Sequence[Case], judge: Judge, store: RowStore, *, workers: Sequence[Drawer],
    points: int = POINTS, steps: int | None = None, guidance: float | None = None,
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Draws each case with each schedule and each model. Raises ValueError for a model whose blocks attend to one
    caption, ModelError if a model cannot be loaded."""
    for model in models:
        if is_remote(model):
            raise ValueError(f"{model} draws on a server: which prompt its blocks attend to cannot be chosen from here")
        if FAMILIES[checkpoint(model).family].regions == "caption":
            raise ValueError(f"{model} takes one caption in all blocks: there is no prompt schedule to vary")
    folder, queries, depths = store.path.parent, list[JsonObject](), dict[str, int]()
    for model in models:
        depths[model] = _block_count(workers[0], model)
        for case in cases:  # plan by plan, so that a run that is stopped has whole ones
            for setting in settings_of(depths[model], points):
                plan = plan_in_style(model, usual_size(model, case.plan))
                request = RenderRequest(
                    plan=plan, model=model, seed=case.seed, steps=steps, guidance_scale=guidance,
                    prompt_schedule=PromptSchedule(blocks=list(setting.levels)),
                )  # fmt: skip
                queries.append({
                    "experiment": "ablation", "arrangement": case.arrangement, "number": case.number,
                    "setting": setting.key, "plan": case.plan.model_dump(mode="json", exclude_defaults=True),
                    "background": case.background, "judge": judge.name, "picture": picture_query(model, request),
                })  # fmt: skip

    def measure(drawer: Drawer, query: JsonObject) -> JsonObject:
        return drawn_and_seen(drawer, query, judge, folder)

    rows = measure_rows(queries, measure, store, workers=workers, title="pictures")
    by_model = {model: figures_by_setting(rows, model) for model in models}
    figures = {model: {key: each.as_json() for key, each in found.items()} for model, found in by_model.items()}
    return report_of(rows, by_model, depths, judge, folder, points), {"figures": figures, "blocks": depths}


def _block_count(drawer: Drawer, model: str) -> int:
    from ...renderer.pipeline import Renderer

    renderer = drawer.renderer(model)
    assert isinstance(renderer, Renderer)
    return renderer.family.block_count


def figures_by_setting(rows: Sequence[Row], model: str) -> dict[str, Figures]:
    """Figures of all arrangements together, by the key of the setting."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.query["picture"]["model"] == model:
            groups.setdefault(row.query["setting"], []).append(row)
    return {key: figures_of(model, "all", key, group) for key, group in groups.items()}


def report_of(
    rows: Sequence[Row], by_model: Mapping[str, Mapping[str, Figures]], depths: Mapping[str, int], judge: Judge,
    folder: Path, points: int,
) -> Report:  # fmt: skip
    parts: list[Part] = not_drawn(rows)
    for model, figures in by_model.items():
        blocks = depths[model]
        settings = [setting for setting in settings_of(blocks, points) if setting.key in figures]
        parts.append(Text(conclusions(model, figures, blocks), f"{model}: what this says about the paper's claims"))
        parts += [curves(figures, settings, blocks), curve_table(figures, settings), level_table(figures, settings)]
        parts += sheets(rows, model, settings, folder)
    arrangements = ", ".join(dict.fromkeys(row.query["arrangement"] for row in rows))
    some = next(iter(by_model.values()), {})
    size = next((f"{each.pictures} pictures and {each.regions} regions" for each in some.values()), "nothing")
    return Report(
        "Ablation: which blocks attend to region prompts, and to which level",
        f"Plans: {arrangements}; {size} a setting; judged by {judge.name}. Blocks that are not regional attend to the "
        "scene prompt, which names all regions.",
        parts,
        [
            "Settings of one model with each other: they draw the same plans from the same noise.",
            "With the paper's Figure 6 in direction only: it shows pictures of a 40-block Hunyuan-DiT and no numbers.",
            "Differences of a few per cent are within chance at this number of regions.",
        ],
        seeds="of a plan's own number, the same for every setting: " + seeds_of(rows),
    )  # fmt: skip


def curves(figures: Mapping[str, Figures], settings: Sequence[Setting], blocks: int) -> Plot:
    series = {
        f"{name}, {measure}": [
            (setting.blocks, value_of(figures[setting.key], measure)) for setting in settings if setting.curve == curve
        ]
        for name, curve in (("deep end", DEEP), ("shallow end", SHALLOW))
        for measure in ("subject and colour", "background")
    }
    title = "As the paper's Figure 6: from no regional block to all, from either end"
    return Plot(series, f"regional blocks of {blocks}", "share right", title)


def value_of(figures: Figures, measure: str) -> float:
    return {"subject and colour": figures.right, "background": figures.background}[measure]


def curve_table(figures: Mapping[str, Figures], settings: Sequence[Setting]) -> Table:
    lines = [
        [setting.curve, str(setting.blocks), *cells(figures[setting.key])]
        for setting in settings
        if setting.curve != LEVELS
    ]
    return Table(["blocks", "regional", *CELLS], sorted(lines, key=lambda line: line[0]), "", MEANING)


def level_table(figures: Mapping[str, Figures], settings: Sequence[Setting]) -> Table:
    lines = [
        [setting.shallow, setting.deep, *cells(figures[setting.key])] for setting in settings if setting.curve == LEVELS
    ]
    note = (
        "All blocks regional; the shallow and the deep half attend to the high level (the subject), to the low level "
        "(colour, pattern) or to both. high, low: the other way round of the abstract's; low, high: the abstract's."
    )
    return Table(["shallow half", "deep half", *CELLS], lines, "Levels by depth", note)


CELLS = ("subject", "colour", "both", "pattern", "background")


def cells(figures: Figures) -> list[str]:
    values = (figures.subject, figures.colour, figures.right, figures.pattern, figures.background)
    return [percent(value) for value in values]


def conclusions(model: str, figures: Mapping[str, Figures], blocks: int) -> list[str]:
    """What the figures say, in words; nothing is said of settings that were not measured."""
    texts = []
    none, every = figures.get(f"{DEEP}: 0"), figures.get(f"{DEEP}: {blocks}")
    low_high, high_low = figures.get("low/high"), figures.get("high/low")
    if low_high and high_low:
        texts.append(
            f"Abstract: deep layers control high-level content, shallow layers low-level content. With the high level "
            f"in the deep half and the low level in the shallow half, {of(low_high)}; the other way round, "
            f"{of(high_low)}. {verdict(low_high, high_low, 'the abstract says so', 'this contradicts the abstract')}"
        )
    halves = [figures.get(f"{curve}: {blocks // 2}") for curve in (DEEP, SHALLOW)]
    if none and every and halves[0] and halves[1]:
        texts.append(
            f"Figure 6: more regional blocks, and deeper ones, control better. From none to all blocks, subject and "
            f"colour go from {percent(none.right)} to {percent(every.right)} of regions, and the background from "
            f"{percent(none.background)} to {percent(every.background)} of pictures. With half of the blocks, the deep "
            f"half gives {percent(halves[0].right)} and the shallow half {percent(halves[1].right)}. "
            + verdict(halves[0], halves[1], "Figure 6 says so", "this contradicts Figure 6")
        )
    row = checkpoint(model)
    own, turn = preset(row.prompt_schedule), round(preset(row.prompt_schedule).turn * blocks)
    shipped = figures.get(f"{DEEP}: {blocks if own.first == 'region' else blocks - turn}")
    if shipped and every:
        text = f"What ships as the default of {model} is '{row.prompt_schedule}'"
        if own.first == "region":
            text += ", the paper's: region prompts in every block."
        else:
            text += (
                f": the shallow {turn} of {blocks} blocks attend to the scene prompt, {of(shipped)}. The paper's "
                f"setting is region prompts in every block: {of(every)}. The default departs from it."
            )
        texts.append(text)
    return texts


def of(figures: Figures) -> str:
    parts = {"subject": figures.subject, "colour": figures.colour, "both": figures.right, "pattern": figures.pattern,
             "background": figures.background}  # fmt: skip
    return ", ".join(f"{name} {percent(value)}" for name, value in parts.items() if value == value)


def verdict(first: Figures, second: Figures, agrees: str, contradicts: str) -> str:
    """Whether the first is better at subject and colour, by more than twice the standard error of the difference."""
    spread = (sum(f.right * (1 - f.right) / max(1, f.regions) for f in (first, second))) ** 0.5
    difference = first.right - second.right
    if abs(difference) <= 2 * spread:
        return f"The difference, {100 * difference:+.0f} points, is within chance here."
    return f"The difference is {100 * difference:+.0f} points: {agrees if difference > 0 else contradicts}."


def sheets(rows: Sequence[Row], model: str, settings: Sequence[Setting], folder: Path) -> Iterable[Sheet]:
    """The first plans by each curve and by each pair of levels."""
    files = {
        (row.query["setting"], row.query["arrangement"], row.query["number"]): picture_of(row.measured, folder)
        for row in rows
        if row.query["picture"]["model"] == model and "file" in row.measured
    }
    plans = list(dict.fromkeys(key[1:] for key in files))[:SHOWN_PLANS]
    for curve in (DEEP, SHALLOW, LEVELS):
        own = [setting for setting in settings if setting.curve == curve]
        columns = [setting.key if curve == LEVELS else str(setting.blocks) for setting in own]
        lines = [
            (f"{name} {number}", [files.get((setting.key, name, number)) for setting in own]) for name, number in plans
        ]
        title = f"{model}: {'levels, shallow half/deep half' if curve == LEVELS else f'{curve}, number of blocks'}"
        yield Sheet(columns, lines, title, "Not chosen: the first plans.", side=96)
