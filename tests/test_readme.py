"""The README says what is there: its tree, its reading order, its example, its commands and its links."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "vlasync"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def tree() -> dict[str, str]:
    """Path of each file in the README's tree, relative to the package, -> its comment."""
    comments, folders = {}, []
    for line in fenced("text")[0].splitlines()[1:]:
        indent, name, comment = re.fullmatch(r"( *)(\S+) *(.*)", line).groups()
        folders = folders[: len(indent) // 4 - 1]
        if name.endswith("/"):
            folders.append(name)
        else:
            comments["".join([*folders, name])] = comment
    return comments


def test_the_tree_shows_each_file_once_and_says_what_it_is():
    kept = {path for suffix in ("py", "html", "xml") for path in PACKAGE.rglob(f"*.{suffix}")}
    names = {path.relative_to(PACKAGE).as_posix() for path in kept if not path.name.startswith("__")}
    comments = tree()
    assert set(comments) == names
    assert [name for name, comment in comments.items() if not comment] == []


def test_the_reading_order_leads_through_files_that_exist():
    paragraph = README[README.index("To read it") :].split("\n\n")[0]
    names = re.findall(r"`([\w/]+\.py)`", paragraph)
    assert len(names) >= 8
    assert [name for name in names if not (PACKAGE / name).is_file()] == []


def test_the_example_imports_what_exists():
    (example,) = fenced("python")
    imports = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(node.module)
        assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_the_commands_are_those_of_the_command_line():
    from vlasync.cli import COMMANDS

    assert re.findall(r"^\| `vlasync (\w+)", README, flags=re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]), ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
