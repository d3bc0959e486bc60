"""The case desk in a real browser: with and without JavaScript, by keyboard alone, for people who see or hear it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.parts import chromium
from tests.parts.cache import PartMissingError
from tests.system.desk_visitor import PASSWORD, Desked, case, desk

PAGES = (
    "/cases", "/cases?state=all", "/cases?q=nothing-fits", "/cases/print", "/cases/aaaa0001", "/cases/aaaa0002",
    "/cases/aaaa0004", "/cases/aaaa0001/letter", "/vendors", "/vendors/hostile", "/coverage", "/system", "/access",
)  # fmt: skip
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
LIMIT_MS = 60_000
expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desked]:
    with desk(tmp_path_factory.mktemp("desk")) as one:
        one.store.keep([case(f"bbbb{n:04}", agreement="quizgale", severity="info") for n in range(60)], parts=())
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that the whole module shares; skips where it cannot be had."""
    try:
        part = chromium.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    with sync_playwright() as playwright:
        # As root Chromium runs without a sandbox; it sees pages of this machine alone.
        one = playwright.chromium.launch(
            executable_path=str(part.program), env={**os.environ, **part.environment}, timeout=LIMIT_MS
        )
        yield one
        one.close()


@dataclass(slots=True, kw_only=True)
class Screen:
    """One window, and everything that went wrong in it."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def watch(self) -> None:
        self.page.on("console", lambda said: self.faults.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda shown: self.faults.append(f"dialog: {shown.message}"))
        self.page.on("request", lambda asked: self._elsewhere(asked.url))

    def _elsewhere(self, url: str) -> None:
        if not url.startswith((self.origin, "data:")):
            self.faults.append(f"asked elsewhere: {url}")


def screen(context: BrowserContext, served: Desked, *, name: str | None = "ada") -> Screen:
    """Return a window in which somebody is signed in, by the form."""
    context.set_default_timeout(LIMIT_MS)
    one = Screen(page=context.new_page(), origin=served.origin)
    one.watch()
    if name is not None:
        one.open("/sign-in")
        one.page.get_by_label("Name").fill(name)
        one.page.get_by_label("Password").fill(PASSWORD)
        one.page.get_by_role("button", name="Sign in").click()
        one.page.wait_for_url("**/cases")
    return one


@pytest.fixture(scope="module")
def window(browser: Browser, served: Desked) -> Iterator[Screen]:
    """A window with JavaScript."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield screen(context, served)
    context.close()


