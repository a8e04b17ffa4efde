"""Who may use the board: the token of the printed address, tickets that open it once, and the hosts by which it is reached."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qs, urlsplit

TICKET_SECONDS = 120
"""So long after it was made, a ticket opens the board."""


@dataclass(frozen=True)
class Access:
    """Who may use the board: the token of the printed address, and the hosts (with port) by which it is reached.

    `on_all_addresses`: it listens on every address of this machine, and is reached by each of them.
    """

    hosts: frozenset[str]
    port: int
    on_all_addresses: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _used: set[str] = field(default_factory=set)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: cookies do not tell ports apart."""
        return f"dropreel-board-{self.port}"

    @property
    def origins(self) -> frozenset[str]:
        """The origins of the board's own pages."""
        return frozenset(f"http://{host}" for host in self.hosts)

    def is_host(self, host: str, server: str | None) -> bool:
        """Return whether the header Host names this board. `server` is the address at which the connection arrived.

        An address of this machine is no name, so no other site can have it as its origin.
        """
        host = host.lower()
        return host in self.hosts or (
            self.on_all_addresses and bool(server) and host == f"{host_of(server)}:{self.port}"
        )

    def is_session(self, given: str) -> bool:
        """Return whether this is the value of the session's cookie."""
        return is_equal(given, self.session)

    def opens(self, given: str) -> bool:
        """Return whether this is the token, or a ticket of it that was not used before."""
        if is_equal(given, self.token):
            return True
        made_at, _, _ = given.partition("-")
        if not (made_at.isascii() and made_at.isdigit() and len(made_at) <= 12):
            return False
        nonce = given.rpartition("-")[0]
        if not is_equal(given, _signed(self.token, nonce)) or nonce in self._used:
            return False
        self._used.add(nonce)
        return abs(time.time() - int(made_at)) <= TICKET_SECONDS


def ticket_address(address: str) -> str:
    """Return the printed address with a ticket in place of the token.

    A browser's command line can be read by every user of the machine, and stays for as long as the browser runs.
    """
    (token,) = parse_qs(urlsplit(address).query)["token"]
    ticket = _signed(token, f"{int(time.time())}-{secrets.token_hex(8)}")
    return address.replace(token, ticket)


def host_of(address: str | None) -> str:
    """Return an address as the header Host has it: IPv6 in brackets, without a zone; a mapped IPv4 address as such."""
    name = (address or "").partition("%")[0]
    try:
        parsed = ip_address(name)
    except ValueError:
        return name.lower()
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else f"[{parsed}]"
    return str(parsed)


def is_equal(given: str, expected: str) -> bool:
    """Compare in a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())


def _signed(token: str, nonce: str) -> str:
    return f"{nonce}-{hmac.new(token.encode(), nonce.encode(), sha256).hexdigest()}"
