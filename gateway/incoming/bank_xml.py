"""An XML document from outside as a tree, and nothing that such a document can do besides: no DTD
and so no entity, no depth or number of elements that would cost the memory. The standard library's
expat reads it; whatever it does not take is told with its line.
"""

from __future__ import annotations

from xml.parsers import expat

from gateway.incoming.bank_file import BankFileError, check_size

DEPTH_MAX = 40  # camt.053 has 17
ELEMENTS_MAX = 300_000  # about a hundred bytes of memory each
TEXT_MAX = 4_096  # of one element; the longest of camt.053 has 500
# Of a tag or a comment. expat reads an unfinished one from its start again with every chunk: a tag
# of a million attributes took 91 s before there was a limit.
TAG_BYTES_MAX = 65_536
_CHUNK = 4_096


class Node:
    """One element. Children are looked up by name, one level down; `text` is without blanks
    around.
    """

    __slots__ = ("attributes", "children", "line", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], line: int):
        self.tag, self.attributes, self.line = tag, attributes, line
        self.text = ""
        self.children: list[Node] = []

    def all(self, path: str) -> list[Node]:
        """The elements at "A/B/C" below this one, in order."""
        found = [self]
        for tag in path.split("/"):
            found = [child for node in found for child in node.children if child.tag == tag]
        return found

    def first(self, path: str) -> str:
        """The text of the first element there, "" when there is none."""
        return next((node.text for node in self.all(path)), "")


class _Builder:
    """Makes the tree from what the parser sees."""

    def __init__(self, name: str, parser: expat.XMLParserType):
        self.name, self.parser = name, parser
        self.root: Node | None = None
        self.namespace = ""
        self.seen = 0  # bytes up to the newest thing that was read whole
        self._open: list[Node] = []
        self._count = 0

    def wrong(self, reason: str) -> BankFileError:
        return BankFileError(self.name, f"line {self.parser.CurrentLineNumber}", reason)

    def doctype(self, *_: object) -> None:
        raise self.wrong("it declares a document type, by which entities could be hidden; refused")

    def pass_over(self, *_: object) -> None:
        """A comment or an instruction: nothing of it is kept."""
        self.seen = self.parser.CurrentByteIndex

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.seen = self.parser.CurrentByteIndex
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise self.wrong(f"more than {ELEMENTS_MAX} elements or {DEPTH_MAX} levels")
        namespace, _, local = tag.rpartition(" ")
        if self.root is None:
            self.namespace = namespace
        # an element of another namespace keeps it in its name, so nobody takes it for one of ours
        node = Node(
            local if namespace == self.namespace else tag, attributes, self.parser.CurrentLineNumber
        )
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def data(self, text: str) -> None:
        self.seen = self.parser.CurrentByteIndex
        node = self._open[-1]
        node.text += text
        if len(node.text) > TEXT_MAX:
            raise self.wrong(f"a text of more than {TEXT_MAX} characters")

    def end(self, tag: str) -> None:
        self.seen = self.parser.CurrentByteIndex
        node = self._open.pop()
        node.text = node.text.strip()


def read_xml(content: bytes, name: str) -> tuple[Node, str]:
    """(its root, the root's namespace). Raises BankFileError with the line for what is not
    well-formed, declares a document type, or is too deep or too large.
    """
    check_size(content, name)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    builder = _Builder(name, parser)
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.EntityDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.CommentHandler = builder.pass_over
    parser.ProcessingInstructionHandler = builder.pass_over
    try:
        for at in range(0, len(content), _CHUNK):  # so that a refusal ends it soon
            parser.Parse(content[at : at + _CHUNK], False)
            if at - builder.seen > TAG_BYTES_MAX:
                raise builder.wrong(f"a tag or a comment of more than {TAG_BYTES_MAX} bytes")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = f"not well-formed XML ({expat.ErrorString(error.code)}); ask for the file again"
        raise BankFileError(name, f"line {error.lineno}", reason) from None
    except (LookupError, ValueError):  # an encoding that nobody knows
        raise BankFileError(name, "line 1", "an encoding that is not known here") from None
    assert builder.root is not None  # expat refuses a document without an element
    return builder.root, builder.namespace
