"""Check the wording rules of CONTRIBUTING.md that a program can check, and print one line for each violation.

Checked in every Python file: words in docstrings, comments, messages and names that have a standard term instead;
participles as class names; functions named `is_...` that return an exception; docstrings that begin with a pronoun.
Checked in every Markdown file: the same words. Checked in the history: the length of commit subjects. Exceptions stand
in the tables below, each with its reason. Exits with 1 if anything is found.
"""

import ast
import builtins
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SUBJECT_LIMIT = 72
RULES_SINCE = "771cae6bb37b2d9b7897a72ab5ff2963fd028bc9"
"""Commits after this one are checked."""

WORDS = {
    "anew": "again",
    "keeper": "the name of what it does",
    "kept": "stored, cached, retained, met",
    "lapse": "expire",
    "lapsed": "expired",
    "lapses": "expires",
    "tell": "publish, report, show",
    "teller": "publisher",
    "telling": "publishing, reporting, showing",
    "tells": "publishes, reports, shows",
    "told": "published, reported, shown",
    "whatever": "a noun",
    "whoever": "a noun",
    "somebody": "a caller, patient, client, ...",
    "nobody": "no caller, patient, client, ...",
}
"""Words that aren't used in docstrings, comments, texts and documents, and what to say instead."""

NAMES = {
    "anew": "again",
    "asked": "requested, request",
    "figures": "stats",
    "judge": "the name of what it decides",
    "keeper": "the name of what it does",
    "kept": "stored, cached, record",
    "lapse": "expire",
    "lapsed": "expired",
    "letter": "email",
    "letters": "emails",
    "shop": "the name of what it holds",
    "tell": "publish, report",
    "teller": "publisher",
    "told": "published, reported",
}
"""Words that aren't used in names of modules, classes, functions, parameters and variables, and what to say instead."""

NAME_EXCEPTIONS = {
    "dead_letter": "the standard term for a record that failed for good",
    "dead_letters": "the standard term for records that failed for good",
    "DeadLetter": "the standard term for a record that failed for good",
    "DeadLetters": "the standard term for records that failed for good",
}
"""Parts of names in which a word of NAMES is the field's own."""

FILE_EXCEPTIONS: dict[tuple[str, str], str] = {
    (".ci/check_language.py", "*"): "lists the words",
    ("tests/bench/*", "figures"): "a benchmark's figures are what it measured",
    ("libs/reference/tests/*", "letters"): "letters of the alphabet",
    ("services/reviews/*/screening.py", "letter"): "a letter of the alphabet",
    ("services/search/*/index/vocabulary.py", "letter"): "a letter of the alphabet",
    ("services/search/*/suggest/service.py", "letters"): "letters of the alphabet",
    ("tests/deploy/parity.py", "letter"): "a letter of a name",
    ("tests/deploy/test_stacks.py", "letters"): "letters of the alphabet",
    ("services/scheduling/*/settings.py", "lapse"): "the name of an environment variable",
    ("services/scheduling/*", "lapsed"): "a state of waitlist offers in the published events",
}
"""(file pattern, word or rule) -> reason."""

