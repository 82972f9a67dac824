"""Recognises pictures of other programs by their metadata, for the error when ditpipe is given such a picture."""

from PIL import ExifTags, Image

# Programs by the names of their PNG text chunks.
_TEXTS = {
    "invokeai_metadata": "InvokeAI", "invokeai_graph": "InvokeAI", "sd-metadata": "InvokeAI", "Dream": "InvokeAI",
    "fooocus_scheme": "Fooocus", "sui_image_params": "SwarmUI",
    "generation_data": "TensorArt", "c2pa": "a program that signs its pictures (C2PA)",
}  # fmt: skip
# Programs by a string in any of their texts.
_CONTENTS = {
    "sui_image_params": "SwarmUI", "NovelAI": "NovelAI", "Draw Things": "Draw Things", "Midjourney": "Midjourney",
    "DALL-E": "DALL·E", "Adobe Firefly": "Adobe Firefly", '"class_type"': "ComfyUI", '"last_node_id"': "ComfyUI",
    "Steps: ": "AUTOMATIC1111 or Forge",
}  # fmt: skip
_MOST = 100_000  # characters of each text that are searched


def program_of(image: Image.Image) -> str:
    """The program that wrote a picture's metadata: 'ComfyUI', 'AUTOMATIC1111 or Forge', …; empty if unknown."""
    texts = {str(name): str(text)[:_MOST] for name, text in {**image.info, **getattr(image, "text", {})}.items()
             if isinstance(text, str)}  # fmt: skip
    texts |= {f"EXIF {name}": text[:_MOST] for name, text in exif_texts(image).items()}
    named = (program for name, program in _TEXTS.items() if name in texts)
    by_content = (program for mark, program in _CONTENTS.items() if any(mark in text for text in texts.values()))
    return next(named, "") or next(by_content, "")


def exif_texts(image: Image.Image) -> dict[str, str]:
    """The EXIF texts of a picture by tag name; empty if EXIF cannot be read."""
    try:
        exif = image.getexif()
        tags: dict[int, object] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # Pillow has no common error for broken EXIF
        return {}
    names = ("ImageDescription", "Make", "Model", "Software", "UserComment")
    return {name: _text(tags[ExifTags.Base[name]]) for name in names if ExifTags.Base[name] in tags}


def _text(value: object) -> str:
    """The text of a tag. A comment begins with 8 bytes that name its character code."""
    if not isinstance(value, bytes):
        return str(value)
    code, body = value[:8], value[8:]
    if code.startswith(b"UNICODE"):  # UTF-16 of either byte order: the first character has a zero upper byte
        return body.decode("utf-16-be" if body[:1] == b"\0" else "utf-16-le", errors="replace")
    return (body if code.startswith(b"ASCII") else value).decode("utf-8", errors="replace").rstrip("\0")
