"""Countries of addresses, by a real database where one is at hand, and refusals in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.locations import LocationError, open_locations

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "scenarios" / "seed12-events" / "locations.mmdb"


@pytest.mark.skipif(
    not SHARED.exists(), reason="needs shared/scenarios/seed12-events/locations.mmdb beside the checkout"
)
def test_addresses_have_the_country_that_the_database_gives_them() -> None:
    locations = open_locations(SHARED)
    assert locations.country("192.0.2.10") == "BR"
    assert locations.country("192.0.2.11") == "US"
    assert locations.country("2001:db8::1") == "US"
    assert locations.country("240.0.0.1") is None
    assert locations.country("no address") is None


def test_a_missing_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LocationError) as error:
        open_locations(tmp_path / "absent.mmdb")
    assert str(error.value).endswith(
        "absent.mmdb:1: there is no such file; check the name, or leave the location database out"
    )


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mmdb"
    path.write_bytes(b"no database")
    with pytest.raises(LocationError) as error:
        open_locations(path)
    assert error.value.problem.what == "this is no location database"
