"""The commands of docs/operations.md that deploy and remove, pasted in a clone, in one local cloud, in this order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from dropreel.domain.days import day_of
from dropreel_cli.stack import Stack, StackMissing
from local.cloud import API_KEY, ROOT, Engine, running_engine
from local.provider_simulator.process import running_simulator
from tests.e2e.cloned_checkout import Clone, build_release, clone_checkout
from tests.e2e.conftest import FRAMES_PER_SECOND, SAMPLE
from tests.e2e.operations_page import PAGE, commands
from tests.support.releases import Release, previous_release

NEW_KEY = "a-new-key"
CREATE, YES, CONFIRM = "make deploy YES=1", {"Deploy this changeset?": ["y"]}, {"Delete the stack ": ["y"]}
LIMIT = "DailySpendLimitUsd"
RELEASE = "git fetch --tags && git checkout v0.1.0\nmake deploy"
AGAIN = "An earlier stack dropreel reserved $5.64 today ("


@dataclass
class Place:
    """The clone, and the cloud that its commands reach."""

    clone: Clone
    engine: Engine
    simulator_url: str
    release: Release

    def stack(self, name: str = "dropreel") -> Stack:
        return Stack.find(name, self.engine.session(), self.engine.endpoint_url)

    def client(self, service: str) -> Any:
        session: Any = self.engine.session()
        return session.client(service, endpoint_url=self.engine.endpoint_url)

    def paste(self, command: str, answers: dict[str, list[str]] | None = None, says: str = "") -> str:
        """Paste a command; it must succeed and say something. Return the screen."""
        status, screen = self.clone.paste(command, dict(answers or {}))
        assert status == 0, screen[-4000:]
        assert says in screen, screen[-4000:]
        return screen

    def key(self) -> str:
        """Return the key in the stack's secret."""
        arn = self.client("cloudformation").describe_stack_resource(
            StackName="dropreel", LogicalResourceId="ApiKeySecret"
        )["StackResourceDetail"]["PhysicalResourceId"]
        return str(self.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


@pytest.fixture(autouse=True)
def reset_simulator() -> None:
    """No test of this file needs the cloud that the others share."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    release, folder = previous_release(ROOT), tmp_path_factory.mktemp("operations")
    with (
        running_engine() as engine,
        running_simulator(
            API_KEY, created_seconds=0, processing_seconds=0, frames_per_second=FRAMES_PER_SECOND
        ) as simulator,
    ):
        yield Place(clone_checkout(folder / "clone", engine, release), engine, simulator.base_url, release)


def create(place: Place, command: str) -> None:
    place.clone.environment["NOHUMAN_API_KEY"] = API_KEY
    place.paste(command, says="The stack dropreel in us-east-1 is deployed.")
    del place.clone.environment["NOHUMAN_API_KEY"]
    assert place.key() == API_KEY


def change_nothing(place: Place, command: str) -> None:
    place.paste(command, says="The stack dropreel in us-east-1 is up to date.")


def change_the_limit(place: Place, command: str) -> None:
    place.paste(command, YES, "The stack dropreel in us-east-1 is deployed.")
    assert place.stack().parameters[LIMIT] == command.rpartition("=")[2]


def type_a_new_key(place: Place, command: str) -> None:
    place.paste(command, {**YES, "NohumanApiKey [current value]": [NEW_KEY]}, "is deployed.")
    assert place.key() == NEW_KEY


def check_out_a_release(place: Place, command: str) -> None:
    """Its build is in place: make would download it. The page names one release, and here it is the previous one."""
    limit = place.stack().parameters[LIMIT]
    release = build_release(place.release, place.clone.folder.parent)
    place.clone.use_build(release / ".aws-sam" / "local" / "build")
    place.paste(re.sub(r"v\d+\.\d+\.\d+", f"v{place.release.version}", command), YES, "is deployed.")
    assert place.stack().outputs["Version"] == place.release.version
    assert place.stack().parameters[LIMIT] == limit
    place.clone.git("checkout", "--quiet", "newest")
    place.clone.use_build(ROOT / ".aws-sam" / "local" / "build")


def create_another(place: Place, command: str) -> None:
    answers = {"NohumanApiKey": [API_KEY], "NohumanApiBaseUrl": [place.simulator_url], "UploadSettleSeconds": ["1"]}
    place.paste(command, {**YES, **answers}, "The stack shop in us-east-1 is deployed.")


def drop_an_image(place: Place, command: str) -> None:
    place.paste(f"{command} STACK=shop IMAGE={SAMPLE}")
    (video,) = (place.clone.folder / "output").rglob("*.mp4")
    assert video.stat().st_size > 10_000


def remove(place: Place, command: str) -> None:
    table = place.stack().outputs["SpendTableName"]
    day = {"day": {"S": day_of(datetime.now(UTC))}, "reserved_cents": {"N": "564"}}
    place.client("dynamodb").put_item(TableName=table, Item=day)
    place.paste(command, CONFIRM, "The stack dropreel in us-east-1 was removed.")
    with pytest.raises(StackMissing):
        place.stack()
    assert table in place.client("dynamodb").list_tables()["TableNames"]


def deploy_again(place: Place, command: str) -> None:
    """The output is that of the page, whose table and day are examples."""
    screen = place.paste(command, {**YES, "NohumanApiKey": [API_KEY]}, AGAIN)
    (shown,) = re.findall(r"^```\n(An earlier stack .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    sentence = shown.splitlines()[1]
    assert sentence in " ".join(screen.split())


def with_the_earlier_table(place: Place, command: str) -> None:
    names = place.client("dynamodb").list_tables()["TableNames"]
    table = next(name for name in names if name.startswith("dropreel-") and "SpendTable" in name)
    place.paste(command.replace("<name>", table))
    left = place.client("dynamodb").list_tables()["TableNames"]
    assert (table in left) == ("update-table" in command)


def remove_again(place: Place, command: str) -> None:
    place.paste(command, CONFIRM, "The stack dropreel in us-east-1 was removed.")


STEPS = [
    (CREATE, create),
    ("make deploy", change_nothing),
    ("make deploy DAILY_SPEND_LIMIT_USD=80", change_the_limit),
    ("make deploy DAILY_SPEND_LIMIT_USD=0", change_the_limit),
    ("make deploy DAILY_SPEND_LIMIT_USD=50", change_the_limit),
    ("dropreel deploy", change_nothing),
    ("dropreel deploy DailySpendLimitUsd=80", change_the_limit),
    ("make deploy GUIDED=1", type_a_new_key),
    ("dropreel deploy --guided", change_nothing),
    (RELEASE, check_out_a_release),
    ("make remove", remove),
    ("make deploy", deploy_again),
    ("dropreel remove", remove_again),
    ("aws dynamodb update-table --table-name <name> --no-deletion-protection-enabled", with_the_earlier_table),
    ("aws dynamodb delete-table --table-name <name>", with_the_earlier_table),
    ("make deploy STACK=shop", create_another),
    ("make drop", drop_an_image),
]
DEPLOYS = list(dict.fromkeys(command for command, _ in STEPS))


def test_each_command_is_on_the_page() -> None:
    assert set(DEPLOYS) <= set(commands())


@pytest.mark.exhaustive
@pytest.mark.parametrize(("command", "step"), STEPS, ids=[f"{command[:50]} {step.__name__}" for command, step in STEPS])
def test_a_command_that_deploys_works_as_it_is_written(place: Place, command: str, step: Any) -> None:
    step(place, command)
