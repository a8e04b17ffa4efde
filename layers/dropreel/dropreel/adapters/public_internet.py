"""Connections to public addresses only, for addresses that somebody else chose.

A name is resolved once, every address that it has is checked, and the connection is made to a checked one, so that a
name cannot answer differently between check and use. TLS still verifies the certificate for the name.
"""

import ipaddress
import socket
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

MAX_ADDRESSES_TRIED = 4
"""Addresses of one name that are connected to in turn. All are checked; a name with thousands must not take hours."""

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise, called global by the standard library
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4, likewise
        "2001::/32",  # Teredo, likewise
        "::/96",  # IPv4-compatible, long out of use
    )
)


def is_public(address: str) -> bool:
    """Tell whether an IP address is an ordinary public one: no private, loopback, link-local, multicast or disguised address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    disguised = any(ip in network for network in _NEVER if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not disguised


def public_addresses(host: str, port: int) -> list[str]:
    """Resolve a name once. Raises OSError where it has no address, or one that is not public: then none is to be trusted."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not is_public(address):
            raise PermissionError(f"{host} has the address {address}, which is not public")
    return found


def mount_guard(session: requests.Session) -> None:
    """Let a session reach public addresses only, over https only."""
    session.mount("https://", _PublicOnly(max_retries=0))
    session.adapters.pop("http://", None)


class _PublicConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        try:
            addresses = public_addresses(self._dns_host, self.port)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, str(error)) from error
        fault: OSError | None = None
        for address in addresses[:MAX_ADDRESSES_TRIED]:
            try:
                return create_connection((address, self.port), self.timeout, socket_options=self.socket_options)
            except OSError as error:
                fault = error
        raise NewConnectionError(self, f"no address of {self._dns_host} could be reached: {fault}") from fault


class _PublicOnly(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pool = type("_PublicPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": _PublicConnection})
        self.poolmanager.pool_classes_by_scheme = {"https": pool}
