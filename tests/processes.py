"""Fresh interpreters in which this checkout is importable as `concord`."""
from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Goes before the code of `python -c`; takes the first argument, ROOT, away.
BOOT = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("concord", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
sys.modules["concord"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["concord"])
del sys.argv[1]
"""
