from . import colours as colours
from . import costs as costs
from . import differences as differences
from . import exercises as exercises
from . import notebook as notebook
from . import plots as plots
from . import towers as towers
from . import widgets as widgets
