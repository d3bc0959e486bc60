"""The words of the desk: states, severities, acts, what to do next, what to ask a vendor. Plain English, no blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rules.life_cycle import Act

STATES: Final = {
    "open": "Open",
    "new": "New",
    "acknowledged": "Acknowledged",
    "asked": "Vendor asked",
    "breach": "Breach",
    "declared": "Declared",
    "fixed": "Fixed",
    "verified": "Fixed, verified",
    "disputed": "False positive",
    "closed": "Closed",
    "withdrawn": "Withdrawn",
    "all": "All cases",
}
"""State filter -> words; how a case can stand (`rules.life_cycle.standing`) is among them."""
SEVERITIES: Final = {"critical": "Critical", "warning": "Warning", "info": "Info"}
VERDICTS: Final = {
    "declared_vaguely": "declared, but not which hosts",
    "undeclared": "not declared: the agreement is silent",
    "contradicted": "contradicts the agreement",
    "conflicting": "two parts of the agreement disagree about it",
    "unattributed": "the cause is not established",
}
SURE: Final = {
    "high": "High",
    "medium": "Medium",
    "low": "Low",
}
SURE_WHY: Final = {
    "high": "There is little room for another explanation of what was seen.",
    "medium": "Another explanation is possible. Ask before you decide anything.",
    "low": "Other explanations are as likely. Take this as a question, not as a finding.",
}
CLAUSE_STATES: Final = {
    "met": "Met",
    "not_met": "Not met",
    "not_stated": "Not stated",
    "not_applicable": "Does not apply",
}
STANDINGS: Final = {
    "in_force": "In force",
    "draft": "Draft",
    "not_yet": "Not yet in force",
    "expired": "Expired",
    "terminated": "Ended",
}
GATES: Final = {
    "approved": "Approved",
    "pilot": "Pilot",
    "paused": "Paused",
    "prohibited": "Prohibited",
    "": "Not decided",
}
LOGGED: Final = {
    "opened": "Case opened",
    "changed": "Evidence changed",
    "withdrawn": "Withdrawn: the evidence no longer supports it",
    "returned": "Returned by itself",
    "not_reopened": "Changed, and stays ended",
    "carried_over": "Taken over from an older store",
    "acknowledged": "Acknowledged",
    "asked": "Vendor asked",
    "declared": "Declared",
    "fixed": "Called fixed",
    "disputed": "Called a false positive",
    "breach": "Handed to the incident process",
    "closed": "Closed",
    "reopened": "Opened again",
    "noted": "Note",
    "forgotten": "Forgotten: what was known before cannot be read any more",
}
TOLD: Final = {
    "verdict": "verdict",
    "severity": "severity",
    "sure": "how sure it is",
    "devices": "number of devices",
    "schools": "schools",
    "groups": "groups",
    "agreement_says": "words of the agreement",
}
"""What an entry of the log says has changed (`rules.told.TELLING`)."""
ACCESSES: Final = {
    "signed_in": "Signed in",
    "sign_in_failed": "Sign-in failed",
    "signed_out": "Signed out",
    "user_added": "User added",
    "user_changed": "User changed",
    "user_removed": "User removed",
    "pack_taken": "Evidence pack saved",
}
ACTS: Final[dict[Act, tuple[str, str]]] = {
    "acknowledged": ("Acknowledge", "You know about it. It stays open and is not told again."),
    "asked": ("Vendor asked", "You sent the vendor the letter and wait for an answer."),
    "declared": ("Declared", "The agreement was amended, or will be, and covers it. The case says so until it does."),
    "fixed": ("Fixed", "The vendor stopped it. Shown as verified after 14 silent days; seen again, it returns."),
    "disputed": ("False positive", "You think that this is wrong. Choose why: it helps to correct the rule."),
    "breach": ("Breach", "You hand it to your incident process. It stays open until you close it."),
    "closed": ("Close", "You are done with it. A new group of users or twice the devices, 20 at least, open it again."),
    "reopened": ("Open again", "It was taken up or ended too early: it becomes new again."),
    "noted": ("Add a note", "The case stays as it is."),
}
"""Act -> name, what it does."""
_WHO_GETS_WHAT: Final = (
    "Does your product contact this party? If so: from which of its pages, since when, and why?",
    "Which data does the party receive, and does any of it relate to a pupil?",
    "Which written terms bind the party, and do you answer for what it does with the data?",
    "Will you remove the party, or do you ask us to amend the agreement?",
)
QUESTIONS: Final = {
    "no-agreement": (
        "Which data does your product collect from pupils and teachers in our schools?",
        "Are you ready to sign our data agreement? Please send us the name of the person in charge.",
    ),
    "agreement-not-in-force": (
        "On which basis do you handle data of our pupils since the agreement ended, or before it began?",
        "Do you want to renew it? Please send us a draft.",
        "Which data of ours do you still hold?",
    ),
    "use-paused": (
        "Our district does not allow the use of your product at present. Can you close the accounts of our schools?",
        "Which data did you receive from our schools since that decision?",
    ),
    "pilot-outside-group": ("Can you limit the accounts to the groups that take part in the pilot?",),
    "review-missing": ("Do you have an independent review of the kind that is missing? Please send it to us.",),
    "under-13-not-covered": (
        "May children under 13 use your product, and who gives consent?",
        "What do you collect of them, how is it stored, for how long, who has access, and for which purpose?",
    ),
    "undeclared-third-party": _WHO_GETS_WHAT,
    "undeclared-referral": (
        "Does your product lead our pupils to this site? If so: from where, and why?",
        "Do you answer for what this site collects of them?",
        "Will you remove the link, or do you ask us to amend the agreement?",
    ),
    "prohibited-tracking": _WHO_GETS_WHAT,
    "undisclosed-interest": (
        "Which relation do you have with the owner of this party: money, shares, a contract?",
        "Why is it not among the interests that the agreement discloses?",
    ),
    "unexplained-telemetry": (
        "What does this service measure, and which data does it receive?",
        "Is it used to improve or to personalize the product, and how?",
    ),
    "cname-cloaked-third-party": (
        "One of your own names leads to another company. Who is it, and what does it do there?",
        *_WHO_GETS_WHAT[1:],
    ),
    "plaintext-transport": (
        "Why does data travel without up-to-date encryption, and which data is it?",
        "By when will every connection be encrypted?",
    ),
    "outside-hours": (
        "What does your product send when no lesson takes place, and why?",
        "Can it be switched off outside school hours?",
    ),
    "upload-above-declared": (
        "What does your product upload, beyond what the agreement says?",
        "Is the figure in the agreement wrong, or the product's behavior?",
    ),
    "storage-country": (
        "In which country does this server stand, and are data of our pupils kept there?",
        "Do you ask us to amend the agreement?",
    ),
}
"""Rule -> questions of the letter to the vendor."""
ANY_QUESTIONS: Final = (
    "What does your product do here, since when, and why?",
    "Will you change it, or do you ask us to amend the agreement?",
)
"""Questions of a letter about a rule of the district's own."""
REFUSALS: Final = {
    400: ("This request could not be read", "Go back and try again."),
    403: (
        "This is not allowed",
        (
            "Your role does not allow it, or the form came from another page. Go back, load the page again and try "
            "once more."
        ),
    ),
    404: ("There is no such page", "The address is wrong, or what it named is gone."),
    405: ("This is not possible here", "Go back and use the buttons of the page."),
    409: (
        "The case log is not as it was written",
        "Nothing leaves a store whose log was changed. Ask IT to look at System; keep the store as it is.",
    ),
    413: ("This is too long", "Shorten the text and send it again."),
    414: ("This address is too long", "Shorten what you search for."),
    415: ("This is no form of the desk", "Go back and use the buttons of the page."),
    421: (
        "The desk does not answer under this name",
        (
            "Use the address that your IT gave you. For IT: write the address that people use as `desk.address` into "
            "the configuration."
        ),
    ),
    429: ("Too many requests", "Wait a little, then try again."),
    500: ("Something went wrong", "It is our fault, and it was written down for IT. Try again in a moment."),
    503: ("The case store does not answer", "Nothing is lost. IT can see why in the log of the desk."),
}
"""HTTP status -> what happened, what to do."""
