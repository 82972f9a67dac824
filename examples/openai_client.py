"""OpenAI's own client, pointed at `ditpipe serve`: python examples/openai_client.py http://127.0.0.1:8000/v1"""

import base64
import sys
from pathlib import Path

from openai import OpenAI


def main(base_url: str, folder: str = ".") -> Path:
    """Draws a picture, showing half-finished ones on the way; returns its file."""
    client = OpenAI(base_url=base_url, api_key="none")
    file = Path(folder) / "picture.png"
    events = client.images.generate(prompt="a red cat and a blue rocket at night", stream=True, partial_images=2)
    for event in events:
        print(event.type)
        file.write_bytes(base64.b64decode(event.b64_json))
    return file


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
