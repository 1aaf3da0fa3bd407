"""Content of an email as paragraphs and one link, rendered as plain text and as HTML: pure."""

from dataclasses import dataclass, field
from html import escape

from millrace_notifications.email.model import Email

FOOTER = "Millrace sent this message on behalf of your doctor's office. Please don't reply to this email."

_HTML = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body style="font-family: sans-serif; font-size: 16px; line-height: 1.5; color: #1a1a1a; max-width: 36em">
{body}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Link:
    """The link of an email. `code` is a code that the recipient may type in instead of following the link."""

    label: str
    url: str = field(repr=False)
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EmailContent:
    """Subject and paragraphs in plain text. Line breaks within a paragraph are preserved."""

    subject: str = field(repr=False)
    paragraphs: tuple[str, ...] = field(repr=False)
    link: Link | None = None
    footer: str = FOOTER


def render_email(content: EmailContent, *, identifier: str, kind: str, to: str) -> Email:
    """Return an email that has the content both as plain text and as HTML."""
    return Email(identifier, kind, to, content.subject, render_text(content), render_html(content))


def render_text(content: EmailContent) -> str:
    """Return the content as plain text, with URLs and codes on lines of their own."""
    parts = list(content.paragraphs)
    if content.link is not None:
        parts.append(f"{content.link.label}:\n{content.link.url}")
        if content.link.code is not None:
            parts.append(f"Or use this code:\n{content.link.code}")
    return "\n\n".join([*parts, f"--\n{content.footer}"]) + "\n"


def render_html(content: EmailContent) -> str:
    """Return the content as HTML without external resources, so that opening the email can't be tracked."""
    parts = [_paragraph(text) for text in content.paragraphs]
    if content.link is not None:
        parts.append(f'<p><a href="{escape(content.link.url)}">{escape(content.link.label)}</a></p>')
        if content.link.code is not None:
            parts.append(f"<p>Or use this code: <code>{escape(content.link.code)}</code></p>")
    parts.append(f'<p style="color: #666; font-size: 13px">{escape(content.footer)}</p>')
    return _HTML.format(subject=escape(content.subject), body="\n".join(parts))


def _paragraph(text: str) -> str:
    return f"<p>{escape(text).replace(chr(10), '<br>')}</p>"
