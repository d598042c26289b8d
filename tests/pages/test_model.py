"""The model page: the report in words and figures, and who may change what is in use."""

from __future__ import annotations

import re

import pytest

from predictions.models import ModelVersion
from students.models import AuditEvent
from tests.pages.conftest import logged_in
from tests.pages.made import live_model, report
from tests.people import People


@pytest.mark.parametrize(
    ("name", "status"),
    [("ana", 403), ("ula", 403), ("pia", 200), ("alan", 200), ("dora", 200), ("dana", 200)],
)
def test_it_is_for_those_who_answer_for_the_model(
    people: People, model: ModelVersion, name: str, status: int
) -> None:
    client = logged_in(people.staff[name])
    assert client.get("/model/").status_code == status
    offered = '<a href="/model/"' in client.get("/").content.decode()
    assert offered == (status == 200)


def test_it_shows_discrimination_beside_the_rule_and_logistic(people: People, model: ModelVersion) -> None:
    body = logged_in(people.alan).get("/model/").content.decode()
    for text in (
        "ranked by <strong>neural network</strong>: no simpler model is better beyond the noise",
        "0.810 (0.760–0.860)",
        "Plain rule",
        "Logistic regression",
        "Network minus plain rule",
        "Not fitted: fewer than 50 students with the event",
        "nothing to compare",
    ):
        assert text in body
    # The year's end comes first, whatever order the stored report has.
    assert body.index("Year ends off track") < body.index("Suspended within 8 weeks")


def test_it_shows_what_became_of_each_band_and_the_tenths(people: People, model: ModelVersion) -> None:
    answer = logged_in(people.alan).get("/model/")
    body = answer.content.decode()
    assert answer.context["binned"]
    assert body.count("<title>expected ") == 10
    assert '<td class="number">68%</td><td class="number">64%</td>' in body


def test_a_report_without_tenths_draws_the_bands(people: People) -> None:
    metrics = report()
    del metrics["calibration"]
    live_model(metrics=metrics)
    answer = logged_in(people.alan).get("/model/")
    assert not answer.context["binned"]
    assert answer.content.decode().count("<title>expected ") == 3


def test_the_rule_alone_needs_no_report(people: People) -> None:
    live_model(ranking="rule", metrics={"why": "no school year with a known end", "heads": {}, "bands": []})
    body = logged_in(people.alan).get("/model/").content.decode()
    assert "no school year with a known end" in body


def test_a_candidate_waits_with_its_reason_and_is_promoted_by_a_person(
    people: People, model: ModelVersion
) -> None:
    live_model(version="2026-02-01-new", status="candidate", hold_reason="Compare the two first.")
    for name, may in (("alan", True), ("dora", True), ("pia", False), ("dana", False)):
        body = logged_in(people.staff[name]).get("/model/").content.decode()
        assert "Compare the two first." in body
        assert ("Promote</button>" in body) == may
    answer = logged_in(people.alan).post("/model/promote/", {"version": "2026-02-01-new"}, follow=True)
    assert "Version 2026-02-01-new is in use." in answer.content.decode()
    assert ModelVersion.objects.get(status="live").version == "2026-02-01-new"
    assert AuditEvent.objects.get(action="promote").actor == people.alan


def test_rolling_back_puts_the_version_before_in_use(people: People, model: ModelVersion) -> None:
    live_model(version="2026-02-01-new", status="candidate")
    client = logged_in(people.alan)
    assert "Roll back" not in client.get("/model/").content.decode()
    client.post("/model/promote/", {"version": "2026-02-01-new"})
    assert "Roll back" in client.get("/model/").content.decode()
    client.post("/model/promote/", {})
    assert ModelVersion.objects.get(status="live") == model


def test_nothing_to_go_back_to_is_said(people: People, model: ModelVersion) -> None:
    answer = logged_in(people.alan).post("/model/promote/", {}, follow=True)
    assert "Nothing changed: there is no earlier version to go back to." in answer.content.decode()
    assert ModelVersion.objects.get(status="live") == model


@pytest.mark.parametrize("name", ["ana", "pia", "dana", "ula"])
def test_no_other_role_changes_what_is_in_use(people: People, model: ModelVersion, name: str) -> None:
    live_model(version="2026-02-01-new", status="candidate")
    assert (
        logged_in(people.staff[name]).post("/model/promote/", {"version": "2026-02-01-new"}).status_code
        == 403
    )
    assert ModelVersion.objects.get(status="live") == model


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("ana", {"Students", "Admin"}),
        ("pia", {"Students", "Model", "Admin"}),
        ("dana", {"Students", "Model", "Imports", "Admin"}),
        ("alan", {"Students", "Model", "Admin"}),
        ("dora", {"Students", "Model", "Imports", "Admin"}),
    ],
)
def test_the_menu_offers_what_the_role_may_open(
    people: People, model: ModelVersion, name: str, offered: set[str]
) -> None:
    client = logged_in(people.staff[name])
    body = client.get("/").content.decode()
    menu = body[body.index("<nav") : body.index("</nav>")]
    links = {text: address for address, text in re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', menu)}
    assert set(links) == offered
    for address in links.values():
        assert client.get(address).status_code == 200
