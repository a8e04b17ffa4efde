"""What an error text of the provider means: no balance, or a refusal of the picture or the prompt.

Only `refuses_for_balance` and `is_no_balance` decide whether a submission was charged; in doubt it was.
"""

import re
from typing import Any

_MAX_DEPTH = 6

# The patterns are texts, compiled when they are first needed: most starts of a function never need them.
_FUNDS = r"(?:balance|credits?|funds?|quotas?)"
_SOME_WORDS = r"(?:[^\w.;!?]+\w+){0,4}?[^\w.;!?]+"  # within one sentence
_LACKING = (
    rf"\b(?:insufficient|not enough|out of|lack(?:s|ing)?|exhausted|depleted|exceed(?:s|ed|ing)?|ra?un out of|used up|top up|recharge|"
    rf"negative|inadequate){_SOME_WORDS}{_FUNDS}\b"
    rf"|\bno (?:more |remaining |available |sufficient )?{_FUNDS}\b|\b(?:low|zero) {_FUNDS}\b"
    rf"|\b{_FUNDS}{_SOME_WORDS}(?:insufficient|not enough|not sufficient|too low|exhausted|depleted|exceeded|used up|ra?un out|empty|"
    rf"reached|negative|overdue|in arrears)\b"
    rf"|\b{_FUNDS} (?:is|are|of) (?:0|zero)\b|\bpayment required\b|\bin arrears\b|\bbilling (?:hard )?limit\b"
    "|余额不足|余额不够|欠费|额度不足|额度已用|点数不足|积分不足"
)
_MONEY_LACKING = _LACKING.replace("|quotas?)", ")")
_MENTIONS_FUNDS = rf"\b(?:{_FUNDS}|billing|payment|prepaid|top up|recharge)\b|余额|欠费|额度"
_RATE = (
    r"\brate ?limit|\btoo many requests\b|\b(?:requests?|tokens?|calls?|images?|videos?)\W+per\b"
    r"|\bper (?:second|minute|min|hour)\b|\bthrottl|\bconcurren|\b[rt]p[md]\b|\bslow down\b|\btry again in \d"
    r"|\boverloaded\b|\bqueue is full\b"
)
_ACCEPTED = r"(?<!not )(?<!not been )(?<!not be )\b(?:accepted|created|queued|submitted|started|succe\w+)\b"


def says_no_balance(text: str) -> bool:
    """Return whether a text states that the account has no balance left, rather than only mentions one."""
    return re.search(_LACKING, _spread(text)) is not None


def is_no_balance(status_code: int, text: str | None) -> bool:
    """Return whether a 4xx means that the account at the provider has no balance left: then nothing was charged.

    402 does. 403 and 429 do if their text mentions balance, credits, quota or billing, unless a 429 mentions a rate limit;
    any other does if its text states it.
    """
    text = _spread(text or "")
    if status_code == 402:
        return True
    if status_code == 429:
        is_about_rate = re.search(_RATE, text) is not None
        return re.search(_MONEY_LACKING, text) is not None or (
            not is_about_rate and re.search(_MENTIONS_FUNDS, text) is not None
        )
    if status_code == 403:
        return re.search(_MENTIONS_FUNDS, text) is not None or re.search(_LACKING, text) is not None
    return re.search(_LACKING, text) is not None


def refuses_for_balance(content: Any, text: str | None) -> bool:
    """Return whether a 2xx without an id is a refusal because of the balance: only then was it surely not charged.

    Its text must state it, and nothing in its content may look like an accepted submission: an id under another name, a
    status, a word such as "created".
    """
    if text is None or not says_no_balance(text) or re.search(_ACCEPTED, _spread(text)):
        return False
    if isinstance(content, str):
        return len(content) <= 300 and not content.lstrip().startswith("<")
    return isinstance(content, dict) and not _looks_accepted(content, 0)


_OTHER_IDS = (
    *("requestid", "traceid", "logid", "correlationid", "errorid", "userid", "accountid", "orgid", "organizationid"),
)
_ACCEPTED_STATUSES = frozenset(
    {"created", "processing", "queued", "pending", "accepted", "submitted", "started", "running", "completed"}
)


def _looks_accepted(content: Any, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True  # in doubt
    if isinstance(content, list):
        return any(_looks_accepted(one, depth + 1) for one in content)
    if isinstance(content, str):
        return content.strip().lower() in _ACCEPTED_STATUSES
    if not isinstance(content, dict):
        return False
    for name, value in content.items():
        bare_name = re.sub(r"[^a-z]", "", str(name).lower())
        if value and bare_name not in _OTHER_IDS and bare_name.endswith(("id", "ids", "uuid", "url")):
            return True
        if value is True and bare_name in ("success", "ok"):
            return True
        if _looks_accepted(value, depth + 1):
            return True
    return False


_NOT_CONTENT = (
    # technical terms with the same words
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


def is_content_refusal(text: str) -> bool:
    """Return whether a generation failed because of what the picture or the prompt shows. A retry unchanged would be paid too.

    In doubt True: then nothing is paid again. Technical terms with such words ("network policy", "safety timeout") do not count.
    """
    return re.search(_CONTENT, re.sub(_NOT_CONTENT, " ", _spread(text))) is not None


def _spread(text: str) -> str:
    """Return a text in lower case with its codes split: `InsufficientBalance` and `insufficient_balance` become the same."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return " ".join(re.sub(r"[_/-]+", " ", split).lower().split())
