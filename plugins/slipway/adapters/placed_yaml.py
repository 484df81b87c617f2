"""YAML with the place of everything in it: line and column of each key, and of each character of a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from slipway.errors import Permanent

# libyaml is ten times as fast; where PyYAML was built without it, everything works as well.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

KeyPath = tuple[str | int, ...]
_TEXT = "tag:yaml.org,2002:str"
_ESCAPES = {"x": 4, "u": 6, "U": 10}


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class YamlError(Permanent):
    """The file can't be read as a contract can be; `<file>:<line>:<column>: <why>`."""


@dataclass(frozen=True)
class Placed:
    """A document: lists are tuples and keys are texts. keys: where each key, or list item, begins."""

    path: Path
    text: str
    data: Any
    keys: Mapping[KeyPath, Place]
    values: Mapping[KeyPath, yaml.ScalarNode]

    def place(self, at: KeyPath) -> Place:
        """Return where a key is, or the nearest one above it."""
        while at and at not in self.keys:
            at = at[:-1]
        return self.keys.get(at, Place(1, 1))

    def place_in(self, at: KeyPath, offset: int) -> Place:
        """Return where a character of a text value is, whatever quotes and folds it is written with."""
        node = self.values.get(at)
        if node is None or not isinstance(node.value, str):
            return self.place(at)
        index = _index(self.text, node, offset)
        before = self.text[:index]
        return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def text_of(path: Path) -> str:
    """Return the text of a file; YamlError says why it can't be read."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise YamlError(f"{path}: there is no such file") from error
    except UnicodeDecodeError as error:
        raise YamlError(
            f"{path}: the file is not UTF-8 (byte {error.start}); save it as UTF-8 text"
        ) from error
    except OSError as error:
        raise YamlError(f"{path}: the file can't be read: {error.strerror}") from error


def parse(path: Path, text: str) -> Placed:
    """Parse the text of a file; YamlError says what is wrong with it, and where."""
    text = text.removeprefix("\ufeff")
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: not YAML: {_one_line(error)}") from error
    try:
        root = loader.get_single_node()
        if root is None:
            raise YamlError(f"{path}:1:1: the file is empty; `slipway init` drafts a contract from a sample")
        reader = _Reader(path, loader)
        data = reader.value(root, ())
    except yaml.MarkedYAMLError as error:
        mark, began = error.problem_mark, error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        since = (
            f" {error.context} that begins in line {began.line + 1}, column {began.column + 1}"
            if began
            else ""
        )
        if "cannot start any token" in str(error.problem):
            raise YamlError(
                f"{path}{place}: not YAML: nothing can begin here; is it a tab? use spaces"
            ) from error
        raise YamlError(f"{path}{place}: not YAML: {error.problem}{since}") from error
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: not YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise YamlError(f"{path}: lists and keys are nested too deeply to be a contract") from error
    finally:
        loader.dispose()
    return Placed(path, text, data, reader.keys, reader.values)


class _Reader:
    """Builds the document from the nodes of the parser, and notes where each one stands."""

    def __init__(self, path: Path, loader: Any) -> None:
        self._path = path
        self._loader = loader
        self._seen: set[int] = set()
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, yaml.ScalarNode] = {}

    def value(self, node: yaml.Node, at: KeyPath) -> Any:
        self.keys.setdefault(at, _start(node))
        if id(node) in self._seen:  # written out, a few lines could become a document without end
            raise self._refuse(
                node, "& and * are not known in a contract; write the value out where it is used"
            )
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.value(item, (*at, index)) for index, item in enumerate(node.value))
        self.values[at] = node
        if node.tag == _TEXT:
            return node.value
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # a date that the calendar does not have
            raise self._refuse(node, f"{_dotted(at)}: {node.value} can't be read: {error}") from error

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refuse(key, "a key must be a name, but here is a list or a group of keys")
            # The key's text as it stands: YAML would make a truth value of `on`, `no` and `yes`.
            name = str(key.value)
            if name in found:
                first = self.keys[(*at, name)].line
                raise self._refuse(
                    key,
                    f"{_dotted((*at, name))} stands here twice, first in line {first}; take one of them out",
                )
            self.keys[(*at, name)] = _start(key)
            found[name] = self.value(value, (*at, name))
        return found

    def _refuse(self, node: yaml.Node, why: str) -> YamlError:
        line, column = _start(node)
        return YamlError(f"{self._path}:{line}:{column}: {why}")


def _start(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _dotted(at: KeyPath) -> str:
    return ".".join(map(str, at))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _index(text: str, node: Any, offset: int) -> int:
    """Return the index in the file of a value's character; the value's start when they can't be matched."""
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    at = start
    if node.style in ("'", '"'):
        at += 1
    elif node.style in ("|", ">"):
        at = text.find("\n", start) + 1
    for character in node.value[:offset]:
        at = _past(text, at, end, character, node.style)
        if at < 0:
            return start
    if not node.value[offset : offset + 1].isspace():
        while at < end and (text[at].isspace() or (node.style == '"' and text.startswith("\\\n", at))):
            at += 1 if text[at].isspace() else 2
    return min(at, end)


def _past(text: str, at: int, end: int, character: str, style: str | None) -> int:
    """Return the index after the source of one character; -1 when it does not stand there."""
    while at < end:
        if style == "'" and text.startswith("''", at):
            return at + 2
        if style == '"' and text[at] == "\\":
            if text[at + 1] != "\n":
                return at + _ESCAPES.get(text[at + 1], 2)
            at += 2  # the line goes on in the next one
            continue
        if text[at] == character:
            return at + 1
        if not text[at].isspace():
            return -1
        if character.isspace():  # folded: a line's end and the next one's indentation are one space
            while at < end and text[at].isspace():
                at += 1
            return at
        at += 1
    return -1
