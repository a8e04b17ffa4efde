"""What an error text means."""

import pytest

from dropreel.provider.error_texts import error_text
from dropreel.provider.refusals import is_content_refusal, is_no_balance, refuses_for_balance

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
"""Error texts of providers, seen with any status."""
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


@pytest.mark.parametrize("text", NO_MONEY)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 422, 429])
def test_no_balance_is_found_in_the_error_text(status, text):
    assert is_no_balance(status, text)


@pytest.mark.parametrize(
    "text", ["You exceeded your current quota, please check your plan and billing details.", "billing"]
)
@pytest.mark.parametrize("status", [403, 429])
def test_a_403_or_429_about_quota_or_billing_is_no_balance(status, text):
    assert is_no_balance(status, text)


@pytest.mark.parametrize("text", RATES)
def test_a_rate_limit_is_not_no_balance(text):
    assert not is_no_balance(429, text)


@pytest.mark.parametrize("text", OTHERS)
@pytest.mark.parametrize("status", [400, 401, 422])
def test_another_refusal_is_not_no_balance(status, text):
    assert not is_no_balance(status, text)


@pytest.mark.parametrize("text", [None, "", "Pay first"])
def test_a_402_is_no_balance_without_a_text_too(text):
    assert is_no_balance(402, text)


@pytest.mark.parametrize(
    "content",
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
def test_a_2xx_that_states_no_balance_was_not_charged(content):
    assert refuses_for_balance(content, error_text(content))


@pytest.mark.parametrize(
    "content",
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
def test_a_2xx_that_looks_accepted_may_have_been_charged(content):
    assert not refuses_for_balance(content, error_text(content))


@pytest.mark.parametrize(
    "text",
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
        "The prompt may contain sensitive text",
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
def test_a_content_refusal_is_found(text):
    assert is_content_refusal(text)


@pytest.mark.parametrize(
    "text",
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
def test_a_technical_failure_is_not_a_content_refusal(text):
    assert not is_content_refusal(text)
