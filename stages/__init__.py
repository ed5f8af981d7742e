"""What comes before a stage loads anything: all modules noted as they are, and the threads that libraries start."""

import os

from pipeline import unchanged as unchanged

# Threads that wait for each other spin by default, which on a busy machine costs several times the work itself.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Two hardware threads often share a core, and small networks lose more by waiting than they gain: one for every two.
os.environ.setdefault("OMP_NUM_THREADS", str(((os.cpu_count() or 1) + 1) // 2))
