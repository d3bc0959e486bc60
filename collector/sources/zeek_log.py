"""Reads one log of Zeek, line by line: `conn`, `ssl`, `quic`, `dns` and `http`, as tab-separated text or as JSON.

Source: Zeek 7, scripts/base/protocols/{conn,ssl,quic,dns,http}/main.zeek; the ASCII and JSON writers of its logging.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from collector.dissect.hostname import without_port
from collector.sensor_records import Answer, RecordError, Saying, SensorFlow
from collector.sources.log_values import (
    MAX_CHAIN,
    address,
    count,
    is_address,
    is_refused,
    moment_ns,
    name_in,
    port,
    seconds_ns,
)

if TYPE_CHECKING:
    from collector.events import App, End, TlsVersion
    from collector.sensor_records import Kind, Record

ZeekPath = Literal["conn", "ssl", "quic", "dns", "http"]
PATHS: dict[str, Kind | None] = {"conn": None, "ssl": "tls", "quic": "quic", "dns": None, "http": "http"}
"""The logs that are read, and what is said of flows in each; None: the flows themselves, or look-ups."""
MAX_FIELDS = 512
"""A header that names more columns is none of Zeek's."""

Row = Mapping[str, object]

_PROTOS: dict[str, Literal["tcp", "udp"]] = {"tcp": "tcp", "udp": "udp"}
_VERSIONS: dict[object, TlsVersion] = {"TLSv10": "1.0", "TLSv11": "1.1", "TLSv12": "1.2", "TLSv13": "1.3"}
# conn_state: a RST ended it; both sides closed it. The rest fell silent, or was under way when Zeek ended.
_RESET = frozenset({"REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH"})
_CLOSED = "SF"
_SERVICES: dict[str, Kind] = {"ssl": "tls", "quic": "quic", "http": "http"}
_DNS_PORT = 53
# Types whose answers say where a name leads; in those of the others (MX, NS, PTR) a name is no alias.
_ADDRESS_TYPES = frozenset({1, 5, 28, 64, 65})
_NO_ERROR = 0