PARTICIPLES = re.compile(
    r"(?!Feed|Need|Speed|Seed)[A-Z][a-z]*ed|Kept|Told|Found|Held|Written|Given|Taken|Sent|Made|Known|Read|Met|Left|Begun|Gone|Seen"
)
PRONOUNS = re.compile(r"(Who|Whom|Whose|What|Whatever|Whoever|That which|Those who|Those that)\b")


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated rule. `rule` is the word or the name of the rule, as in FILE_EXCEPTIONS."""

    file: str
    line: int
    rule: str
    message: str

    def is_excepted(self) -> bool:
        return any(fnmatch(self.file, file) and rule in (self.rule, "*") for file, rule in FILE_EXCEPTIONS)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_text(file: str, line: int, text: str) -> Iterator[Violation]:
    """Check the words of a text that begins at `line`."""
    for offset, each in enumerate(text.splitlines()):
        for word in re.findall(r"[A-Za-z]+", re.sub(r"`[^`]*`", "", each)):
            if (instead := WORDS.get(word.lower())) is not None:
                yield Violation(file, line + offset, word.lower(), f'"{word}": say {instead}')


def check_name(file: str, line: int, name: str) -> Iterator[Violation]:
    """Check the words of a name in snake_case or CamelCase."""
    rest = name
    for excepted in NAME_EXCEPTIONS:
        rest = rest.replace(excepted, "")
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", rest):
        if (instead := NAMES.get(word.lower())) is not None:
            yield Violation(file, line, word.lower(), f"name {name}: say {instead}")


def check_docstring(file: str, text: str, line: int) -> Iterator[Violation]:
    """Check the beginning of a docstring."""
    if PRONOUNS.match(text):
        yield Violation(
            file, line, "pronoun", f'docstring begins with "{text.split(maxsplit=1)[0]}": begin with a verb or a noun'
        )


def docstrings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield docstrings of modules, classes, functions and attributes with their first line."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", None) or () if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield text, statement.lineno


def comments(source: str) -> Iterator[tuple[str, int]]:
    """Yield comments with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string, token.start[0]


def texts(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield strings of several words, such as messages, with their first line; docstrings are among them."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if " " in text.strip():
                yield text, node.lineno


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names of classes, functions, parameters and assigned variables with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno


def check_classes_and_functions(file: str, tree: ast.AST, exceptions: frozenset[str]) -> Iterator[Violation]:
    """Check class names for participles, and the names of functions that return one of `exceptions`."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) if PARTICIPLES.fullmatch(name.lstrip("_")) and name not in exceptions:
                yield Violation(file, node.lineno, "participle", f"class {name}: name a thing, not what was done to it")
            case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
                returned = returns.id if isinstance(returns, ast.Name) else ""
                if name.lstrip("_").startswith("is_") and returned in exceptions:
                    yield Violation(file, node.lineno, "is", f"{name} returns an exception: name it by a noun")


def exception_names(trees: Iterable[ast.AST]) -> frozenset[str]:
    """Return the names of the exception classes that are defined in `trees`, and of common built-in ones."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    known = {
        name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
    }
    while grown := {name for name, parents in bases.items() if parents & known} - known:
        known |= grown
    return frozenset(known)


def check_subjects() -> Iterator[Violation]:
    """Check the commit subjects since RULES_SINCE, where the clone has that commit."""
    command = ["git", "log", "--format=%h %s", f"{RULES_SINCE}..HEAD"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603
    for entry in done.stdout.splitlines():
        commit, _, subject = entry.partition(" ")
        if len(subject) > SUBJECT_LIMIT:
            yield Violation(commit, 0, "subject", f"subject has {len(subject)} characters, at most {SUBJECT_LIMIT}")


def check_files() -> Iterator[Violation]:
    """Check every Python file that git doesn't ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S603
    sources = {
        file: (REPOSITORY / file).read_text("utf-8")
        for file in sorted(set(listed.stdout.splitlines()))
        if (REPOSITORY / file).is_file()
    }
    trees = {file: ast.parse(source) for file, source in sources.items()}
    exceptions = exception_names(trees.values())
    for file, tree in trees.items():
        yield from check_name(file, 1, Path(file).stem)
        yield from check_classes_and_functions(file, tree, exceptions)
        for text, line in docstrings(tree):
            yield from check_docstring(file, text, line)
        for text, line in (*texts(tree), *comments(sources[file])):
            yield from check_text(file, line, text)
        for name, line in names(tree):
            yield from check_name(file, line, name)


def check_documents() -> Iterator[Violation]:
    """Check every Markdown file that git knows, without its blocks of code."""
    command = ["git", "ls-files", "*.md"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S603
    for file in filter(lambda file: (REPOSITORY / file).is_file(), listed.stdout.splitlines()):
        source = (REPOSITORY / file).read_text("utf-8")
        prose = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), source, flags=re.DOTALL)
        yield from check_text(file, 1, prose)


def main() -> int:
    """Print the violations; return the exit code."""
    violations = [each for each in (*check_files(), *check_documents(), *check_subjects()) if not each.is_excepted()]
    sys.stdout.writelines(f"{each}\n" for each in violations)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
