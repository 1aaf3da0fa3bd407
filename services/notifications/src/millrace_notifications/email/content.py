"""Content of an email as paragraphs and one link, rendered as plain text and as HTML: pure.

Paragraphs may contain what people typed, such as the name of a practice. Email clients make links of everything that
looks like one, so addresses in paragraphs are broken invisibly: the only link of an email is its `Link`.
"""

import re
from dataclasses import dataclass, field
from html import escape

from millrace_notifications.email.model import Email

GREETING = "Hello,"
FOOTER = "Millrace sent this message on behalf of your doctor's office. Please don't reply to this email."

_BREAK = "\u200b"
"""Zero-width space: invisible, and ends a link."""
_LINK_PART = re.compile(r"(?<=\w)[.\u3002\uff0e\uff61](?=\w)|(?<=\S)@(?=\S)|(?<=[a-zA-Z]):(?=\S)|/(?=/)")
"""Characters inside of a URL, host name or email address: dots (those of IDNA too), `@`, and `:` or `/` of a scheme."""

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
    """Subject and paragraphs in plain text. Line breaks within a paragraph are preserved.

    The subject and the greeting, which is the first paragraph, contain nothing that people typed.
    """

    subject: str = field(repr=False)
    paragraphs: tuple[str, ...] = field(repr=False)
    link: Link | None = None
    footer: str = FOOTER


def break_links(text: str) -> str:
    """Return the text, which looks the same, without anything that email clients make a link of."""
    return _LINK_PART.sub(lambda match: match[0] + _BREAK, text)


def render_email(content: EmailContent, *, identifier: str, kind: str, to: str) -> Email:
    """Return an email that has the content both as plain text and as HTML."""
    return Email(identifier, kind, to, content.subject, render_text(content), render_html(content))


def render_text(content: EmailContent) -> str:
    """Return the content as plain text, with URLs and codes on lines of their own."""
    parts = [break_links(text) for text in content.paragraphs]
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
    return f"<p>{escape(break_links(text)).replace(chr(10), '<br>')}</p>"
