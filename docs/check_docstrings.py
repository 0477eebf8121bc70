"""Validate the docstrings of all public names by numpydoc's rules, without an import of fishsk.

``python docs/check_docstrings.py`` prints what is wrong, and fails if anything is. Public are the names that
``fishsk`` and ``fishsk.datasets`` export, and the methods of classes among them that have no underscore.
"""

import ast
import sys
from pathlib import Path

from numpydoc.hooks.validate_docstrings import process_file
from numpydoc.validate import ERROR_MSGS

SOURCE = Path(__file__).parents[1] / "src" / "fishsk"
# scikit-learn's own tests ask for as much; "data : Bunch" is its form of what is returned.
NOT_ASKED = {"ES01", "RT02", "YD01"}
ASKED_OF_TOP_ALONE = {"EX01", "SA01"}  # of classes and functions, not of methods


def main():
    """Print what is wrong, and return how many faults there are."""
    public, found, faults = list_public(), set(), []
    config = {"checks": {*ERROR_MSGS} - NOT_ASKED, "exclude": None, "overrides": {}, "exclude_files": None}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef)
            if is_definition and node.name in public and ast.get_docstring(node):
                found.add(node.name)
                names = {f"{path.stem}.{name}" for name in list_documented(node)}
                # numpydoc does not see the parameters of a constructor that a class inherits.
                inherits = isinstance(node, ast.ClassDef) and not any(
                    getattr(each, "name", "") == "__init__" for each in node.body
                )
                passed = {(f"{path.stem}.{node.name}", "PR02")} if inherits else set()
                faults += [
                    f"{place}: {name}: {code} {text}"
                    for place, name, code, text in process_file(path, config)
                    if name in names and not (name.count(".") > 1 and code in ASKED_OF_TOP_ALONE)
                    if (name, code) not in passed
                ]
    faults += [f"{name} is exported, but has no docstring" for name in sorted(public - found)]
    print("\n".join([*faults, f"{len(faults)} faults in the docstrings of {len(found)} public names"]))
    return len(faults)


def list_documented(node):
    """Yield the name of a class or function, and those of a class's public methods, but for properties."""
    yield node.name
    for member in node.body if isinstance(node, ast.ClassDef) else []:
        if isinstance(member, ast.FunctionDef):
            decorators = {getattr(each, "id", None) for each in member.decorator_list}
            if not member.name.startswith("_") and "property" not in decorators:
                yield f"{node.name}.{member.name}"


def list_public():
    """Return the names that the package exports."""
    assigned = {}
    for path in (SOURCE / "__init__.py", SOURCE / "datasets" / "__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict | ast.List):
                assigned[path.parent.name, node.targets[0].id] = ast.literal_eval(node.value)
    return {*assigned["fishsk", "_MODULES"], *assigned["datasets", "__all__"]}


if __name__ == "__main__":
    sys.exit(bool(main()))
