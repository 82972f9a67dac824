"""One set of names for arguments, options and environment variables (DITPIPE_…)."""

import os
import re
import secrets
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..prompts.endpoint import TIMEOUT, check_url, key_for, origin
from ..prompts.layout.canvas import read_aspect, read_size
from ..renderer.checkpoints.remote_models import OPENAI, is_remote
from ..renderer.request import Dtype, Solver
from .llm.local_models import LOCAL_MODELS

Group = Literal["Model", "Plan", "Render", "Memory and speed", "Output"]  # panels of --help
# These decide which code and weights are loaded and where prompts, pictures and keys are sent: the person who resumes
# a run chooses them, never its record.
PERSONAL = ("model", "planner", "critic", "base_url")
# Of the person and the machine, not of the picture.
UNRECORDED = ("api_key", "image_api_key", "timeout", "device", "out", "sessions", "loras", "wildcards")
# Settings that records of earlier versions have under other names.
RENAMED = {"depth": "prompt_schedule", "save": "save_memory", "accept": "threshold"}
DEVICE = re.compile("auto|cpu|mps|(cuda|xpu)(:[0-9]{1,3})?")
DEVICES = re.compile("(cuda|xpu):[0-9]{1,3}(,(cuda|xpu):[0-9]{1,3})+")  # they share the work, see `SpreadRenderer`
MOST_SEEDS = 2**62


def _setting(
    group: Group, default: Any, description: str, *, flag: str = "", metavar: str = "", **constraints: Any
) -> Any:
    """A field of `Settings`. `flag`: its option of the command line, if that is not the field's name; `metavar`: its
    values there, if the type does not tell them."""
    extra: dict[str, JsonValue] = {"group": group, "flag": flag, "metavar": metavar}
    return Field(default, description=description, json_schema_extra=extra, **constraints)


def read_seed(seed: object) -> int | str:
    """A seed, or 'random'. Raises ValueError for anything else."""
    text = str(seed).strip()
    if text == "random" or (text.isascii() and text.isdigit() and int(text) < MOST_SEEDS):
        return text if text == "random" else int(text)
    raise ValueError(f"a seed is a whole number from 0 to {MOST_SEEDS - 1}, or 'random'")


def chosen_seed(seed: int | str) -> int:
    """The seed; of 'random' another one at each call, short enough to be typed."""
    return secrets.randbelow(2**31) if isinstance(seed, str) else seed


