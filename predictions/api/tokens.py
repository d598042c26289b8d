"""Tokens: the one module that knows how people and programs prove who they are."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.throttling import ScopedRateThrottle
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView


@extend_schema(tags=["auth"])
class Token(TokenObtainPairView):
    """A user name and password for a short-lived access token and a refresh token."""

    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "login"


@extend_schema(tags=["auth"])
class TokenRefresh(TokenRefreshView):
    """A refresh token for a new pair; the old one is worthless afterwards."""

    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "login"


@extend_schema(tags=["auth"])
class TokenRevoke(TokenBlacklistView):
    """Make a refresh token worthless."""
