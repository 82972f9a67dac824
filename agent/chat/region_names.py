"""Another name for a region of a finished picture: the pixels stay, the request inside the file follows."""

from ...prompts.critique import Critique
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import copy_with_request, read_request
from ...renderer.request import RenderRequest
from .store import Turn
from .stored_session import StoredSession


def rename_region(session: StoredSession, turn: Turn, name: str, new: str) -> Turn:
    """Finishes `turn` with the picture of before, in which region `name` is called `new`. Raises ValueError."""
    head, new = session.head, new.strip()
    if head is None or head.plan is None or head.picture is None:
        raise ValueError("there is no picture yet, so there is nothing to give a name to")
    if session.waiting:
        raise ValueError("a plan waits for a yes; its names are changed with it")
    if name not in {region.name for region in head.plan.regions}:
        raise ValueError(f"nothing in the picture is called {name!r}")
    folder = f"turn-{turn.number:04}"
    picture = f"{folder}/picture.png"
    before = session.path(head.picture)
    copy_with_request(before, session.path(folder) / "picture.png", _renamed_request(read_request(before), name, new))
    done = {
        "status": "done", "reply": f"{name} is called {new} now; nothing was drawn.", "parent": head.number,
        "head": turn.number, "picture": picture, "plan": _renamed_plan(head.plan, name, new), "seed": head.seed,
        "brief": head.brief, "critique": _renamed_critique(head.critique, name, new),
    }  # fmt: skip
    return session.store.update(session.id, turn.model_copy(update=done))


def _renamed_plan(plan: ScenePlan, name: str, new: str) -> ScenePlan:
    """Raises ValueError (pydantic's) if another region has that name, or if it is not a valid name."""
    regions = [region.model_dump() | ({"name": new} if region.name == name else {}) for region in plan.regions]
    return ScenePlan.model_validate(plan.model_dump() | {"regions": regions})


def _renamed_critique(critique: Critique | None, name: str, new: str) -> Critique | None:
    if critique is None:
        return None
    regions = [score.model_copy(update={"name": new}) if score.name == name else score for score in critique.regions]
    return critique.model_copy(update={"regions": regions})


def _renamed_revision(revision: Revision, name: str, new: str) -> Revision:
    def call(old: str) -> str:
        return new if old == name else old

    return revision.model_copy(
        update={
            "changes": [change.model_copy(update={"name": call(change.name)}) for change in revision.changes],
            "added": [region.model_copy(update={"name": call(region.name)}) for region in revision.added],
            "removed": [call(old) for old in revision.removed],
        }
    )


def _renamed_request(request: RenderRequest, name: str, new: str) -> RenderRequest:
    """Raises ValueError if a region of that name was in the picture before."""
    there = {region.name for region in request.plan.regions}
    there |= {region.name for revision in request.edits for region in revision.added}
    if new in there:
        raise ValueError(f"{new!r} is the name of something that is or was in this picture; take another one")
    plan = _renamed_plan(request.plan, name, new) if name in there else request.plan
    edits = [_renamed_revision(revision, name, new) for revision in request.edits]
    loras = [lora.model_copy(update={"region": new}) if lora.region == name else lora for lora in request.loras]
    return RenderRequest.model_validate(request.model_dump() | {
        "plan": plan.model_dump(), "edits": [revision.model_dump() for revision in edits],
        "loras": [lora.model_dump() for lora in loras],
    })  # fmt: skip
