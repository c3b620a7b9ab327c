"""White space at the ends of text goes, to start from."""

from lockstep import Transform, export


@export
class Trim(Transform):
    def apply(self, values):
        return {name: value.strip() if type(value) is str else value for name, value in values.items()}
