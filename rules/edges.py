"""What attribution says: this product was seen to cause connections to that party, how surely, how often, and where.

Plain frozen data, no behaviour. Devices are counted and no longer told apart: an edge may travel and be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 -- whoever decodes a stored edge resolves the annotations
from typing import Literal

Audience = Literal["under_13", "older", "staff"]
"""Who sits at the devices of a group, by the network file."""

Standing = Literal["confirmed", "suspected"]
"""`confirmed`: every test agrees, or most do and the lab saw it. `suspected`: some do; names no vendor to anybody."""

Role = Literal["party", "page"]
"""`party`: reached from the pages of others. `page`: a site that people open by itself as well."""

Lab = Literal["confirms", "refutes", "silent"]
"""What recordings of the product in a lab say of the party."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The credited contacts of one group on one day."""

    day: date
    """Local date."""
    school: str
    """School of the devices' segment."""
    group: str
    """Group of the devices' segment."""
    audience: Audience
    """Who sits there."""
    devices: int
    """Devices; each stands in one group a day."""
    flows: int
    """Flows to the party that are credited to the product."""
    bytes_up: int
    """IP octets from the devices on those flows."""
    bytes_down: int
    """IP octets to the devices on those flows."""
    first_seen: datetime
    """First packet, UTC."""
    last_seen: datetime
    """Last packet, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Another cause that competes for the contacts of an edge."""

    site: str
    """Agreement id, or registrable domain of a site without one. Untrusted: escape before showing."""
    share: float
    """Share of the product's contacts with the party for which it stood open as well, 0 to 1."""
    rate: float
    """Share of its own visits that bring the party, as estimated, 0 to 1."""
    posterior: float
    """Share of the contacts credited to the product that it brought about instead, as estimated, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWindow:
    """A quarter of an hour with many credited contacts."""

    start: datetime
    """Its beginning, UTC."""
    devices: int
    """Devices with a contact in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One product and one party that its use brings about."""

    agreement: str
    """Agreement id of the product."""
    party: str
    """Domain of the party: the longest that a party list names, else the registrable domain. Untrusted: escape it."""
    subject: str
    """Registrable domain of the party: what a case is about. Untrusted: escape it."""
    role: Role
    """Whether the party is a page that people open by itself."""
    standing: Standing
    """How far the tests agree."""
    confidence: float
    """Probability that a credited contact was caused by the product, averaged over them: 0 to 1."""
    rate: float
    """Share of the product's visits that bring the party, as the noisy-OR model estimates it."""
    bag: float
    """Share of the product's visits out of a quiet device in whose window the party appeared (bag of domains)."""
    quiet_windows: int
    """Visits out of a quiet device."""
    statistic: float
    """Likelihood-ratio statistic against "it never brings the party", corrected for classes that move together."""
    visits: int
    """Visits of the product."""
    class_hours: int
    """Distinct hours of a group with a credited contact."""
    near_share: float
    """Share of all contacts of devices with the party that are credited to the product."""
    elsewhere_share: float
    """Share of them for which the product did not stand open: counter-evidence."""
    lab: Lab
    """What recordings in a lab say of it."""
    candidates: tuple[Candidate, ...]
    """The competing causes that stood open most often, most often first."""
    exposures: tuple[Exposure, ...]
    """Credited contacts by day, school and group, in that order."""
    windows: tuple[SampleWindow, ...]
    """Sample windows, in order of time."""