class Settings(BaseSettings):
    """How a picture is made. Arguments win over the environment, the environment over the defaults.

    The only declaration of each setting: the commands' options and their help are made from it (`cli/options.py`).
    """

    model_config = SettingsConfigDict(env_prefix="DITPIPE_", frozen=True, extra="forbid", validate_default=False)

    model: str = _setting(
        "Model", "pocket",
        "image model: a name from `ditpipe models`, a folder, owner/name[@revision] on the hub, a .safetensors or "
        ".gguf file (FILE[@FOLDER that configures it]), or a server's: openai:NAME or http://HOST/v1#NAME",
    )  # fmt: skip
    loras: Path | None = _setting(
        "Model", None, "folder of the LoRAs that <lora:NAME:0.8> in a prompt names (empty: the user's data folder)"
    )
    planner: str = _setting(
        "Model", "auto", "a local one from `ditpipe models` (auto: the best that is here) or a chat model: openai:gpt-5"
    )
    critic: str = _setting(
        "Model", "auto",
        "embedded, local (OWLv2 and SigLIP 2), local:DETECTOR,MATCHER (folders or hub names), none, or a vision model: "
        "openai:gpt-5 (auto: embedded for the pocket model, for others local if its models are here)",
    )  # fmt: skip
    base_url: str | None = _setting(
        "Model", None, "OpenAI-compatible endpoint of planner and critic; its key: DITPIPE_API_KEY or OPENAI_API_KEY"
    )
    api_key: SecretStr | None = Field(default=None, description="key for that endpoint")  # no option: visible to others
    image_api_key: SecretStr | None = Field(default=None, description="key for the server of an http:// image model")
    timeout: float = _setting("Model", TIMEOUT, "seconds that a call of a model on a server may take", gt=0, le=86400)
    size: Annotated[int | str, BeforeValidator(read_size)] | None = _setting(
        "Plan", None, "pixels a side, or 1280x768 (empty: the model's)", metavar="SIDE|WxH"
    )
    aspect: Annotated[str, BeforeValidator(read_aspect)] | None = _setting(
        "Plan", None, "shape of the picture, 16:9, in the area of its size", flag="--ar", metavar="W:H"
    )
    wildcards: Path | None = _setting(
        "Plan", None, "folder of the lists that __NAME__ in a prompt takes a line of (empty: the user's data folder)"
    )
    plan_calls: int = _setting(
        "Plan", 1, "calls of the planner: 1, or 2 for the layout first and then the details of each region", ge=1, le=2
    )
    approve: bool = _setting("Plan", False, "stop after the plan and wait for a yes or a changed plan")
    rounds: int = _setting("Render", 3, "most rounds of render, critique and revise", ge=1, le=20)
    candidates: int = _setting("Render", 1, "pictures per round; the critic keeps the best", ge=1, le=16)
    threshold: float = _setting("Render", 0.5, "a region below this score is drawn again", ge=0, le=1)
    seed: Annotated[int | str, BeforeValidator(read_seed)] = _setting(
        "Render", 0, "seed of the noise; random: another one for each picture", metavar="INT|random"
    )
    steps: int | None = _setting("Render", None, "denoising steps (empty: the model's)", ge=1, le=1000)
    guidance_scale: float | None = _setting(
        "Render", None, "CFG scale (empty: the model's)", flag="--guidance", ge=1, le=30
    )
    solver: Solver | None = _setting("Render", None, "how the steps are computed (empty: as the model was published)")
    prompt_schedule: str = _setting(
        "Render", "", "which blocks attend to which prompt: scene-then-regions@0.5 (empty: what suits the model)"
    )
    save_memory: str = _setting(
        "Memory and speed", "", "what saves memory, by commas: tiling, offload (GPU), int8 or fp8 (weights in 8 bits)"
    )
    step_cache: float = _setting(
        "Memory and speed", 0, "reuse blocks in steps whose first block changes less than this share", ge=0, le=1
    )
    compile: bool = _setting("Memory and speed", False, "compile the blocks: slow once, then faster")
    device: str = _setting(
        "Memory and speed",
        "auto",
        "cuda:1, mps or cpu (auto: CUDA if it is here); several share candidates or guidance: cuda:0,cuda:1",
        metavar="NAME",
    )
    dtype: Literal["auto", Dtype] = _setting(
        "Memory and speed", "auto", "float32, bfloat16, float16 (auto: 16 bits on a GPU, else float32)", metavar="TYPE"
    )
    out: Path = _setting("Output", Path("runs"), "folder of the run folders")
    sessions: Path | None = _setting("Output", None, "folder of the conversations (empty: the user's data folder)")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_the_default(cls, values: dict[str, object]) -> dict[str, object]:
        """An empty text, of an option or a variable, says what the descriptions say of "empty"."""
        return {name: value for name, value in values.items() if value != ""}

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        names = device.split(",")
        if not DEVICE.fullmatch(device) and not (DEVICES.fullmatch(device) and len(set(names)) == len(names)):
            raise ValueError(f"{device!r} is no device: give auto, cpu, mps, cuda or cuda:1, or several: cuda:0,cuda:1")
        return device

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url:
            check_url(url)
        return url

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        if self.aspect and isinstance(self.size, str):
            raise ValueError(f"the size {self.size} has a shape already: leave {self.aspect} out, or give one side")
        return self

    @model_validator(mode="after")
    def _endpoint_is_used(self) -> Self:
        if self.base_url and not uses_endpoint(self.planner, self.critic):
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
        if origin(self.base_url) != origin(given_for):
            raise ValueError(
                f"DITPIPE_API_KEY was given for {given_for} (DITPIPE_BASE_URL) and is not sent to {self.base_url}: set "
                "both for the endpoint you want, or neither"
            )
        return self

    @model_validator(mode="after")
    def _image_key_is_for_this_server(self) -> Self:
        """The same for the key of an image server: the environment names it as its model."""
        key, given_for = os.environ.get("DITPIPE_IMAGE_API_KEY"), os.environ.get("DITPIPE_MODEL", "")
        given = self.image_api_key.get_secret_value() if self.image_api_key else None
        if not (given and given == key and is_remote(given_for)) or not is_remote(self.model):
            return self
        if not self.model.startswith(OPENAI) and origin(self.model) != origin(given_for):
            raise ValueError(
                f"DITPIPE_IMAGE_API_KEY was given for {given_for} (DITPIPE_MODEL) and is not sent to {self.model}: set "
                "both for the server you want, or neither"
            )
        return self

    def image_key(self, url: str) -> str | None:
        """The key for an image server: its own, else that of planner and critic if they are there, else OpenAI's where
        OPENAI_BASE_URL names that server."""
        if self.image_api_key:
            return self.image_api_key.get_secret_value()
        key = self.api_key.get_secret_value() if self.api_key else None
        openai = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
        return key_for(url, key, given_for=self.base_url) or key_for(url, openai[0], given_for=openai[1])

    def picture_seed(self) -> int:
        """The seed of a new picture; if it is 'random', another one at each call."""
        return chosen_seed(self.seed)

    @property
    def chosen_dtype(self) -> Dtype | None:
        """The dtype; None if it is the device's to say."""
        return None if self.dtype == "auto" else self.dtype

    @property
    def chosen_devices(self) -> list[str]:
        """The devices' names; none for the usual one."""
        return [] if self.device == "auto" else self.device.split(",")

    @property
    def chosen_device(self) -> str | None:
        """The first device's name; None for the usual one."""
        return next(iter(self.chosen_devices), None)

    def is_chosen(self, name: str) -> bool:
        """Whether a setting is not its default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)


def uses_endpoint(planner: str, critic: str) -> bool:
    """Whether one of these is a chat model that `base_url` may serve."""
    vision_critic = critic.partition(":")[0] not in ("auto", "embedded", "local", "none")
    return vision_critic or planner not in ("auto", *LOCAL_MODELS)


def settings_of(**options: Any) -> Settings:
    """The settings with those options that are given, not None. Raises pydantic's ValidationError (a ValueError)."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


def check_variables(*others: str) -> None:
    """Raises ValueError for a DITPIPE_… variable of the environment that is neither a setting nor one of `others`."""
    variables = [*(f"DITPIPE_{name.upper()}" for name in Settings.model_fields), *others]
    for name in os.environ:
        if name.startswith("DITPIPE_") and name not in variables:
            suggestions = get_close_matches(name, variables, 1)
            hint = f"; did you mean {suggestions[0]}?" if suggestions else f": one of {', '.join(variables)}"
            raise ValueError(f"{name} is no setting{hint}")
