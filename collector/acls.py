"""Who may do what on the broker, as Kafka's ACLs say it. Facts and arithmetic; nothing here speaks to a broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.topics import GROUP_PREFIXES, TOPICS, TRANSACTION_PREFIXES, USERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collector.topics import Role

# Numbers of Kafka's protocol (KIP-140, KIP-290).
TOPIC: Final = 2
GROUP: Final = 3
TRANSACTIONAL_ID: Final = 5
LITERAL: Final = 3
PREFIXED: Final = 4
ALL: Final = 2
READ: Final = 3
WRITE: Final = 4
DELETE: Final = 6
DESCRIBE: Final = 8
ALLOW: Final = 3

EVERYBODY: Final = "User:*"
_RESOURCES = {TOPIC: "topic", GROUP: "group", 4: "cluster", TRANSACTIONAL_ID: "transactional id"}
_OPERATIONS = {
    ALL: "do everything with", READ: "read", WRITE: "write", 5: "create", DELETE: "delete", 7: "alter",
    DESCRIBE: "describe", 10: "describe the settings of", 11: "alter the settings of", 12: "write idempotently to",
}  # fmt: skip
# What is ours on a broker that others use, too.
_OURS = {TOPIC: "schoolgate.", GROUP: "schoolgate-", TRANSACTIONAL_ID: "schoolgate-"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """Something that somebody may do."""

    user: str
    """Name that the broker knows; its principal is `User:` and this."""
    resource: int
    """What it is about, as a number of the protocol."""
    name: str
    """Its name, or how it begins."""
    pattern: int
    """Whether `name` is the whole name."""
    operation: int
    """What is allowed, as a number of the protocol."""

    def __str__(self) -> str:
        star = "*" if self.pattern == PREFIXED else ""
        operation = _OPERATIONS.get(self.operation, f"do number {self.operation} with")
        return f"{self.user} may {operation} {_RESOURCES.get(self.resource, 'resource')} {self.name}{star}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Acl:
    """One ACL as it stands on a broker."""

    right: Right
    """What it is about; `user` is whole where the principal is no `User:`."""
    host: str
    """Address from which it holds; `*`: from anywhere."""
    permission: int
    """Whether it allows or denies, as a number of the protocol."""


def rights(users: Mapping[Role, tuple[str, ...]] = USERS) -> tuple[Right, ...]:
    """Return every right that the roles need, and no more."""
    return tuple(sorted({right for role, names in users.items() for name in names for right in needs(role, user=name)}))


def needs(role: Role, *, user: str) -> Iterator[Right]:
    """Yield what *user* must be allowed to work as *role*."""
    for topic in TOPICS:
        for roles, operation in ((topic.writes, WRITE), (topic.reads, READ), (topic.deletes, DELETE)):
            if role in roles:
                yield Right(user=user, resource=TOPIC, name=topic.name, pattern=LITERAL, operation=operation)
                yield Right(user=user, resource=TOPIC, name=topic.name, pattern=LITERAL, operation=DESCRIBE)
    group, transaction = GROUP_PREFIXES.get(role), TRANSACTION_PREFIXES.get(role)
    if group is not None:
        yield Right(user=user, resource=GROUP, name=group, pattern=PREFIXED, operation=READ)
    if transaction is not None:
        for operation in (WRITE, DESCRIBE):
            yield Right(user=user, resource=TRANSACTIONAL_ID, name=transaction, pattern=PREFIXED, operation=operation)


def missing(wanted: Iterable[Right], *, acls: Iterable[Acl]) -> list[Right]:
    """Return the rights among *wanted* that no ACL gives; one that holds from some hosts only is somebody's choice."""
    given = {acl.right for acl in acls if acl.permission == ALLOW}
    return [right for right in wanted if right not in given]


def too_many(wanted: Iterable[Right], *, acls: Iterable[Acl]) -> list[Acl]:
    """Return what our users may do with our topics, groups and transactional ids beyond *wanted*.

    Other users, other names and what is denied are none of our business.
    """
    wanted = set(wanted)
    users = {right.user for right in wanted}
    return sorted(
        acl
        for acl in acls
        if acl.permission == ALLOW
        and acl.right.user in users
        and acl.right not in wanted
        and acl.right.name.startswith(_OURS.get(acl.right.resource, "\n"))
    )


def remarks(wanted: Iterable[Right], *, acls: Iterable[Acl]) -> list[str]:
    """Return what somebody should know about the ACLs that are not ours to change, one line each."""
    users = {right.user for right in wanted}
    told = []
    for acl in acls:
        right = acl.right
        here = right.resource in _OURS and (right.name == "*" or _reaches_ours(right))
        if acl.permission != ALLOW and right.user in users and here:
            told.append(f"denied on this broker: {right}; it wins over what is allowed")
        elif acl.permission == ALLOW and here and (right.user == "*" or right.user in users) and _foreign(right):
            told.append(f"{right}: more than a role needs, and not ours to take away")
    return sorted(told)


def _reaches_ours(right: Right) -> bool:
    ours = _OURS[right.resource]
    return right.name.startswith(ours) or (right.pattern == PREFIXED and ours.startswith(right.name))


def _foreign(right: Right) -> bool:
    """Whether `too_many` leaves it alone: everybody has it, or it reaches beyond our names."""
    return right.user == "*" or not right.name.startswith(_OURS[right.resource])
