"""Templates of account emails: pure. The token is in the URL's fragment, so no server and no log receives it."""

from millrace_notifications.email.content import GREETING, EmailContent, Link

FOOTER = "You got this email because someone entered your address on Millrace. If it wasn't you, you can ignore it."
_HOUR = "The link works for one hour."


NOTICE_FOOTER = "You got this email because the sign-in to your account on Millrace was changed."
_NOTICES = {
    "address_changed": ("Your address was changed", "Messages about your appointments go to another address."),
    "password_changed": ("Your password was changed", "The password of your account was changed."),
    "second_factor_added": ("A second factor was set up", "A second factor was set up for your account."),
    "second_factor_removed": ("The second factor was removed", "The second factor of your account was removed."),
    "recovery_code_used": ("A recovery code was used", "Someone signed in to your account with a recovery code."),
    "recovery_codes_replaced": ("New recovery codes", "The recovery codes of your account were replaced."),
}
"""Subject and first sentence of each notice."""


def fill_template(kind: str, token: str | None, url: str) -> EmailContent | None:
    """Return the content of an account email; None for an unknown kind, or without the token that the kind needs.

    `url` is the website's URL, which links begin with.
    """
    if kind in _NOTICES:
        return _notice(*_NOTICES[kind], url)
    return None if token is None else _fill_with_token(kind, token, url)


def _fill_with_token(kind: str, token: str, url: str) -> EmailContent | None:
    match kind:
        case "verify_email":
            return _email(
                "Finish your sign-up",
                ("Welcome to Millrace!", f"Choose a password to finish your sign-up. {_HOUR}"),
                Link("Choose a password", f"{url}/verify-email#token={token}", token),
            )
        case "account_exists":
            text = "Someone, maybe you, tried to sign up with this email address. It already has an account."
            return _email("You already have an account", (text, f"Forgot your password? {_HOUR}"), _reset(url, token))
        case "reset_password":
            text = f"Someone, maybe you, asked to reset the password of your account. {_HOUR}"
            return _email("Reset your password", (text,), _reset(url, token))
        case "no_account":
            text = "Someone, maybe you, asked to reset the password for this email address, but it has no account."
            return _email(
                "No account for this email address",
                (text, f"You can create one now. {_HOUR}"),
                Link("Create an account", f"{url}/verify-email#token={token}", token),
            )
        case "confirm_address":
            text = f"Someone, maybe you, entered this address for messages about appointments. {_HOUR}"
            link = Link("Confirm this address", f"{url}/confirm-address#token={token}", token)
            return _email("Confirm your address", (text,), link)
        case _:
            return None


def _email(subject: str, paragraphs: tuple[str, ...], link: Link) -> EmailContent:
    return EmailContent(subject, (GREETING, *paragraphs), link, FOOTER)


def _notice(subject: str, text: str, url: str) -> EmailContent:
    paragraphs = (GREETING, text, "If it wasn't you, choose a new password at once: this also ends all sessions.")
    return EmailContent(subject, paragraphs, Link("Choose a new password", f"{url}/reset-password"), NOTICE_FOOTER)


def _reset(url: str, token: str) -> Link:
    return Link("Choose a new password", f"{url}/reset-password#token={token}", token)
