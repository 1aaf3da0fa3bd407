"""Templates of account emails: pure. The token is in the URL's fragment, so no server and no log receives it."""

from millrace_notifications.email.content import EmailContent, Link

FOOTER = "You got this email because someone entered your address on Millrace. If it wasn't you, you can ignore it."
_HOUR = "The link works for one hour."


def fill_template(kind: str, token: str, url: str) -> EmailContent | None:
    """Return the content of an account email; None for an unknown kind.

    `url` is the website's URL, which links begin with.
    """
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
        case _:
            return None


def _email(subject: str, paragraphs: tuple[str, ...], link: Link) -> EmailContent:
    return EmailContent(subject, ("Hello,", *paragraphs), link, FOOTER)


def _reset(url: str, token: str) -> Link:
    return Link("Choose a new password", f"{url}/reset-password#token={token}", token)
