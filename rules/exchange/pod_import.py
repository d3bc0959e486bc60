"""Reads SIF Privacy Obligations Documents into drafts. What POD says loosely is noted for a person, never guessed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from collector.problems import DocumentError, Problem, shown
from rules.agreements.model import ID_PATTERN
from rules.exchange.drafts import Draft
from rules.exchange.pod_terms import (
    ACTIVITIES,
    AT_REST,
    CATEGORIES,
    FROM_STATUS,
    IN_TRANSIT,
    PURPOSES,
    STATE_TERMS,
    plain_words,
)
from rules.exchange.xml_tree import Element, element_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNERS: Final = ("student_or_guardian", "district", "vendor", "not_stated")
_READ: Final = "read it, and write what follows from it into the file"
# Elements that say something an agreement file has no key for, or says differently; told, so that a person looks.
_LOOSE: Final = (
    ("technicalRequirements", "dataDeletion", "dataRetention"),
    ("technicalRequirements", "dataDeletion", "deleteBy"),
    ("technicalRequirements", "conditionList"),
    ("legalRequirements",),
    ("dataProcessor", "alternatePurposeList"),
    ("dataProcessor", "dataBreachNotification"),
)


def pod_drafts(octets: bytes, *, path: str) -> list[Draft]:
    """Return a draft for each `privacy` element of an XML file (or `privacyObligationsDocument` that stands alone).

    Raises:
        DocumentError: it is no XML that is read here, or holds no obligations.
    """
    top = element_in(octets, path=path)
    around = Element(name="", line=top.line, children=[top])
    drafts: list[Draft] = []
    pods = list(around.below("pod")) or [around]
    for pod in pods:
        alone = list(pod.below("privacyObligationsDocument"))
        for privacy in pod.below("privacy"):
            drafts.append(_draft(privacy, pod=pod, path=path, number=len(drafts) + 1))
            alone = [each for each in alone if each is not privacy.find("privacyObligationsDocument")]
        for document in alone:
            bare = Element(name="privacy", line=document.line, children=[document])
            drafts.append(_draft(bare, pod=pod, path=path, number=len(drafts) + 1))
    if not drafts:
        what = f"the file holds no obligations (its top element is {shown(top.name)})"
        remedy = (
            "name a file with `privacy` or `privacyObligationsDocument` elements of SIF Infrastructure 3.3 or later"
        )
        raise DocumentError([Problem(path=path, line=top.line, what=what, remedy=remedy)])
    return drafts


def _draft(privacy: Element, *, pod: Element, path: str, number: int) -> Draft:
    draft = Draft(path=path, line=privacy.line, place=f"privacy element {number}")
    document = privacy.find("privacyObligationsDocument") or Element(name="", line=privacy.line)
    _names(privacy, draft=draft)
    _contract(document, pod=pod, draft=draft)
    _technical(document, draft=draft)
    _processor(document, draft=draft)
    _subprocessors(document, draft=draft)
    for names in _LOOSE:
        found = document.find(*names)
        if found is not None and (found.text or found.children):
            draft.note(f"`{'/'.join(names)}` is not taken over", _READ, line=found.line)
    return draft


def _names(privacy: Element, *, draft: Draft) -> None:
    products = [each for each in privacy.all("appIDList", "appID") if each.text]
    if products:
        draft.state(
            ("products",), [{"name": each.text} for each in products],
            line=products[0].line, where="appIDList", lines=[each.line for each in products],
        )  # fmt: skip
    hosts: dict[str, int] = {}
    for endpoint in privacy.all("endpointList", "endpoint", "endpointURL"):
        host = _host(endpoint.text)
        if host:
            hosts.setdefault(host, endpoint.line)
        elif endpoint.text:
            draft.note("an `endpointURL` names no host", _READ, line=endpoint.line)
    if hosts:
        draft.state(
            ("domains",), [{"match": host} for host in hosts],
            line=next(iter(hosts.values())), where="endpointList", lines=list(hosts.values()),
        )  # fmt: skip


def _contract(document: Element, *, pod: Element, draft: Draft) -> None:
    status = pod.find("podStatus")
    if status is not None and status.text in FROM_STATUS:
        draft.state(("agreement", "status"), FROM_STATUS[status.text], line=status.line, where="podStatus")
    contract = document.find("contract")
    if contract is None:
        return
    for name, key in (("contractURI", "document"), ("dateValidFrom", "effective"), ("dateValidTo", "expires")):
        found = contract.find(name)
        if found is not None and found.text:
            # A date of XML Schema may carry a zone, which a day of an agreement has not.
            value = re.sub(r"(Z|[+-][0-9]{2}:[0-9]{2})$", "", found.text) if key != "document" else found.text
            draft.state(("agreement", key), value, line=found.line, where=f"contract/{name}")
    name_of = contract.find("contractName")
    if name_of is not None and re.fullmatch(ID_PATTERN.rstrip("$"), name_of.text):
        draft.state(("id",), name_of.text, line=name_of.line, where="contract/contractName")
    laws = [each for each in contract.all("lawList", "law", "lawName") if each.text]
    states = [each for each in laws if re.fullmatch(f"{STATE_TERMS}[A-Z]{{2}}", each.text)]
    if states:
        draft.state(
            ("agreement", "state_terms"), [each.text[-2:] for each in states],
            line=states[0].line, where="contract/lawList", lines=[each.line for each in states],
        )  # fmt: skip
    if len(laws) > len(states):
        draft.note("the laws in `contract/lawList` are not taken over", _READ, line=laws[0].line)
    rights = contract.find("studentDataIPRights")
    if rights is not None and rights.text in _OWNERS:
        draft.state(("data", "owner"), rights.text, line=rights.line, where="contract/studentDataIPRights")
    elif rights is not None and rights.text:
        draft.note("`contract/studentDataIPRights` says in words to whom data belong", _READ, line=rights.line)


def _technical(document: Element, *, draft: Draft) -> None:
    fields = [each for each in document.all("technicalRequirements", "dataAccess", "fieldList", "field", "fieldName")
              if each.text]  # fmt: skip
    if fields:
        draft.state(
            ("data", "categories"), [_category(each.text) for each in fields],
            line=fields[0].line, where="dataAccess/fieldList", lines=[each.line for each in fields],
        )  # fmt: skip
        if any(_category(each.text)["cat"] == "other" for each in fields):
            draft.note("fields without a category of ours are entered as `other`", _READ, line=fields[0].line)
    days = document.find("technicalRequirements", "dataDeletion", "respondInDays")
    if days is not None and days.text:
        value: int | str = int(days.text) if re.fullmatch(r"[0-9]{1,9}", days.text) else days.text
        draft.state(("data", "retention_days_after_request"), value, line=days.line, where="dataDeletion/respondInDays")
    for each in document.all("technicalRequirements", "securityTechnologyList", "securityTechnology", "technologyName"):
        key = {IN_TRANSIT: "encrypted_in_transit", AT_REST: "encrypted_at_rest"}.get(each.text.lower())
        if key is not None:
            draft.state(("data", key), True, line=each.line, where="securityTechnologyList")  # noqa: FBT003 -- a value
        elif each.text:
            draft.note("a `technologyName` is not taken over", _READ, line=each.line)


def _processor(document: Element, *, draft: Draft) -> None:
    processor = document.find("dataProcessor")
    if processor is None:
        return
    name = processor.find("dataProcessorName")
    if name is not None and name.text:
        draft.state(("vendor", "legal_name"), name.text, line=name.line, where="dataProcessorName")
    for element, key in (("privacyContact", "privacy_contact"), ("dataBreachContact", "security_contact")):
        mail = next(iter(_mails(processor, element)), None)
        if mail is not None:
            draft.state(("vendor", key), mail.text, line=mail.line, where=element)
    purposes = [each for each in processor.all("purposeList", "purpose") if each.text]
    if purposes:
        rows = [_purpose(each.text) for each in purposes]
        draft.state(
            ("purposes",), rows, line=purposes[0].line, where="purposeList", lines=[each.line for each in purposes]
        )
        if any(row["code"] == "other" for row in rows):
            draft.note("purposes without a code of ours are entered as `other`", _READ, line=purposes[0].line)
    _improvement(processor, draft=draft)
    _countries(processor, draft=draft)
    marketing = processor.find("dataUsageMarketingAllowed")
    if marketing is not None and marketing.text == "N":
        # Advertising chosen by pupils' data is marketing with them; the reverse does not follow.
        draft.state(("prohibited", "targeted_ads"), True, line=marketing.line, where=marketing.name)  # noqa: FBT003 -- same
    elif marketing is not None and marketing.text:
        draft.note("`dataUsageMarketingAllowed` allows marketing with pupils' data", _READ, line=marketing.line)


def _improvement(processor: Element, *, draft: Draft) -> None:
    rows, lines = [], []
    for each in processor.all("deidentifiedPurposeList", "deidentifiedPurpose"):
        activity, _colon, plain = each.text.partition(": ")
        if activity in ACTIVITIES and plain:
            rows.append({"activity": activity, "plain": plain_words(plain), "deidentified": True})
            lines.append(each.line)
        elif each.text:
            draft.note("a `deidentifiedPurpose` names no activity of ours and is left out", _READ, line=each.line)
    if rows:
        draft.state(("improvement",), rows, line=lines[0], where="deidentifiedPurposeList", lines=lines)


def _countries(processor: Element, *, draft: Draft) -> None:
    codes: dict[str, int] = {}
    for each in processor.all("countryImpactedList", "countryImpacted"):
        country, usage = each.find("country"), each.find("usage")
        stored = usage is not None and re.search("stor|kept|host", usage.text, re.IGNORECASE)
        if country is not None and stored and re.fullmatch("[A-Z]{2}", country.text):
            codes.setdefault(country.text, country.line)
        else:
            draft.note("a `countryImpacted` names no storage or no code of two letters", _READ, line=each.line)
    if codes:
        draft.state(
            ("data", "stored_in"), list(codes), line=next(iter(codes.values())), where="countryImpactedList",
            lines=list(codes.values()),
        )  # fmt: skip


def _subprocessors(document: Element, *, draft: Draft) -> None:
    rows, lines = [], []
    for each in document.all("dataSubProcessorList", "dataSubProcessor"):
        name = each.find("subProcessorName")
        if name is None or not name.text:
            draft.note("a `dataSubProcessor` has no name and is left out", _READ, line=each.line)
            continue
        purposes = "; ".join(purpose.text for purpose in each.all("purposeList", "purpose") if purpose.text)
        rows.append({"name": name.text, "relation": "subprocessor", **({"purpose": purposes} if purposes else {})})
        lines.append(name.line)
    if rows:
        draft.state(("third_parties", "list"), rows, line=lines[0], where="dataSubProcessorList", lines=lines)


def _mails(processor: Element, name: str) -> Iterator[Element]:
    """Yield the mail addresses of contacts: repeated elements in 3.3, wrapped in a list since."""
    for contact in (*processor.all(name), *processor.all(f"{name}List", "contact")):
        for mail in contact.all("emailList", "email"):
            if mail.text:
                yield mail


def _purpose(text: str) -> dict[str, str]:
    code, _colon, plain = text.partition(": ")
    if code in PURPOSES and plain:
        return {"code": code, "plain": plain_words(plain)}
    return {"code": "other", "plain": plain_words(text)}


def _category(text: str) -> dict[str, str]:
    cat, _colon, detail = text.partition(": ")
    if cat in CATEGORIES:
        return {"cat": cat, "detail": detail} if detail else {"cat": cat}
    return {"cat": "other", "detail": text}


def _host(text: str) -> str:
    """Return the host that an address names, lower case; empty: none."""
    try:
        host = (urlsplit(text if "://" in text else f"//{text}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    # A name without a dot is none that others can reach, and a last label of digits is an address.
    return host if "." in host and not host.rsplit(".", 1)[1].isdigit() else ""
