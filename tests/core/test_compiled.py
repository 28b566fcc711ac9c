"""Compiled kernels, where one folder is imported under two names."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CAST = """
import importlib.util, sys
import numpy as np
name = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    name, "gwm_core/__init__.py", submodule_search_locations=["gwm_core"])
sys.modules[name] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
cast = importlib.import_module(name + ".rays").cast
column = np.array([[3, 0, -1, 1, 0.5]])
ahead = np.array([[1.0, 0, 0]])
print(cast(np.zeros((1, 3)), ahead, np.zeros((0, 8)), np.zeros((0, 5)), column)[0])
"""


def test_a_host_may_import_the_package_under_a_name_of_its_own(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = []
    hosted = "/srv/comfy/custom_nodes/gwm_core"
    for name in (hosted, "gwm_core", hosted):
        run = subprocess.run([sys.executable, "-c", CAST, name], cwd=ROOT, env=env, text=True,
                             capture_output=True, timeout=300)
        assert run.returncode == 0, run.stderr
        said.append(run.stdout)
    assert said == [said[0]] * 3 and float(said[0]) == 2.5
    codes = [p.name for p in tmp_path.rglob("*.nbc") if "_cast" in p.name]
    assert len(codes) == 1, codes  # compiled once, whatever the name
