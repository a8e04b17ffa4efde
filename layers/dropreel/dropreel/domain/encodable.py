"""Text from outside that cannot be encoded: JSON and RFC 2047 words can contain an unpaired surrogate.

UTF-8 cannot encode one, so no request, table item, event, header or log line can contain it.
"""


def is_encodable(text: str) -> bool:
    """Return whether UTF-8 can encode a text: whether it is valid Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str) -> str:
    """Return a text with U+FFFD in place of each unpaired surrogate. A pair becomes its character."""
    return text if is_encodable(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
