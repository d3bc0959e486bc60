"""Writes logs as Zeek 7 and Suricata 7 and 8 write them, and datagrams as exporters send them, from a few values."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

AT = 1_792_000_800  # 2026-10-14T18:00:00Z
PUPIL = "192.0.2.10"
PUPIL6 = "2001:db8::10"
SERVER = "198.51.100.20"
RESOLVER = "192.0.2.53"

CONN = """
ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state
local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents
"""
SSL = """
ts uid id.orig_h id.orig_p id.resp_h id.resp_p version cipher curve server_name resumed last_alert
next_protocol established ssl_history cert_chain_fps client_cert_chain_fps sni_matches_cert
"""
QUIC = """
ts uid id.orig_h id.orig_p id.resp_h id.resp_p version client_initial_dcid client_scid server_scid server_name
client_protocol history
"""
DNS = """
ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto trans_id rtt query qclass qclass_name qtype qtype_name
rcode rcode_name AA TC RD RA Z answers TTLs rejected
"""
HTTP = """
ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri referrer version user_agent origin
request_body_len response_body_len status_code status_msg info_code info_msg tags username password proxied
orig_fuids orig_filenames orig_mime_types resp_fuids resp_filenames resp_mime_types
"""
COLUMNS = {"conn": CONN, "ssl": SSL, "quic": QUIC, "dns": DNS, "http": HTTP}

Row = dict[str, Any]


def conn(uid: str = "C1", *, at: float = AT, **other: Any) -> Row:
    """Return one connection to the server over TLS that took two seconds."""
    return {
        "ts": at, "uid": uid, "id.orig_h": PUPIL, "id.orig_p": 40_000, "id.resp_h": SERVER, "id.resp_p": 443,
        "proto": "tcp", "service": "ssl", "duration": 2.0, "orig_bytes": 700, "resp_bytes": 5_000, "conn_state": "SF",
        "local_orig": True, "local_resp": False, "missed_bytes": 0, "history": "ShADadFf", "orig_pkts": 9,
        "orig_ip_bytes": 1_180, "resp_pkts": 8, "resp_ip_bytes": 5_420,
    } | other  # fmt: skip


def ssl(uid: str = "C1", *, at: float = AT + 0.02, **other: Any) -> Row:
    """Return its hello."""
    return {
        "ts": at, "uid": uid, "id.orig_h": PUPIL, "id.orig_p": 40_000, "id.resp_h": SERVER, "id.resp_p": 443,
        "version": "TLSv13", "cipher": "TLS_AES_128_GCM_SHA256", "curve": "x25519",
        "server_name": "app.mathtrek.example",
        "resumed": False, "next_protocol": "h2", "established": True, "ssl_history": "CsiI",
    } | other  # fmt: skip


def quic(uid: str = "C1", *, at: float = AT + 0.01, **other: Any) -> Row:
    """Return a QUIC hello."""
    return {
        "ts": at, "uid": uid, "id.orig_h": PUPIL, "id.orig_p": 40_000, "id.resp_h": SERVER, "id.resp_p": 443,
        "version": "1", "client_initial_dcid": "95412c47018cdfe8", "client_scid": "01", "server_scid": "02",
        "server_name": "app.mathtrek.example", "client_protocol": "h3", "history": "ISishIHhO",
    } | other  # fmt: skip


def dns(uid: str = "D1", *, at: float = AT - 1, **other: Any) -> Row:
    """Return a look-up that was answered by way of an alias."""
    return {
        "ts": at, "uid": uid, "id.orig_h": PUPIL, "id.orig_p": 50_000, "id.resp_h": RESOLVER, "id.resp_p": 53,
        "proto": "udp", "trans_id": 7, "rtt": 0.004, "query": "app.mathtrek.example", "qclass": 1,
        "qclass_name": "C_INTERNET", "qtype": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR", "AA": False,
        "TC": False, "RD": True, "RA": True, "Z": 0, "answers": ["mathtrek.edge.example", SERVER],
        "TTLs": [300.0, 60.0], "rejected": False,
    } | other  # fmt: skip


def http(uid: str = "C1", *, at: float = AT + 0.05, **other: Any) -> Row:
    """Return a request in the clear."""
    return {
        "ts": at, "uid": uid, "id.orig_h": PUPIL, "id.orig_p": 40_000, "id.resp_h": SERVER, "id.resp_p": 80,
        "trans_depth": 1, "method": "GET", "host": "app.mathtrek.example", "uri": "/", "version": "1.1",
        "user_agent": "test", "request_body_len": 0, "response_body_len": 40, "status_code": 200, "status_msg": "OK",
        "tags": [], "resp_fuids": ["F1"], "resp_mime_types": ["text/plain"],
    } | other  # fmt: skip


def zeek_text(path: str, rows: Iterable[Row], *, end: bool = True) -> bytes:
    """Return a log in Zeek's own form, with its header."""
    columns = COLUMNS[path].split() + (["inner_vlan"] if path == "conn" else [])
    lines = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}",
        "#open\t2026-10-14-18-00-00", "#fields\t" + "\t".join(columns),
        "#types\t" + "\t".join(["string"] * len(columns)),
    ]  # fmt: skip
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    if end:
        lines.append("#close\t2026-10-14-19-00-00")
    return "\n".join(lines).encode() + b"\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):
        return ",".join(map(_cell, value)) or "(empty)"
    return str(value) or "(empty)"


