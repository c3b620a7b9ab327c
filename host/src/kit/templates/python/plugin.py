"""{{description}}."""

{{modules}}
