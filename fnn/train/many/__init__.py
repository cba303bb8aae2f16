"""Many models at once: rates × seeds × folds as one compiled program, or in turns where that is faster.

`models` says what goes in, `programs` what is compiled, `memory` and `way` choose, `training` trains what `stacking`
puts together, in `threads` where models are trained side by side, `result` holds what came out; `fit_many` calls them.
"""

from fnn.train.many.fit_many import fit_many
from fnn.train.many.models import Model, Way
from fnn.train.many.result import Many, Trained, mean_probabilities

__all__ = ["Many", "Model", "Trained", "Way", "fit_many", "mean_probabilities"]
