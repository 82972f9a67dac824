"""Carries out the commands of a message on a plan. Pure: plan in, plan out; a name that fits nothing is a question.

Nothing is guessed: whatever cannot be done as requested is a note or a clarifying question.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

from ....prompts.answers.chat_answer import (
    Accept,
    Add,
    AnswerQuestion,
    AskBack,
    ChangeScene,
    ChatAnswer,
    Choose,
    Command,
    KeepOnly,
    Look,
    Move,
    NewBrief,
    Redo,
    Redraw,
    Remove,
    Replace,
    Resize,
    Swap,
    Undo,
)
from ....prompts.answers.chat_rows import aliases
from ....prompts.answers.chat_schema import Understanding
from ....prompts.layout.canvas import MULTIPLE, SIDE, drawn_canvas
from ....prompts.layout.token_owners import TOKEN
from ....prompts.plan import MAX_REGIONS, Box, LeveledPrompt, Region, ScenePlan
from ....prompts.prompt_style import background_of, has_place, sync_scene_prompt, with_place, without_style
from ....prompts.wording import mention
from ..phrases import absent, change_reply, enumerated, not_done
from . import rearrange
from .outcome import like_that_already, made_drawable, not_held, renamed, replaced_names, still_named, wish
from .room import newly_hidden, still_hidden

NOT_CHANGES = (NewBrief, Undo, Redo, Choose, Accept, AnswerQuestion, AskBack)
MOST_ADDED = 16  # of one thing, by one command
MOST_SUGGESTED = 4


class Unclear(ValueError):
    """A command that cannot be carried out without a guess; the text is the question to ask.

    absent: a name in the message that no region has. suggestions: answers.
    """

    def __init__(self, question: str, suggestions: Sequence[str] = (), *, absent: str = "") -> None:
        super().__init__(question)
        self.suggestions, self.absent = tuple(suggestions), absent


def execute(
    answer: ChatAnswer, plan: ScenePlan | None, *, seed: int = 0, message: str = "", token: int = TOKEN,
    side: int = SIDE, previous: ScenePlan | None = None,
) -> Understanding:  # fmt: skip
    """What the commands of a message make of a plan; None: nothing is drawn yet. seed: the first new noise seed.
    message: for suggestions that say it with a name that is there. token: side of an image token in pixels. side: of
    the picture, where the plan leaves that to the model. previous: what an undo beside changes
    changes: the plan before, or that waits for a yes, if it is known.

    Answers and praise beside something to do are notes, or nothing. Else the first command that is no change decides;
    changes beside it are not done, and noted. Without a command that can be done the result is 'unclear', with a
    clarifying question.
    """
    commands = tuple(answer.commands)
    undone = [f"I did not understand {part!r}" for part in answer.not_done if part]
    acts: list[Command] = [c for c in commands if not isinstance(c, AnswerQuestion)]
    answers = [c.reply.rstrip(".") for c in commands if isinstance(c, AnswerQuestion)] if acts else []
    acts = acts or list(commands)
    acts = [c for c in acts if not isinstance(c, Accept)] or acts
    if any(isinstance(c, NewBrief) for c in acts):  # another picture leaves this one
        acts = [c for c in acts if not isinstance(c, Undo)]
    changes, elsewhere = not any(isinstance(c, NOT_CHANGES) for c in acts[1:]), False
    if previous and len(acts) > 1 and changes and isinstance(acts[0], Undo) and acts[0].steps in (None, 1):
        elsewhere = plan is not None and another_scene(plan, previous)
        plan, acts = previous, acts[1:]
    for command in acts:
        if isinstance(command, NOT_CHANGES):
            left = [wish(c) for c in acts if c is not command and not isinstance(c, AskBack)]
            undone += [f"not done beside it: {enumerated(left)}; say that again"] if left else []
            return _other(command, notes=(*undone, *answers), commands=commands)
    answer = answer.model_copy(update={"commands": acts})
    if plan is None:
        return Understanding("unclear", reply="There is no picture yet. What should it show?", commands=commands)
    if not commands:
        return Understanding(
            "unclear",
            reply=_not_understood(plan),
            notes=tuple(undone),
            suggestions=suggestions_for(plan),
            commands=commands,
        )
    try:
        sized = plan.with_size(plan.width or plan.height or side, plan.height or plan.width or side)
        result = replace(_changed(answer, sized, seed, (*undone, *answers), token), commands=commands)
    except Unclear as error:
        suggestions = with_names(message, error.absent, error.suggestions) if error.absent else error.suggestions
        return Understanding("unclear", reply=str(error), suggestions=suggestions, commands=commands)
    result = replace(result, whole=result.whole or elsewhere) if result.kind == "change" else result
    if result.plan and result.plan.size == sized.size:
        left_open = {"width": plan.width, "height": plan.height}
        return replace(result, plan=result.plan.model_copy(update=left_open))
    return result


def another_scene(now: ScenePlan, then: ScenePlan) -> bool:
    """Whether the picture of one plan cannot be the start of the other's: its background, light, style or size differ,
    or its prose, which tells of more than its regions."""
    backgrounds = background_of(now), background_of(then)
    scenes = (now.scene.high_level, then.scene.high_level) if None in backgrounds else backgrounds
    return scenes[0] != scenes[1] or now.scene.low_level != then.scene.low_level or now.whole != then.whole


def with_names(message: str, absent: str, names: Sequence[str]) -> tuple[str, ...]:
    """A message with each of these names in place of one that nothing has; where it does not say that, the names."""
    found = mention(absent, message, others=names)
    if found is None or len(message) > 100:
        return tuple(names)
    names = [name for name in names if name.casefold() not in message.casefold()] or names
    return tuple(message[: found.start()] + name + message[found.end() :] for name in names)


def _other(command: Command, *, notes: tuple[str, ...], commands: tuple[Command, ...]) -> Understanding:
    match command:
        case NewBrief():
            return Understanding("new brief", brief=command.brief, notes=notes, commands=commands)
        case Undo() | Redo():
            steps = max(0 if isinstance(command, Redo) else 1, 1 if command.steps is None else command.steps)
            return Understanding(command.do, steps=steps, notes=notes, commands=commands)
        case Choose():
            return Understanding("choose", number=command.number, notes=notes, commands=commands)
        case Accept():
            return Understanding("accept", notes=notes, commands=commands)
        case AnswerQuestion():
            return Understanding("question", reply=command.reply, notes=notes, commands=commands)
        case AskBack():
            return Understanding(
                "unclear",
                reply=command.reply,
                suggestions=tuple(command.suggestions[:MOST_SUGGESTED]),
                notes=notes,
                commands=commands,
            )
    raise AssertionError(command)


def _changed(answer: ChatAnswer, before: ScenePlan, seed: int, notes: tuple[str, ...], token: int) -> Understanding:
    plan, whole, fresh, lines, touched = before, False, False, list(notes), list[str]()
    put = list[tuple[Add | Move, list[str]]]()
    for command in answer.commands:
        previous = plan
        command = renamed(command, replaced_names(before, plan))
        plan, problem = apply(command, plan, seed=seed, token=token)
        if plan == previous and not problem and not isinstance(command, Redraw):
            problem = like_that_already(command)
        if plan != previous and not answer.scene:  # at once: what comes next may word the scene
            plan = sync_scene_prompt(previous, plan)
        lines += [problem] if problem else []
        about = _touched(command, previous, plan)
        touched += about
        put += [(command, about)] if isinstance(command, Add | Move) else []
        seed += 1
        whole |= isinstance(command, ChangeScene) or (isinstance(command, Redraw) and not command.regions)
        fresh |= isinstance(command, Redraw) and not command.regions
    if plan == before and not fresh:
        why = not_done(lines).strip() or "It is like that already."
        return Understanding(
            "unclear", reply=f"{why} What should be different?", suggestions=suggestions_for(before),
            commands=tuple(answer.commands),
        )  # fmt: skip
    ScenePlan.model_validate(plan.model_dump())
    if answer.scene and plan.scene.high_level == before.scene.high_level:
        scene = LeveledPrompt(high_level=answer.scene, low_level=plan.scene.low_level)
        plan = plan.model_copy(update={"scene": scene})
    plan = sync_scene_prompt(before, plan) if answer.scene else plan
    plan, problems = made_drawable(before, plan, token)
    lines += [line for line in problems if line not in lines]
    if not whole and (covers := still_hidden(before, plan, token=token)):
        _check_seen(before, plan, covers)
    lines += [*not_held(put, plan), *still_named(before, plan)]
    hidden = newly_hidden(before, plan, token=token)
    lines += [f"the {name} is {how} hidden by what stands before it now" for name, how in hidden.items()]
    left = {region.name for region in plan.regions}
    return Understanding(
        "change", plan=plan, whole=whole, fresh=fresh, notes=tuple(lines), commands=tuple(answer.commands),
        touched=tuple(name for name in dict.fromkeys(touched) if name in left),
        reply=change_reply(before, plan, touched=touched, fresh=fresh, notes=lines),
    )  # fmt: skip


def _check_seen(before: ScenePlan, after: ScenePlan, covers: dict[str, str]) -> None:
    """Raises Unclear if nothing changes but what cannot be seen. covers: what stands before each such region."""
    names = [name for name in covers if after.region(name) != before.region(name)]
    if names and all(region in before.regions or region.name in names for region in after.regions):
        if len(after.regions) == len(before.regions):
            first, cover = names[0], covers[names[0]]
            where = f"put the {first} in front of the {cover}"
            raise Unclear(f"The {first} is hidden by the {cover}. What should be done?", (where, f"remove the {cover}"))


def _touched(command: Command, before: ScenePlan, after: ScenePlan) -> list[str]:
    """The regions that a command is about, apart from those that made room; new ones by their new names."""
    there = {region.name for region in before.regions}
    new = [region.name for region in after.regions if region.name not in there]
    match command:
        case Replace():  # the new one may have the old one's name
            return [r.name for r in after.regions if r.name in new or r != before.region(r.name)]
        case Look() | Move() | Resize() | Redraw():
            return _names(before, command.regions) if command.regions else []
        case Swap():
            return _names(before, [command.first, command.second])
    return new


def apply(command: Command, plan: ScenePlan, *, seed: int, token: int) -> tuple[ScenePlan, str]:
    """A changed plan, and a note on what differs from the request, or empty. Raises Unclear with a question."""
    match command:
        case Look():
            return _each(plan, _names(plan, command.regions), lambda region: _relooked(region, command)), ""
        case Remove():
            gone = _names(plan, command.regions)
            return _with_regions(plan, [r for r in plan.regions if r.name not in gone]), ""
        case KeepOnly():
            staying = _names(plan, command.regions)
            return _with_regions(plan, [r for r in plan.regions if r.name in staying]), ""
        case Replace():
            return _replaced(plan, command)
        case Add():
            return _added(plan, command)
        case Move():
            return _moved(plan, command)
        case Swap():
            return _swapped(plan, command), ""
        case Resize():
            return rearrange.resized(plan, _names(plan, command.regions), command.factor)
        case ChangeScene():
            return _scene(plan, command, token)
        case Redraw():
            names = _names(plan, command.regions) if command.regions else []  # the whole picture
            return _each(plan, names, lambda r: r.model_copy(update={"seed": seed})), ""
    raise AssertionError(command)


def _names(plan: ScenePlan, given: Sequence[str]) -> list[str]:
    """The names of regions that are meant. Raises Unclear for a name that no region has, or that several could."""
    if not given and not plan.regions:
        raise Unclear(f"Nothing here can be named; I see {_choices(plan)}. What should be different?")
    if not given:
        raise Unclear(f"Which one do you mean: {_choices(plan)}?", [r.name for r in plan.regions[:MOST_SUGGESTED]])
    names: list[str] = []
    for text in given:
        matches = [r.name for r in plan.regions if r.name == text]
        matches = matches or [r.name for r in plan.regions if r.name.casefold() == text.strip().casefold()]
        if not matches:
            question = absent(text, _choices(plan, "and"), plan)
            raise Unclear(question, [r.name for r in plan.regions[:MOST_SUGGESTED]], absent=text)
        names += [name for name in matches if name not in names]
    return names


def _name(plan: ScenePlan, given: str) -> str:
    return _names(plan, [given])[0]


def _choices(plan: ScenePlan, joint: str = "or") -> str:
    return enumerated([r.name for r in plan.regions], joint) if plan.regions else plan.scene.high_level


def plain_names(plan: ScenePlan) -> list[str]:
    """Names that mean the same region to a capable model, which is sent the plan's own names, and to a tuned one, which
    numbers those that are alike; all names if there is none."""
    known = aliases(plan)
    return [r.name for r in plan.regions if known.get(r.name) == r.name] or [r.name for r in plan.regions]


def resize_message(plan: ScenePlan, name: str) -> str:
    """Asks for what there is room for."""
    _, no_room = rearrange.resized(plan, [name], 1.4)
    return f"make the {name} {'smaller' if no_room else 'bigger'}"


def _not_understood(plan: ScenePlan) -> str:
    return f"I did not understand that. I see {_choices(plan, 'and')}. What should be different?"


def suggestions_for(plan: ScenePlan | None) -> tuple[str, ...]:
    """Messages that are understood and can be done, whatever was not."""
    if plan is None:
        return ()
    if not plan.regions:
        return ("try again",)
    name = plain_names(plan)[0]
    return (resize_message(plan, name), f"remove the {name}", "try again")


def _with_regions(plan: ScenePlan, regions: Sequence[Region]) -> ScenePlan:
    return plan.model_copy(update={"regions": list(regions)})


def _with_prompt(region: Region, **levels: str) -> Region:
    return region.model_copy(update={"prompt": region.prompt.model_copy(update=levels)})


def _relooked(region: Region, command: Look) -> Region:
    if command.low_level or command.high_level:
        looked = _with_prompt(region, low_level=command.low_level or region.prompt.low_level)
        if command.high_level:
            looked = _with_prompt(looked, high_level=command.high_level)
            looked = with_place(looked) if has_place(region) else looked
        region = looked if looked.prompt.text != region.prompt.text else region  # it looks so already
    return region if command.lettering is None else region.model_copy(update={"lettering": command.lettering})


def _each(plan: ScenePlan, names: Sequence[str], change: rearrange.RegionEdit) -> ScenePlan:
    """The plan with a change of the regions of these names."""
    return _with_regions(plan, [change(r) if r.name in names else r for r in plan.regions])


def _replaced(plan: ScenePlan, command: Replace) -> tuple[ScenePlan, str]:
    """Another subject in the same boxes, under names of its own; attributes of the old one are dropped, and a note on
    those that a person wrote."""
    names, regions = _names(plan, command.regions), list[Region]()
    for region in plan.regions:
        if region.name in names:
            taken = {other.name for other in [*plan.regions, *regions] if other.name not in names}
            high = rearrange.placed(plan, command.high_level or command.name, region.box)
            prompt = LeveledPrompt(high_level=high, low_level=command.low_level)
            name = rearrange.free_name(command.name or command.high_level, taken | {r.name for r in regions})
            region = Region(name=name, box=region.box, prompt=prompt, z_order=region.z_order)
        regions.append(region)
    old = [plan.region(name) for name in names]
    gone = [repr(text) for region in old for text in (region.lettering, region.negative) if text]
    gone += ["its free shape" for region in old if region.mask]
    return _with_regions(plan, regions), f"gone with it: {enumerated(gone)}" if gone else ""


def _added(plan: ScenePlan, command: Add) -> tuple[ScenePlan, str]:
    wanted, room = command.count or 1, MAX_REGIONS - len(plan.regions)
    if not room:
        raise Unclear(f"There is no room for more: a picture has at most {MAX_REGIONS} regions. Remove one first?")
    count = min(max(1, wanted), MOST_ADDED, room)
    note = f"{count} {command.name} were added, not {wanted}: more is not done at once"
    others = _names(plan, command.others) if command.relation else []
    if command.relation == "between" and len(others) < 2:
        raise Unclear(f"Between the {others[0]} and what: {_choices(plan)}?")

    def region(now: ScenePlan, box: Box) -> Region:
        prompt = LeveledPrompt(
            high_level=rearrange.placed(plan, command.high_level or command.name, box), low_level=command.low_level
        )
        name = rearrange.free_name(command.name or command.high_level, {each.name for each in now.regions})
        return Region(name=name, box=box, prompt=prompt, lettering=command.lettering or "")

    after = rearrange.added(
        plan, region, count, place=command.place, relation=command.relation, others=others, size=command.size or 1.0
    )
    return after, note if count < wanted else ""


def _moved(plan: ScenePlan, command: Move) -> tuple[ScenePlan, str]:
    names = _names(plan, command.regions)
    the = f"the {enumerated(names)}"
    if command.relation:
        others = _names(plan, command.others)
        if set(others) & set(names):
            raise Unclear(f"What should {the} be {command.relation}: {_choices(plan)}?")
        if command.relation == "between" and len(others) < 2:
            raise Unclear(f"Between the {others[0]} and what should {the} be: {_choices(plan)}?")
        after = rearrange.moved_beside(plan, names, command.relation, others)
    elif command.place:
        after = rearrange.moved(plan, names, command.place)
    elif command.direction:
        after = rearrange.nudged(plan, names, command.direction)
        stuck = enumerated([name for name in names if after.region(name).box == plan.region(name).box])
        return after, f"the {stuck} cannot go further {command.direction}" if stuck else ""
    else:
        raise Unclear(f"Where should {the} be?", ["on the left", "in the center", "on the right"])
    return after, f"{the} {'are' if len(names) > 1 else 'is'} there already" if after == plan else ""


def _swapped(plan: ScenePlan, command: Swap) -> ScenePlan:
    first, second = _name(plan, command.first), _name(plan, command.second)
    if first == second:
        raise Unclear(f"What should {first} change with: {_choices(plan)}?")
    regions = plan.region(first), plan.region(second)
    if command.what == "places":
        return rearrange.swapped(plan, first, second)
    looks = {first: regions[1].prompt.low_level, second: regions[0].prompt.low_level}
    return _with_regions(
        plan, [_with_prompt(r, low_level=looks[r.name]) if r.name in looks else r for r in plan.regions]
    )


def _scene(plan: ScenePlan, command: ChangeScene, token: int) -> tuple[ScenePlan, str]:
    levels = {"high_level": command.high_level, "low_level": command.low_level}
    given = {name: text for name, text in levels.items() if text}
    if command.style:  # the old one goes from what the message does not word anew
        old = {"high_level": plan.scene.high_level, "low_level": plan.scene.low_level}
        given = {name: without_style(text) for name, text in old.items()} | given
    update: dict[str, object] = {"scene": plan.scene.model_copy(update=given)}
    update |= {n: v for n, v in (("style", command.style), ("negative", command.negative)) if v is not None}
    size, note = _canvas(plan, command, token)
    return plan.model_copy(update=update | ({"width": size[0], "height": size[1]} if size else {})), note


def _canvas(plan: ScenePlan, command: ChangeScene, token: int) -> tuple[tuple[int, int] | None, str]:
    """The picture's new size in pixels, with the area of the old one where only a shape is named."""
    multiple, (width, height) = max(MULTIPLE, token), plan.size
    side = round(sqrt(width * height) / multiple) * multiple
    return drawn_canvas(
        command.width, command.height, command.aspect, side=side, multiple=multiple, ratio=width / height
    )
