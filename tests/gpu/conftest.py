"""cuBLAS gives equal results in equal calls only with a workspace of its own, which must be asked for beforehand."""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
