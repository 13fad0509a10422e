"""Where the device's source files lie: in a checkout and in an installed wheel alike, found without
importing them.
"""

import importlib.util
from functools import cache
from pathlib import Path

from gateway.errors import ConfigError


@cache
def package_folder(name: str) -> Path:
    """The folder of a package of ours. Raises ConfigError when it is not installed, or is another
    project's of that name.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"package {name}: not installed; reinstall tillstream")
    folder = Path(next(iter(spec.submodule_search_locations)))
    mark = {"firmware": "app.py", "protocol": "records.py"}[name]
    if not (folder / mark).is_file():  # the public index has packages named like ours
        raise ConfigError(
            f"package {name}: {folder} is another project's; uninstall that one and reinstall"
            " tillstream"
        )
    return folder
