"""One shape for every error: RFC 9457, application/problem+json."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from edupulse_site.requests import request_id

CONTENT_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be understood",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "In conflict with what is going on",
    413: "Too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available now",
}


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "This is already going on."
    default_code = "conflict"


class Unavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Not available now."
    default_code = "unavailable"


def problem(
    code: int, detail: str, errors: list[dict[str, str]] | None = None, kind: str = ""
) -> dict[str, Any]:
    """Return the body of an error answer."""
    return {
        "type": f"urn:edupulse:{kind or TITLES.get(code, 'error').lower().replace(' ', '-').strip('?')}",
        "title": TITLES.get(code, "Error"),
        "status": code,
        "detail": detail,
        "errors": errors or [],
        "request_id": request_id.get(),
    }


def flatten(detail: Any, field: str = "") -> list[dict[str, str]]:
    """Return DRF's nested error details as a flat list of {field, message}."""
    if isinstance(detail, dict):
        return [
            entry
            for name, inner in detail.items()
            for entry in flatten(inner, f"{field}.{name}".strip(".") if name != "non_field_errors" else field)
        ]
    if isinstance(detail, list):
        return [entry for inner in detail for entry in flatten(inner, field)]
    return [{"field": field, "message": str(detail)}]


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn any exception that DRF knows into the error shape; others become a 500 elsewhere."""
    response = exception_handler(error, context)
    if response is None:
        return None
    code, errors, kind = response.status_code, [], ""
    if isinstance(error, exceptions.ValidationError):
        errors = flatten(error.detail)
        detail = "; ".join(
            f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors[:5]
        )
        kind = "invalid"
    elif isinstance(error, Http404):
        detail = "There is nothing here, or nothing that you may see."
    elif isinstance(error, PermissionDenied):
        detail = "Your role does not allow this."
    else:
        told = getattr(error, "detail", "")
        # simplejwt answers with a dictionary that names the token's fault
        detail = str(told.get("detail", told)) if isinstance(told, dict) else str(told)
        kind = getattr(error, "default_code", "")
    response.data = problem(code, detail, errors, kind)
    response.content_type = CONTENT_TYPE
    return response


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if wants_json(request):
        body = problem(404, "There is nothing at this address.")
        return JsonResponse(body, status=404, content_type=CONTENT_TYPE)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        body = problem(500, "The server failed; the request id finds the cause in the log.")
        return JsonResponse(body, status=500, content_type=CONTENT_TYPE)
    return defaults.server_error(request)
