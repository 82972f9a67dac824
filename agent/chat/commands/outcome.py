"""Notes on what is not as commands asked for it. Pure."""

from collections.abc import Sequence

from ....prompts.answers.chat_answer import Add, ChangeScene, Command, Move, Swap
from ....prompts.answers.chat_rows import base_of
from ....prompts.plan import ScenePlan
from ....prompts.wording import mention
from ..phrases import enumerated
from .rearrange import is_at, is_related
from .room import drawable


def wish(command: Command) -> str:
    """'look (cat)'."""
    names = [command.name] if isinstance(command, Add) else getattr(command, "regions", [])
    return f"{command.do} ({enumerated(names)})" if names else command.do


def replaced_names(before: ScenePlan, after: ScenePlan) -> dict[str, str]:
    """New names by old ones, of regions in whose boxes others stand now: the dog that a cat became may be called 'cat'
    in the same message."""
    old, new = ({region.name for region in plan.regions} for plan in (before, after))
    return {
        was.name: region.name
        for was in before.regions
        for region in after.regions
        if was.name not in new and region.name not in old and region.box == was.box
    }


def renamed(command: Command, names: dict[str, str]) -> Command:
    """The command with other names of regions."""
    given = {
        field: [names.get(name, name) for name in value] if isinstance(value, list) else names.get(value, value)
        for field in ("regions", "others", "first", "second")
        if (value := getattr(command, field, None)) is not None
    }
    return command.model_copy(update=given)


def like_that_already(command: Command) -> str:
    names = [] if isinstance(command, Swap | ChangeScene | Add) else getattr(command, "regions", [])
    names = [command.first, command.second] if isinstance(command, Swap) else names or ["scene"]
    return f"the {enumerated(names)} {'are' if len(names) > 1 else 'is'} like that already"


def made_drawable(before: ScenePlan, after: ScenePlan, token: int) -> tuple[ScenePlan, list[str]]:
    """A plan that the image model can draw, and notes on what that takes: room for a token, shapes as large as the
    picture."""
    old = {region.name: region for region in before.regions}
    if (before.width, before.height) != (after.width, after.height):
        after = after.model_copy(update={"regions": [r.model_copy(update={"mask": ""}) for r in after.regions]})
    plan = drawable(after, token=token)
    pairs = list(zip(after.regions, plan.regions, strict=True))
    small = [now.name for was, now in pairs if was.box != now.box]
    shapes = [now.name for _, now in pairs if now.name in old and old[now.name].mask and not now.mask]
    lines = []
    if small:
        lines.append(f"the {enumerated(small)} {'are' if len(small) > 1 else 'is'} as small as the picture allows")
    if shapes:
        lines.append(f"the {enumerated(shapes)} lost the free shape, which does not go with a change of box or format")
    return plan, lines


def still_named(before: ScenePlan, after: ScenePlan) -> list[str]:
    """A note on what is gone, and stands in the scene's text all the same: prose is not rewritten here."""
    left = {base_of(region.name) for region in after.regions}
    gone = {base_of(region.name) for region in before.regions} - left
    text = after.scene.high_level
    named = [name for name in sorted(gone) if mention(name, text, others=left)]
    return [f"the scene's text still names {enumerated([repr(name) for name in named])}"] if named else []


def not_held(put: Sequence[tuple[Add | Move, list[str]]], after: ScenePlan) -> list[str]:
    """Notes on things that in the end do not stand where they were put, by each of these commands."""
    left = {region.name.casefold(): region.name for region in after.regions}
    lines = []
    for command, about in put:
        names = [name for name in about if name in left.values()]
        others = [left[name] for name in (other.strip().casefold() for other in command.others) if name in left]
        wrong = list[tuple[list[str], str]]()
        if command.relation and others:
            astray = [name for name in names if not is_related(after, name, command.relation, others)]
            wrong.append((astray, f"{command.relation} the {enumerated(others)}"))
        if command.place and names and not is_at(after, names, command.place):
            wrong.append((names, f"at the {command.place}"))
        for astray, where in wrong:
            are = "are" if len(astray) > 1 else "is"
            lines += [f"the {enumerated(astray)} {are} not quite {where}: there is no room"] if astray else []
    return lines
