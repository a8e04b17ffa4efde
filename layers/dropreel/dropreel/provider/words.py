"""What a provider says when it does not do as asked: found in an answer of any form, and what it speaks of.

No error body is documented. So nothing here decides whether a submission was charged but `says_no_balance`, which asks for
a plain statement; everything else decides how long to wait and what to tell.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from dropreel.domain.redaction import redact

MAX_PROVIDER_WORDS = 1000
"""Characters of the provider's own words that we keep and show: a limit of ours."""
NO_WORDS = "the provider gave no reason"
"""What is shown in place of words where there are none."""

_MAX_RAW = 8000
"""Characters that are looked at, so that no answer can keep us busy: a limit of ours."""
_MAX_DEPTH = 6
_MAX_PARTS = 20
_CODES = ("code", "errorcode", "errcode", "statuscode", "errorno", "errno")
_WORDS = (
    *("error", "errors", "message", "msg", "detail", "details", "errormessage", "errormsg", "errmsg", "statusmsg"),
    *("statusmessage", "errordescription", "description", "reason", "failurereason", "failreason", "title", "fault"),
    *("faultstring", "exception", "hint", "info", "text"),
)
_AROUND = ("data", "result", "response", "output", "task", "failure", "baseresp")
"""What servers put their words into."""
_SAYS_NOTHING = frozenset(
    {"id", "object", "model", "status", "state", "created", "createdat", "updatedat", "pollurl", "progress"}
    | {"requestid", "traceid", "timestamp", "path", "method", "type", "documentationurl", "success", "ok"}
)
"""Names whose values are shown in no case: they stand in any answer."""
_RETRY_AFTER = ("retryafter", "retryafterseconds", "retryaftersec", "retryafters", "retryin", "retryafterms")


def provider_words(said: Any, secrets: Iterable[str] = ()) -> str | None:
    """Return what an answer says went wrong, on one line of at most `MAX_PROVIDER_WORDS` characters and without any secret.

    `said` is JSON of any form or text, HTML too. None where it says nothing.
    """
    text = redact("; ".join(_distinct(_parts(said, 0)))[:_MAX_RAW], secrets)
    if not any(each.isalnum() for each in text):
        return None
    return text if len(text) <= MAX_PROVIDER_WORDS else text[: MAX_PROVIDER_WORDS - 1] + "…"


def failure_words(said: Any, secrets: Iterable[str] = ()) -> str | None:
    """Return what the answer about a failed generation says of the failure, like `provider_words`.

    Only names that speak of failures are read: the rest of such an answer repeats the request, prompt and all.
    """
    return provider_words(_of_failure(said, 0), secrets)


def retry_after_in(said: Any) -> int | None:
    """Return the seconds that an answer's JSON asks to wait (`retry_after` on any level), rounded up; None where it does not."""
    return next((seconds for seconds in _waits(said, 0) if seconds is not None), None)


def _of_failure(said: Any, depth: int) -> Any:
    if not isinstance(said, dict) or depth > _MAX_DEPTH:
        return None
    named = {re.sub(r"[^a-z0-9]", "", str(name).lower()): value for name, value in list(said.items())[:200]}
    told = {name: value for name, value in named.items() if value and name in (*_WORDS, *_CODES)}
    return told or [_of_failure(named.get(name), depth + 1) for name in _AROUND]


# --- finding the words ----------------------------------------------------------------------------------------------------


