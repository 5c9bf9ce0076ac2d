"""Typed errors: each says what was given, what was expected and what to do."""


class HDCError(Exception):
    """Base of every error this package raises on purpose."""


class ParameterError(HDCError, ValueError):
    """A parameter is outside the values that are allowed."""


class UnknownNameError(ParameterError, LookupError):
    """A model, backend, matrix family or stored name that nobody registered."""


class BackendUnavailableError(HDCError, ImportError):
    """A known backend whose library or device is not present."""


class DimensionError(HDCError, ValueError):
    """An array whose last axis, or whose shape, does not belong to the model."""


class DTypeError(HDCError, TypeError):
    """An array of a dtype or kind that the operation does not take."""


class DeviceError(HDCError, ValueError):
    """An array that is not on the model's device; nothing is moved between devices unasked."""


class PaddingError(HDCError, ValueError):
    """Packed words with bits set beyond the model's dimension."""


class EmptyBundleError(HDCError, ValueError):
    """A bundle of no hypervectors, which no model defines."""


class MismatchError(HDCError, ValueError):
    """Values that belong to two different models."""


class UnsupportedError(HDCError, TypeError):
    """An operation that the model does not define; the message names one that does."""


class WideningError(HDCError, OverflowError):
    """Integers whose sum or product exceeds every integer type of the model."""


class FileFormatError(HDCError, ValueError):
    """A file that is not ours, is damaged, or was written by another version."""


class FileKindError(FileFormatError):
    """A file or folder of ours, of another kind than the one that was asked for."""


class ConflictError(HDCError, RuntimeError):
    """A change of something that is no longer as the one who changes it knows it; nothing was changed."""
