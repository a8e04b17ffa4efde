import pytest

from dropreel.domain.errors import SettingsError
from dropreel.domain.option_places import Place, Resolved, resolve
from dropreel.domain.options import Options
from dropreel.settings import Settings

ENVIRONMENT = {
    "JOBS_TABLE_NAME": "jobs",
    "VIDEOS_BUCKET_NAME": "videos",
    "PREPARED_BUCKET_NAME": "prepared",
    "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/submission",
    "PREPARE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/prepare",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
    "PREPARE_IMAGES": "when-needed",
    "PRICES_USD": "fast-5=0.47 fast-10=0.94 hq-5=0.94 hq-10=1.87",
    "IMAGE_BUCKET_NAMES": "uploads",
    "EXISTING_UPLOADS_BUCKET_NAME": "pictures",
    "UPLOADS_PREFIX": "shop/",
    "STACK_NAME": "dropreel",
    "EVENT_BUS_NAME": "default",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:watch",
    "API_KEY_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key",
    "API_BASE_URL": "https://api.nohuman.studio",
    "REHEARSAL": "true",
    "GENERATION_TIMEOUT_MINUTES": "60",
    "MAX_VIDEO_BYTES": "2147483648",
    "RETRY_CONTENT_REFUSALS": "false",
    "DEFAULT_PROMPT": "a slow push in",
    "DEFAULT_MODE": "fast",
    "DEFAULT_NEGATIVE_PROMPT": "",
    "DEFAULT_ASPECT_RATIO": "auto",
    "DEFAULT_DURATION": "5",
    "DEFAULT_CFG_SCALE": "0.5",
    "DEFAULT_SOUND": "true",
}
READ_FROM = {
    "jobs_table": "JOBS_TABLE_NAME",
    "videos_bucket": "VIDEOS_BUCKET_NAME",
    "prepared_bucket": "PREPARED_BUCKET_NAME",
    "queue_url": "QUEUE_URL",
    "prepare_queue_url": "PREPARE_QUEUE_URL",
    "dead_letter_queue_url": "DEAD_LETTER_QUEUE_URL",
    "prepares_images": "PREPARE_IMAGES",
    "prices": "PRICES_USD",
    "image_buckets": "IMAGE_BUCKET_NAMES",
    "event_bus": "EVENT_BUS_NAME",
    "stack_name": "STACK_NAME",
    "state_machine_arn": "STATE_MACHINE_ARN",
    "api_key_secret_arn": "API_KEY_SECRET_ARN",
    "api_base_url": "API_BASE_URL",
    "generation_timeout_seconds": "GENERATION_TIMEOUT_MINUTES",
    "max_video_bytes": "MAX_VIDEO_BYTES",
    "retries_content_refusals": "RETRY_CONTENT_REFUSALS",
}


def settings_with(**changes):
    return Settings({**ENVIRONMENT, **changes})


@pytest.mark.parametrize(("setting", "variable"), READ_FROM.items())
def test_a_missing_variable_is_named_when_it_is_read(setting, variable):
    settings = Settings({name: value for name, value in ENVIRONMENT.items() if name != variable})

    with pytest.raises(SettingsError, match=variable):
        getattr(settings, setting)


@pytest.mark.parametrize(("setting", "variable"), READ_FROM.items())
def test_an_empty_variable_is_a_missing_one(setting, variable):
    with pytest.raises(SettingsError, match=variable):
        getattr(settings_with(**{variable: ""}), setting)


@pytest.mark.parametrize(
    "setting",
    [
        *("jobs_table", "videos_bucket", "prepared_bucket", "event_bus", "stack_name"),
        *("queue_url", "prepare_queue_url", "dead_letter_queue_url", "state_machine_arn", "api_key_secret_arn"),
    ],
)
def test_a_name_is_taken_as_it_stands(setting):
    assert getattr(settings_with(), setting) == ENVIRONMENT[READ_FROM[setting]]


