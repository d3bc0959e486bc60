"""A listed name covers what its owner answers for, and no name that a customer of the owner registered beneath it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.destinations import Destination, Destinations, Kind, Listed
from collector.hosts import is_public_suffix
from collector.sensitive import Sensitive, load_sensitive

LISTED = Listed(
    vendors=frozenset({"mathtrek.example"}),
    others=frozenset({"amazonaws.com", "pages.windows.net", "churchcounter.example", "github.io"}),
    delivery=frozenset({"fastly.net", "edge.example", "churchcdn.example"}),
    hosting=frozenset({"azure.com", "firebaseio.com", "*.hosts.amazonaws.com"}),
)


def of(name: str, *, listed: Listed = LISTED) -> Destination:
    return Destinations(listed, sensitive=load_sensitive([])).of(name)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("emma-jones-diary.s3.amazonaws.com", "emma-jones-diary.s3.amazonaws.com"),
        ("x.emma-jones-diary.s3.eu-west-1.amazonaws.com", "emma-jones-diary.s3.eu-west-1.amazonaws.com"),
        # The list of public suffixes has a rule with a star for these: `*.eu-west-1.rds.amazonaws.com`.
        ("emma.c1.eu-west-1.rds.amazonaws.com", "emma.c1.eu-west-1.rds.amazonaws.com"),
        ("emma-jones.freetls.fastly.net", "emma-jones.freetls.fastly.net"),
    ],
)  # fmt: skip
def test_a_listed_name_covers_nothing_beneath_a_public_suffix_that_stands_between(name: str, domain: str) -> None:
    assert of(name) == Destination("unlisted", domain)


def test_a_public_suffix_beneath_a_listed_name_is_a_registrys_unless_it_is_listed_itself() -> None:
    assert of("s3.amazonaws.com").kind == "not_public"
    assert of("s3.amazonaws.com", listed=Listed(others=frozenset({"s3.amazonaws.com"}))).kind == "listed"


def test_what_somebody_registered_beneath_a_public_suffix_and_is_listed_covers_what_lies_beneath() -> None:
    listed = Listed(others=frozenset({"amazonaws.com", "adco-pixels.s3.amazonaws.com"}))
    assert of("eu.adco-pixels.s3.amazonaws.com", listed=listed).kind == "listed"
    assert of("adco.s3.amazonaws.com", listed=listed).kind == "unlisted"


@pytest.mark.parametrize("name", ["amazonaws.com", "kinesis.eu-west-1.amazonaws.com", "a.b.pages.windows.net"])
def test_a_listed_name_covers_what_its_owner_alone_can_register(name: str) -> None:
    assert of(name).kind == "listed"


def test_a_vendors_name_covers_all_beneath_it_whatever_stands_between() -> None:
    assert of("x.s3.amazonaws.com", listed=Listed(vendors=frozenset({"amazonaws.com"}))).kind == "listed"


@pytest.mark.parametrize(
    ("name", "kind", "domain"),
    [
        ("azure.com", "listed", ""),
        # Customers register here, and no public suffix says so.
        ("emma-jones.westeurope.cloudapp.azure.com", "unlisted", "azure.com"),
        ("emma-jones.firebaseio.com", "unlisted", "firebaseio.com"),
        ("suicide-help-line.firebaseio.com", "sensitive", ""),
        # The longer name decides, though the shorter one covers what lies beneath.
        ("emma.hosts.amazonaws.com", "unlisted", "amazonaws.com"),
    ],
)  # fmt: skip
def test_the_name_of_a_hosting_company_covers_itself_alone(name: str, kind: Kind, domain: str) -> None:
    assert of(name) == Destination(kind, domain)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fonts.edge.example", "listed"),
        ("suicide-help-line.edge.example", "sensitive"),
        ("gay-teens.a.edge.example", "sensitive"),
        # Its own name is no customer's, and what the owner of a counter calls it is no visitor's.
        ("churchcdn.example", "listed"),
        ("eu.churchcounter.example", "listed"),
    ],
)  # fmt: skip
def test_words_tell_customers_of_a_delivery_network_and_nobody_elses(name: str, kind: Kind) -> None:
    assert of(name).kind == kind


def test_a_sensitive_bucket_of_a_listed_host_never_leaves() -> None:
    assert of("suicide-help-line.s3.eu-west-1.amazonaws.com").kind == "sensitive"


@given(
    bucket=st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True),
    suffix=st.sampled_from(["s3.amazonaws.com", "blob.core.windows.net", "freetls.fastly.net", "github.io"]),
    above=st.integers(min_value=0, max_value=3),
)
def test_no_list_of_names_at_or_above_a_public_suffix_lets_a_name_beneath_it_leave_whole(
    bucket: str, suffix: str, above: int
) -> None:
    listed = frozenset({suffix.split(".", above)[-1]}) if above <= suffix.count(".") else frozenset({suffix})
    nothing = Sensitive([])
    name = f"{bucket}.{suffix}"
    assert is_public_suffix(suffix)
    for kinds in (Listed(others=listed), Listed(delivery=listed), Listed(hosting=listed)):
        assert Destinations(kinds, sensitive=nothing).of(name).kind == "unlisted"
