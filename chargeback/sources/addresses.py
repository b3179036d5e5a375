"""Which addresses a source may be fetched from: public ones, and networks that a setting names.

A source is configured by whoever runs the billing; its address is not to become a way into the
network that the billing runs in, or to the metadata service of the machine.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chargeback.errors import Refused, Unavailable

_Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_NAT64 = ip_network("64:ff9b::/96")


def open_addresses(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """The addresses that `host` leads to, all of which may be fetched from.

    To connect to one of these and not to the name closes the gap in which a name changes where it
    leads. Raises Refused for a name that leads into a private network outside `networks`.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unavailable(
            "source_unavailable", f"The name {host} leads to no address; sync again later."
        ) from None
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    for address in addresses:
        if not _is_open(ip_address(address.partition("%")[0]), networks):
            raise Refused(
                "source_address_private",
                f"{host} leads to {address}, which is in a private network; where that is meant, "
                f"name the network in CHARGEBACK_PRIVATE_NETWORKS, like {address}/{_bits(address)}.",
            )
    return addresses


def _bits(address: str) -> int:
    return 128 if ":" in address else 32


def _is_open(address: _Address, networks: Sequence[Network]) -> bool:
    meant = _meant(address)
    if any(one in network for one in {address, meant} for network in networks):
        return True
    return meant.is_global and not meant.is_multicast


def _meant(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
