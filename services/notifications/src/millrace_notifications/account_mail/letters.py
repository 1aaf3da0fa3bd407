"""The words of account mails: pure. The token stands behind `#`, where no server and no log sees it."""

from millrace_notifications.mail.letter import Letter, Link

FOOT = "You get this because somebody gave this address to Millrace. If it wasn't you, there is nothing to do."
_HOUR = "The link is good for an hour."


def letter(kind: str, token: str, url: str) -> Letter | None:
    """The letter of a kind of `patients`' mails; None for a kind that isn't known here."""
    match kind:
        case "verify_email":
            return _letter(
                "Finish your sign-up",
                ("Welcome to Millrace.", f"Choose a password to finish your sign-up. {_HOUR}"),
                Link("Choose a password", f"{url}/verify-email#token={token}", token),
            )
        case "account_exists":
            said = "Somebody, perhaps you, tried to sign up with this address. It has an account already."
            return _letter("You have an account already", (said, f"Forgot your password? {_HOUR}"), _reset(url, token))
        case "reset_password":
            said = f"Somebody, perhaps you, asked for a new password for this account. {_HOUR}"
            return _letter("Choose a new password", (said,), _reset(url, token))
        case "no_account":
            said = f"Somebody, perhaps you, asked for a new password. This address has no account; make one. {_HOUR}"
            return _letter(
                "There is no account for this address",
                (said,),
                Link("Make an account", f"{url}/verify-email#token={token}", token),
            )
        case _:
            return None


def _letter(subject: str, paragraphs: tuple[str, ...], link: Link) -> Letter:
    return Letter(subject, ("Hello,", *paragraphs), link, FOOT)


def _reset(url: str, token: str) -> Link:
    return Link("Choose a new password", f"{url}/reset-password#token={token}", token)
