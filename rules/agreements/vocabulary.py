"""The words that an agreement file may use, exactly those of the contract's schema, and the clauses it answers to."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["ndpa_v1", "ndpa_v2", "state_dpa", "district_dpa", "vendor_dpa", "clickwrap", "none"]
TermsStatus = Literal["draft", "active", "terminated"]
CoppaConsent = Literal["school", "parent", "not_needed", "unknown"]
DomainRole = Literal["app", "api", "auth", "content", "telemetry", "marketing_site"]
ListIs = Literal["complete", "partial", "not_provided"]
Unlisted = Literal["forbidden", "notify", "allowed"]
Relation = Literal["subprocessor", "referral", "embedded", "affiliate"]
Responsible = Literal["vendor", "third_party", "district", "nobody", "unknown"]
PurposeCode = Literal[
    "instruction",
    "assessment",
    "administration",
    "communication",
    "safety",
    "accessibility",
    "service_operation",
    "service_improvement",
    "personalization",
    "research",
    "other",
]
Category = Literal[
    "app_tech_meta",
    "app_use_stats",
    "assessment",
    "assessment_voice",
    "attendance",
    "communications",
    "conduct",
    "demographics",
    "enrollment",
    "guardian_contact",
    "guardian_id",
    "guardian_name",
    "schedule",
    "special_indicator",
    "student_contact",
    "student_id",
    "student_name",
    "in_app_performance",
    "program_membership",
    "survey",
    "student_work",
    "transcript",
    "transportation",
    "biometric",
    "precise_location",
    "teacher_data",
    "other",
    "none",
]
Need = Literal["required", "optional"]
Owner = Literal["student_or_guardian", "district", "vendor", "not_stated"]
Activity = Literal[
    "crash_reports",
    "usage_analytics",
    "session_replay",
    "ab_testing",
    "recommendation_model",
    "adaptive_content",
    "model_training",
    "none",
]
Revenue = Literal[
    "licence",
    "freemium",
    "advertising",
    "data_services",
    "referral_fees",
    "philanthropy",
    "investment",
    "other",
]
RelationshipKind = Literal["owner", "investor", "affiliate", "partner", "customer"]
ReviewStatus = Literal["approved", "pending", "rejected", "none", "not_applicable"]
ReviewCovers = Literal["validity", "usefulness"]
GateStatus = Literal["approved", "pilot", "paused", "prohibited"]
ExpectedHours = Literal["school_day", "any"]

Clause = Literal["R0", "R1", "R2", "R3", "R4", "R5", "R6", "6a", "6b", "6c", "6d", "6e", "6f", "6g"]

# Every clause, in the order of the research brief, with what it asks for in a few plain words.
CLAUSES: Final[dict[Clause, str]] = {
    "R0": "the product is paused until it has been reviewed and approved",
    "R1": "an independent public body oversees it",
    "R2": "independent experts approved the teaching materials",
    "R3": "independent experts approved the way of teaching for these pupils",
    "R4": "independent experts certified its tests as valid and useful",
    "R5": "independent experts reviewed its algorithms",
    "R6": "a binding data agreement is in force",
    "6a": "it tells how money is made with the product and who has a stake in it",
    "6b": "data about a pupil belong to the pupil or the guardian",
    "6c": "data serve the agreed school purpose and nothing else",
    "6d": "the vendor answers for every company it shares data with",
    "6e": "the vendor answers for every site it sends pupils to",
    "6f": "it tells parents of children under 13 what is kept, how, how long, who sees it and why",
    "6g": "it explains in plain words how data are used to improve the product",
}
