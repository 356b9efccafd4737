"""A small XML tree with line numbers that refuses what makes XML dangerous.

No document type, no entity, nothing from outside the file; limits on depth and number of elements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from optcore.errors import ModelFileError

__all__ = ["Element", "read_xml"]

MAX_DEPTH = 200
MAX_ELEMENTS = 5_000_000


@dataclass
class Element:
    """An element, its own text and where it starts."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Element | None:
        return next((child for child in self.children if child.name == name), None)


def read_xml(path: Path, max_bytes: int) -> Element:
    """The root element.

    Raises:
        ModelFileError: unreadable, too large or deep, not well-formed, or with a DOCTYPE.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise ModelFileError(path, f"larger than {max_bytes >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(path, f"cannot be read: {error.strerror or error}") from error
    root = Element("", {}, 1)
    stack = [root]
    texts: list[list[str]] = [[]]
    count = 0
    parser = expat.ParserCreate()

    def refuse(*_: object) -> int:
        raise ModelFileError(
            path, "document types and entities are refused", line=parser.CurrentLineNumber
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        line = parser.CurrentLineNumber
        if len(stack) > MAX_DEPTH or count > MAX_ELEMENTS:
            raise ModelFileError(path, "too deep or too many elements", line=line)
        element = Element(name, attributes, line)
        stack[-1].children.append(element)
        stack.append(element)
        texts.append([])

    def end(_: str) -> None:
        stack.pop().text = "".join(texts.pop()).strip()

    def characters(data: str) -> None:
        texts[-1].append(data)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        problem = f"not well-formed XML: {expat.errors.messages[error.code]}"
        raise ModelFileError(path, problem, line=error.lineno) from None
    except (LookupError, ValueError) as error:  # an encoding that expat or Python lacks
        raise ModelFileError(path, f"not readable as XML: {error}") from None
    return root.children[0]