def _parts(said: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    match said:
        case str():
            yield from _parts_of_text(said, depth)
        case dict():
            yield from _parts_of_object(said, depth)
        case list():
            for one in said[:_MAX_PARTS]:
                yield from _parts(one, depth + 1)
        case bool() | None:
            return
        case int() | float() if said:
            yield str(said)[:40]


def _parts_of_text(said: str, depth: int) -> Iterator[str]:
    text = said.strip()[:_MAX_RAW]
    if text[:1] in "{[" and text[-1:] in "}]":
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            inside = None
        if inside:
            yield from _parts(inside, depth + 1)
            return
    if re.match(r"<(?:[a-zA-Z!?])", text):
        text = _shown_of_html(text)
    if text:
        yield text


def _shown_of_html(text: str) -> str:
    """Return what a page of HTML or XML shows, and not its tags, scripts and styles."""
    from html import unescape  # only a page needs it

    text = re.sub(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[!?][^>]*>", " ", text)
    shown = [" ".join(unescape(part).split()) for part in re.sub(r"<[^<>]*(?:>|\Z)", "\n", text).splitlines()]
    return " ".join(_distinct(part for part in shown if part))


def _parts_of_object(said: dict[str, Any], depth: int) -> Iterator[str]:
    named = {re.sub(r"[^a-z0-9]", "", str(name).lower()): value for name, value in list(said.items())[:200]}
    head = [_scalar(named.get(name)) for name in _CODES]
    code = next((each for each in head if each), None)
    if "loc" in named and isinstance(named["loc"], list):  # FastAPI: where in the request it was
        code = ".".join(str(each)[:60] for each in named["loc"][:_MAX_PARTS])
    if code is None and any(isinstance(named.get(name), str) for name in ("message", "msg")):
        code = _scalar(named.get("type"))
    words = [part for name in _WORDS for part in _parts(named.get(name), depth + 1)]
    if not words and code is None:
        told = [(name, value) for name, value in said.items() if isinstance(value, str | dict | list)][:_MAX_PARTS]
        named_parts = [(name, part) for name, value in told if _is_telling(name) for part in _parts(value, depth + 1)]
        words = [f"{name[:60]}: {part}" for name, part in named_parts]
    words = list(_distinct(words))
    if words and code and code.lower() not in words[0].lower():
        words[0] = f"{code}: {words[0]}"
    yield from words or ([code] if code else [])


def _is_telling(name: str) -> bool:
    return re.sub(r"[^a-z]", "", name.lower()) not in _SAYS_NOTHING


def _scalar(value: Any) -> str | None:
    if isinstance(value, str) and value.strip():
        return value.strip()[:100]
    return str(value)[:40] if isinstance(value, int) and value and not isinstance(value, bool) else None


def _distinct(parts: Iterable[str]) -> Iterator[str]:
    """Yield at most `_MAX_PARTS` parts, each said once."""
    seen: list[str] = []
    for part in parts:
        lower = part.lower()
        if any(lower in each for each in seen):
            continue
        seen.append(lower)
        yield part
        if len(seen) >= _MAX_PARTS:
            return


def _waits(said: Any, depth: int) -> Iterator[int | None]:
    if depth > _MAX_DEPTH or not isinstance(said, dict | list):
        return
    if isinstance(said, list):
        for one in said[:_MAX_PARTS]:
            yield from _waits(one, depth + 1)
        return
    for name, value in list(said.items())[:200]:
        bare = re.sub(r"[^a-z]", "", str(name).lower())
        if bare in _RETRY_AFTER:
            yield _seconds(value, 1000 if bare.endswith("ms") else 1)
    for value in list(said.values())[:200]:
        yield from _waits(value, depth + 1)


def _seconds(value: Any, parts_of_a_second: int) -> int | None:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(?:s|sec|secs|seconds?)?\s*", value, re.ASCII)
        value = float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= 10**12:  # nor what is no number at all
        return None
    return math.ceil(value / parts_of_a_second)


# --- what they speak of ---------------------------------------------------------------------------------------------------

# The patterns are texts, compiled when they are first needed: most starts of a function never need them.
_FUNDS = r"(?:balance|credits?|funds?|quotas?)"
_FEW = r"(?:[^\w.;!?]+\w+){0,4}?[^\w.;!?]+"  # within one sentence
_LACKS = (
    rf"\b(?:insufficient|not enough|out of|lack(?:s|ing)?|exhausted|depleted|exceed(?:s|ed|ing)?|ra?un out of|used up|top up|recharge|"
    rf"negative|inadequate){_FEW}{_FUNDS}\b"
    rf"|\bno (?:more |remaining |available |sufficient )?{_FUNDS}\b|\b(?:low|zero) {_FUNDS}\b"
    rf"|\b{_FUNDS}{_FEW}(?:insufficient|not enough|not sufficient|too low|exhausted|depleted|exceeded|used up|ra?un out|empty|"
    rf"reached|negative|overdue|in arrears)\b"
    rf"|\b{_FUNDS} (?:is|are|of) (?:0|zero)\b|\bpayment required\b|\bin arrears\b|\bbilling (?:hard )?limit\b"
    "|余额不足|余额不够|欠费|额度不足|额度已用|点数不足|积分不足"
)
_MONEY_LACKS = _LACKS.replace("|quotas?)", ")")
_MENTIONS_FUNDS = rf"\b(?:{_FUNDS}|billing|payment|prepaid|top up|recharge)\b|余额|欠费|额度"
_RATE = (
    r"\brate ?limit|\btoo many requests\b|\b(?:requests?|tokens?|calls?|images?|videos?)\W+per\b"
    r"|\bper (?:second|minute|min|hour)\b|\bthrottl|\bconcurren|\b[rt]p[md]\b|\bslow down\b|\btry again in \d"
    r"|\boverloaded\b|\bqueue is full\b"
)
_TAKEN = r"(?<!not )(?<!not been )(?<!not be )\b(?:accepted|created|queued|submitted|started|succe\w+)\b"


def says_no_balance(words: str) -> bool:
    """Tell whether the words state that there is no money left at the provider, rather than only mention it."""
    return re.search(_LACKS, _spread(words)) is not None


def is_no_balance(status_code: int, words: str | None) -> bool:
    """Tell whether a 4xx means that the account at the provider has no money left, which was then surely not charged.

    402 does. 429 and 403 do where their words speak of balance, credits, quota or billing, unless a 429 speaks of a rate; any
    other where its words state it.
    """
    text = _spread(words or "")
    if status_code == 402:
        return True
    if status_code == 429:
        is_about_rate = re.search(_RATE, text) is not None
        return re.search(_MONEY_LACKS, text) is not None or (
            not is_about_rate and re.search(_MENTIONS_FUNDS, text) is not None
        )
    if status_code == 403:
        return re.search(_MENTIONS_FUNDS, text) is not None or re.search(_LACKS, text) is not None
    return re.search(_LACKS, text) is not None


def refuses_for_balance(said: Any, words: str | None) -> bool:
    """Tell whether a 2xx without an id is a refusal for want of money: only then was it surely not charged.

    Its words must state it, and nothing in the answer may look as if something had been made: an id under another name, a
    status, a word such as "created".
    """
    if words is None or not says_no_balance(words) or re.search(_TAKEN, _spread(words)):
        return False
    if isinstance(said, str):
        return len(said) <= 300 and not said.lstrip().startswith("<")
    return isinstance(said, dict) and not _shows_something_made(said, 0)


_OWN_IDS = (
    *("requestid", "traceid", "logid", "correlationid", "errorid", "userid", "accountid", "orgid", "organizationid"),
)
_MADE = frozenset(
    {"created", "processing", "queued", "pending", "accepted", "submitted", "started", "running", "completed"}
)


def _shows_something_made(said: Any, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True  # who can tell
    if isinstance(said, list):
        return any(_shows_something_made(one, depth + 1) for one in said)
    if isinstance(said, str):
        return said.strip().lower() in _MADE
    if not isinstance(said, dict):
        return False
    for name, value in said.items():
        bare = re.sub(r"[^a-z]", "", str(name).lower())
        if value and bare not in _OWN_IDS and bare.endswith(("id", "ids", "uuid", "url")):
            return True
        if value is True and bare in ("success", "ok"):
            return True
        if _shows_something_made(value, depth + 1):
            return True
    return False


_NOT_CONTENT = (
    # the same words, of machines
    r"\b(?:network|retry|retention|(?:auto)?scaling|scheduling|cach(?:e|ing)|bucket|iam|security|cors|time ?out|restart|eviction|"
    r"rate(?: limit(?:ing)?)?|quota|back ?off|load balanc\w+|firewall|access|key|queue|resource|admission|pod|priority|preemption|"
    r"routing|egress|ingress|referrer|lifecycle|session|s3|kms|vpc|password|tls|ssl|dns|proxy|storage|memory|update) polic(?:y|ies)\b"
    r"|\b(?:thread|type|memory|crash|fail) safety\b"
    r"|\bsafety (?:time ?out|margin|factor|net|shutdown|stop|valve|interval|buffer|limit)\b"
    r"|\b(?:safety|moderation|policy|nsfw)(?: \w+){0,2} (?:timed out|time ?out|unavailable|crashed|unreachable|overloaded|failed to "
    r"(?:load|start|respond|connect)|out of memory|connection \w+|is down|returned \d+|internal error)\b"
    r"|\bflagged (?:for|as) (?:retry|deletion|slow|unhealthy|stale|deprecated|lost|stuck|failed)\b"
    r"|\b(?:case|time|latency|order) sensitive\b"
)
_CONTENT = (
    r"\bmoderat(?:ion|ed|or|ors|e)\b|\bnsfw\b|\bflagged\b|\bprohibited\b|\bsafety\b|\bunsafe\b|\bpolic(?:y|ies)\b"
    r"|\binappropriate\b|\bnud(?:e|ity)\b|\bsexual\w*\b|\bpornogra\w+\b|\bhateful\b|\bself harm\b|\bgore\b|\bobscene\b"
    r"|\bexplicit (?:content|material|image|picture|nudity)\b|\bviolen(?:t|ce)\b(?: \w+){0,2} (?:content|material|image|depict\w+)"
    r"|\bgraphic violence\b|\bsensitive (?:content|information|words?|materials?|images?|text|subjects?|topics?)\b"
    r"|\b(?:contain(?:s|ed|ing)?|detect(?:s|ed)?|includ(?:es|ed|ing))(?: \w+){0,4} sensitive\b"
    r"|\bcontent (?:violation|filter\w*|restrict\w*|blocked|rejected|refused|denied|not allowed|is not allowed|warning)\b"
    r"|\b(?:restricted|disallowed|forbidden|illegal|harmful|adult|offensive) (?:content|material|image|prompt|subject)s?\b"
    r"|\bguidelines?\b|\bterms of (?:service|use)\b|\bcommunity standards?\b|\bacceptable use\b|\bresponsible ai\b|\bcopyright\w*\b"
    r"|\bpublic figures?\b|\bcelebrit(?:y|ies)\b|\bminors\b|\blikeness\b|敏感|违规|审核|不合规|色情|违禁"
)


def is_content_refusal(words: str) -> bool:
    """Tell whether a generation failed for what the picture or the prompt shows: tried again unchanged, it would be paid again.

    In doubt it is: then nothing is paid again. The same words of machines ("network policy", "safety timeout") do not count.
    """
    return re.search(_CONTENT, re.sub(_NOT_CONTENT, " ", _spread(words))) is not None


def _spread(words: str) -> str:
    """Return words in lower case, with the parts of a code apart: `InsufficientBalance` and `insufficient_balance` alike."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", words)
    return " ".join(re.sub(r"[_/-]+", " ", apart).lower().split())
