"""One set of names for arguments, options and environment variables (DITPIPE_…)."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..renderer.request import Solver
from .llm.local_models import LOCAL_MODELS


class Settings(BaseSettings):
    """How a picture is made. Arguments win over the environment, the environment over the defaults."""

    model_config = SettingsConfigDict(env_prefix="DITPIPE_", frozen=True, extra="forbid", validate_default=False)

    model: str = Field(
        default="pocket",
        description="image model: a name from `ditpipe models`, a folder in diffusers' format, a name on the hub "
        "(owner/name[@revision]) or a .safetensors file (FILE[@FOLDER that configures it])",
    )
    planner: str = Field(
        default="auto",
        description="'auto' (the best local one that is here), a local one from `ditpipe models`, "
        "or a LangChain model name such as openai:gpt-5",
    )
    critic: str = Field(
        default="auto",
        description="'auto' (the embedded one for the pocket model, for others the local one if its models are here), "
        "'embedded', 'local' (OWLv2 and SigLIP 2), 'local:DETECTOR,MATCHER' (folders or hub names), 'none', or a "
        "LangChain vision model",
    )
    base_url: str | None = Field(default=None, description="OpenAI-compatible endpoint for planner and critic")
    api_key: SecretStr | None = Field(default=None, description="key for that endpoint")
    rounds: int = Field(default=3, ge=1, le=20, description="most rounds of render, critique and revise")
    candidates: int = Field(default=1, ge=1, le=16, description="pictures per round; the critic keeps the best")
    accept: float = Field(default=0.5, ge=0, le=1, description="a region below this score is drawn again")
    seed: int = Field(default=0, ge=0, lt=2**62, description="seed of the noise")
    size: int | None = Field(
        default=None, ge=64, le=2048, multiple_of=16, description="pixels a side; empty: the model's"
    )
    steps: int | None = Field(default=None, ge=1, le=1000, description="denoising steps; empty: the model's")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; empty: the model's")
    solver: Solver | None = Field(
        default=None, description="how the steps are computed: euler or dpm++; empty: as the model was published"
    )
    depth: str = Field(default="scene-then-regions", description="depth schedule, e.g. scene-then-regions@0.5")
    save: str = Field(
        default="", description="what saves memory, by commas: tiling, offload (GPU), int8 or fp8 (weights in 8 bits)"
    )
    step_cache: float = Field(
        default=0, ge=0, le=1, description="reuse blocks in steps whose first block changes less than this share"
    )
    compile: bool = Field(default=False, description="compile the blocks with torch.compile: slow once, then faster")
    approve: bool = Field(default=False, description="stop after the plan and wait for a yes or a changed plan")
    out: Path = Field(default=Path("runs"), description="folder for the run folders")
    sessions: Path | None = Field(default=None, description="folder for conversations; empty: the user's data folder")

    @model_validator(mode="after")
    def _endpoint_is_used(self) -> Self:
        if self.base_url and self.planner in ("auto", *LOCAL_MODELS) and not self.has_vision_critic:
            raise ValueError(
                f"{self.base_url} would be used by neither planner nor critic: name a model that it serves as the "
                "planner (--planner NAME), the critic (--critic NAME) or both"
            )
        return self

    @model_validator(mode="after")
    def _key_is_for_this_endpoint(self) -> Self:
        """A key from the environment is sent only to the endpoint that the environment names, if it names one."""
        key, given_for = os.environ.get("DITPIPE_API_KEY"), os.environ.get("DITPIPE_BASE_URL")
        if not (self.base_url and self.api_key and given_for) or self.api_key.get_secret_value() != key:
            return self
        if _origin(self.base_url) != _origin(given_for):
            raise ValueError(
                f"DITPIPE_API_KEY was given for {given_for} (DITPIPE_BASE_URL) and is not sent to {self.base_url}: set "
                "both for the endpoint you want, or neither"
            )
        return self

    @property
    def has_vision_critic(self) -> bool:
        """Whether the critic is a chat model, and so one that an endpoint serves."""
        return self.critic.partition(":")[0] not in ("auto", "embedded", "local", "none")

    def is_chosen(self, name: str) -> bool:
        """Whether a setting is not its default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def settings_of(**options: Any) -> Settings:
    """The settings with those options that are given, not None. Raises pydantic's ValidationError (a ValueError)."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


def check_variables(*others: str) -> None:
    """Raises ValueError for a DITPIPE_… variable of the environment that is no setting and none of `others`."""
    variables = [*(f"DITPIPE_{name.upper()}" for name in Settings.model_fields), *others]
    for name in os.environ:
        if name.startswith("DITPIPE_") and name not in variables:
            suggestions = get_close_matches(name, variables, 1)
            hint = f"; did you mean {suggestions[0]}?" if suggestions else f": one of {', '.join(variables)}"
            raise ValueError(f"{name} is no setting{hint}")
