"""Whose picture it is, where it carries the notes of another program: said to who gives it to ditpipe by mistake."""

from PIL import ExifTags, Image

# Programs by the names of their PNG texts.
_TEXTS = {
    "invokeai_metadata": "InvokeAI", "invokeai_graph": "InvokeAI", "sd-metadata": "InvokeAI", "Dream": "InvokeAI",
    "fooocus_scheme": "Fooocus", "sui_image_params": "SwarmUI",
    "generation_data": "TensorArt", "c2pa": "a program that signs its pictures (C2PA)",
}  # fmt: skip
# Programs by what is in one of their texts, wherever it stands.
_CONTENTS = {
    "sui_image_params": "SwarmUI", "NovelAI": "NovelAI", "Draw Things": "Draw Things", "Midjourney": "Midjourney",
    "DALL-E": "DALL·E", "Adobe Firefly": "Adobe Firefly", '"class_type"': "ComfyUI", '"last_node_id"': "ComfyUI",
    "Steps: ": "AUTOMATIC1111 or Forge",
}  # fmt: skip
_MOST = 100_000  # characters that are looked at of each text


def program_of(image: Image.Image) -> str:
    """The program whose notes an opened picture carries: 'ComfyUI', 'AUTOMATIC1111 or Forge', …; empty if unknown."""
    texts = {str(name): str(text)[:_MOST] for name, text in {**image.info, **getattr(image, "text", {})}.items()
             if isinstance(text, str)}  # fmt: skip
    texts |= {f"EXIF {name}": text[:_MOST] for name, text in exif_texts(image).items()}
    named = (program for name, program in _TEXTS.items() if name in texts)
    signed = (program for sign, program in _CONTENTS.items() if any(sign in text for text in texts.values()))
    return next(named, "") or next(signed, "")


def exif_texts(image: Image.Image) -> dict[str, str]:
    """The texts of a picture's EXIF, by the names of their tags; what cannot be read is left out."""
    try:
        exif = image.getexif()
        tags: dict[int, object] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # EXIF that is broken raises whatever its reader stumbles over
        return {}
    names = ("ImageDescription", "Make", "Model", "Software", "UserComment")
    found = {name: tags[ExifTags.Base[name]] for name in names if ExifTags.Base[name] in tags}
    return {name: _text(value) for name, value in found.items()}


def _text(value: object) -> str:
    """A tag's text; a comment begins with 8 bytes that name its letters."""
    if not isinstance(value, bytes):
        return str(value)
    letters, body = value[:8], value[8:]
    if letters.startswith(b"UNICODE"):  # in either byte order: most of the zeros are in the upper bytes
        return body.decode("utf-16-be" if body[:1] == b"\0" else "utf-16-le", errors="replace")
    return (body if letters.startswith(b"ASCII") else value).decode("utf-8", errors="replace").rstrip("\0")
