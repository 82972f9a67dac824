"""Why a model's message ended, in the words of every kind of server."""

from typing import TYPE_CHECKING

from ...prompts.errors import ModelError, visible

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

CUT_OFF = ("length", "max_tokens", "model_length", "max_output_tokens")
FILTERED = ("content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "spii")


def check_end(message: "AIMessage", role: str) -> None:
    """Raises ModelError if the model refused, in its words, or if its answer was cut off or filtered."""
    blocks = message.content if isinstance(message.content, list) else []
    refusals = [block.get("refusal") for block in blocks if isinstance(block, dict)]
    refusal = message.additional_kwargs.get("refusal") or next(filter(None, refusals), None)
    if refusal:
        raise ModelError(f"the {role} refuses: {visible(' '.join(str(refusal).split()))}")
    reason = _reason(message)
    if reason in CUT_OFF:
        raise ModelError(
            f"the {role}'s answer was cut off at the model's limit of tokens (it ended with {reason!r}): ask for less, "
            "or give the model a larger context or output limit"
        )
    if reason in FILTERED:
        raise ModelError(
            f"the {role}'s answer was withheld by the provider's filter (it ended with {reason!r}): word the brief "
            "differently, or use another model"
        )


def is_cut_off(message: "AIMessage") -> bool:
    """Whether the message ended at a limit of tokens."""
    return _reason(message) in CUT_OFF


def _reason(message: "AIMessage") -> str:
    about = message.response_metadata
    incomplete = about.get("incomplete_details")
    reason = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    return str(reason or (incomplete.get("reason") if isinstance(incomplete, dict) else "") or "").lower()
