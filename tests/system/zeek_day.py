"""Writes the logs that Zeek would write of the sample day. What it would see is taken from the capture itself."""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collector.devices import Devices
from collector.dissect.dns import message, resolution
from collector.flow import Flow
from collector.flows import FlowTable
from collector.names import DnsMemory
from collector.opening import Openings
from collector.periods import Periods
from collector.sources.capture_file import CaptureFile
from collector.sources.octets import OctetSource
from tests.collector.sensor_lines import zeek_json, zeek_text
from tests.system.product import CAPTURE

Row = dict[str, Any]
EVENING = 20
_VERSIONS = {"1.0": "TLSv10", "1.1": "TLSv11", "1.2": "TLSv12", "1.3": "TLSv13"}
_STATES = {"fin": "SF", "rst": "RSTO"}
_SERVICES = {"tls": "ssl", "doh": "ssl", "dot": "ssl", "quic": "quic,ssl", "http": "http", "dns": "dns"}


@cache
def zeek_rows() -> dict[str, list[Row]]:
    """Return the rows of each log of the sample day, in the order in which Zeek writes them."""
    rows: dict[str, list[Row]] = {"conn": [], "ssl": [], "quic": [], "http": [], "dns": _look_ups()}
    whole: dict[int, list[Flow]] = defaultdict(list)
    for flow in _flows():
        whole[flow.ordinal].append(flow)
    for ordinal, parts in whole.items():
        _note(rows, f"C{ordinal}", sorted(parts, key=lambda part: part.part))
    rows["conn"].sort(key=lambda row: float(row["ts"] + row["duration"]))
    for name in ("ssl", "quic", "http", "dns"):
        rows[name].sort(key=lambda row: float(row["ts"]))
    return rows


def late_today(rows: dict[str, list[Row]]) -> tuple[dict[str, list[Row]], str]:
    """Return *rows* as if the day ended now, and a time zone in which it is evening: what is live is not long past."""
    now = time.time()
    later = float(int(now) - 60 - int(max(row["ts"] + row["duration"] for row in rows["conn"])))
    west = (time.gmtime(now).tm_hour - EVENING) % 24
    zone = f"Etc/GMT{west - 24 if west > 12 else west:+d}"
    return {name: [{**row, "ts": row["ts"] + later} for row in found] for name, found in rows.items()}, zone


def write_zeek(
    folder: Path, *, json: bool = False, share: slice = slice(None), day: dict[str, list[Row]] | None = None
) -> Path:
    """Write the logs, or a share of each, into *folder*: of the sample day, or of *day*."""
    folder.mkdir(exist_ok=True)
    for name, rows in (day or zeek_rows()).items():
        octets = zeek_json(rows[share]) if json else zeek_text(name, rows[share], end=False)
        (folder / f"{name}.log").write_bytes(octets)
    return folder


def _flows() -> list[Flow]:
    found: list[Flow] = []
    devices = Devices(Periods(ZoneInfo("UTC")))
    table = FlowTable(Openings(DnsMemory(), device_key=devices.key), seed=1, taker=found.append)
    with CaptureFile(OctetSource(str(CAPTURE))) as file:
        for block in file:
            table.observe(block)
    while table.finish_some(1_000):
        pass
    return found


def _note(rows: dict[str, list[Row]], uid: str, parts: list[Flow]) -> None:
    first, last = parts[0], parts[-1]
    opening = first.opening
    app = "other" if opening is None else opening.app
    ends = {
        "uid": uid, "id.orig_h": str(ip_address(first.client)), "id.orig_p": first.client_port,
        "id.resp_h": str(ip_address(first.server)), "id.resp_p": first.server_port,
    }  # fmt: skip
    at = _seconds(first.started_ns)
    payload = [sum(counts) for counts in zip(*((part.payload_up, part.payload_down) for part in parts), strict=True)]
    rows["conn"].append(
        ends
        | {
            "ts": at, "duration": round(_seconds(last.ended_ns) - at, 6), "proto": first.proto,
            "service": _SERVICES.get(app), "conn_state": _STATES.get(last.end, "S1") if first.proto == "tcp" else "SF",
            "history": ("Sh" if first.certain else "") + "ADad", "inner_vlan": first.vlan,
            "orig_bytes": payload[0], "resp_bytes": payload[1],
            "orig_pkts": sum(part.packets_up for part in parts), "resp_pkts": sum(part.packets_down for part in parts),
            "orig_ip_bytes": sum(part.bytes_up for part in parts),
            "resp_ip_bytes": sum(part.bytes_down for part in parts),
        }
    )  # fmt: skip
    if opening is None or app in {"other", "dns"}:
        return
    said = ends | {"ts": at, "server_name": opening.server_name}
    if app == "http":
        rows["http"].append(said | {"trans_depth": 1, "host": opening.server_name, "uri": _uri(opening.plaintext_data)})
        return
    negotiated = None if opening.tls_version_offered else _VERSIONS.get(opening.tls_version)
    rows["ssl"].append(
        said | {"version": negotiated, "next_protocol": opening.alpn, "established": True, "resumed": False}
    )
    if app == "quic":
        rows["quic"].append(said | {"version": "1", "client_protocol": opening.alpn, "client_initial_dcid": "01"})


def _uri(data: bool | None) -> str:
    return "/?some=thing" if data else "/"


def _look_ups() -> list[Row]:
    """Return the look-ups that were answered: Ethernet, perhaps a tag, IPv4, UDP."""
    rows: list[Row] = []
    asked: dict[tuple[bytes, int, int], float] = {}
    octets = memoryview(_capture())
    at = 24
    while at < len(octets):
        seconds, micros, caught, _ = struct.unpack_from("<IIII", octets, at)
        frame = bytes(octets[at + 16 : at + 16 + caught])
        at += 16 + caught
        head = 18 if frame[12:14] == b"\x81\x00" else 14
        if frame[head - 2 : head] != b"\x08\x00" or frame[head + 9] != 17:
            continue
        source, target, sport, dport = struct.unpack_from(">4s4sHH", frame, head + 12)
        if 53 not in (sport, dport):
            continue
        told = message(frame[head + 28 :])
        now = seconds + micros / 1e6
        client, port = (target, dport) if sport == 53 else (source, sport)
        key = (client, port, told.id)
        found = resolution(told)
        if not told.response:
            asked[key] = now
            continue
        began = asked.pop(key, now)
        rows.append({
            "ts": began, "uid": f"D{len(rows)}", "id.orig_h": str(ip_address(client)), "id.orig_p": port,
            "id.resp_h": str(ip_address(source)), "id.resp_p": 53, "proto": "udp", "trans_id": told.id,
            "rtt": round(now - began, 6), "query": told.name, "qtype": told.type, "rcode": told.rcode,
            "answers": [*found.chain, *(str(ip_address(each)) for each in found.addresses)] if found else None,
            "TTLs": [float(found.ttl_s)] if found else None, "rejected": False,
        })  # fmt: skip
    return rows


def _capture() -> bytes:
    found = bytearray()
    buffer = memoryview(bytearray(1 << 16))
    source = OctetSource(str(CAPTURE))
    while count := source.readinto(buffer):
        found += buffer[:count]
    source.close()
    return bytes(found)


def _seconds(at_ns: int) -> float:
    return at_ns // 1_000 / 1e6
