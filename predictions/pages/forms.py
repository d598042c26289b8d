"""What counselors can say and log."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms

from predictions.models import TrainingFeedback
from students.models import Intervention


class FeedbackForm(forms.ModelForm):
    class Meta:
        model = TrainingFeedback
        fields = ["verdict", "note"]
        labels = {"verdict": "What do you make of it?", "note": "Note (optional)"}
        widgets = {
            "verdict": forms.RadioSelect,
            "note": forms.Textarea(attrs={"rows": 2, "maxlength": 2000}),
        }
        error_messages = {"verdict": {"required": "Choose one of the answers."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["verdict"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = TrainingFeedback.Verdict.choices  # no empty answer among the buttons


class InterventionForm(forms.ModelForm):
    class Meta:
        model = Intervention
        fields = ["kind", "started", "note"]
        labels = {"kind": "What was done?", "started": "On", "note": "Note (optional)"}
        widgets = {
            "started": forms.DateInput(attrs={"type": "date"}),
            "note": forms.Textarea(attrs={"rows": 2, "maxlength": 2000}),
        }

    def __init__(self, *args: Any, today: dt.date, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"started": today})
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["started"].widget.attrs["max"] = today.isoformat()

    def clean_started(self) -> dt.date:
        started: dt.date = self.cleaned_data["started"]
        if started > self.today:
            raise forms.ValidationError("That day is still to come; log what was done once it is done.")
        return started
