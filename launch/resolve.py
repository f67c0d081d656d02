"""The config that flags of ``launch.train`` choose, without starting anything."""

import re
import sys
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

from launch import free_overrides


def resolve(chosen: Sequence[str]) -> ConfigDict:
    """The config of ``--config=FILE[:variant]`` and ``--config.key=value`` flags.

    Raises:
      ValueError: the file cannot be loaded, or a key or value does not fit it.
    """
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    argv, free = free_overrides.split(["launch.train", *chosen])
    before, sys.argv = sys.argv, argv  # ml_collections looks for overrides there
    try:
        values(argv)
        config = values.config
        free_overrides.apply(config, argv, free)
    except AttributeError as error:
        key = re.search(r"\w+", str(error))  # it stands before a suggestion
        raise ValueError(f"the config has no key {key[0]!r}" if key else str(error)) from error
    except (flags.Error, TypeError, OSError) as error:
        raise ValueError(str(error).strip().splitlines()[-1].strip()) from error
    finally:
        sys.argv = before
    return config
