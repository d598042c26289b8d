"""What the OpenAPI document says of every operation: its errors, too."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from predictions.api.errors import TITLES
from predictions.api.serializers import ProblemSerializer


class EduPulseSchema(AutoSchema):
    """Adds the error shape to each operation: 400, 401, 403, 404, 405, 406, 413, 415, 429 and 503."""

    def get_response_serializers(self) -> Any:
        found: Any = super().get_response_serializers()
        if not isinstance(found, dict):
            found = {201 if self.method == "POST" else 200: found}
        codes = [400, 401, 403, 404, 406, 409, 429, 503]
        if self.method in ("POST", "PUT", "PATCH"):
            codes += [413, 415]
        for code in codes:
            found.setdefault(
                (str(code), "application/problem+json"),
                OpenApiResponse(ProblemSerializer, description=TITLES[code]),
            )
        return found
