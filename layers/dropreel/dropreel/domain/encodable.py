"""Text from outside that cannot be encoded: JSON and RFC 2047 words can spell half a surrogate pair.

UTF-8 has no bytes for one, so that neither a request, a table's item, an event, a header nor a log line can hold it.
"""


def is_encodable(text: str) -> bool:
    """Tell whether a text is valid Unicode, which UTF-8 can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair; the two halves of one become their character."""
    return text if is_encodable(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
