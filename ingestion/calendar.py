"""Terms, from the days that name them."""

from __future__ import annotations

from django.db.models import Max, Min

from students.models import SchoolDay, Term


def make_terms() -> None:
    """Make each term stretch from the first to the last school day that names it."""
    spans = (
        SchoolDay.objects.filter(in_session=True)
        .exclude(term="")
        .order_by()
        .values("school_code", "school_year", "term")
        .annotate(first=Min("date"), last=Max("date"))
    )
    Term.objects.bulk_create(
        (
            Term(
                school_code=span["school_code"],
                school_year=span["school_year"],
                name=span["term"],
                start=span["first"],
                end=span["last"],
            )
            for span in spans
        ),
        update_conflicts=True,
        unique_fields=["school_code", "school_year", "name"],
        update_fields=["start", "end"],
    )
