"""How to reach Apache Kafka: address, login, and why it does not work, in words.

aiokafka's clients log why a broker refuses them and raise without the reason, so each one is dialled here first.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.producer.message_accumulator import MessageBatch

from collector.fields import SecretFile
from collector.problems import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from collector.fields import Secret
    from collector.settings import Kafka

DIAL_TIMEOUT_S = 10.0
LOOK_TIMEOUT_S = 2.0
# A refusal may be a slip of the moment (a password that is just being changed); after the last one it is final.
REFUSALS_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
# Nobody waits for a broker that says nothing longer than this and one more attempt.
PATIENCE_S = 15.0
# What OpenSSL says of a certificate (x509_vfy.h), and what to do about it.
_CERTIFICATE_REMEDIES = {
    9: "set the clock of this host, or wait until it is valid",
    10: "renew it on the broker",
    18: "name it under `kafka.security.ca`",
    19: "name its authority under `kafka.security.ca`",
    20: "name its authority under `kafka.security.ca`",
    62: "write a name under `kafka.bootstrap` that the certificate has, or give the broker one for this name",
    64: "write an address under `kafka.bootstrap` that the certificate has, or give the broker one for this address",
}


class BrokerError(Exception):
    """The broker cannot be used; the message says why and what to do."""


class BrokerAwayError(BrokerError):
    """Nothing answers. It may come back."""


class BrokerRefusedError(BrokerError):
    """It answers and does not let us in: password, certificate, rights, a missing topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the broker is and who we are."""

    bootstrap: tuple[str, ...]
    """HOST:PORT each."""
    user: str | None
    """Name that we log in with; None: no login."""
    client: dict[str, Any] = field(repr=False)
    """What aiokafka's clients take besides the address; holds the password."""

    @property
    def options(self) -> dict[str, Any]:
        """All that aiokafka's clients take."""
        return {"bootstrap_servers": list(self.bootstrap), **self.client}


def connection(kafka: Kafka, *, config: Path) -> Connection:
    """Return how to reach the broker that the configuration names; read password and authority from their files.

    Raises:
        DocumentError: a part is missing, or a file cannot be read.
    """
    security = kafka.security
    for address in kafka.bootstrap:
        _split(address, config=config)
    if security.protocol == "PLAINTEXT":
        return Connection(bootstrap=tuple(kafka.bootstrap), user=None, client={"security_protocol": "PLAINTEXT"})
    if security.user is None or security.password is None:
        raise _problem(
            config, what="SASL_SSL needs `user` and `password`", remedy="write password: {file: kafka.password}"
        )
    client = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": security.mechanism or "SCRAM-SHA-512",
        "sasl_plain_username": security.user,
        "sasl_plain_password": _secret(security.password, config=config),
        "ssl_context": _trust(security.ca, config=config),
    }
    return Connection(bootstrap=tuple(kafka.bootstrap), user=security.user, client=client)


async def dial(to: Connection) -> str:
    """Log in to the first broker that lets us, and return its address.

    Raises:
        BrokerRefusedError: one answered and refused.
        BrokerAwayError: none answered within 10 s.
    """
    quiet_client_library()
    asyncio.get_running_loop().set_exception_handler(_about_futures)
    reasons = []
    for address in to.bootstrap:
        try:
            await _dial(address, to=to)
        except BrokerAwayError as reason:
            reasons.append(str(reason))
        else:
            return address
    raise BrokerAwayError("; ".join(reasons))


async def dial_patiently(to: Connection, *, say: Callable[[str], None]) -> str:
    """Log in as `dial` does, a few times before giving up, and return the address.

    Args:
        to: the broker.
        say: shows a person one line for each attempt that failed.

    Raises:
        BrokerError: not within about 25 s.
    """
    began = time.monotonic()
    for pause in REFUSALS_PAUSES_S:
        try:
            return await dial(to)
        except BrokerError as reason:
            if time.monotonic() - began + pause > PATIENCE_S:
                raise
            say(f"{reason}; trying again in {pause:g} s")
        await asyncio.sleep(pause)
    return await dial(to)


