"""What can be wrong with a checkpoint."""


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read; the message names the file and what is still good."""


class DamagedError(CheckpointError):
    """One checkpoint is not, byte for byte, what was written."""


class MismatchError(CheckpointError, ValueError):
    """A checkpoint is whole, but of another run: another network, data set or flag."""


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint was passed over because it is damaged."""
