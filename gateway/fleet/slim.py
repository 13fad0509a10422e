"""What a device never uses is left out of its modules before they are compiled: there even a name
costs heap.

A function or class that nothing staged mentions is dropped (the gateway's half of a codec, what
only a technician's tool asks a driver). A constant that only its own module mentions becomes
private, so that the compiler folds it away. A number that a module imports is written there as a
number. A package that is nothing but its docstring needs no file. Mentioned is what stands anywhere
as a name, an attribute or a word of a text. Parameters that nobody passes by name are numbered: the
device keeps the name of each, and so they share a few. So are private attributes, functions and
methods of a module, or of modules whose classes inherit from each other: `_0` is the most frequent
one of each. Two drivers with names of their own would cost the device 7 KB, because its table of
names doubles.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

_WORD = re.compile(r"\w+")
_WORTH_A_LOOK = (ast.expr, ast.stmt, ast.arguments, ast.arg)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def slim(
    sources: Mapping[str, str], keep: Iterable[str], wordless: Iterable[str] = ()
) -> dict[str, str]:
    """{name: source} with less in it, for the same names but empty packages. `keep`: sources of
    others that mention things. `wordless`: names whose errors say nothing, because a device catches
    them by their class.
    """
    return dict(_slim(tuple(sources.items()), tuple(keep), tuple(wordless)))


@lru_cache(maxsize=8)  # several windows have the same firmware
def _slim(
    sources: tuple[tuple[str, str], ...], keep: tuple[str, ...], wordless: tuple[str, ...]
) -> dict[str, str]:
    trees = {name: ast.parse(text) for name, text in sources}
    for name, tree in trees.items():
        _drop_docstrings(tree)
        if name in wordless:
            _drop_words(tree)
    others = Counter(word for text in keep for word in _mentions(ast.parse(text)))
    dropped = True
    while dropped:
        mentions = sum((Counter(_mentions(tree)) for tree in trees.values()), others)
        dropped = max([_drop_unused(tree, mentions) for tree in trees.values()])
    _fold_shared_constants(trees)
    mentions = sum((Counter(_mentions(tree)) for tree in trees.values()), others)
    keywords = {
        node.arg for tree in trees.values() for node in _walk(tree) if isinstance(node, ast.keyword)
    }
    for tree in trees.values():
        _hide_constants(tree, mentions)
        _number_parameters(tree, keywords)
    _number_private(trees, others)
    return {
        name: ast.unparse(tree)
        for name, tree in trees.items()
        if tree.body or not name.endswith("__init__.py")
    }


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """As ast.walk, in half the time: without the nodes that only say "load" or "plus"."""
    waiting = [tree]
    for node in waiting:  # grows meanwhile
        yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                waiting += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, _WORTH_A_LOOK):
                waiting.append(value)


def _mentions(tree: ast.AST) -> Iterable[str]:
    """Every use of a name; where it is defined is none."""
    for node in _walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from _WORD.findall(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _WORD.findall(node.value)


def _drop_docstrings(tree: ast.Module) -> None:
    for node in _walk(tree):
        if (
            isinstance(node, _Definition | ast.Module)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def _drop_words(tree: ast.Module) -> None:
    for node in _walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc = node.exc.func


def _drop_unused(tree: ast.AST, mentions: Counter[str]) -> bool:
    """Whether anything was dropped."""
    dropped = False
    for node in _walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef):
            continue
        kept = [
            each
            for each in node.body
            if not isinstance(each, _Definition) or _is_used(each, mentions)
        ]
        if len(kept) < len(node.body):
            dropped = True
            node.body = kept or [ast.Pass()]
    return dropped


def _is_used(definition: _Definition, mentions: Counter[str]) -> bool:
    inside = sum(
        word == definition.name for word in _mentions(definition)
    )  # a function that only calls itself is not used
    return definition.name.startswith("__") or mentions[definition.name] > inside


def _fold_shared_constants(trees: Mapping[str, ast.Module]) -> None:
    """A number that a module imports from another one stands there as a number, without its name
    and its import.
    """
    numbers = {
        (name.removesuffix(".py").replace("/", "."), ast.unparse(node.targets[0])): node.value.args[
            0
        ]
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "const"
        and isinstance(node.value.args[0], ast.Constant)
        and type(node.value.args[0].value) is int
    }
    for tree in trees.values():
        known: dict[str, ast.Constant] = {}  # the number for "NAME" or "module.NAME"
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names[:]:
                    path = f"{node.module}.{alias.name}"
                    known |= {
                        f"{alias.name}.{constant}": number
                        for (module, constant), number in numbers.items()
                        if module == path and alias.asname is None
                    }
                    number = numbers.get((str(node.module), alias.name))
                    if number is not None and alias.asname is None:
                        known[alias.name] = number
                        node.names.remove(alias)
        tree.body = [
            each for each in tree.body if not isinstance(each, ast.ImportFrom) or each.names
        ]
        _Numbers(known).visit(tree)


class _Numbers(ast.NodeTransformer):
    """Names that stand for a number become the number."""

    def __init__(self, known: Mapping[str, ast.Constant]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._known.get(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._known.get(ast.unparse(node)) or self.generic_visit(node)


def _hide_constants(tree: ast.Module, mentions: Counter[str]) -> None:
    own = Counter(_mentions(tree))
    hidden = set()
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "const"
        ):
            name = ast.unparse(node.targets[0])
            if not name.startswith("_") and mentions[name] == own[name]:
                hidden.add(name)
    for named in _walk(tree):
        if isinstance(named, ast.Name) and named.id in hidden:
            named.id = "_" + named.id


def _number_parameters(tree: ast.Module, keywords: set[str | None]) -> None:
    for node in _walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Global, ast.Nonlocal)
        if any(isinstance(each, inner) for each in _walk(node) if each is not node):
            continue  # the same number would mean two things there
        names = {
            arg.arg: f"a{place}"
            for place, arg in enumerate(node.args.args)
            if arg.arg not in (*keywords, "self")
        }
        for each in _walk(node):
            if isinstance(each, ast.arg):
                each.arg = names.get(each.arg, each.arg)
            elif isinstance(each, ast.Name):
                each.id = names.get(each.id, each.id)


def _number_private(trees: Mapping[str, ast.Module], others: Counter[str]) -> None:
    """Private names that are only ever reached by `self.` or in their own module: the same few in
    every family of modules.
    """
    kept = set(others)
    for tree in trees.values():
        for node in _walk(tree):
            if isinstance(node, ast.Attribute) and not (
                isinstance(node.value, ast.Name) and node.value.id == "self"
            ):
                kept.add(node.attr)
            elif isinstance(node, ast.alias | ast.Constant):
                kept.update(_mentions(node))
            elif (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and ast.unparse(node.value.func) == "const"
            ):
                kept.update(ast.unparse(target) for target in node.targets)
            elif isinstance(node, ast.keyword):
                kept.add(str(node.arg))
    for family in _families(trees):
        nodes = [node for tree in family for node in _walk(tree)]
        found: Counter[str] = Counter()
        for node in nodes:
            if isinstance(node, ast.Attribute):
                found[node.attr] += 1
            elif isinstance(node, _Definition):
                found[node.name] += 1
        private = [
            name
            for name in found
            if name.startswith("_") and not name.startswith("__") and name not in kept
        ]
        numbers = {
            name: f"_{number}"
            for number, name in enumerate(sorted(private, key=lambda each: (-found[each], each)))
        }
        for node in nodes:
            if isinstance(node, ast.Attribute):
                node.attr = numbers.get(node.attr, node.attr)
            elif isinstance(node, _Definition):
                node.name = numbers.get(node.name, node.name)
            elif isinstance(node, ast.Name):
                node.id = numbers.get(node.id, node.id)


def _families(trees: Mapping[str, ast.Module]) -> list[list[ast.Module]]:
    """The modules, those together whose classes inherit from each other."""
    holders = {
        node.name: name
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    family = {name: name for name in trees}
    for name, tree in trees.items():
        for node in tree.body:
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                if isinstance(base, ast.Name) and base.id in holders:
                    old, new = family[name], family[holders[base.id]]
                    family = {
                        each: new if first == old else first for each, first in family.items()
                    }
    return [
        [trees[name] for name in trees if family[name] == first]
        for first in sorted(set(family.values()))
    ]
