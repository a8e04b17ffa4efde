"""What a provider says is found in an answer of any form, and read for what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.provider.answers import is_usable_id
from dropreel.provider.words import (
    MAX_PROVIDER_WORDS,
    failure_words,
    is_content_refusal,
    is_no_balance,
    provider_words,
    refuses_for_balance,
    retry_after_in,
)
from tests.unit.dropreel.domain.test_redaction import API_KEY, SECRETS, URL, leaked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=10,
)

# --- finding the words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("no faces allowed", "no faces allowed"),
        ("two\nlines\t here", "two lines here"),
        ({"code": "moderation", "message": "no faces"}, "moderation: no faces"),
        ({"message": "no faces"}, "no faces"),
        ({"code": 17}, "17"),
        ({"error": "too dark"}, "too dark"),
        ({"error": {"code": "bad_image", "message": "too dark"}}, "bad_image: too dark"),
        ({"error": {"type": "invalid_request_error", "message": "too dark"}}, "invalid_request_error: too dark"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            "overloaded_error: Overloaded",
        ),
        ({"error": None, "message": "too dark"}, "too dark"),
        ({"error": "", "detail": "too dark"}, "too dark"),
        ({"error": True, "message": "too dark"}, "too dark"),
        ({"error": {"error": {"message": "too dark"}}}, "too dark"),
        ({"error": "Payment Required", "message": "top up first"}, "Payment Required; top up first"),
        ({"errors": ["too dark", "too small"]}, "too dark; too small"),
        ({"errors": [{"message": "too dark"}, {"message": "too small"}]}, "too dark; too small"),
        ({"code": 1102, "msg": "Insufficient balance"}, "1102: Insufficient balance"),
        (
            {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
            "base_resp: 1008: insufficient balance",
        ),
        ({"title": "Bad Request", "detail": "too dark", "status": 400}, "too dark; Bad Request"),
        (
            {"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]},
            "body.prompt: Field required",
        ),
        ({"prompt": ["may not be blank"]}, "prompt: may not be blank"),
        ({"error": '{"message": "too dark"}'}, "too dark"),
        ({"error": "<html><title>502</title><h1>Bad Gateway</h1></html>"}, "502 Bad Gateway"),
        (["too dark"], "too dark"),
        ({"error": "too dark", "message": "Too dark"}, "too dark"),
        (17, "17"),
    ],
)
def test_the_words_are_found_in_any_form(said, words):
    assert provider_words(said) == words


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "<!DOCTYPE html><html><title>503 Slow</title><style>b{}</style><h1>503 Slow</h1><hr>nginx<script>f()</script></html>",
            "503 Slow nginx",
        ),
        (
            "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Slow &amp; steady</Message></Error>",
            "SlowDown Slow & steady",
        ),
        ("<p>cut in the midd", "cut in the midd"),
        ("<html><body", None),
        ("<html></html>", None),
    ],
)
def test_of_a_page_its_text_is_shown(page, words):
    assert provider_words(page) == words


@pytest.mark.parametrize(
    "said", [None, "", " \n\t", {}, [], 0, False, {"error": None}, {"error": {}}, {"message": ""}, "…"]
)
def test_no_words_are_none(said):
    assert provider_words(said) is None


@given(JSON | st.text(min_size=MAX_PROVIDER_WORDS))
def test_words_are_one_line_of_sane_length_whatever_the_provider_sends(said):
    for words in (provider_words(said), failure_words(said)):
        if words is not None:
            words.encode()
            assert 0 < len(words) <= MAX_PROVIDER_WORDS
            assert len(words.splitlines()) == 1


def test_long_words_show_that_they_were_cut():
    words = provider_words("so " * 5000)

    assert words is not None
    assert len(words) == MAX_PROVIDER_WORDS
    assert words.endswith("…")


@pytest.mark.parametrize("depth", [5, 50, 50_000])
def test_words_may_be_nested_without_end(depth):
    said: object = "too dark"
    for _ in range(depth):
        said = {"error": said}

    assert provider_words(said) == ("too dark" if depth == 5 else None)


@pytest.mark.parametrize(
    "form", ["cannot read {}", {"error": "{}"}, {"error": {"url": "{}"}}, {"detail": [{"input": "{}"}]}]
)
def test_no_secret_comes_with_the_words(form):
    def filled(part):
        if isinstance(part, dict):
            return {name: filled(value) for name, value in part.items()}
        return [filled(each) for each in part] if isinstance(part, list) else part.replace("{}", f"{URL} {API_KEY}")

    words = provider_words(filled(form), (API_KEY, URL)) or ""

    assert not leaked(words)
    assert API_KEY not in words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"id": "gen_1", "status": "failed", "error": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": None, "message": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": None, "failure_reason": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "data": {"fail_reason": "no faces"}}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": {"code": 7}}, "7"),
        ({"id": "gen_1", "model": "nohuman-x33", "status": "failed", "prompt": "an unsafe road", "progress": 3}, None),
    ],
)
def test_a_failures_words_are_not_taken_from_what_was_asked(said, words):
    assert failure_words(said) == words


@pytest.mark.parametrize(
    "id_", [f"https://a.example/?X-Amz-Signature={SECRETS[0]}"[:200], f"x%2Damz%2Dsignature={SECRETS[0]}"]
)
def test_an_id_that_holds_a_signature_cannot_be_used(id_):
    assert not is_usable_id(id_)


@pytest.mark.parametrize(
    "id_", ["gen_img2v_x7y8z9", "550e8400-e29b-41d4-a716-446655440000", "ab" * 32, "3HL4kqtJvjVBH40Nrjfkd"]
)
def test_an_id_of_any_usual_form_can_be_used(id_):
    assert is_usable_id(id_)


# --- when to come again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"retry_after": 30}, 30),
        ({"retryAfter": "30"}, 30),
        ({"error": {"retry_after": 1.2}}, 2),
        ({"error": {"details": [{"retry-after": "20s"}]}}, 20),
        ({"retry_after_ms": 1500}, 2),
        ({"retry_after_seconds": "7.5 seconds"}, 8),
        ({"retry_after": 0}, 0),
        ({"retry_after": 10**9}, 10**9),
        *(
            ({"retry_after": odd}, None)
            for odd in (-1, "soon", None, True, [], float("nan"), float("inf"), 1e300, "-3", "\u0661")
        ),
        ("retry_after: 30", None),
        ({"error": "x"}, None),
        ([{"retry_after": 3}], 3),
    ],
)
def test_the_body_may_say_when_to_come_again(said, seconds):
    assert retry_after_in(said) == seconds


# --- no money left ---------------------------------------------------------------------------------------------------

NO_MONEY = [
    "Insufficient balance",
    "insufficient_balance",
    "InsufficientBalance: please recharge",
    "Insufficient credits. Please top up your account.",
    "You have insufficient funds to complete this request",
    "Your account balance is not enough, please recharge",
    "You have run out of credits",
    "Out of credits",
    "Not enough credits to generate this video",
    "No credits remaining",
    "Your credit balance is too low to access the API. Please go to Plans & Billing to upgrade or purchase credits.",
    "Monthly quota exceeded",
    "余额不足",
]
"""Said by providers, under whatever status they have for it."""
RATES = [
    "Rate limit exceeded",
    "rate_limit_exceeded: Too many requests, slow down",
    "Too Many Requests",
    "You have exceeded 10 requests per minute",
    "Rate limit reached: limit 3, used 3. Try again in 20s. Add a payment method at https://x.example/account/billing.",
    "Quota exceeded for quota metric 'Generate requests' and limit 'requests per minute'",
    "Too many concurrent generations for your plan",
    "",
]
OTHERS = [
    "the prompt is too long",
    "white balance of the image is off",
    "the prompt 'rolling end credits' is too short",
    "no",
    "",
]


@pytest.mark.parametrize("words", NO_MONEY)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 422, 429])
def test_no_money_left_is_told_from_the_words(status, words):
    assert is_no_balance(status, words)


@pytest.mark.parametrize(
    "words", ["You exceeded your current quota, please check your plan and billing details.", "billing"]
)
@pytest.mark.parametrize("status", [403, 429])
def test_a_403_or_429_that_speaks_of_quota_or_billing_is_about_money(status, words):
    assert is_no_balance(status, words)


@pytest.mark.parametrize("words", RATES)
def test_a_rate_that_was_passed_is_no_want_of_money(words):
    assert not is_no_balance(429, words)


@pytest.mark.parametrize("words", OTHERS)
@pytest.mark.parametrize("status", [400, 401, 422])
def test_a_refusal_of_another_kind_is_no_want_of_money(status, words):
    assert not is_no_balance(status, words)


@pytest.mark.parametrize("words", [None, "", "Pay first"])
def test_a_402_is_one_without_words_too(words):
    assert is_no_balance(402, words)


@pytest.mark.parametrize(
    "said",
    [
        {"code": 1102, "msg": "Insufficient balance"},
        {"code": 1008, "message": "insufficient balance", "request_id": "req_7", "data": None},
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        {"error": {"code": "insufficient_quota", "message": "Quota exceeded"}},
        {"success": False, "message": "Request not accepted: insufficient credits"},
        {"status": "error", "message": "Error processing request: out of credits"},
        "Insufficient balance",
    ],
)
def test_a_2xx_without_an_id_that_states_it_was_not_charged(said):
    assert refuses_for_balance(said, provider_words(said))


@pytest.mark.parametrize(
    "said",
    [
        {"status": "created"},
        {"status": "created", "message": "Insufficient balance"},
        {"task_id": "t_1", "message": "Insufficient balance for a second one"},
        {"data": {"generation_id": "g"}, "message": "quota exceeded after this one"},
        {"generation": {"poll_url": "/v1/g"}, "warning": "x", "message": "Your balance is too low for another video"},
        {"message": "Created. Your balance is too low for another video."},
        {"message": "Video queued; balance exhausted"},
        {"success": True, "message": "balance exhausted"},
        {"message": "Remaining balance: 12.50"},
        {"balance": 12.5, "credits": 3},
        {"code": 0, "msg": "ok"},
        "<html><body>Insufficient balance</body></html>",
        "Insufficient balance. " * 40,
        ["Insufficient balance"],
        "OK",
        None,
        {},
    ],
)
def test_a_2xx_without_an_id_that_may_have_made_something_may_have_been_charged(said):
    assert not refuses_for_balance(said, provider_words(said))


# --- content refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "moderation: no faces",
        "content_moderation_failed",
        "Your request was rejected as a result of our safety system.",
        "The image was flagged by our moderation endpoint",
        "Output blocked by safety filters",
        "NSFW content detected",
        "nsfw_detected: The generated video contains NSFW content",
        "This prompt violates our content policy",
        "Violation of usage policies",
        "policy_violation",
        "Prohibited content",
        "PROHIBITED_CONTENT",
        "content policy",
        "The prompt may contain sensitive words",
        "Input image contains inappropriate material",
        "Sensitive information detected",
        "It goes against our community guidelines",
        "Image contains nudity",
        "Copyrighted character detected",
        "Safety",
        "content_filter: content was filtered",
        "内容违规，请修改",
        "The moderation service timed out; and the content was flagged as violent content",
    ],
)
def test_a_refusal_of_what_is_shown_is_told(words):
    assert is_content_refusal(words)


@pytest.mark.parametrize(
    "words",
    [
        "no faces, please",
        "it did not work",
        "The video could not be made from this image.",
        "generation_failed: internal error",
        "network policy timeout",
        "Retry policy exhausted after 3 attempts",
        "safety timeout reached",
        "Safety checker timed out after 30 s",
        "moderation service unavailable (503)",
        "policy engine crashed",
        "CUDA error: an illegal memory access was encountered",
        "CUDA out of memory on graphics card 3",
        "worker flagged as unhealthy",
        "job was flagged for retry",
        "keys are case-sensitive",
        "bucket policy denies access",
        "thread safety check failed",
        "Failed to download image: 403 Forbidden",
        "the provider gave no reason",
        "",
    ],
)
def test_a_fault_of_a_machine_is_no_refusal_of_what_is_shown(words):
    assert not is_content_refusal(words)
