"""The short rows of a tuned model → the commands of a `ChatAnswer`. Pure.

Names that no line of the plan begins with are questions: which of several, or what is not there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

from ....prompts.answers.chat_answer import ChatAnswer, Relation
from ....prompts.answers.chat_rows import ChatRows, Names, Row, Topic, aliases, base_of
from ....prompts.answers.chat_schema import Understanding
from ....prompts.answers.planner_schema import PlannedObject, plural
from ....prompts.layout.places import PLACES
from ....prompts.plan import ScenePlan
from ....prompts.prompt_style import background_of, region_list, styles_in, with_background
from ...drawable import what_can_be_drawn
from ..chat_state import ChatState
from ..phrases import absent, as_judged, capitalised, contents, enumerated, located
from .executor import MOST_SUGGESTED, Unclear, another_scene, execute, suggestions_for, with_names
from .looks import relooked, without_colour
from .outcome import replaced_names
from .rearrange import is_at

RELATIONS = frozenset(get_args(Relation))
HELP = (
    "Say in your own words what the picture should show, or what should be different: colours and looks, size and "
    "place, more or less of a thing, another thing, background, light, style, format. You can undo, go on from there, "
    "try again and ask about what is there."
)

ADDS_UP = ("add", "nudge")  # rows that may stand twice
SHAPES = {"wide": "16:9", "landscape": "16:9", "tall": "3:4", "portrait": "3:4", "square": "1:1"}


def understand_rows(rows: ChatRows, message: str, state: ChatState, *, seed: int = 0) -> Understanding:
    """What the rows of a message come to, on the plan of the state. What a small model says twice is meant once.

    An undo before changes takes the last change back and does these instead of it: "no, the dog". What was
    not understood beside changes is a note.
    """
    instead = len(rows.rows) > 1 and rows.rows[0] == ("undo", 1) and state.previous is not None
    plan, rest = (state.previous, rows.rows[1:]) if instead else (state.plan, rows.rows)
    rest = [row for i, row in enumerate(rest) if row[0] in ADDS_UP or row not in rest[:i]]
    changes = [row for row in rest if row[0] != "ask"]
    try:
        commands = _commands(changes or rest, message, replace(state, plan=plan))
    except Unclear as error:
        suggestions = with_names(message, error.absent, error.suggestions) if error.absent else error.suggestions
        return Understanding("unclear", reply=str(error), suggestions=suggestions)
    not_done = [row[1] for row in rest if row[0] == "ask"] if changes else []
    result = execute(
        ChatAnswer.model_validate({"commands": commands, "not_done": not_done}), plan, seed=seed,
        token=state.token, side=state.side,
    )  # fmt: skip
    elsewhere = bool(instead and plan and state.plan and another_scene(state.plan, plan))
    return replace(result, whole=True) if elsewhere and result.kind == "change" else result


def _commands(rows: Sequence[Row], message: str, state: ChatState) -> list[dict[str, Any]]:
    """The rows as fields of commands; each is read against the plan as the ones before it leave it."""
    commands: list[dict[str, Any]] = []
    plan = state.plan
    for row in rows:
        if row[0] == "brief":
            commands.append({"do": "new brief", "brief": row[1] if row[1] and row[1] in message else message})
        else:
            commands += _of_row(row, state, plan)
        if plan is not None:
            answer = ChatAnswer.model_validate({"commands": commands})
            done = execute(answer, state.plan, token=state.token, side=state.side)
            plan = done.plan or plan
    return commands


def _of_row(row: Any, state: ChatState, plan: ScenePlan | None) -> list[dict[str, Any]]:
    kind, *rest = row
    match kind:
        case "undo" | "redo":
            return [{"do": kind, "steps": rest[0]}]
        case "choose":
            return [{"do": kind, "number": rest[0]}]
        case "accept":
            return [{"do": kind}]
        case "question":
            return [{"do": "answer", "reply": reply(rest[0], rest[1], state)}]
        case "ask" if rest[0] == "it" and state.plan and state.plan.regions:
            choices = enumerated([located(region) for region in state.plan.regions], "or")
            known = sorted(aliases(state.plan).items(), key=lambda each: each[1] not in state.touched)  # those first
            names = [f"the {name}" for name, _ in known[:MOST_SUGGESTED]]
            return [{"do": "ask", "reply": f"What do you mean by 'it': {choices}?", "suggestions": names}]
        case "ask":
            about = f" {rest[0]!r}" if rest[0] else " that"
            seen = f" I see {contents(state.plan)}." if state.plan and state.plan.regions else ""
            question = f"I did not understand{about}.{seen} What should be different?"
            return [{"do": "ask", "reply": question, "suggestions": suggestions_for(state.plan)}]
    if plan is None:
        return [{"do": "ask", "reply": "There is no picture yet. What should it show?"}]
    return _change(kind, rest, plan, before=state.plan or plan)


def _change(kind: str, rest: Sequence[Any], plan: ScenePlan, *, before: ScenePlan) -> list[dict[str, Any]]:
    def own(names: Names) -> list[str]:
        return own_names(names, plan, before)

    match kind:
        case "look":
            return [_look(name, rest[1], plan) for name in own(rest[0])]
        case "add":
            subject, colour, detail, count, where, others = rest
            thing = _thing(subject, colour, detail)
            return [{"do": "add", **thing, "count": count, **_where(where, others, own), "size": _size(detail)}]
        case "remove" | "redraw":
            return [{"do": kind, "regions": own(rest[0])}]
        case "keep":
            return [{"do": "keep only", "regions": own(rest[0])}]
        case "replace":
            names, subject, colour, detail = rest
            return [{"do": "replace", "regions": own(names), **_thing(subject, colour, detail)}]
        case "move":
            return [{"do": "move", "regions": own(rest[0]), **_where(rest[1], rest[2], own)}]
        case "nudge":
            return [{"do": "move", "regions": own(rest[0]), "direction": rest[1]}]
        case "swap" | "swap looks":
            first, second = own([rest[0]])[0], own([rest[1]])[0]
            return [{"do": "swap", "first": first, "second": second, "what": "looks" if "looks" in kind else "places"}]
        case "size":
            return [{"do": "resize", "regions": own(rest[0]), "factor": rest[1]}]
        case "scene" if rest[0] == "without" and (excluded := _in_the_plural(rest[1], aliases(plan))):
            return [{"do": "remove", "regions": excluded}]  # "no cats" where cats are
        case "scene":
            return [_scene(rest[0], rest[1], plan)]
    raise AssertionError(kind)


def own_names(names: Names, plan: ScenePlan, before: ScenePlan) -> list[str]:
    """The regions' own names; what was replaced since the plan `before` may go by its old name; 'cats' are all of
    'cat 1' and 'cat 2', 'chopstick' is 'chopsticks'. Raises Unclear where several could be meant, or none."""
    known, successors = aliases(plan), replaced_names(before, plan)
    known |= {old: successors[name] for old, name in aliases(before).items() if old not in known and name in successors}
    own = []
    for name in names:
        if name in known:
            own.append(known[name])
            continue
        if alike := _in_the_plural(name, known):
            own += alike
            continue
        several = [alias for alias in known if alias.rpartition(" ")[0] == name]
        if several:
            choices = [located(plan.region(known[alias])) for alias in several]
            raise Unclear(f"Which {name} do you mean: {enumerated(choices, 'or')}?", [f"the {a}" for a in several[:3]])
        raise Unclear(absent(name, contents(plan), plan), list(known)[:MOST_SUGGESTED], absent=name)
    return own


def _in_the_plural(name: str, known: dict[str, str]) -> list[str]:
    """The own names of those that a plural means, or whose plural this is."""
    return [own for alias, own in known.items() if plural(base_of(alias)) == name or plural(name) == alias]


def _look(name: str, words: str, plan: ScenePlan) -> dict[str, Any]:
    prompt = plan.region(name).prompt
    low = relooked(prompt.low_level, words)
    return {"do": "look", "regions": [name], "high_level": without_colour(prompt.high_level, low), "low_level": low}


def _thing(subject: str, colour: str, detail: str) -> dict[str, Any]:
    thing = PlannedObject(subject=subject, colour=colour, detail=detail, position="center")
    return {"name": subject, "high_level": subject, "low_level": thing.appearance}


def _size(detail: str) -> float | None:
    words = set(detail.split())
    return 0.6 if words & {"small", "little", "tiny"} else 1.4 if words & {"big", "large", "huge"} else None


def _where(where: str, others: Names, own: Callable[[Names], list[str]]) -> dict[str, Any]:
    if where in RELATIONS:
        return {"relation": where, "others": own(others)}
    return {"place": where or None}


def _scene(kind: str, words: str, plan: ScenePlan) -> dict[str, Any]:
    match kind:
        case "background":
            text = plan.scene.high_level
            if not plan.regions:
                return {"do": "scene", "high_level": f"{text} {words}".strip()}
            # Prose tells of a place or a time of its own, which would stay beside the new one: the regions are listed.
            style = "" if plan.style or background_of(plan) is not None else styles_in(text)
            high_level = with_background(region_list(list(plan.regions)), words)
            return {"do": "scene", "high_level": high_level, "style": style or None}
        case "light":
            return {"do": "scene", "low_level": words}
        case "style":
            return {"do": "scene", "style": words}
        case "format":
            return {"do": "scene", "aspect": SHAPES.get(words, words)}
    return {"do": "scene", "negative": ", ".join(part for part in (plan.negative, words) if part)}


def reply(topic: Topic, names: Names, state: ChatState) -> str:
    """The answer to a question, from the plan and the critique."""
    if topic == "can draw":
        return what_can_be_drawn(state.draws)
    if topic == "help":
        return f"{HELP} {what_can_be_drawn(state.draws)}" if state.draws else HELP
    if state.plan is None:
        return "There is no picture yet. What should it show?"
    plan, known = state.plan, aliases(state.plan)
    places = [name for name in names if name not in known and name in PLACES]
    if places and not any(is_at(plan, [region.name], place) for region in plan.regions for place in places):
        return f"Nothing is there; I see {contents(plan)}."
    regions = [r for r in plan.regions if r.name in {known.get(name) for name in names}]
    regions += [r for r in plan.regions if r not in regions and any(is_at(plan, [r.name], place) for place in places)]
    regions = regions or list(plan.regions)
    if names and not places and not any(name in known for name in names):
        return f"There is no {enumerated(list(names), 'or')}; I see {contents(plan) if plan.regions else 'nothing'}."
    if topic == "how many":
        return f"{len(regions)}: {enumerated([located(region) for region in regions]) if regions else 'nothing'}."
    if topic == "score" and state.critique:
        wrong = [f"{score.name}: {score.problem}" for score in state.critique.regions if score.problem]
        score = "Not judged" if state.critique.score is None else f"{state.critique.score:.2f} of 1"
        return f"{score}. {'; '.join(wrong) if wrong else 'Everything shows what was asked'}."
    if not regions:
        return f"{capitalised(plan.scene.high_level)}."
    if topic == "where":
        return f"{capitalised(enumerated([located(region) for region in regions]))}."
    return f"{capitalised(enumerated([as_judged(region, state.critique) for region in regions]))}."
