"""What goes wrong, in the words of the contract: the host decides what to do on `kind` alone."""

# Here, not where it is needed: in a component nothing can be imported any more.
import traceback

KINDS = (
    "auth", "config", "not-found", "conflict", "invalid-data", "rate-limited", "transient", "permanent", "stale-cursor", "other",
)


class PluginError(Exception):
    """An error for the host.

    `transient` and `rate-limited` are tried again, `invalid-data` becomes a dead letter, `stale-cursor` starts a full reading,
    everything else ends the run. The message is one sentence, in lower case, without a final period and never with a secret.
    Further names (`field`, `hint`, `detail`) become properties.
    """

    def __init__(self, kind, message, *, code="", retry_after_ms=None, **properties):
        if kind not in KINDS:
            raise ValueError(f"there is no kind of error `{kind}`; the kinds are {', '.join(KINDS)}")
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.retry_after_ms = retry_after_ms
        self.properties = {name.replace("_", "-"): str(value) for name, value in properties.items()}

    @property
    def outcome_unknown(self):
        """Whether what was asked for may have been done nevertheless."""
        return self.properties.get("outcome") == "unknown"

    def __str__(self):
        return f"{self.kind}: {self.message}"


def of(error):
    """The error for the host that this exception stands for; one nobody foresaw is a mistake in the plugin."""
    if isinstance(error, PluginError):
        return error
    if isinstance(error, MemoryError):
        return PluginError("permanent", "the plugin ran out of memory", code="python.MemoryError")
    name = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)
    where = f" ({place[-1].filename}:{place[-1].lineno})" if place else ""
    lines = "".join(traceback.format_exception(error)).strip()
    return PluginError("other", f"{name}: {error}{where}", code=f"python.{name}", detail=lines[-2000:])