class ZeekLog:
    """The records of one log. Header lines set how those after them are read, so a log that is rotated goes on."""

    def __init__(self) -> None:
        self.path: str | None = None
        """What the log calls itself, or what its first record shows it to be; None: not known yet."""
        self.packets_of_others = 0
        """Packets of flows that are neither TCP nor UDP."""
        self._separator = "\t"
        self._set_separator = ","
        self._unset = "-"
        self._empty = "(empty)"
        self._fields: tuple[str, ...] = ()

    def read(self, line: bytes, *, at: int) -> tuple[Record, ...]:
        """Return what one line says; a header line, or a record that says nothing here, is empty.

        Args:
            line: without its end.
            at: where in the log it begins, in octets.

        Raises:
            RecordError: the line is no line of a Zeek log.
        """
        if line.startswith(b"#"):
            self._read_header(line.decode("utf-8", "replace"))
            return ()
        row: Row
        if line.startswith(b"{"):
            row = _json_row(line)
            self.path = path = _path_of(row)
        else:
            row = self._text_row(line)
            path = self.path
        if path == "conn":
            flow = self._flow(row, at=at)
            return () if flow is None else (flow,)
        if path == "dns":
            return _look_up(row, separator=self._set_separator)
        if path in PATHS:
            return (_SAYINGS[path](row),)
        return ()

    def _read_header(self, line: str) -> None:
        if line.startswith("#separator "):
            # The one line that is not separated by what it names: `#separator \x09`.
            told = line.removeprefix("#separator ")
            try:
                self._separator = bytes.fromhex(told.replace("\\x", "")).decode() or "\t"
            except ValueError:
                raise RecordError("the separator in the header is none") from None
            self._fields, self.path = (), None
            return
        word, _, rest = line.partition(self._separator)
        if word == "#fields":
            names = tuple(rest.split(self._separator))
            if len(names) > MAX_FIELDS or len(set(names)) < len(names):
                raise RecordError("the header names too many columns, or one twice")
            self._fields = names
        elif word == "#path":
            self.path = rest
        elif word == "#set_separator":
            self._set_separator = rest or ","
        elif word == "#unset_field":
            self._unset = rest
        elif word == "#empty_field":
            self._empty = rest

    def _text_row(self, line: bytes) -> Row:
        if not self._fields:
            raise RecordError("no header line says what the columns are")
        values = line.decode("utf-8", "replace").split(self._separator)
        if len(values) != len(self._fields):
            raise RecordError(f"the line has {len(values)} columns and the header {len(self._fields)}")
        return {
            name: "" if value == self._empty else value
            for name, value in zip(self._fields, values, strict=True)
            if value != self._unset
        }

    def _flow(self, row: Row, *, at: int) -> SensorFlow | None:
        told = _text(row, "proto")
        if not told:
            raise RecordError("`proto` is missing")
        proto = _PROTOS.get(told)
        packets_up = _counted(row, "orig_pkts")
        packets_down = _counted(row, "resp_pkts")
        if proto is None:
            self.packets_of_others += packets_up + packets_down
            return None
        started_ns = moment_ns(row.get("ts"), name="ts")
        lasted = row.get("duration")
        state = row.get("conn_state")
        history = _text(row, "history")
        services = _text(row, "service").split(",")
        kinds = tuple(kind for word, kind in _SERVICES.items() if word in services)
        vlan = row.get("inner_vlan", row.get("vlan"))
        end: End = "idle"
        if proto == "tcp":
            end = "rst" if state in _RESET else "fin" if state == _CLOSED else "idle"
        return SensorFlow(
            key=_uid(row),
            client=address(_text(row, "id.orig_h")),
            server=address(_text(row, "id.resp_h")),
            client_port=port(row.get("id.orig_p"), name="id.orig_p"),
            server_port=port(row.get("id.resp_p"), name="id.resp_p"),
            proto=proto,
            started_ns=started_ns,
            ended_ns=started_ns + (0 if lasted is None else seconds_ns(lasted, name="duration")),
            bytes_up=_octets(row, "orig_ip_bytes", packets=packets_up),
            bytes_down=_octets(row, "resp_ip_bytes", packets=packets_down),
            packets_up=packets_up,
            packets_down=packets_down,
            payload_up=_counted(row, "orig_bytes"),
            payload_down=_counted(row, "resp_bytes"),
            end=end,
            # A SYN of the originator, or a SYN and ACK of the responder.
            certain=proto == "tcp" and ("S" in history or "h" in history),
            vlan=None if vlan is None else count(vlan, name="vlan", most=4_095),
            # Zeek can be told to log MAC addresses (`orig_l2_addr`), but not with look-ups: a device whose flows go by
            # another name than its answers would find none of them.
            mac=None,
            app=_app(kinds, services),
            awaits=kinds,
            ordinal=at,
        )


def _app(kinds: tuple[Kind, ...], services: list[str]) -> App:
    # What runs inside QUIC is listed beside it.
    if "quic" in kinds:
        return "quic"
    return kinds[0] if kinds else "dns" if "dns" in services else "other"


def _hello(row: Row) -> Saying:
    return Saying(
        key=_uid(row),
        at_ns=moment_ns(row.get("ts"), name="ts"),
        kind="tls",
        server_name=name_in(_text(row, "server_name")),
        name_refused=is_refused(_text(row, "server_name")),
        tls_version=_VERSIONS.get(_text(row, "version")),
        alpn=_text(row, "next_protocol") or None,
    )


def _quic_hello(row: Row) -> Saying:
    version = _text(row, "version")
    return Saying(
        key=_uid(row),
        at_ns=moment_ns(row.get("ts"), name="ts"),
        kind="quic",
        server_name=name_in(_text(row, "server_name")),
        name_refused=is_refused(_text(row, "server_name")),
        # Nothing older than TLS 1.3 runs inside (RFC 9001 section 4.2), save what Google had before (`Q046`).
        tls_version=None if version.startswith("Q") else "1.3",
        alpn=_text(row, "client_protocol") or None,
    )


