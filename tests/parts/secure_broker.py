"""Apache Kafka as a district should run it: SASL_SSL with SCRAM-SHA-512, and nothing allowed that no ACL allows."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.parts.broker import ONE_REPLICA
from tests.parts.certificates import Authority
from tests.parts.kafka_format import new_id
from tests.parts.kafka_node import KafkaNode
from tests.parts.ports import free_ports
from tests.parts.topics import remove_rights, remove_topics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.parts.kafka_jars import KafkaJars

MECHANISM = "SCRAM-SHA-512"
# The least that Kafka takes (RFC 7677 asks for at least 4096, too); more only makes each log-in slower.
ITERATIONS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user of the broker."""

    user: str
    """Kafka's principal is `User:` and this."""

    password: str
    """Made up for the test, and worth nothing anywhere else."""

    @property
    def scram(self) -> str:
        """The words of `kafka-storage format --add-scram`."""
        return f"{MECHANISM}=[name={self.user},password={self.password},iterations={ITERATIONS}]"


PASSWORD = "of-this-test-only"  # noqa: S105 -- guards nothing but this test
ROLES = ("collector", "judge", "publisher", "dashboard")
USERS = tuple(
    Credentials(user=name, password=PASSWORD) for name in (*(f"schoolgate-{role}" for role in ROLES), "newcomer")
)
"""One for each role of the product, and one who has none."""
ADMIN = Credentials(user="admin", password="broker-admin-of-this-test")  # noqa: S106 -- guards nothing but this test


class SecureBroker(KafkaNode):
    """One node with four doors, so that one start serves every test of security.

    `bootstrap` shows a good certificate, `bootstrap_expired` one that ended yesterday, `bootstrap_stranger` one from an
    authority that is not `ca`, `bootstrap_other_name` one for another host. All four want SCRAM-SHA-512; behind
    `bootstrap_plaintext` nobody speaks TLS. `admin` may do everything; any other user nothing, until
    an ACL says so.

    Args:
        jars: Apache Kafka.
        folder: Gets configuration, certificates, data and log.
        users: Known from the first start, beside the administrator; `add_user` takes two seconds for each.
        settings: Kafka's own names and values, on top of everything else.
        before: A command to put before java; see KafkaNode.
    """

    def __init__(
        self,
        jars: KafkaJars,
        *,
        folder: Path,
        users: Sequence[Credentials] = USERS,
        settings: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ours = Authority("district", folder=folder)
        doors = {
            "GOOD": ours.issue("broker"),
            "EXPIRED": ours.issue("expired", ends=-dt.timedelta(days=1)),
            "STRANGER": Authority("stranger", folder=folder).issue("strange-broker"),
            "OTHER_NAME": ours.issue("other-name", host="broker.district.example"),
        }
        *ports, controller = free_ports(len(doors) + 1)
        addresses = {door: f"127.0.0.1:{port}" for door, port in zip(doors, ports, strict=True)}
        self.bootstrap_expired = addresses["EXPIRED"]
        self.bootstrap_stranger = addresses["STRANGER"]
        self.bootstrap_other_name = addresses["OTHER_NAME"]
        self.bootstrap_plaintext = f"127.0.0.1:{controller}"
        self.ca = ours.path
        self.admin = ADMIN
        listeners = ",".join(f"{door}://{address}" for door, address in addresses.items())
        base = {
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": ",".join(
                ["CONTROLLER:PLAINTEXT", *(f"{door}:SASL_SSL" for door in doors)]
            ),
            "inter.broker.listener.name": "GOOD",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # ANONYMOUS is who speaks on the controller's port, where only this node's two halves meet.
            "super.users": f"User:{ADMIN.user};User:ANONYMOUS",
        }
        for door, certificate in doors.items():
            base[f"listener.name.{door.lower()}.ssl.keystore.location"] = str(certificate)
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        base[f"listener.name.good.{MECHANISM.lower()}.sasl.jaas.config"] = (
            f'{login} username="{ADMIN.user}" password="{ADMIN.password}";'
        )
        for door in ("expired", "stranger", "other_name"):
            base[f"listener.name.{door}.{MECHANISM.lower()}.sasl.jaas.config"] = f"{login};"
        super().__init__(
            jars,
            name=f"Apache Kafka {jars.version}, SASL_SSL and ACLs",
            bootstrap=addresses["GOOD"],
            folder=folder,
            settings={**ONE_REPLICA, **base, **(settings or {})},
            cluster_id=new_id(),
            scram=[each.scram for each in (ADMIN, *users)],
            before=before,
        )

    @property
    def administration(self) -> dict[str, Any]:
        """What aiokafka's clients need to log in as the administrator, the address left out."""
        return self.login(ADMIN)

    def login(self, user: Credentials) -> dict[str, Any]:
        """Return what aiokafka's clients need to log in as *user*, the address left out."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=self.ca),
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": user.user,
            "sasl_plain_password": user.password,
        }

    def empty(self) -> None:
        """Take away all topics, all rights, and the store of those who worked here."""
        remove_topics(self.bootstrap, login=self.administration)
        remove_rights(self.bootstrap, login=self.administration)
        for path in self.folder.glob("cases.db*"):
            path.unlink()

    def add_user(self, user: Credentials) -> None:
        """Make *user* known to the running broker, by Kafka's own admin client (two seconds).

        Raises:
            ProgramError: the broker refused.
        """
        client = self.folder / "admin.properties"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        client.write_text(
            f"security.protocol=SASL_SSL\nsasl.mechanism={MECHANISM}\n"
            f'sasl.jaas.config={login} username="{ADMIN.user}" password="{ADMIN.password}";\n'
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.ca}\n",
            encoding="utf-8",
        )
        words = ["--bootstrap-server", self.bootstrap, "--command-config", str(client), "--alter"]
        words += ["--entity-type", "users", "--entity-name", user.user]
        words += ["--add-config", f"{MECHANISM}=[iterations={ITERATIONS},password={user.password}]"]
        self.tool("kafka.admin.ConfigCommand", *words)
