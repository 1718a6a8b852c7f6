"""Making text from outside safe to store and to print."""

VALUE_BYTES = 500


def clean(text: str, limit: int = VALUE_BYTES) -> str:
    """Return `text` as one printable line of at most `limit` bytes.

    Control characters, line separators, bidirectional marks and broken encodings become spaces: no
    value can add a line to a record or move the cursor of the terminal it is printed on.
    """
    line = "".join(char if char.isprintable() else " " for char in text)
    return line.encode()[:limit].decode("utf-8", "ignore").strip()


def key_values(data: bytes) -> dict[str, str]:
    """Return the KEY=VALUE lines of a record of ours, cleaned; the first of equal keys counts."""
    found: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        if equals and key.isidentifier():
            found.setdefault(key, clean(value))
    return found
