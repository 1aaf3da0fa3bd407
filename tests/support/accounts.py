"""Accounts on a running platform, created by signing up and signing in."""

import base64
import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from millrace_patients.second_factor.model import current_step, generate_code
from tests.support.platform import Platform, wait_for

PASSWORD = "a quiet sentence about rivers"
PROFILE = {"given_name": "Ada", "family_name": "Lovelace", "birth_date": "1980-12-10"}
EMAIL_SECONDS = 30.0
REFUSAL_SECONDS = 30.0
_UNKNOWN = "00000000-0000-4000-8000-000000000000"
PRIVATE_PATHS = {
    "PATIENTS": f"/v1/patients/{_UNKNOWN}/dependants/{_UNKNOWN}",
    "DIRECTORY": f"/v1/directory/practices/{_UNKNOWN}",
    "SCHEDULING": f"/v1/appointments/feeds/{_UNKNOWN}",
    "REVIEWS": f"/v1/reviews/{_UNKNOWN}",
    "NOTIFICATIONS": f"/v1/webhooks/{_UNKNOWN}",
}
"""By service, a path of an unknown resource that a caller with a valid token could delete."""
_sources = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Account:
    """A signed-in account. `headers` contain the access token and the purpose of use for other people's data."""

    id: str
    email: str
    headers: dict[str, str]


def _account(email: str, tokens: dict[str, str]) -> Account:
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Purpose-Of-Use": "TREAT"}
    return Account(tokens["subject"], email, headers)


class Accounts:
    """Creates accounts by requests to the patients service itself, with new email addresses in each run."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._admin = platform.token("admin")
        self._run = secrets.token_hex(4)
        # Each request has its own source address, so that limits by address don't apply.
        self._http = httpx.Client(base_url=platform.variables["MILLRACE_PATIENTS_URL"], timeout=30)

    def sign_up(self, email: str, password: str = PASSWORD) -> str:
        """Create an account and return its id."""
        self._post("sign-up", email=email)
        return str(self._post("verify-email", token=self._token_from_email(email), password=password).json()["id"])

    def sign_in(self, email: str, password: str = PASSWORD) -> Account:
        """Return the account with a new access token."""
        return _account(email, self._post("sign-in", email=email, password=password).json())

    def staff(self, name: str, *roles: str, practices: Sequence[str] = (), has_second_factor: bool = True) -> Account:
        """Create an account with these roles, for these practices."""
        email = self._email(name)
        identifier = self.sign_up(email)
        body = {"roles": list(roles), "practices": list(practices)}
        self._http.put(f"/v1/auth/accounts/{identifier}/roles", json=body, headers=self._admin).raise_for_status()
        tokens = self._post("sign-in", email=email, password=PASSWORD).json()
        if not has_second_factor:
            return _account(email, tokens)
        self._set_up_second_factor(_account(email, tokens))
        return _account(email, self._post("refresh", refresh_token=tokens["refresh_token"]).json())

    def patient(self, name: str, *, shares_with: str | None = None) -> Account:
        """Create a patient's account with a profile, which a practice may see if `shares_with` is its id."""
        email = self._email(name)
        self.sign_up(email)
        account = self.sign_in(email)
        self._http.put(f"/v1/patients/{account.id}", json=PROFILE, headers=account.headers).raise_for_status()
        if shares_with is not None:
            share = f"/v1/patients/{account.id}/practices/{shares_with}"
            self._http.put(share, headers=account.headers).raise_for_status()
        return account

    def _set_up_second_factor(self, account: Account) -> None:
        path = "/v1/auth/second-factor"
        created = self._http.post(path, headers=account.headers).raise_for_status().json()
        code = generate_code(base64.b32decode(created["secret"]), current_step(time.time()))
        self._http.post(f"{path}/confirm", json={"code": code}, headers=account.headers).raise_for_status()

    def sign_out_everywhere(self, account: Account) -> Account:
        """End all sessions of the account; return it once every service refuses its access token."""
        self._http.post("/v1/auth/sign-out-everywhere", headers=account.headers).raise_for_status()
        return self._refused(account)

    def erase(self, account: Account) -> Account:
        """Erase the person; return the account once every service refuses its access token."""
        self._http.delete(f"/v1/patients/{account.id}", headers=account.headers).raise_for_status()
        return self._refused(account)

    def _refused(self, account: Account) -> Account:
        for service, path in PRIVATE_PATHS.items():
            url = f"{self._platform.variables[f'MILLRACE_{service}_URL']}{path}"

            def is_refused(url: str = url) -> bool:
                return self._http.delete(url, headers=account.headers).status_code == httpx.codes.UNAUTHORIZED

            wait_for(is_refused, seconds=REFUSAL_SECONDS, what=f"a refusal by {service}")
        return account

    def _email(self, name: str) -> str:
        return f"{name}.{self._run}@example.org"

    def _post(self, step: str, **body: str) -> httpx.Response:
        source = {"X-Forwarded-For": f"2001:db8:{next(_sources):x}::1"}
        return self._http.post(f"/v1/auth/{step}", json=body, headers=source).raise_for_status()

    def _token_from_email(self, email: str) -> str:
        """Return the token of the last email to the address."""

        def arrived() -> str | None:
            emails = self._platform.sent_emails()
            texts = [each["text"] for each in emails if each["to"] == email and "#token=" in each["text"]]
            return texts[-1].partition("#token=")[2].split()[0] if texts else None

        return wait_for(arrived, seconds=EMAIL_SECONDS, what=f"an email to {email}")
