from .bootstrap import Interval as Interval
from .bootstrap import bootstrap_mean as bootstrap_mean
from .ensembles import Comparison as Comparison
from .ensembles import Statistics as Statistics
from .ensembles import compare as compare
from .ensembles import ensemble_statistics as ensemble_statistics
from .memorization import Nearest as Nearest
from .memorization import nearest_training_crop as nearest_training_crop
