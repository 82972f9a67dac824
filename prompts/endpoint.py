"""The URL of an OpenAI-compatible server: its checks, the key that belongs to it, and its timeout."""

import os
from urllib.parse import urlsplit

SHOW_SCHEMA = ("api.openai.com",)  # hosts, by their published documentation
TIMEOUT = 600.0  # seconds a call: reasoning models think for minutes, and a small machine is slow


def check_url(url: str) -> None:
    """Raises ValueError for the URL of a server that does not begin with http:// or https://, and names the right one;
    and for one that holds a password, which would stand in the records of runs."""
    if "@" in urlsplit(url).netloc:
        raise ValueError(f"a URL holds neither a name nor a password: write {without_credentials(url)}, and give a key")
    if urlsplit(url).scheme.lower() in ("http", "https") and urlsplit(url).hostname:
        return
    address = url.partition("://")[2] or url.lstrip("/")
    host = urlsplit(f"//{address}").hostname or ""
    scheme = "http" if host in ("localhost", "::1") or host.replace(".", "").isdigit() or "." not in host else "https"
    raise ValueError(f"{url} is no URL of a server: write {scheme}://{address}")


def shows_schema(url: str) -> bool:
    """Whether a server shows its model the schema of an answer.

    llama.cpp, vLLM, Ollama and LM Studio only make a grammar of it, so that the model never sees what the fields mean;
    Anthropic's endpoint in OpenAI's form ignores it; what a server in between does, nobody knows.
    """
    return urlsplit(url).hostname in SHOW_SCHEMA


def without_credentials(url: str) -> str:
    """A URL as messages may have it: without a name and a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def origin(url: str) -> tuple[str, str]:
    """What a key is bound to: scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def key_for(url: str, key: str | None, *, given_for: str | None) -> str | None:
    """The key, if it was given for the server of this URL."""
    return key if key and given_for and origin(given_for) == origin(url) else None


def openai_key(base_url: str) -> str | None:
    """OPENAI_API_KEY, unless OPENAI_BASE_URL says that it was given for another server."""
    given_for = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    if given_for and origin(given_for) != origin(base_url):
        return None
    return os.environ.get("OPENAI_API_KEY") or None
