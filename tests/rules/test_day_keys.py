"""One random key for each local day, destroyed with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rules.day_keys import DayKeys

TUESDAY, WEDNESDAY = date(2026, 10, 13), date(2026, 10, 14)


def numbered() -> Iterator[bytes]:
    for number in range(256):
        yield bytes([number]) * 32


def test_a_day_has_one_key_and_another_day_another() -> None:
    keys = DayKeys(numbered().__next__)
    assert keys.of(TUESDAY) == keys.of(TUESDAY)
    assert keys.of(TUESDAY) != keys.of(WEDNESDAY)


def test_a_destroyed_key_does_not_come_back() -> None:
    keys = DayKeys(numbered().__next__)
    before = keys.of(TUESDAY), keys.of(WEDNESDAY)
    assert keys.destroy_before(WEDNESDAY) == 1
    assert keys.snapshot() == {WEDNESDAY: before[1]}
    assert keys.of(TUESDAY) != before[0]


def test_what_was_written_down_is_gone_on_with_and_told_to_have_changed_only_when_it_has() -> None:
    keys = DayKeys(numbered().__next__)
    key = keys.of(TUESDAY)
    assert keys.changed
    heir = DayKeys(lambda: b"another", keys=keys.snapshot())
    assert heir.of(TUESDAY) == key
    assert not heir.changed
    heir.destroy_before(WEDNESDAY)
    assert heir.changed


def test_whoever_keeps_keys_is_asked_once_for_each_day_and_has_the_last_word() -> None:
    kept = {TUESDAY: b"kept before"}
    asked = []

    def agree(day: date, fresh: bytes) -> bytes:
        asked.append(day)
        return kept.setdefault(day, fresh)

    keys = DayKeys(lambda: b"fresh", agree=agree)
    assert [keys.of(day) for day in (TUESDAY, WEDNESDAY, TUESDAY)] == [b"kept before", b"fresh", b"kept before"]
    assert asked == [TUESDAY, WEDNESDAY]
    assert kept[WEDNESDAY] == b"fresh"
