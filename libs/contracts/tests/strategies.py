"""Hypothesis strategies for entities."""

import typing
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from millrace_contracts.entities import Entity

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: INTEGERS,
    float: FLOATS,
    bool: st.booleans(),
    type(None): st.none(),
}


def entities(kind: type[Entity]) -> st.SearchStrategy[Entity]:
    """Generate entities of a type; fields with defaults may be left out."""
    hints = typing.get_type_hints(kind)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        (required if field.required else optional)[field.name] = _values(hints[field.name])
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(*map(_values, arguments), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, Entity):
        return entities(annotation)
    assert origin is Union or arguments, annotation
    return st.one_of(*map(_values, arguments))
