"""The README says what is there: its tree, its reading order, its example, its commands and its links."""

import re
from pathlib import Path

import numpy as np
import pytest

from vlasync.actions.normalization import Normalizer
from vlasync.cli import COMMANDS
from vlasync.models.folder import save_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.models.vla import VLAConfig, build_vla
from vlasync.spec import Camera, SyncSpec

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
    kept = {path for suffix in ("py", "html", "css", "xml") for path in PACKAGE.rglob(f"*.{suffix}")}
    names = {path.relative_to(PACKAGE).as_posix() for path in kept if not path.name.startswith("__")}
    comments = tree()
    assert set(comments) == names
    assert [name for name, comment in comments.items() if not comment] == []


def test_the_reading_order_leads_through_files_that_exist():
    paragraph = README[README.index("To read it") :].split("\n\n")[0]
    names = re.findall(r"`([\w/]+\.py)`", paragraph)
    assert len(names) >= 8
    assert [name for name in names if not (PACKAGE / name).is_file()] == []


@pytest.fixture
def untrained_run(tmp_path):
    """`runs/demo` in an empty folder: a policy with random weights, where `make demo` leaves a trained one."""
    cameras = {name: Camera(height=32, width=32) for name in ("static", "gripper")}
    spec = SyncSpec.CALVIN.replace(cameras=cameras)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 7))
    spec = spec.replace(normalization=Normalizer.fit([actions], spec=spec).normalization)
    size = TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=1, heads=2)
    vlm = build_tiny_vlm("smolvlm", tmp_path / "vlm", corpus=["open the drawer"], size=size)
    config = VLAConfig(window_size=2, chunk_size=3, head=LSTMHeadConfig(hidden=16, layers=1))
    save_vla(build_vla(vlm, config, spec), tmp_path / "runs" / "demo")
    return tmp_path


def test_the_example_runs(untrained_run, monkeypatch):
    (example,) = fenced("python")
    monkeypatch.chdir(untrained_run)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    names["env"].close()
    assert len(example.strip().splitlines()) == 10
    assert names["observation"]["state"].shape == (15,)


def test_the_commands_are_those_of_the_command_line():
    assert re.findall(r"^\| `vlasync ([\w-]+)", README, flags=re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]), ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
