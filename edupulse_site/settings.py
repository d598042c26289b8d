"""All settings, in one place, from the environment. Nothing configured means the embedded default:
SQLite and no broker but a file. DATABASE_URL and REDIS_URL switch to PostgreSQL and Redis.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from csp.constants import NONE, SELF

from edupulse_site import env

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_dotenv(BASE_DIR / ".env")

VAR_DIR = Path(env.text("EDUPULSE_VAR_DIR", str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

_postgresql = env.postgresql("DATABASE_URL")
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss"))
EMBEDDED = _postgresql is None

DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    if not (EMBEDDED or DEBUG or env.text("CI")):
        raise env.SettingError("SECRET_KEY", "is missing, and DATABASE_URL says that this is no trial run")
    SECRET_KEY = env.generated_secret(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
HTTPS_ONLY = env.boolean("HTTPS_ONLY", False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "django_celery_beat",
    "django_filters",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "edupulse_site",
    "students",
    "ingestion",
    "features",
    "predictions",
    "demo",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "edupulse_site.requests.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "edupulse_site.urls"
WSGI_APPLICATION = "edupulse_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "predictions.pages.context.district",
            ]
        },
    }
]

# ── Database ──────────────────────────────────────────────────────────────────────────────────────────
_sqlite: dict[str, Any] = {
    "ENGINE": "django_prometheus.db.backends.sqlite3",
    "NAME": VAR_DIR / "edupulse.sqlite3",
    "OPTIONS": {
        # Writers queue instead of failing half way; readers are never blocked.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    },
}
DATABASES: dict[str, dict[str, Any]] = {"default": _sqlite if _postgresql is None else dict(_postgresql)}
if _postgresql is not None:
    # Behind pgbouncer in transaction mode a server-side cursor does not outlive its statement.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.boolean("PGBOUNCER", False)
    DATABASES["default"]["CONN_MAX_AGE"] = env.number("DATABASE_CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
_test_suffix = env.text("TEST_DB_SUFFIX")
if _test_suffix and _postgresql is not None:
    DATABASES["default"]["TEST"] = {"NAME": f"test_{_postgresql['NAME']}_{_test_suffix}"}
elif _postgresql is None:
    # A file, so that a worker process and the test that started it share the rows.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / f"test{_test_suffix}.sqlite3"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ── Cache and broker ──────────────────────────────────────────────────────────────────────────────────
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "edupulse_cache"}
    )
}
CELERY_BROKER_URL = REDIS_URL or f"sqla+sqlite:///{VAR_DIR / 'broker.sqlite3'}"
CELERY_TASK_IGNORE_RESULT = True  # what became of a task stands in its row
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "ingestion.tasks.*": {"queue": "ingest"},
    "predictions.tasks.train_model": {"queue": "training"},
    "predictions.tasks.evaluate_model": {"queue": "training"},
    "predictions.tasks.*": {"queue": "scoring"},
}
TRAINING_TIME_LIMIT = env.number("TRAINING_TIME_LIMIT_SECONDS", 6 * 3600, low=60)
# Redis hands a task out again after this long, so it must outlast the longest one.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": TRAINING_TIME_LIMIT + 600} if REDIS_URL else {}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ALWAYS_EAGER = False
NIGHTLY_HOUR_UTC = env.number("NIGHTLY_HOUR_UTC", 9)
if NIGHTLY_HOUR_UTC > 23:
    raise env.SettingError("NIGHTLY_HOUR_UTC", f"is {NIGHTLY_HOUR_UTC} but a day has the hours 0 to 23")
CELERY_BEAT_SCHEDULE = {
    "nightly": {
        "task": "edupulse_site.tasks.nightly",
        "schedule": crontab(hour=str(NIGHTLY_HOUR_UTC), minute="0"),
        "options": {"expires": 20 * 3600, "queue": "scoring"},
    }
}

# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────
MEDIA_ROOT = VAR_DIR / "media"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
UPLOAD_MAX_MB = env.number("UPLOAD_MAX_MB", 2048, low=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # bodies other than files
FILE_UPLOAD_PERMISSIONS = 0o600

# ── Model ─────────────────────────────────────────────────────────────────────────────────────────────
MODEL_DEVICE = env.text("MODEL_DEVICE", "auto")
if MODEL_DEVICE not in ("auto", "cpu", "cuda"):
    raise env.SettingError("MODEL_DEVICE", f"is '{MODEL_DEVICE}' but must be auto, cpu or cuda")

# ── People ────────────────────────────────────────────────────────────────────────────────────────────
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "caseload"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 12 * 3600  # a working day
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS_ONLY else None
SECURE_REDIRECT_EXEMPT = [r"^api/v1/(health|ready)$", r"^metrics$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# ── API ───────────────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "predictions.api.schema.EduPulseSchema",
    "EXCEPTION_HANDLER": "predictions.api.errors.problem_response",
    "DEFAULT_THROTTLE_RATES": {"login": env.text("LOGIN_RATE", "30/min")},
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.number("ACCESS_TOKEN_MINUTES", 15, low=1)),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=env.number("REFRESH_TOKEN_HOURS", 24, low=1)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": False,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "EduPulse",
    "DESCRIPTION": "Early warning for school districts: predictions with reasons, records, uploads, models.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# ── Language, time, logs ──────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"  # the district's own zone stands on its District row
USE_I18N = True
USE_TZ = True

LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    raise env.SettingError("LOG_LEVEL", f"is '{LOG_LEVEL}' but must be DEBUG, INFO, WARNING or ERROR")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "edupulse_site.logging.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL if LOG_LEVEL != "INFO" else "WARNING"},
    "loggers": {
        "edupulse": {"handlers": ["stderr"], "level": LOG_LEVEL, "propagate": False},
        # Our own request line takes the place of these.
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}
