"""Makes the tutorial's project as a reader does: Django's commands, then the files of each part."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CODE = Path(__file__).parent.parent.parent / "docs" / "tutorials" / "code"


class TutorialProject:
    """The project after one part, in a folder of its own and run in processes of its own."""

    def __init__(self, folder: Path, part: int) -> None:
        self.folder = folder
        self.run("-m", "django", "startproject", "lounge", ".")
        self.run("manage.py", "startapp", "chat")
        for number in range(1, part + 1):
            self._apply(CODE / f"part{number}")

    def _apply(self, part: Path) -> None:
        """Files replace the project's own; a ``.tail`` goes to the end of the ``.py`` it names."""
        for source in sorted(path for path in part.rglob("*") if path.is_file()):
            target = self.folder / source.relative_to(part)
            if "__pycache__" in source.parts:
                continue
            if source.suffix == ".tail":
                with target.with_suffix(".py").open("a", encoding="utf-8") as settings:
                    settings.write(source.read_text(encoding="utf-8"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's folder; a warning or an exit code is a failure."""
        environment = {**os.environ, "PYTHONWARNINGS": "error"}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def script(self, source: str) -> str:
        """Run a script with the project set up; what it prints."""
        setup = (
            "import os\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'lounge.settings'\n"
            "import django\n"
            "django.setup()\n"
        )
        return self.run("-c", setup + source).stdout
