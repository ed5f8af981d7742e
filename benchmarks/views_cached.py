"""What a loader does for two views of decoded images, bytes out, against Pillow from the file with colours included.

Colours are no work of a loader, for they are changed on the device of the network; `ratio_coloured` counts them too.
"""

import torch

from benchmarks import views
from benchmarks.measure import interleaved


def run() -> dict[str, object]:
    """Milliseconds of processor time of an image on one core, every image having been decoded before."""
    torch.set_num_threads(1)
    with views.photographs(cache_bytes=10**9) as (pairs, encoded):

        def reference() -> object:
            return views.per_sample(encoded, pairs.settings)

        loaded = interleaved(lambda: views.batch_of(pairs), reference, views.ROUNDS)
        coloured, again = interleaved(lambda: views.finished(pairs), reference, views.ROUNDS)
    return views.row(*loaded) | {"ratio_coloured": again / coloured}
