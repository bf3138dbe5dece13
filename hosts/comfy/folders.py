"""Model folders that core ComfyUI does not know, beside those that other packs and extra_model_paths.yaml registered under the same key."""
from __future__ import annotations

import os

import folder_paths

from ...processors.errors import ConcordError

SHOWN = 8  # of many files, how many a message names


def names(folder: str) -> list[str]:
    """What stands in all places of models/<folder>, for a combo."""
    register(folder)
    return folder_paths.get_filename_list(folder)


def find(folder: str, name: str) -> str:
    """The path of a file; ConcordError tells where it was looked for and what is there. The host keeps names inside their folder."""
    found = names(folder)
    path = folder_paths.get_full_path(folder, name)
    if path is None:
        there = f"which hold {', '.join(found[:SHOWN])}{f' and {len(found) - SHOWN} more' if len(found) > SHOWN else ''}" if found else "where no model file is"
        raise ConcordError(f'{folder} has no "{name}"; looked in {", ".join(folder_paths.get_folder_paths(folder))}, {there}. '
                           "Put the file there, refresh the list (R), and choose it")
    return path


def register(folder: str) -> None:
    """Adds models/<folder> to the places of that key; places and extensions that are already there stay."""
    folder_paths.add_model_folder_path(folder, os.path.join(folder_paths.models_dir, folder))
    places, extensions = folder_paths.folder_names_and_paths[folder]
    if not extensions:  # the host's own default for new keys, which lists every file
        folder_paths.folder_names_and_paths[folder] = (places, folder_paths.supported_pt_extensions)
