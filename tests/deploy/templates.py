"""Reads CloudFormation templates (YAML with tags such as `!Sub`) and evaluates them for given parameters."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.names import ACCOUNT, REGION

PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the fast one where libyaml is
    """Converts `!Sub x` to `{"Fn::Sub": x}`, as CloudFormation does."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def load(template: Path) -> dict[str, Any]:
    """Return a template as plain values; callers must not change it."""
    text = template.read_text()
    loaded: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader with CloudFormation's tags
    return loaded


@dataclass
class Evaluation:
    """Evaluates a template for given parameters and exports. A value that only AWS knows becomes `<its name>`."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    exports: Mapping[str, str] = field(default_factory=dict)

    def value(self, node: Any) -> Any:
        """Return a node of the template with all functions applied; omit properties that are `AWS::NoValue`."""
        match node:
            case {"Fn::If": [str(name), yes, no]}:
                return self.value(yes if self.condition(name) else no)
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
            case dict() if len(node) == 1 and (function := self._functions().get(next(iter(node)))):
                return function(next(iter(node.values())))
            case dict():
                valued = {key: self.value(child) for key, child in node.items()}
                return {key: child for key, child in valued.items() if child is not NO_VALUE}
            case list():
                return [value for child in node if (value := self.value(child)) is not NO_VALUE]
            case _:
                return node

    def condition(self, name: str) -> bool:
        return bool(self._holds(self.template["Conditions"][name]))

    def _holds(self, node: Any) -> bool:
        match node:
            case {"Fn::Equals": [left, right]}:
                return _text(self.value(left)) == _text(self.value(right))
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::And": inner}:
                return all(map(self._holds, inner))
            case {"Fn::Or": inner}:
                return any(map(self._holds, inner))
            case {"Condition": name}:
                return self.condition(name)
        raise ValueError(f"no condition: {node}")

    def _functions(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::Sub": self._sub,
            "Fn::GetAtt": lambda path: f"<{'.'.join(path)}>",
            "Fn::ImportValue": self._import,
            "Fn::FindInMap": self._find,
            "Fn::Join": lambda parts: str(parts[0]).join(map(str, self.value(parts[1]))),
            "Fn::Select": lambda parts: f"<{parts[0]} of {parts[1]}>",
        }

    def _ref(self, name: str) -> Any:
        default = self.template.get("Parameters", {}).get(name, {}).get("Default", f"<{name}>")
        return self.parameters.get(name, PSEUDO.get(name, default))

    def _sub(self, arguments: Any) -> str:
        text, own = (arguments, {}) if isinstance(arguments, str) else (arguments[0], self.value(arguments[1]))

        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            return str(own[name] if name in own else f"<{name}>" if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", replaced, text)

    def _import(self, name: Any) -> str:
        name = self.value(name)
        return self.exports.get(name, f"<export {name}>")

    def _find(self, path: list[Any]) -> Any:
        found: Any = self.template["Mappings"]
        for part in path:
            found = found[self.value(part)]
        return found


def _text(value: Any) -> str:
    """Return a scalar as CloudFormation compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def resources(
    template: Mapping[str, Any], kind: str, parameters: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and evaluated properties of each resource of a type that these parameters create."""
    evaluation = Evaluation(template, parameters)
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] == kind and ("Condition" not in resource or evaluation.condition(resource["Condition"])):
            yield name, evaluation.value(resource.get("Properties", {}))


def exports(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the exports of a template by name."""
    evaluation = Evaluation(template, parameters)
    outputs = template.get("Outputs", {}).values()
    return {evaluation.value(o["Export"]["Name"]): evaluation.value(o["Value"]) for o in outputs if "Export" in o}
