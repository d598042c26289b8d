"""Every feature, defined once: its column, admin label, dictionary entry and place in the schema.

A released feature never changes its meaning: a better one is a new name, or a higher revision.
The row of a week is computed from facts dated, and known, no later than the Sunday that closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mlcore.schema import FeatureSchema, FeatureSpec, Modality


@dataclass(frozen=True)
class Feature:
    """One column of StudentFeature.

    family groups features into one reason; `relative`: also read against the same school, grade and week.
    """

    name: str
    modality: Modality
    family: str
    unit: str
    meaning: str
    missing: str
    relative: bool = True
    revision: int = 1


def _a(
    name: str, family: str, unit: str, meaning: str, missing: str = "no day known", relative: bool = True
) -> Feature:
    return Feature(name, "attendance", family, unit, meaning, missing, relative)


def _g(
    name: str,
    family: str,
    unit: str,
    meaning: str,
    missing: str = "nothing graded yet",
    relative: bool = True,
) -> Feature:
    return Feature(name, "grades", family, unit, meaning, missing, relative)


def _d(name: str, unit: str, meaning: str, missing: str = "never missing") -> Feature:
    return Feature(name, "discipline", "incidents", unit, meaning, missing, False)


def _s(name: str, unit: str, meaning: str, missing: str = "never missing") -> Feature:
    return Feature(name, "static", "situation", unit, meaning, missing, False)


SHARE, DAYS, COUNT, MARK, LOG = "share", "school days", "count", "points of 100", "log(1 + n)"

FEATURES: tuple[Feature, ...] = (
    _a("absence_rate_1w", "absence", SHARE, "Days absent of the days known, this school week"),
    _a("absence_rate_4w", "absence", SHARE, "Days absent of the days known, last 4 school weeks"),
    _a("absence_rate_8w", "absence", SHARE, "Days absent of the days known, last 8 school weeks"),
    _a("absence_rate_20w", "absence", SHARE, "Days absent of the days known, last 20 school weeks"),
    _a("absence_rate_year", "absence", SHARE, "Days absent of the days known, this school year"),
    _a(
        "unexcused_rate_4w",
        "absence",
        SHARE,
        "Days of unexcused absence of the days known, last 4 school weeks",
    ),
    _a(
        "unexcused_rate_year",
        "absence",
        SHARE,
        "Days of unexcused absence of the days known, this school year",
    ),
    _a("excused_rate_year", "absence", SHARE, "Days of excused absence of the days known, this school year"),
    _a("absence_rate_last_year", "absence_before", SHARE, "Days absent of the days known, last school year"),
    _a("absences_first_20", "absence", DAYS, "Days absent among the first 20 school days of the year"),
    _a(
        "absences_left",
        "absence",
        DAYS,
        "Days that can still be missed before a tenth of the year's days is reached",
    ),
    _a(
        "days_since_present", "absence", DAYS, "School days since the last day known to be attended (most 60)"
    ),
    _a(
        "monday_friday_excess",
        "absence",
        SHARE,
        "Absence rate on Mondays and Fridays minus that of other days, this year",
    ),
    _a("tardies_4w", "tardiness", COUNT, "Days tardy or left early, last 4 school weeks", "never missing"),
    _a("tardies_year", "tardiness", COUNT, "Days tardy or left early, this school year", "never missing"),
    _a(
        "known_share_4w",
        "records",
        SHARE,
        "Enrolled school days with an attendance record, last 4 school weeks",
        "no school day",
        False,
    ),
    _a(
        "activity_1w",
        "activity",
        LOG,
        "Minutes present (or clicks), this school week",
        "no minutes recorded this year",
    ),
    _a(
        "activity_4w",
        "activity",
        LOG,
        "Minutes present (or clicks) a week, last 4 school weeks",
        "no minutes recorded this year",
    ),
    _a(
        "activity_year",
        "activity",
        LOG,
        "Minutes present (or clicks), this school year",
        "no minutes recorded this year",
    ),
    _a(
        "active_days_1w",
        "activity",
        COUNT,
        "Days with minutes present, any day of the week",
        "no minutes recorded this year",
    ),
    _a(
        "active_days_4w",
        "activity",
        COUNT,
        "Days with minutes present, last 4 school weeks",
        "no minutes recorded this year",
    ),
    _a(
        "off_day_activity_4w",
        "activity",
        COUNT,
        "Active days that were no school days, last 4 school weeks",
        "no minutes recorded this year",
    ),
    _g(
        "core_failing_now",
        "course",
        COUNT,
        "Core courses whose mark of the running term is below the pass mark",
        "never missing",
    ),
    _g(
        "core_failing_last_term",
        "course_before",
        COUNT,
        "Core courses failed in the last term that closed this year",
        "never missing",
    ),
    _g(
        "core_failing_last_year",
        "course_before",
        COUNT,
        "Core term marks below the pass mark last school year",
        "no year before",
    ),
    _g("lowest_core_margin", "course", MARK, "Lowest running core mark minus the pass mark"),
    _g("mean_mark", "course", MARK, "Mean of the running marks over all courses"),
    _g("mean_mark_core", "course", MARK, "Mean of the running marks over core courses"),
    _g("mark_change_4w", "course", MARK, "Mean running mark minus that of 4 school weeks before, same term"),
    _g("recent_score_4w", "course", MARK, "Mean score of the work handed in over the last 4 school weeks"),
    _g("score_spread_year", "course", MARK, "Standard deviation of the scores of the year"),
    _g(
        "missing_2w",
        "missing_work",
        COUNT,
        "Work due in the last 2 school weeks and still not in",
        "never missing",
    ),
    _g(
        "missing_4w",
        "missing_work",
        COUNT,
        "Work due in the last 4 school weeks and still not in",
        "never missing",
    ),
    _g("missing_open", "missing_work", COUNT, "Work due this year and still not in", "never missing"),
    _g(
        "missed_due_share",
        "missing_work",
        SHARE,
        "Share of this year's pieces of work that were not in when due",
    ),
    _g("items_year", "course", COUNT, "Pieces of work known this year", "never missing"),
    _d("referrals_4w", COUNT, "Incidents, last 4 school weeks"),
    _d("referrals_8w", COUNT, "Incidents, last 8 school weeks"),
    _d("referrals_year", COUNT, "Incidents, this school year"),
    _d("in_school_days_year", "days", "Days of in-school suspension, this school year"),
    _d("suspension_days_8w", "days", "Days suspended out of school or expelled, last 8 school weeks"),
    _d("suspension_days_year", "days", "Days suspended out of school or expelled, this school year"),
    _d("suspension_days_last_year", "days", "Days suspended out of school or expelled, last school year"),
    _d("weeks_since_incident", "school weeks", "School weeks since the last incident (most 60)"),
    _s("grade_number", "grade", "Grade of the enrollment in force (pre-K -1, kindergarten 0)"),
    _s("week_of_year", "school weeks", "School week of the year, from 1"),
    _s("weeks_left", "school weeks", "School weeks of the year still to come"),
    _s("weeks_enrolled", "school weeks", "School weeks since the enrollment in force began (most 60)"),
    _s("moves_12m", COUNT, "Changes of school in the last 52 weeks"),
    _s("mid_year_entry", "yes or no", "The enrollment in force began after the year's third week"),
    _s("transition_grade", "yes or no", "First grade of a middle or high school (6 or 9)"),
    _s("repeated_grade", "yes or no", "Same grade as in the school year before"),
)
NAMES = tuple(feature.name for feature in FEATURES)
BY_NAME = {feature.name: feature for feature in FEATURES}


@cache
def schema() -> FeatureSchema:
    """Return the schema that a new model reads; its version is the hash of names and revisions."""
    return FeatureSchema(tuple(FeatureSpec(f.name, f.modality, f.revision, f.relative) for f in FEATURES))


def dictionary() -> str:
    """Return docs/data-dictionary.md."""
    lines = [
        "# Data dictionary",
        "",
        "Written by `manage.py write_dictionary` from features/definitions.py. Feature version "
        f"`{schema().version}`.",
        "",
        "A row is one student at the close of one school week, computed from facts dated and known no later",
        "than that Sunday. *Relative*: also read as deviations from the same school, grade and week.",
        "",
        "| feature | kind | unit | meaning | missing when | relative |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{f.name}` | {f.modality} | {f.unit} | {f.meaning} | {f.missing} | {'yes' if f.relative else 'no'} |"
        for f in FEATURES
    ]
    return "\n".join(lines) + "\n"
