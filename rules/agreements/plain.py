"""The words of the agreement file in plain English, for people who never saw such a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date

    from rules.agreements.vocabulary import (
        Activity,
        Category,
        Kind,
        Relation,
        RelationshipKind,
        Responsible,
        Revenue,
        TermsStatus,
    )

KINDS: Final[dict[Kind, str]] = {
    "ndpa_v1": "a national student data contract (the first version of the National Data Privacy Agreement)",
    "ndpa_v2": "a national student data contract (the second version of the National Data Privacy Agreement)",
    "state_dpa": "a data contract made for this state",
    "district_dpa": "a data contract written by the school district",
    "vendor_dpa": "a data contract written by the vendor",
    "clickwrap": "only terms that somebody clicked on; there is no signed contract",
    "none": "no contract at all",
}

STATUSES: Final[dict[TermsStatus, str]] = {
    "draft": "It is a draft. It does not hold yet.",
    "active": "It is signed.",
    "terminated": "It has been ended.",
}

CATEGORIES: Final[dict[Category, str]] = {
    "app_tech_meta": "technical facts about the device",
    "app_use_stats": "how the product is used",
    "assessment": "test results",
    "assessment_voice": "voice recordings from tests",
    "attendance": "attendance",
    "communications": "messages",
    "conduct": "behavior at school",
    "demographics": "birth date, gender, language or background",
    "enrollment": "school, grade and class",
    "guardian_contact": "contact details of parents",
    "guardian_id": "numbers that stand for parents",
    "guardian_name": "names of parents",
    "schedule": "courses and teachers",
    "special_indicator": "special needs, health or family income",
    "student_contact": "contact details of pupils",
    "student_id": "numbers, user names or passwords of pupils",
    "student_name": "names of pupils",
    "in_app_performance": "how well a pupil does in the product",
    "program_membership": "clubs and programs",
    "survey": "answers to surveys",
    "student_work": "pupils' own work",
    "transcript": "grades",
    "transportation": "school bus details",
    "biometric": "face, finger or voice prints",
    "precise_location": "the exact place where a pupil is",
    "teacher_data": "data about teachers",
    "other": "other data",
    "none": "none",
}

RELATIONS: Final[dict[Relation, str]] = {
    "subprocessor": "works for the vendor",
    "referral": "a site that pupils are sent to",
    "embedded": "built into the pages of the product",
    "affiliate": "belongs to the same group of companies",
}

RESPONSIBLE: Final[dict[Responsible, str]] = {
    "vendor": "the vendor answers for it",
    "third_party": "it answers for itself",
    "district": "the district answers for it",
    "nobody": "nobody answers for it",
    "unknown": "nobody knows who answers for it",
}

ACTIVITIES: Final[dict[Activity, str]] = {
    "crash_reports": "Error reports",
    "usage_analytics": "Counting how it is used",
    "session_replay": "Recording what a pupil does on the screen",
    "ab_testing": "Showing different pupils different versions",
    "recommendation_model": "Suggesting what to do next",
    "adaptive_content": "Fitting lessons to each pupil",
    "model_training": "Training artificial intelligence",
    "none": "No such use",
}

REVENUES: Final[dict[Revenue, str]] = {
    "licence": "licence fees",
    "freemium": "extras that cost money",
    "advertising": "advertising",
    "data_services": "services built on data",
    "referral_fees": "fees for sending people to others",
    "philanthropy": "donations",
    "investment": "money from investors",
    "other": "other income",
}

RELATIONSHIPS: Final[dict[RelationshipKind, str]] = {
    "owner": "an owner of the vendor",
    "investor": "has put money into the vendor",
    "affiliate": "belongs to the same group of companies",
    "partner": "a business partner",
    "customer": "a customer of the vendor",
}

REVIEWS: Final[dict[str, str]] = {
    "curriculum": "teaching materials",
    "pedagogy": "way of teaching",
    "assessment": "tests",
    "algorithms": "algorithms (how the computer decides)",
}

PROHIBITIONS: Final[dict[str, str]] = {
    "targeted_ads": "showing ads picked for a pupil",
    "any_ads": "showing ads of any kind",
    "sale": "selling data",
    "non_educational_profiles": "building profiles of pupils for anything but school",
    "third_party_tracking": "letting other companies follow pupils",
    "ai_training": "training artificial intelligence with pupils' data",
}

# Only the countries that agreements of schools in the United States name most; others keep their code.
_COUNTRIES: Final[dict[str, str]] = {
    "AU": "Australia",
    "BR": "Brazil",
    "CA": "Canada",
    "CH": "Switzerland",
    "CN": "China",
    "DE": "Germany",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "the United Kingdom",
    "IE": "Ireland",
    "IL": "Israel",
    "IN": "India",
    "JP": "Japan",
    "KR": "South Korea",
    "MX": "Mexico",
    "NL": "the Netherlands",
    "NZ": "New Zealand",
    "PL": "Poland",
    "SE": "Sweden",
    "SG": "Singapore",
    "US": "the United States",
}


def country(code: str) -> str:
    """Return the name of a country in a sentence, or its code where we have no name for it."""
    return _COUNTRIES.get(code, f"the country with the code {code}")


def written_day(day: date) -> str:
    """Return a date as people write it, for example `August 1, 2026`."""
    return f"{day:%B} {day.day}, {day.year}"


def span(first: date | None, last: date | None) -> str:
    """Return a period in words, for example `, from August 1, 2026 to July 31, 2029`; empty where neither is stated."""
    begin = f" from {written_day(first)}" if first else ""
    end = f" to {written_day(last)}" if last else ""
    return f",{begin}{end}" if begin or end else ""