def _request(row: Row) -> Saying:
    body = _counted(row, "request_body_len")
    host = without_port(_text(row, "host").encode("utf-8", "replace")).decode("utf-8", "replace")
    return Saying(
        key=_uid(row),
        at_ns=moment_ns(row.get("ts"), name="ts"),
        kind="http",
        server_name=name_in(host),
        name_refused=is_refused(host),
        data=body > 0 or "?" in _text(row, "uri"),
    )


_SAYINGS = {"ssl": _hello, "quic": _quic_hello, "http": _request}


def _look_up(row: Row, *, separator: str) -> tuple[Record, ...]:
    at_ns = moment_ns(row.get("ts"), name="ts")
    query = name_in(_text(row, "query"))
    answers = row.get("answers")
    told = _listed(answers, separator=separator)
    kind = row.get("qtype")
    # Only what a resolver said on its port: neighbours that answer for themselves (mDNS, LLMNR) name no server.
    of_resolver = port(row.get("id.resp_p"), name="id.resp_p") == _DNS_PORT
    wanted = kind is None or count(kind, name="qtype", most=65_535) in _ADDRESS_TYPES
    if query is None or not told or not of_resolver or not wanted or _counted(row, "rcode") != _NO_ERROR:
        return ()
    addresses = tuple(address(text) for text in told if is_address(text))
    # In the order of the answer; signatures and the like have spaces in them and are no names.
    chain = tuple(name for text in told if not is_address(text) and (name := name_in(text)) is not None)
    ttls = [seconds_ns(ttl, name="TTLs") for ttl in _listed(row.get("TTLs"), separator=separator)]
    waited = row.get("rtt")
    answer = Answer(
        at_ns=at_ns + (0 if waited is None else seconds_ns(waited, name="rtt")),
        client=address(_text(row, "id.orig_h")),
        name=query,
        chain=chain[:MAX_CHAIN],
        addresses=addresses,
        ttl_s=min(ttls, default=0) // 1_000_000_000,
    )
    return (answer,)


def _json_row(line: bytes) -> Row:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RecordError("the line is not JSON") from None
    if not isinstance(row, dict):
        raise RecordError("the line is no JSON object")
    return {name: value for name, value in row.items() if value is not None}


# Columns that one log alone has, the surest first; `conn` and `quic` both have a `history`.
_MARKS: tuple[tuple[str, ZeekPath], ...] = (
    ("conn_state", "conn"),
    ("orig_ip_bytes", "conn"),
    ("trans_depth", "http"),
    ("client_initial_dcid", "quic"),
    ("client_scid", "quic"),
    ("trans_id", "dns"),
    ("rejected", "dns"),
    ("established", "ssl"),
)


def _path_of(row: Row) -> str | None:
    """Return which log a JSON record is from: by its word where Zeek was told to say it, else by its columns."""
    path = row.get("_path")
    if isinstance(path, str):
        return path
    if "id.orig_h" not in row or "uid" not in row:
        return None
    return next((log for column, log in _MARKS if column in row), None)


def _uid(row: Row) -> str:
    uid = row.get("uid")
    if not isinstance(uid, str) or not 0 < len(uid) <= 64:
        raise RecordError("`uid` is missing")
    return uid


def _text(row: Row, name: str) -> str:
    """Return a text; empty: it is not there."""
    value = row.get(name, "")
    if not isinstance(value, str):
        raise RecordError(f"`{name}` is no text")
    return value


def _counted(row: Row, name: str) -> int:
    """Return a count; 0: it is not there."""
    value = row.get(name)
    return 0 if value is None else count(value, name=name)


def _octets(row: Row, name: str, *, packets: int) -> int:
    """Return the octets at the IP layer. Raises RecordError where Zeek was told not to count them."""
    if row.get(name) is None and (packets or "orig_pkts" not in row):
        raise RecordError(f"`{name}` is missing; Zeek counts it unless `use_conn_size_analyzer` is off")
    return _counted(row, name)


def _listed(value: object, *, separator: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return tuple(value.split(separator))
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    raise RecordError("a list is none")