def zeek_json(rows: Iterable[Row]) -> bytes:
    """Return a log as Zeek's JSON writer has it."""
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def stamp(at: float) -> str:
    """Return a time as Suricata writes it."""
    seconds, micros = divmod(round((at - AT) * 1_000_000), 1_000_000)
    total = 18 * 3_600 + seconds
    return f"2026-10-14T{total // 3_600:02}:{total % 3_600 // 60:02}:{total % 60:02}.{micros:06}+0000"


def eve(kind: str, told: Mapping[str, object], *, flow_id: int | None = 1, at: float = AT, **other: Any) -> Row:
    """Return one event."""
    return {
        "timestamp": stamp(at), "flow_id": flow_id, "in_iface": "eth1", "event_type": kind, "src_ip": PUPIL,
        "src_port": 40_000, "dest_ip": SERVER, "dest_port": 443, "proto": "TCP", kind: told,
    } | other  # fmt: skip


def eve_flow(
    flow_id: int = 1, at: float = AT, *, counts: tuple[int, int, int, int] = (9, 8, 1_306, 5_532), **other: Any
) -> Row:
    """Return the event of a flow over TLS that took two seconds; *counts*: packets and octets, up and down."""
    told = {
        "pkts_toserver": counts[0], "pkts_toclient": counts[1],
        "bytes_toserver": counts[2], "bytes_toclient": counts[3],
        "start": stamp(at), "end": stamp(at + 2), "age": 2, "state": "closed", "reason": "timeout", "alerted": False,
    }  # fmt: skip
    tcp = {"tcp_flags": "1b", "tcp_flags_ts": "1b", "tcp_flags_tc": "1b", "syn": True, "fin": True, "state": "closed"}
    return eve("flow", told, flow_id=flow_id, at=at + 600, **({"app_proto": "tls", "tcp": tcp} | other))


def eve_tls(flow_id: int | None = 1, at: float = AT + 0.02, **told: Any) -> Row:
    """Return its hello."""
    return eve("tls", {"sni": "app.mathtrek.example", "version": "TLS 1.3"} | told, flow_id=flow_id, at=at)


def eve_dns(at: float = AT - 1, *, version: int = 2, **other: Any) -> Row:
    """Return an answer as Suricata 7 (2) or 8 (3) logs it."""
    told: Row = {
        "version": version, "type": "answer" if version == 2 else "response", "id": 7, "flags": "8180", "qr": True,
        "rd": True, "ra": True, "opcode": 0, "rcode": "NOERROR",
        "answers": [
            {"rrname": "app.mathtrek.example", "rrtype": "CNAME", "ttl": 300, "rdata": "mathtrek.edge.example"},
            {"rrname": "mathtrek.edge.example", "rrtype": "A", "ttl": 60, "rdata": SERVER},
        ],
    }  # fmt: skip
    asked = {"rrname": "app.mathtrek.example", "rrtype": "A"}
    told |= asked if version == 2 else {"queries": [asked]}
    ports = {"src_port": 50_000, "dest_ip": RESOLVER, "dest_port": 53, "proto": "UDP"}
    return eve("dns", told, flow_id=99, at=at, **(ports | other))


# NetFlow: (element, octets) of a template with all that a flow needs, in a usual order.
FIELDS = ((8, 4), (12, 4), (22, 4), (21, 4), (1, 4), (2, 4), (7, 2), (11, 2), (4, 1), (6, 1))
FIELDS_IPFIX = ((8, 4), (12, 4), (152, 8), (153, 8), (1, 8), (2, 8), (7, 2), (11, 2), (4, 1), (136, 1))
UPTIME_MS = 1_000_000


def template(number: int, fields: Sequence[tuple[int, int]], *, options: int = 0) -> bytes:
    """Return a template record; *options*: scope fields of an options template of IPFIX."""
    head = struct.pack(">HH", number, len(fields)) + (struct.pack(">H", options) if options else b"")
    return head + b"".join(struct.pack(">HH", *field) for field in fields)


def record(fields: Sequence[tuple[int, int]], values: Mapping[int, int | str]) -> bytes:
    """Return a data record; what is not given is 0."""
    found = b""
    for element, size in fields:
        value = values.get(element, 0)
        found += ip_address(value).packed if isinstance(value, str) else value.to_bytes(size, "big")
    return found


def flow_set(number: int, body: bytes) -> bytes:
    """Return a set around *body*."""
    return struct.pack(">HH", number, 4 + len(body)) + body


def v9(*sets: bytes, sequence: int = 1, at: int = AT, source: int = 0, uptime_ms: int = UPTIME_MS) -> bytes:
    """Return a datagram of NetFlow version 9 sent at *at*."""
    return struct.pack(">HHIIII", 9, len(sets), uptime_ms, at, sequence, source) + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, at: int = AT, source: int = 0) -> bytes:
    """Return an IPFIX message sent at *at*."""
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), at, sequence, source) + body


def v9_record(*, up: bool = True, octets: int = 1_180, packets: int = 9, **other: Any) -> dict[int, int | str]:
    """Return the values of one direction of a connection that began 60 s before the datagram; e22=... sets others."""
    source, target = ((PUPIL, 40_000), (SERVER, 443)) if up else ((SERVER, 443), (PUPIL, 40_000))
    values: dict[int, int | str] = {
        8: source[0], 7: source[1], 12: target[0], 11: target[1], 4: 6, 6: 0x1B, 1: octets, 2: packets,
        22: UPTIME_MS - 60_000, 21: UPTIME_MS - 58_000,
    }  # fmt: skip
    return values | {int(key.removeprefix("e")): value for key, value in other.items()}
