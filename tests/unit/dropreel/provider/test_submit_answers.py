"""Which generation ids can be stored."""

import pytest

from dropreel.provider.submit_answers import is_usable_id
from tests.unit.dropreel.domain.test_redaction import SECRETS


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
