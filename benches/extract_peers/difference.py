"""The largest difference between two lists of rows: JSON (ours) and .npy.

    python difference.py OURS THEIRS
"""

import json
import pathlib
import sys

import numpy

ours = numpy.array(json.loads(pathlib.Path(sys.argv[1]).read_text()), numpy.float64)
theirs = numpy.load(sys.argv[2]).astype(numpy.float64)
# A row that one of them lacks is as far apart as can be.
apart = numpy.abs(ours - theirs).max() if ours.shape == theirs.shape else numpy.inf
print(json.dumps({"apart": float(apart) if numpy.isfinite(apart) else 1e300}))
