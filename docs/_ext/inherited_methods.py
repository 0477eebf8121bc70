"""A directive that documents the methods that a class has from a base class of fishsk, and lists others."""

import importlib
import inspect
import re

from sphinx.util.docutils import SphinxDirective


def list_inherited(cls: type) -> list[tuple[str, str, str]]:
    """Return the name, the signature and the summary of each public method that is not the class's own."""
    found = []
    # Not dir(): it names what classes have that are left out of the method resolution order.
    for name in sorted({name for each in cls.__mro__ for name in vars(each) if not name.startswith("_")}):
        method, owner = getattr(cls, name, None), _find_owner(cls, name)
        if not callable(method) or owner.split(".")[0] == "fishsk":
            continue
        try:
            signature = inspect.signature(method)
        except ValueError:  # compiled, or made by another language
            continue
        parameters = [each for each in signature.parameters.values() if each.name != "self"]
        parameters = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
        shown = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        found.append((name, str(shown), owner, _summarize(method)))
    return found


def _find_owner(cls: type, name: str) -> str:
    """Return the public place of the class that defines a method; requests are made for each class anew."""
    if name.endswith("_request") and name.startswith("set_"):
        return "sklearn"
    owner = next(each for each in cls.__mro__ if name in vars(each))
    module = ".".join(part for part in owner.__module__.split(".") if not part.startswith("_"))
    return f"{module}.{owner.__name__.lstrip('_')}"


def _summarize(method) -> str:
    """Return the first sentence of a docstring, without markup of other projects."""
    text = " ".join(inspect.cleandoc(method.__doc__ or "").split("\n\n")[0].split())
    text = re.sub(r":[\w:]+:`~?([^`<]*?)(?: <[^`]*>)?`", r"\1", text)
    return text.replace("`", "")


def list_shared(cls: type) -> list[str]:
    """Return the public methods and properties that a class has from base classes of fishsk."""
    names = sorted({name for each in cls.__mro__[1:] for name in vars(each) if not name.startswith("_")})
    found = []
    for name in names:
        owner = next(each for each in cls.__mro__ if name in vars(each))
        is_documented = callable(getattr(cls, name)) or isinstance(vars(owner)[name], property)
        if owner is not cls and owner.__module__.startswith("fishsk.") and is_documented:
            found.append(name)
    return [name for name in found if not name.endswith("_request")]


class InheritedMethods(SphinxDirective):
    """The inherited methods of a class: signature, first sentence, and where from."""

    required_arguments = 1  # the full name of the class

    def run(self):
        """Return an entry for each method, which can be linked to and searched for."""
        module, _, name = self.arguments[0].rpartition(".")
        lines = []
        cls = getattr(importlib.import_module(module), name)
        for shared in list_shared(cls):
            kind = "autoattribute" if isinstance(getattr(cls, shared), property) else "automethod"
            lines += [f".. {kind}:: {self.arguments[0]}.{shared}", ""]
        for method, signature, owner, summary in list_inherited(cls):
            source = "scikit-learn" if owner.startswith("sklearn") else owner.split(".")[0]
            lines += [f".. method:: {name}.{method}{signature}", ""]
            lines += [f"   {summary} *(Inherited from {source}.)*", ""]
        if not lines:
            return []
        return self.parse_text_to_nodes("\n".join([".. rubric:: Inherited methods", "", *lines]))


def setup(app):
    """Register the directive with Sphinx."""
    app.add_directive("inherited-methods", InheritedMethods)
    return {"parallel_read_safe": True}
