"""Where CALVIN's simulator, its scenes and its sentences lie in the user's checkout.

    <root>/calvin_env/calvin_env/                            the simulator's Python package
    <root>/calvin_env/conf/{robot,scene,cameras}/            what it is built from
    <root>/calvin_env/data/                                  URDFs, meshes and textures
    <root>/calvin_models/conf/annotations/new_playtable_validation.yaml    one sentence per task, for evaluation

The root of calvin_env alone does, too, where no sentences are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from vlasync.envs.playtable.layouts import find_layout
from vlasync.envs.playtable.tasks import TASKS
from vlasync.errors import VlasyncError

INSTALL = "get it with `git clone --recurse-submodules https://github.com/mees/calvin`"

SENTENCES = Path("calvin_models/conf/annotations/new_playtable_validation.yaml")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout of CALVIN.

    Attributes:
        root: as the user gave it.
        simulator: folder of the calvin_env repository.
    """

    root: Path
    simulator: Path

    @classmethod
    def find(cls, root: Path) -> Checkout:
        """Look for the simulator below `root`.

        Raises:
            VlasyncError: it is not there.
        """
        for simulator in (root / "calvin_env", root):
            if (simulator / "calvin_env/robot/robot.py").is_file() and (simulator / "conf/scene").is_dir():
                return cls(root=root, simulator=simulator.resolve())
        raise VlasyncError(f"{root}: no calvin_env/calvin_env/robot/robot.py below it; {INSTALL}")

    @property
    def data(self) -> Path:
        """Folder of the simulator's URDFs and meshes."""
        return self.simulator / "data"

    def config(self, name: str) -> Path:
        """The file of one of the simulator's configs, such as `robot/panda`.

        Raises:
            VlasyncError: the checkout has none of this name.
        """
        file = self.simulator / "conf" / f"{name}.yaml"
        if not file.is_file():
            raise VlasyncError(f"{file}: no such file; {INSTALL}")
        return file

    def scene_config(self, scene: str) -> Path:
        """The config of scene `A`, `B`, `C` or `D`."""
        return self.config(f"scene/calvin_scene_{find_layout(scene).name}")

    def sentences(self) -> dict[str, str]:
        """The sentence that CALVIN's evaluation has for each of the 34 tasks.

        Raises:
            VlasyncError: the file is not there, or not of this form.
        """
        file = self.root / SENTENCES
        if not file.is_file():
            raise VlasyncError(f"{file}: no such file; --calvin-root has to be the root of the whole CALVIN repository")
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
            return {task: str(found[task][0]) for task in TASKS}
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, IndexError) as error:
            raise VlasyncError(f"{file}: expected a list of sentences for each of the 34 tasks ({error!r})") from error
