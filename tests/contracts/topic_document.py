"""Holds records against the committed document of the topics, as a program in another language would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from ruamel.yaml import YAML

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "asyncapi.yaml"


class TopicDocument:
    """The document, as read from its file."""

    def __init__(self, path: Path = COMMITTED) -> None:
        self.told: dict[str, Any] = YAML(typ="safe").load(path)
        # A parsed date is no JSON; there is none in this document, and this says so.
        json.dumps(self.told)

    def message_of(self, *, topic: str, key: bytes | None, headers: Mapping[str, bytes]) -> str:
        """Return the name of the one message of the topic that key and kind speak for."""
        kind = headers["kind"].decode() if "kind" in headers else None
        found = [
            name
            for name in self.told["channels"][topic]["messages"]
            if _kind(self._message(name)) == kind and not self._faults(_text(key), schema=self._key(name))
        ]
        (name,) = found
        return str(name)

    def check(self, value: bytes, *, topic: str, key: bytes | None, headers: Mapping[str, bytes]) -> str:
        """Return the name of the message that the record is; fail where it breaks what the document says."""
        name = self.message_of(topic=topic, key=key, headers=headers)
        message = self._message(name)
        assert bool(headers) == ("headers" in message), name
        if "headers" in message:
            told = {each: octets.decode() for each, octets in headers.items()}
            assert set(told) == set(message["headers"]["properties"]), name
            assert not self._faults(told, schema=message["headers"]), name
        is_json = message["contentType"] == "application/json"
        payload = json.loads(value) if is_json else value.decode("latin-1")
        assert not (faults := self._faults(payload, schema=message["payload"])), (name, faults)
        return name

    def check_case(self, body: str) -> None:
        """Fail where the text in a case version's `body` is no case."""
        where = self.told["components"]["schemas"]["CaseVersion"]["properties"]["body"]["x-content-schema"]
        assert not self._faults(json.loads(body), schema=where)

    def _message(self, name: str) -> dict[str, Any]:
        message: dict[str, Any] = self.told["components"]["messages"][name]
        return message

    def _key(self, name: str) -> dict[str, Any]:
        key: dict[str, Any] = self._message(name)["bindings"]["kafka"]["key"]
        return key

    def _faults(self, instance: Any, *, schema: dict[str, Any]) -> list[str]:
        whole = {**schema, "components": self.told["components"]}
        validator = Draft7Validator(whole, format_checker=Draft7Validator.FORMAT_CHECKER)
        return [fault.message for fault in validator.iter_errors(instance)]


def _kind(message: dict[str, Any]) -> str | None:
    kind: str | None = message.get("headers", {}).get("properties", {}).get("kind", {}).get("const")
    return kind


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode()
