"""A letter as paragraphs and one link, and its two forms: pure."""

from dataclasses import dataclass, field
from html import escape

FOOT = "This message was sent by Millrace for your doctor's practice. Please don't reply to it."

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
    """Where a letter leads. `code`, where there is one, may be typed in instead."""

    label: str
    url: str = field(repr=False)
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter says. The lines of a paragraph stay lines."""

    subject: str = field(repr=False)
    paragraphs: tuple[str, ...] = field(repr=False)
    link: Link | None = None
    foot: str = FOOT


def as_text(letter: Letter) -> str:
    """Plain text; addresses and codes stand on lines of their own."""
    parts = list(letter.paragraphs)
    if letter.link is not None:
        parts.append(f"{letter.link.label}:\n{letter.link.url}")
        if letter.link.code is not None:
            parts.append(f"Or use this code:\n{letter.link.code}")
    return "\n\n".join([*parts, f"--\n{letter.foot}"]) + "\n"


def as_html(letter: Letter) -> str:
    """HTML without images, scripts or addresses of others: nothing in it tells that it was opened."""
    parts = [_paragraph(text) for text in letter.paragraphs]
    if letter.link is not None:
        parts.append(f'<p><a href="{escape(letter.link.url)}">{escape(letter.link.label)}</a></p>')
        if letter.link.code is not None:
            parts.append(f"<p>Or use this code: <code>{escape(letter.link.code)}</code></p>")
    parts.append(f'<p style="color: #666; font-size: 13px">{escape(letter.foot)}</p>')
    return _HTML.format(subject=escape(letter.subject), body="\n".join(parts))


def _paragraph(text: str) -> str:
    return f"<p>{escape(text).replace(chr(10), '<br>')}</p>"
