"""The models of an agent: planner, critic and renderer by name or as objects, each loaded on first use."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..prompts.errors import ModelError
from ..prompts.layout.canvas import canvas_size
from ..prompts.plan import MAX_SIDE, ScenePlan
from ..prompts.prompt_syntax import unread_syntax
from ..renderer.checkpoints.fast_import import without_gc
from ..renderer.checkpoints.registry import Checkpoint, checkpoint
from ..renderer.checkpoints.remote_models import OPENAI, is_remote, openai_url
from ..renderer.checkpoints.vocabulary import Vocabulary, vocabulary_of
from ..renderer.texts.prompt_files import PromptFiles, filled_in_brief, with_tags
from ..renderer.texts.prompt_lengths import overlong_prompts
from ..tools.watching.tracing import in_span
from .llm.chat_models import chat_model
from .llm.local_models import EMBEDDED, LOCAL_MODELS, best_planner
from .planning.omissions import omission_warnings
from .planning.planner import Planner
from .refine.critic import Critic, EmbeddedCritic
from .refine.local_critic import PREFIX, LocalCritic
from .refine.model_reviser import ModelReviser
from .refine.vision_critic import VisionCritic
from .settings import Settings

if TYPE_CHECKING:
    from ..renderer.request import PictureRenderer


AT_ONCE = 4  # pictures of a model on a server that are asked for at a time


class Models:
    """Planner, critic and renderer under the settings of one agent. Agents of other settings may share them."""

    def __init__(
        self,
        settings: Settings,
        *,
        planner: Planner | None = None,
        critic: Critic | None = None,
        renderer: "PictureRenderer | None" = None,
        controls: Sequence[str] = (),
    ) -> None:
        """controls: ControlNets that a picture which is edited may have loaded, beside the published ones."""
        self.settings, self.controls = settings, controls
        # Name and row of the image model are known before anything is loaded.
        self.image_model = renderer.model if renderer else settings.model
        self.checkpoint: Checkpoint = renderer.checkpoint if renderer else checkpoint(self.image_model)
        self._planner, self._critic, self._renderer, self._lock = planner, critic, renderer, threading.Lock()

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the image model was trained to draw; None if its checkpoint declares no limit."""
        return vocabulary_of(self.checkpoint)

    @property
    def renderer(self) -> "PictureRenderer":
        """The renderer. Its first use imports torch, unless it is on a server; its first picture loads the weights."""
        with self._lock:
            if self._renderer is None:
                devices = self.settings.chosen_devices
                self._renderer = self.new_renderer(devices[0] if devices else None, others=devices[1:])
            return self._renderer

    @property
    def devices(self) -> list[str]:
        """What this machine draws on; for a model on a server, names of workers that ask that server at the same time.
        Imports torch for a model here."""
        if is_remote(self.image_model):
            server = self.renderer.device
            return [server, *(f"{server}-{number}" for number in range(2, AT_ONCE + 1))]
        if self.settings.chosen_devices:
            return self.settings.chosen_devices[:1]
        from ..renderer.checkpoints.load import devices

        return devices()

    def new_renderer(self, device: str | None = None, *, others: Sequence[str | None] = ()) -> "PictureRenderer":
        """A renderer of the image model on a device, or for one of the workers that `devices` names of a model on a
        server; `others` are devices that take a share of the candidates. Raises ModelError, also for an OpenAI model
        without a key."""
        settings = self.settings
        if not is_remote(self.image_model):
            with without_gc():
                from ..renderer.pipeline import Renderer
                from ..renderer.spread import SpreadRenderer

            options: dict[str, Any] = {"dtype": settings.chosen_dtype, "files": self.files}
            own = [Renderer(self.image_model, device=other, **options) for other in others]
            if own:
                return SpreadRenderer(self.image_model, others=own, device=device, **options)
            return Renderer(self.image_model, device=device, **options)
        from ..renderer.remote.remote_renderer import RemoteRenderer

        if isinstance(self._renderer, RemoteRenderer) and device:
            return self._renderer.as_worker(device)
        key, name = settings.image_key(self.image_model), "DITPIPE_IMAGE_API_KEY"
        if self.image_model.startswith(OPENAI):
            key, name = os.environ.get("OPENAI_API_KEY"), "OPENAI_API_KEY"
            if not key:
                raise ModelError(f"{self.image_model} needs a key: set {name}")
        renderer = RemoteRenderer(
            self.image_model, key=key, key_name=name, base_url=openai_url(self.image_model), timeout=settings.timeout,
            device=settings.chosen_device, files=self.files,
        )  # fmt: skip
        return renderer.as_worker(device) if device and device != settings.chosen_device else renderer

    @property
    def files(self) -> PromptFiles:
        """The LoRAs and wildcards that prompts and briefs may name."""
        return PromptFiles.usual(self.settings.loras, self.settings.wildcards)

    @cached_property
    def planner_name(self) -> str:
        """The planner that 'auto' resolves to, or the one named by the settings."""
        return best_planner() if self.settings.planner == "auto" else self.settings.planner

    @cached_property
    def planner(self) -> Planner:
        if self._planner:
            return self._planner
        settings, row = self.settings, self.checkpoint
        width, height = _chosen_canvas(settings, row)
        return Planner(
            self._chat_model(self.planner_name), width=width, height=height, side=min(row.size, MAX_SIDE),
            style=row.style, draws=self.vocabulary.summary if self.vocabulary else "", token=row.token,
            calls=settings.plan_calls, too_long=partial(overlong_prompts, row),
        )  # fmt: skip

    def planner_for(self, settings: Settings) -> Planner:
        """The planner for pictures of the size or shape that these settings choose. One that was given as an object
        keeps its own."""
        return self._planner or self.planner.on_canvas(*_chosen_canvas(settings, self.checkpoint))

    @in_span("plan")
    def plan(self, brief: str, settings: Settings) -> ScenePlan:
        """The plan of the `planner_for` these settings, with a note on what a local planner, which repeats the words of
        the brief, left out; others list it themselves. Choices, wildcards and LoRA tags of the brief are taken before
        the planner reads it."""
        seed = settings.seed if isinstance(settings.seed, int) else 0
        words, tags, notes = filled_in_brief(brief, seed, self.files)
        plan = self.planner_for(settings).plan(words).with_notes([*notes, *unread_syntax([brief])])
        if getattr(self.planner, "tuned", False):
            # What the local planners say in other words they learnt in the pocket model's world.
            vocabulary = self.vocabulary or vocabulary_of(checkpoint("pocket"))
            if vocabulary:
                plan = plan.with_notes(omission_warnings(words, plan, vocabulary))
        return with_tags(plan, tags)

    @cached_property
    def critic_name(self) -> str:
        """The critic that 'auto' resolves to, or the one named by the settings."""
        if self.settings.critic != "auto":
            return self.settings.critic
        # The embedded critic was trained on the pocket model's world only.
        return "embedded" if self.image_model == "pocket" else PREFIX if LocalCritic.is_here() else "none"

    @cached_property
    def critic(self) -> Critic | None:
        name = self.critic_name
        if self._critic or name == "none":
            return self._critic
        if name.partition(":")[0] == PREFIX:
            return LocalCritic.named(name)
        return EmbeddedCritic() if name == "embedded" else VisionCritic(self._chat_model(name))

    @cached_property
    def reviser(self) -> ModelReviser | None:
        """A reviser over the planner's chat model, or the critic's if the planner is tuned to plan only; None: there is
        no chat model that could revise, and the rule of `reviser.py` applies."""
        eyes = self.critic.chat_model if isinstance(self.critic, VisionCritic) else None
        model, row = self.capable_model or eyes, self.checkpoint
        draws = self.vocabulary.summary if self.vocabulary else ""
        return ModelReviser(model, row.style, draws=draws, too_long=partial(overlong_prompts, row)) if model else None

    @cached_property
    def capable_model(self) -> Any:
        """The planner's chat model, if it can do more than it was tuned for; None: it plans only."""
        tuned = self._planner is None and self.planner_name in LOCAL_MODELS  # it need not be loaded to know
        return None if tuned or getattr(self.planner, "tuned", True) else self.planner.chat_model

    @cached_property
    def rows_model(self) -> Any:
        """A local model that was taught the rows of chat messages: the planner's, or the embedded one."""
        local = LOCAL_MODELS.get(self.planner_name)
        return self._chat_model(local.name if local and local.chat_adapter else EMBEDDED.name, messages=True)

    def _chat_model(self, name: str, messages: bool = False) -> Any:
        key, timeout = self.settings.api_key, self.settings.timeout
        base_url = None if name in LOCAL_MODELS else self.settings.base_url
        secret = key.get_secret_value() if key else None
        return chat_model(name, base_url=base_url, api_key=secret, timeout=timeout, messages=messages)

    def warm_up(self) -> None:
        """Loads planner and image model in parallel. Errors are raised again on first use."""

        def load_planner() -> None:
            with suppress(Exception):
                _ = self.planner

        thread = threading.Thread(target=load_planner, name="loads-planner", daemon=True)
        thread.start()
        with suppress(Exception):
            self.renderer.warm_up()
        thread.join()

    def load_torch(self) -> None:
        """Imports torch in a thread, without the weights, while a planner works. Errors are raised on first use."""

        def load() -> None:
            with suppress(Exception):
                _ = self.renderer

        threading.Thread(target=load, name="loads-torch").start()


def _chosen_canvas(settings: Settings, row: Checkpoint) -> tuple[int, int] | tuple[None, None]:
    """Width and height in pixels that the settings choose; None if they leave them to the brief and the model."""
    chosen = settings.size is not None or settings.aspect is not None
    return picture_size(settings, row) if chosen else (None, None)


def picture_size(settings: Settings, row: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels of a picture whose plan names no size."""
    return canvas_size(settings.size, settings.aspect, side=min(row.size, MAX_SIDE), multiple=row.token)