@pytest.mark.parametrize("names", ["uploads,pictures", "uploads,,pictures,"])
def test_images_may_be_in_several_buckets(names):
    assert settings_with(IMAGE_BUCKET_NAMES=names).image_buckets == {"uploads", "pictures"}


def test_the_existing_bucket_has_the_prefix():
    assert settings_with().key_prefixes == {"pictures": "shop/"}


@pytest.mark.parametrize("empty", ["EXISTING_UPLOADS_BUCKET_NAME", "UPLOADS_PREFIX"])
def test_without_a_prefix_or_a_bucket_for_it_every_key_is_taken(empty):
    assert settings_with(**{empty: ""}).key_prefixes == {}


@pytest.mark.parametrize("missing", ["EXISTING_UPLOADS_BUCKET_NAME", "UPLOADS_PREFIX"])
def test_a_prefix_that_the_template_does_not_set_is_a_fault(missing):
    settings = Settings({name: value for name, value in ENVIRONMENT.items() if name != missing})

    with pytest.raises(SettingsError, match=missing):
        _ = settings.key_prefixes


def test_a_function_needs_only_what_its_part_reads():
    assert Settings({"JOBS_TABLE_NAME": "jobs"}).jobs_table == "jobs"


@pytest.mark.parametrize("address", ["https://api.nohuman.studio/", "https://api.nohuman.studio//"])
def test_slashes_behind_the_base_address_are_cut(address):
    assert settings_with(API_BASE_URL=address).api_base_url == "https://api.nohuman.studio"


def test_a_local_base_address_keeps_its_port_and_path():
    assert settings_with(API_BASE_URL="http://127.0.0.1:8700/p").api_base_url == "http://127.0.0.1:8700/p"


@pytest.mark.parametrize("address", ["api.nohuman.studio", "https://", "/v1", "nonsense"])
def test_what_is_no_address_is_refused_before_anything_is_sent(address):
    with pytest.raises(SettingsError, match="API_BASE_URL"):
        _ = settings_with(API_BASE_URL=address).api_base_url


def test_the_time_limit_is_counted_in_seconds():
    assert settings_with(GENERATION_TIMEOUT_MINUTES="90").generation_timeout_seconds == 5400


@pytest.mark.parametrize("value", ["-1", "1.5", "90.0", "ten", " 5", "5 ", "1e3", "0x10", "²", "٥"])
@pytest.mark.parametrize("setting", ["generation_timeout_seconds", "max_video_bytes"])
def test_a_number_that_is_none_is_refused(setting, value):
    variable = READ_FROM[setting]

    with pytest.raises(SettingsError, match=variable):
        getattr(settings_with(**{variable: value}), setting)


@pytest.mark.parametrize(("value", "retries"), [("true", True), ("false", False)])
def test_whether_content_refusals_are_tried_again_is_the_owners_choice(value, retries):
    assert settings_with(RETRY_CONTENT_REFUSALS=value).retries_content_refusals is retries


@pytest.mark.parametrize(("value", "prepares"), [("when-needed", True), ("never", False)])
def test_whether_images_are_prepared_is_the_owners_choice(value, prepares):
    assert settings_with(PREPARE_IMAGES=value).prepares_images is prepares


def test_the_stacks_parameters_are_a_complete_set_of_options():
    resolved = resolve([Place("stack parameters", settings_with().default_options, is_text=True)])

    assert isinstance(resolved, Resolved)
    assert resolved.options == Options("a slow push in", "fast", "", "auto", 5, 0.5, True)


def test_a_default_that_the_template_does_not_set_is_a_fault():
    without_mode = Settings({name: value for name, value in ENVIRONMENT.items() if name != "DEFAULT_MODE"})

    with pytest.raises(SettingsError, match="DEFAULT_MODE"):
        _ = without_mode.default_options


def test_the_process_environment_is_where_settings_come_from(monkeypatch):
    monkeypatch.setenv("JOBS_TABLE_NAME", "jobs-of-this-process")

    assert Settings.from_environment().jobs_table == "jobs-of-this-process"
