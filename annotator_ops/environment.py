"""Layer 2. The settings of one Label Studio instance, as the environment variables that it reads."""

from __future__ import annotations

from urllib.parse import urlsplit

from annotator_ops.addresses import host_of
from annotator_ops.models import Credentials
from annotator_ops.secret import Secret

# A study runs for weeks, and an annotator who comes back after a holiday must not be logged out: 120 days.
_SESSION_SECONDS = 120 * 24 * 3600


def public_environment(url: str) -> dict[str, str]:
    """Everything that is not secret, for an instance that browsers reach at `url`.

    The runtime adds where the data lies. Names and traps: Label Studio tries `LABEL_STUDIO_X`, then `X`;
    SECRET_KEY and a few others have no prefix.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return {
        "LABEL_STUDIO_HOST": url,
        "CSRF_TRUSTED_ORIGINS": f"{parts.scheme}://{parts.netloc}",
        # The string `true` crashes Label Studio here: it is read with int().
        "SESSION_COOKIE_SECURE": "1" if secure else "0",
        "CSRF_COOKIE_SECURE": "1" if secure else "0",
        "ALLOWED_HOSTS": f"{host_of(url)},127.0.0.1,localhost",
        "CORS_ALLOW_ALL_ORIGINS": "false",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        # Left alone, local file serving can switch itself on.
        "LOCAL_FILES_SERVING_ENABLED": "false",
        # An empty address: the default is the vendor's own Sentry.
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SVG_SECURITY_CLEANUP": "true",
        "MAX_SESSION_AGE": str(_SESSION_SECONDS),
        "MAX_TIME_BETWEEN_ACTIVITY": str(_SESSION_SECONDS),
        "LOG_LEVEL": "WARNING",
    }


def secret_environment(credentials: Credentials) -> dict[str, Secret]:
    """What only the instance itself may read."""
    return {
        "SECRET_KEY": credentials.secret_key,
        "LABEL_STUDIO_USERNAME": Secret(credentials.operator_email),
        "LABEL_STUDIO_PASSWORD": credentials.operator_password,
        "LABEL_STUDIO_USER_TOKEN": credentials.operator_token,
    }