def quiet_client_library() -> None:
    """Keep aiokafka from logging: what it has to say is said here, once and in words."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)


def _about_futures(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of errors that aiokafka left in futures of its own, which nobody can wait for.

    When a producer is fenced off it fails them all; the error itself is raised where something was sent. A request that
    was on its way meanwhile then misses its batch among those that wait.
    """
    error = context.get("exception")
    misses_batch = isinstance(error, KeyError) and any(isinstance(each, MessageBatch) for each in error.args)
    if not misses_batch and not isinstance(error, KafkaError):
        loop.default_exception_handler(context)


async def _dial(address: str, *, to: Connection) -> None:
    host, port = host_and_port(address)
    try:
        await _log_in(host, port=port, client=to.client)
    except (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError) as error:
        raise BrokerRefusedError(
            f"the broker at {address} refuses user {to.user} ({_last(error)}); correct `kafka.security`"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefusedError(
            f"the certificate of the broker at {address} is not trusted: {error.verify_message}; "
            + _CERTIFICATE_REMEDIES.get(error.verify_code, "give the broker another")
        ) from None
    except TimeoutError:
        raise BrokerAwayError(f"the broker at {address} does not answer") from None
    except (KafkaError, OSError) as error:
        # Whoever gets TLS and expects none, or the other way round, hangs up without a word.
        if await _wants_other_security(host, port=port, to=to):
            protocol = to.client["security_protocol"]
            told = (
                f"speaks TLS, and we do not ({protocol}); write protocol: SASL_SSL under `kafka.security`"
                if protocol == "PLAINTEXT"
                else f"does not speak TLS, and we do ({protocol}); write its port with TLS under `kafka.bootstrap`"
            )
            raise BrokerRefusedError(f"the broker at {address} {told}") from None
        if isinstance(error, ssl.SSLError):
            raise BrokerRefusedError(
                f"the broker at {address} does not speak TLS as we do ({error.reason}); let it speak TLS 1.2 or later"
            ) from None
        raise BrokerAwayError(
            f"the broker at {address} cannot be reached ({_last(error)}); start it, or correct `kafka.bootstrap`"
        ) from None


async def _log_in(host: str, *, port: int, client: Mapping[str, Any]) -> None:
    async with asyncio.timeout(DIAL_TIMEOUT_S):
        link = await create_conn(host, port, request_timeout_ms=int(DIAL_TIMEOUT_S * 1000), **client)
        # The socket is given back before anybody goes on: whoever ends right afterwards leaves nothing open.
        await link.close()


async def _wants_other_security(host: str, *, port: int, to: Connection) -> bool:
    """Whether this address answers in TLS where we speak none, or without where we speak it. No password is sent."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            if to.client["security_protocol"] != "PLAINTEXT":
                await _log_in(host, port=port, client={"security_protocol": "PLAINTEXT"})
                return True
            anybody = ssl.create_default_context()
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
            writer.transport.abort()
    except (TimeoutError, KafkaError, OSError):
        return False
    return True


def _last(error: BaseException) -> str:
    """Return what an error says, without the name that aiokafka puts before it."""
    return str(error).removeprefix(type(error).__name__ + ": ") or type(error).__name__


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of HOST:PORT."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _split(address: str, *, config: Path) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise _problem(config, what=f"`kafka.bootstrap`: `{address}` is no HOST:PORT", remedy="write 127.0.0.1:9092")


def _secret(secret: Secret, *, config: Path) -> str:
    if not isinstance(secret, SecretFile):
        return secret.get_secret_value()
    path = config.parent / secret.file
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _problem(
            path, what=f"the password file cannot be read ({error})", remedy="give a readable file"
        ) from None
    # Editors end the last line; no password does.
    return text.rstrip("\r\n")


def _trust(ca: str | None, *, config: Path) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    path = config.parent / ca
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:  # ssl.SSLError is one, too
        raise _problem(
            path,
            what=f"this is no readable PEM file ({error.strerror or error})",
            remedy="give the certificate of the broker's authority",
        ) from None


def _problem(path: Path, *, what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
