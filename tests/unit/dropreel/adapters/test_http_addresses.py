"""Which addresses a public-only session connects to."""

import socket

import pytest
import requests

from dropreel.adapters.http import MAX_ADDRESSES_TRIED, Deadline, is_public, open_session, resolve_public

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "169.254.79.129",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "4000::1",  # reserved by the IETF, and global by Python
    "e000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_ordinary_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is_public(address: str) -> None:
    assert not is_public(address)


def _answers(*addresses: str):
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _answers("8.8.8.8", "10.0.0.1"))

    with pytest.raises(PermissionError, match=r"10\.0\.0\.1, which is not public"):
        resolve_public("cdn.example", 443)


def test_the_checked_address_is_connected_to_if_the_name_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    dialled: list[tuple[str, int]] = []

    def resolve(host: str, *_: object, **__: object) -> object:
        asked.append(host)
        return _answers("8.8.8.8" if len(asked) == 1 else "127.0.0.1")()

    def dial(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        dialled.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("dropreel.adapters.http.create_connection", dial)

    with (
        Deadline(1) as deadline,
        open_session(deadline, public_only=True) as session,
        pytest.raises(requests.ConnectionError),
    ):
        session.get("https://cdn.example/video.mp4", timeout=1)

    assert asked == ["cdn.example"]
    assert dialled == [("8.8.8.8", 443)]


def test_only_a_few_of_thousands_of_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[str] = []

    def dial(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        dialled.append(address[0])
        raise OSError("no network in this test")

    addresses = [f"8.8.{place // 250}.{place % 250}" for place in range(4000)]
    monkeypatch.setattr(socket, "getaddrinfo", _answers(*addresses))
    monkeypatch.setattr("dropreel.adapters.http.create_connection", dial)

    with (
        Deadline(1) as deadline,
        open_session(deadline, public_only=True) as session,
        pytest.raises(requests.ConnectionError),
    ):
        session.get("https://cdn.example/video.mp4", timeout=1)

    assert dialled == addresses[:MAX_ADDRESSES_TRIED]


def test_all_addresses_are_checked_not_only_those_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _answers(*["8.8.8.8"] * 2 * MAX_ADDRESSES_TRIED, "10.0.0.1"))

    with pytest.raises(PermissionError):
        resolve_public("cdn.example", 443)


def test_a_public_only_session_cannot_use_plain_http() -> None:
    with Deadline(1) as deadline, pytest.raises(requests.exceptions.InvalidSchema):
        open_session(deadline, public_only=True).get("http://127.0.0.1:9/", timeout=1)
