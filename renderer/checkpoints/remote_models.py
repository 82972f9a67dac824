"""Image models on servers, by name: 'openai:gpt-image-2', 'http://host:8000/v1#name'. Asks no server, loads no torch.

A name may end in ',caption=FORMAT': the layout format that the model is prompted in. Without it models whose names tell
that they read captions get theirs, and all others one prompt in prose with places in words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ...prompts.endpoint import check_url
from ...prompts.errors import ModelError
from ...prompts.layout.canvas import MULTIPLE
from ...prompts.wording import PromptStyle
from .published_models import CHECKPOINTS, Checkpoint

OPENAI, OPENAI_URL = "openai:", "https://api.openai.com/v1"
PROSE = "prose"
# Layout formats by what the names of their models contain.
_CAPTIONS = {"ideogram-4": "ideogram4", "ideogram4": "ideogram4", "flux.3": "flux3", "flux-3": "flux3", "fibo": "fibo"}
_UNKNOWN = PromptStyle(tokens={"the server": 512}, lettering=True, negatives=False)


@dataclass(frozen=True)
class RemoteModel(Checkpoint):
    """A model on a server. base_url: of OpenAI's Images API there. served: its name there; empty: the server's only
    one. caption: the layout format it is prompted in. size, steps and style are those of the checkpoint that the name
    tells, else usual ones.
    """

    base_url: str = OPENAI_URL
    served: str = ""
    caption: str = PROSE

    @property
    def style(self) -> PromptStyle:
        from ...prompts.formats.registry import format_named

        published, says = _published(self.served), format_named(self.caption).says
        style = published.style if published else _UNKNOWN
        caption = "" if self.caption == PROSE else self.caption
        return replace(style, palette="colors" in says or "region colors" in says, caption=caption)

    @property
    def token(self) -> int:
        published = _published(self.served)
        return published.token if published else MULTIPLE

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's, which alone gets OPENAI_API_KEY."""
        return self.name.startswith(OPENAI)


def is_remote(name: str) -> bool:
    """Whether a model of this name is on a server."""
    return name.lower().startswith((OPENAI, "http://", "https://"))


def openai_url(name: str) -> str | None:
    """Where OpenAI's models are asked for: OPENAI_BASE_URL, for which OPENAI_API_KEY is; None for other models and
    without one."""
    return os.environ.get("OPENAI_BASE_URL") or None if name.startswith(OPENAI) else None


def remote_model(name: str) -> RemoteModel | None:
    """The model on a server of that name; None for any other name. Raises ModelError for an invalid URL, one that
    holds a key, or an unknown format."""
    if not is_remote(name):
        return None
    place, _, given = name.partition(",caption=")
    url, served = OPENAI_URL, place[len(OPENAI) :].strip()
    if not place.lower().startswith(OPENAI):
        url, _, served = place.partition("#")
        url, called = _checked(url), f"#{served}" if served else ""
        canonical = url + called
    elif served:
        canonical = OPENAI + served
    else:
        raise ModelError(f"{name}: which model? For example {OPENAI}gpt-image-2")
    caption = _format(given) if given else _caption_of(served)
    published = _published(served)
    size, steps, guidance = (published.size, published.steps, published.guidance_scale) if published else (1024, 1, 1.0)
    return RemoteModel(
        canonical + (f",caption={caption}" if given else ""), canonical, size, steps, guidance, 0.0, "", "on a server",
        "remote", base_url=url, served=served, caption=caption,
    )  # fmt: skip


def _checked(url: str) -> str:
    """The URL without what it may be written with. Raises ModelError."""
    try:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise ModelError(
                f"{parts.hostname}: the URL of a model is stored with its pictures, so it has neither a password nor a "
                "query in it: give the key in DITPIPE_IMAGE_API_KEY"
            )
        check_url(url)
        _ = parts.port  # raises ValueError for what is none
    except ValueError as error:
        raise ModelError(str(error)) from error
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _format(name: str) -> str:
    from ...prompts.formats.registry import format_named

    try:
        form = format_named(name)
    except ValueError as error:
        raise ModelError(f"caption={name}: {error}") from error
    if form.write is None or form.name == "ditpipe":
        raise ModelError(f"caption={name}: no model is prompted in that")
    return form.name


def _caption_of(served: str) -> str:
    return next((form for words, form in _CAPTIONS.items() if words in served.lower()), PROSE)


def _published(served: str) -> Checkpoint | None:
    """The row of the table that a server's name means: 'qwen-image', 'Qwen/Qwen-Image'."""
    rows = (row for row in CHECKPOINTS.values() if served in (row.name, row.source))
    return next(rows, None) if served else None
