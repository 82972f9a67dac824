"""Requests and answers of OpenAI's Images API. What cannot be honoured here is refused, not ignored."""

from math import sqrt
from typing import Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..prompts.layout.canvas import nearest_sides
from .api_schema import Seed


class ImageSettings(BaseModel):
    """Settings of generations and edits. What cannot be honoured here is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=4000, description="what the picture should show")
    model: str | None = Field(default=None, description="this server's model, or nothing")
    n: int = Field(default=1, ge=1, le=10, description="how many pictures")
    size: str = Field(default="auto", pattern=r"^(auto|\d{2,4}x\d{2,4})$", description="'auto' or WIDTHxHEIGHT")
    quality: Literal["auto", "low", "medium", "standard", "high", "hd"] = Field(
        default="auto",
        description="low: half the server's steps; high: half as many again; an edit takes the picture's own steps",
    )
    response_format: Literal["url", "b64_json"] = Field(default="b64_json", description="the picture, or a link to it")
    output_format: Literal["png", "jpeg", "webp"] = Field(default="png", description="PNG carries its plan inside")
    output_compression: int = Field(default=100, ge=0, le=100, description="quality of JPEG and WebP")
    background: Literal["auto", "opaque"] = "auto"
    moderation: Literal["auto", "low"] = Field(default="auto", description="there is none here")
    style: Literal["vivid", "natural"] | None = Field(default=None, description="not used; the prompt says the style")
    stream: bool = Field(default=False, description="server-sent events; for one picture")
    partial_images: int = Field(default=0, ge=0, le=3, description="pictures on the way, while streaming")
    user: str | None = Field(default=None, max_length=512, description="not used")
    safety_identifier: str | None = Field(default=None, max_length=512, description="not used")
    seed: Seed | None = Field(default=None, description="beyond OpenAI's API: the same seed gives the same picture")

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, values: Any) -> Any:
        """Official clients send null for what was not given."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}

    def pixels(self) -> tuple[int | None, int | None]:
        """(width, height), or (None, None) for the model's own. Raises ValueError."""
        if self.size == "auto":
            return None, None
        width, height = map(int, self.size.split("x"))
        if any(side < 64 or side % 16 for side in (width, height)):
            raise ValueError(f"size {self.size}: width and height must be multiples of 16 from 64 on")
        return width, height


def nearest_size(size: str, *, usual: int, largest: int, multiple: int) -> str:
    """The size that `serve --openai-compatible` draws: the requested one if it can, else the model's usual number of
    pixels in the same shape. Sides are multiples of `multiple` from 64 to `largest`."""
    if size == "auto":
        return size
    width, height = map(int, size.split("x"))
    if all(64 <= side <= largest and side % multiple == 0 for side in (width, height)):
        return size
    scale = usual / sqrt(max(1, width * height))
    return "x".join(map(str, nearest_sides(width * scale, height * scale, multiple=multiple, largest=largest)))


class EditSettings(ImageSettings):
    """`ImageSettings` with a picture and a mask; clients send lists as `image[]`."""

    image: list[UploadFile] = Field(
        default=[], description="one PNG that ditpipe wrote; drawn anew from the request in it, then edited"
    )
    images: list[UploadFile] = Field(default=[], alias="image[]", description="the same under the name of a list")
    mask: UploadFile | None = Field(
        default=None, description="PNG, transparent where the picture is to change; without one the picture's own "
        "transparency is the mask, and one that has none is drawn anew as a whole"
    )  # fmt: skip
    input_fidelity: Literal["high", "low"] | None = Field(
        default=None, description="not used: what is not to change stays as it is"
    )


class VariationSettings(ImageSettings):
    """`ImageSettings` with a picture, and without a prompt: the picture's plan is drawn again."""

    prompt: str = Field(default="", max_length=0, description="not taken: the picture's plan says what is drawn")
    image: list[UploadFile] = Field(description="one PNG that ditpipe wrote")


class ImageRow(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(default=None, description="what was drawn, and what of the prompt was not")
    score: float | None = Field(
        default=None, description="beyond OpenAI's API: how well the critic finds the prompt drawn, 0 to 1"
    )


class ImagesAnswer(BaseModel):
    created: int
    data: list[ImageRow]
    background: str = "opaque"
    output_format: str
    quality: str
    size: str
    warnings: list[str] = Field(default=[], description="beyond OpenAI's API: what was not drawn as asked")
