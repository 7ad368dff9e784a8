"""Which network addresses are out on the internet, so that a stranger's URL may be called there.

The standard library's `is_global` says yes to loopback in five disguises (3.11: `::127.0.0.1`,
`64:ff9b::7f00:1`, `2002:7f00:1::`, `fec0::1`, `224.0.0.1`). So here is a table of our own, and a
disguised address is judged by what it stands for. Source of the blocks: IANA's special-purpose
address registries for IPv4 and IPv6.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4_CLOSED = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_V6_OPEN = IPv6Network("2000::/3")  # all that is given out for the internet; the rest is not
_V6_CLOSED = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# The place of an IPv4 address inside an IPv6 one: the block, and the bits below it.
_V4_INSIDE = (
    (IPv6Network("::/96"), 0),  # compatible, withdrawn
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)


def is_public(address: str) -> bool:
    """Whether a numeric address is one that anybody on the internet could call as well."""
    try:
        parsed = ip_address(address)
    except ValueError:  # an interface behind a per cent sign is read, a name is not
        return False
    if isinstance(parsed, IPv6Address):
        inside = _v4_inside(parsed)
        if inside is None:
            return parsed in _V6_OPEN and not any(parsed in block for block in _V6_CLOSED)
        parsed = inside
    return not any(parsed in block for block in _V4_CLOSED)


def _v4_inside(address: IPv6Address) -> IPv4Address | None:
    for block, bits_below in _V4_INSIDE:
        if address in block:
            return IPv4Address((int(address) >> bits_below) & 0xFFFFFFFF)
    return None
