"""Examples for the description of the service; tests hold them to the schemas."""

from broker.web.errors import Row

TOKEN: dict[str, object] = {
    "access_token": "eyJhbGciOiJIUzI1NiIs...",
    "token_type": "Bearer",
    "expires_in": 713,
    "refresh_in": 513,
    "generation": 1795409788123456,
    "organization": "acme",
}
GRANT = {**TOKEN, "scope": "acme"}
FORMS = {
    "client_credentials": {"grant_type": "client_credentials", "scope": "acme"},
    "jwt_bearer": {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "eyJhbGciOiJSUzI1NiIs...",
        "scope": "acme",
    },
}
_SENTENCES = {
    "invalid_request": "min_ttl must be a whole number from 0 to 86400",
    "unsupported_grant_type": "grant_type must be client_credentials",
    "temporarily_unavailable": "A refresh is still running.",
    "credentials_rejected": "Canvas refused this organization's credentials.",
    "store_unavailable": "The store is not available and no token is in memory.",
}
"""What an error may say that has no sentence of its own in the table."""
HEALTH: dict[str, object] = {
    "status": "pass",
    "version": "0.1.0",
    "serviceId": "canvas-token-broker",
    "organizations": {
        "total": 1,
        "in_use": 1,
        "status": {"pass": 1, "warn": 0, "fail": 0},
        "state": {"fresh": 1, "stale": 0, "critical": 0, "empty": 0},
        "found": 1,
        "page": 1,
        "pages": 1,
        "limit": 100,
    },
    "checks": {
        "organization:token": [
            {
                "componentId": "acme",
                "status": "pass",
                "output": "A valid token is there.",
                "state": "fresh",
                "generation": 1795409788123456,
                "expires_in": 713,
                "refresh_expires_in": 86213,
                "margin": 294,
                "lifetime": 899,
                "refresh_lifetime": 86400,
                "last_refresh_seconds_ago": 186,
                "flaws": [],
                "last_error": None,
                "failures": 0,
                "latched": False,
                "in_use": True,
                "refusing": False,
                "next_attempt_in": None,
                "clock_skew": 0.1,
                "credential_version": "5b8f8a2c90df2755",
                "token_of_credential_version": "5b8f8a2c90df2755",
                "recent": [
                    {
                        "seconds_ago": 186,
                        "kind": "authenticate",
                        "seconds": 0.4,
                        "outcome": "success",
                        "error": None,
                    }
                ],
            }
        ],
        "redis:connection": [{"status": "pass", "output": "Redis answers.", "reason": None}],
        "upstream:connection": [
            {"status": "pass", "output": "Canvas gives tokens.", "last_success_seconds_ago": 186}
        ],
        "files": [
            {
                "componentId": "credentials",
                "status": "pass",
                "output": "The files are in force as they lie there.",
                "last_reload_seconds_ago": 5210,
            }
        ],
        "workers": [
            {"componentId": "17", "status": "pass", "output": "It answers.", "uptime": 5210}
        ],
    },
}


def error(row: Row) -> dict[str, str]:
    """Return the body of an error as the table has it."""
    return {
        "error": row.code,
        "error_description": row.description or _SENTENCES[row.code],
    }