@pytest.fixture(scope="module")
def plain(browser: Browser, served: Desked) -> Iterator[Screen]:
    """A window without JavaScript."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    yield screen(context, served)
    context.close()


def barriers(page: Page) -> list[str]:
    """Return what keeps somebody from using the page, as axe sees it."""
    found = Axe().run(page, options={"runOnly": list(RULES), "resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("path", PAGES)
def test_every_screen_is_free_of_barriers_and_of_faults(window: Screen, path: str) -> None:
    for width, scheme in ((1280, "light"), (390, "dark")):
        window.page.set_viewport_size({"width": width, "height": 844})
        window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
        window.open(path)
        assert barriers(window.page) == []
        assert window.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert window.faults == []


def test_forms_with_errors_are_free_of_barriers_and_say_what_is_wrong_first(browser: Browser, served: Desked) -> None:
    context = browser.new_context()
    visitor = screen(context, served, name=None)
    visitor.open("/sign-in")
    assert barriers(visitor.page) == []
    visitor.page.get_by_label("Name").fill("nobody")
    visitor.page.get_by_label("Password").fill("wrong on purpose")
    visitor.page.get_by_role("button", name="Sign in").click()
    visitor.page.get_by_role("alert").wait_for()
    assert visitor.page.title().startswith("Error: ")
    assert visitor.page.evaluate("document.activeElement.className") == "summary"
    assert barriers(visitor.page) == []
    context.close()
    context = browser.new_context()
    officer = screen(context, served)
    officer.open("/cases/bbbb0002")
    officer.page.get_by_role("radio", name="False positive").check()
    officer.page.get_by_role("button", name="Write it down").click()
    officer.page.get_by_role("link", name="Choose why you think that this is wrong.").click()
    assert officer.page.evaluate("document.activeElement.id") == "reason"
    assert officer.page.get_by_role("radio", name="False positive").is_checked()
    assert barriers(officer.page) == []
    # What the browser itself says of answers 403 and 422 is no fault of the page.
    assert [said for said in officer.faults if "status of 422" not in said] == []
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_every_screen_says_the_same_without_javascript(window: Screen, plain: Screen, path: str) -> None:
    window.page.set_viewport_size({"width": 1280, "height": 900})
    window.open(path)
    plain.open(path)
    texts = [one.page.locator("main").inner_text() for one in (window, plain)]
    # Printing and copying are the browser's own without it.
    cleaned = [re.sub(r"Copy the text|\bPrint$|\bPrint \n?", "", text, flags=re.MULTILINE) for text in texts]
    assert cleaned[0].split() == cleaned[1].split()
    assert plain.faults == []


def test_the_list_is_filtered_and_a_case_closed_without_javascript(plain: Screen, served: Desked) -> None:
    page = plain.page
    plain.open("/cases")
    page.get_by_label("Search").fill("choirbox")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Data travels without protection").click()
    page.get_by_role("radio", name="Close").check()
    page.get_by_label("How it ended").select_option("explained")
    page.get_by_label("Reason or note").fill("they answered\nand it stopped")
    page.get_by_role("button", name="Write it down").click()
    page.get_by_text("Written down: close.").wait_for()
    assert served.store.cases()["aaaa0002"].status == "closed"
    assert "they answered" in page.locator(".timeline").inner_text()
    assert plain.faults == []


def test_the_list_follows_what_is_typed_and_the_address_keeps_it(window: Screen) -> None:
    page = window.page
    page.set_viewport_size({"width": 1280, "height": 900})
    window.open("/cases?state=all")
    assert page.locator("#results tbody tr").count() == 25
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**page=2**")
    page.get_by_label("Search").fill("sketchmeadow")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    page.wait_for_url("**q=sketchmeadow**")
    assert page.get_by_role("status").inner_text() == "1 case"
    page.get_by_label("Search").fill("")
    page.get_by_label("Severity", exact=True).select_option("critical")
    page.wait_for_url("**severity=critical**")
    page.reload()
    assert page.get_by_label("Severity", exact=True).input_value() == "critical"
    head = page.get_by_role("columnheader", name="Last seen").get_by_role("link")
    head.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=seen**")
    expect(page.get_by_role("columnheader", name="Last seen")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("columnheader", name="Last seen").get_by_role("link")).to_be_focused()
    page.get_by_label("Severity", exact=True).select_option("info")
    page.wait_for_url("**severity=info**")
    assert "sort=seen" in page.url
    assert window.faults == []


def test_a_case_is_acknowledged_by_keyboard_alone(browser: Browser, served: Desked) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    one = screen(context, served, name=None)
    page, keys = one.page, one.page.keyboard

    def focused() -> str:
        return str(page.evaluate("(document.activeElement.textContent || document.activeElement.id).trim()"))

    def tab_to(words: str) -> None:
        for _ in range(60):
            keys.press("Tab")
            if words in (focused(), page.evaluate("document.activeElement.id")):
                width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
                assert width == "3px", f"the focus on {words} cannot be seen"
                return
        raise AssertionError(f"the keyboard does not get to {words}")

    one.open("/cases/aaaa0001")
    tab_to("name")
    keys.type("ada")
    tab_to("password")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url("**/cases/aaaa0001")
    keys.press("Tab")
    assert focused() == "Skip to the content"
    keys.press("Enter")
    tab_to("act-acknowledged")
    keys.press("Space")
    tab_to("Write it down")
    keys.press("Enter")
    page.get_by_text("Written down: acknowledge.").wait_for()
    assert served.store.cases()["aaaa0001"].status == "acknowledged"
    assert one.faults == []
    context.close()


def test_hostile_names_are_letters_on_the_screen_and_run_nothing(window: Screen) -> None:
    for path in ("/cases?q=script", "/cases/aaaa0004", "/cases/aaaa0004/letter", "/vendors/hostile"):
        window.open(path)
        assert "<script>alert(1)</script>" in window.page.locator("main").inner_text()
        assert window.page.locator("main script, main img, main [onload], main [onmouseover]").count() == 0
    assert window.faults == []


def test_a_case_goes_on_one_sheet_of_paper(window: Screen) -> None:
    for path, sheets in (
        ("/cases/aaaa0001", 1),
        ("/cases/aaaa0001/letter", 1),
        ("/cases/print?q=sketchmeadow&state=all", 1),
    ):
        window.open(path)
        paper = window.page.pdf(format="Letter")
        assert len(re.findall(rb"/Type /Page\b", paper)) == sheets, path
    window.open("/cases/print?state=all&q=quizgale")
    assert len(re.findall(rb"/Type /Page\b", window.page.pdf(format="Letter"))) == 25
    assert window.page.locator("article").count() == 25


def test_an_open_page_of_a_session_that_ended_leads_to_the_sign_in(browser: Browser, served: Desked) -> None:
    context = browser.new_context()
    one = screen(context, served)
    context.clear_cookies()
    one.page.get_by_label("Severity", exact=True).select_option("info")
    one.page.wait_for_url("**/sign-in")
    context.close()
