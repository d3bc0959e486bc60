"""The case store: findings, cases and the position in the input, kept together so that one commit moves all three.

SQLite by default, any database that SQLAlchemy knows by its address. Synchronous: one writer, and asynchrony gains
nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from rules.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.versions import CaseVersion, ReportPart

__all__ = ["CaseRow", "Position", "Store", "StoreError", "load_driver"]

STORE_VERSION = 1
# One for each table that somebody else may be making at the same moment, and one for the version.
PREPARE_ATTEMPTS = 8

_tables = sa.MetaData()
_meta = sa.Table(
    "meta", _tables, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
_findings = sa.Table(
    "findings",
    _tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("agreement", sa.String(64), nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_cases = sa.Table(
    "cases",
    _tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_state = sa.Table(
    "engine_state",
    _tables,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_inputs = sa.Table(
    "inputs",
    _tables,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
)
# What several processes write: each part has one writer at a time, and the highest version wins.
_parts = sa.Table(
    "report_parts",
    _tables,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one input has been judged."""

    sha256: str
    """Hash of the capture's octets."""
    name: str
    """File name, for people."""
    events: int
    """Events judged and committed."""
    finished: bool
    """True: all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case as stored."""

    id: str
    version: int
    """1, 2, ...: grows with every change."""
    state: str
    """`open` or `withdrawn`."""
    body: bytes
    """The case as JSON (contract, section 5)."""


def load_driver(address: str) -> None:
    """Load the code that the database at *address* needs, without touching the database.

    A process that is about to give up its rights calls this: afterwards it may not reach the program's folder.

    Raises:
        StoreError: the address is wrong.
    """
    _engine(address).dispose()


class Store:
    """The case store behind *address*.

    Args:
        address: database address, for example `sqlite:///schoolgate.db`.

    Raises:
        StoreError: the address is wrong, the database cannot be reached or is of another version.
    """

    def __init__(self, address: str) -> None:
        self._engine = _engine(address)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        self.address = self._engine.url.render_as_string(hide_password=True)
        with self._guard():
            self._prepare()

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def findings(self) -> Iterator[bytes]:
        """Yield every stored finding."""
        with self._guard(), self._engine.connect() as connection:
            for (body,) in connection.execute(sa.select(_findings.c.body).order_by(_findings.c.id)):
                yield body

    def cases(self) -> dict[str, CaseRow]:
        """Return every stored case by id."""
        with self._guard(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_cases).order_by(_cases.c.id)).mappings()
            return {row["id"]: CaseRow(**row) for row in rows}

    def state(self, name: str) -> bytes | None:
        """Return what was committed under *name*, None: nothing yet."""
        with self._guard(), self._engine.connect() as connection:
            return connection.execute(sa.select(_state.c.body).where(_state.c.name == name)).scalar()

    def position(self, sha256: str) -> Position | None:
        """Return how far the input with this hash has been judged, None: never seen."""
        with self._guard(), self._engine.connect() as connection:
            row = connection.execute(sa.select(_inputs).where(_inputs.c.sha256 == sha256)).mappings().first()
            return Position(**row) if row else None

    def commit(
        self,
        *,
        findings: Mapping[str, tuple[str, bytes]],
        cases: Iterable[CaseRow],
        state: Mapping[str, bytes],
        position: Position | None,
    ) -> None:
        """Write outputs, state and position, all or nothing.

        Args:
            findings: finding id -> (agreement id, body); replaces a finding of the same id.
            cases: cases that changed.
            state: named parts of the engine's state.
            position: how far the input is judged now; None: unchanged.

        Raises:
            StoreError: nothing was written.
        """
        with self._guard(), self._engine.begin() as connection:
            self._upsert(
                connection, _findings, [{"id": i, "agreement": a, "body": b} for i, (a, b) in findings.items()]
            )
            self._upsert(
                connection,
                _cases,
                [{"id": c.id, "version": c.version, "state": c.state, "body": c.body} for c in cases],
            )
            self._upsert(connection, _state, [{"name": name, "body": body} for name, body in state.items()])
            if position is not None:
                row = {
                    "sha256": position.sha256,
                    "name": position.name,
                    "events": position.events,
                    "finished": position.finished,
                }
                self._upsert(connection, _inputs, [row])

    def keep(self, cases: Iterable[CaseVersion], *, parts: Iterable[ReportPart]) -> None:
        """Write down versions of cases and of parts of the report; a version that is not newer changes nothing.

        Raises:
            StoreError: nothing was written.
        """
        with self._guard(), self._engine.begin() as connection:
            rows = [{"id": c.id, "version": c.version, "state": c.state, "body": c.body.encode()} for c in cases]
            self._upsert(connection, _cases, rows, newer=_cases.c.version)
            told = [{"name": part.name, "version": part.version, "body": part.body} for part in parts]
            self._upsert(connection, _parts, told, newer=_parts.c.version)

    def parts(self) -> dict[str, str]:
        """Return the parts of the report that case tasks have written down, by name."""
        with self._guard(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_parts.c.name, _parts.c.body))
            return {row.name: row.body for row in rows}

    def _upsert(
        self,
        connection: sa.Connection,
        table: sa.Table,
        rows: list[dict[str, object]],
        *,
        newer: sa.Column[int] | None = None,
    ) -> None:
        if not rows:
            return
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table)
        key = [column.name for column in table.primary_key]
        values = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in key}
        where = None if newer is None else statement.excluded[newer.name] > newer
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values, where=where), rows)

    def _prepare(self) -> None:
        """Make what is missing. Of programs that start at once on a new store one is first; the rest look again.

        Raises:
            SQLAlchemyError: it cannot be made.
        """
        for left in reversed(range(PREPARE_ATTEMPTS)):
            try:
                _tables.create_all(self._engine)
                self._check_version()
            except (OperationalError, ProgrammingError, IntegrityError):
                if not left:
                    raise
            else:
                return

    def _check_version(self) -> None:
        with self._engine.begin() as connection:
            found = connection.execute(sa.select(_meta.c.value).where(_meta.c.name == "version")).scalar()
            if found is None:
                connection.execute(sa.insert(_meta).values(name="version", value=str(STORE_VERSION)))
            elif found != str(STORE_VERSION):
                raise StoreError(
                    f"{self.address} holds a store of version {found}, this program reads version {STORE_VERSION}; "
                    "name another store or use the program that wrote it"
                )

    def _guard(self) -> _Guard:
        return _Guard(self.address)


class _Guard:
    """Turns what a database driver says into one sentence that says what to do."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OperationalError):
            raise StoreError(
                f"the store {self._address} cannot be used ({error.orig}); look at its folder, its rights and the disk"
            ) from error
        if isinstance(error, SQLAlchemyError):
            raise StoreError(f"the store {self._address} refused ({error})") from error


def _prepare_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # the driver's own connection, typed as object
    # WAL lets `schoolgate cases` read while `schoolgate run` writes; FULL survives a power cut.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _engine(address: str) -> sa.Engine:
    try:
        return sa.create_engine(address)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The address may hold a password: only the part before it is shown.
        kind = address.partition(":")[0]
        raise StoreError(
            f"the store address that starts with `{kind}` does not work here ({type(error).__name__}); "
            "write for example sqlite:///schoolgate.db"
        ) from None
