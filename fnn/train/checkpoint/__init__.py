"""Checkpoints that are whole or not there: written beside the run, sealed by digests, found again after any crash."""

from fnn.train.checkpoint.background import Writer
from fnn.train.checkpoint.errors import CheckpointError, DamagedCheckpointWarning, DamagedError, MismatchError
from fnn.train.checkpoint.identity import check_same, fingerprint
from fnn.train.checkpoint.lock import InUseError, locked
from fnn.train.checkpoint.manifest import seal, verify
from fnn.train.checkpoint.store import Snapshot, Store
from fnn.train.checkpoint.trees import by_path, digest_of_tree, from_host, nested, to_host, to_local

__all__ = [
    "CheckpointError",
    "DamagedError",
    "DamagedCheckpointWarning",
    "InUseError",
    "MismatchError",
    "Snapshot",
    "Store",
    "Writer",
    "by_path",
    "check_same",
    "digest_of_tree",
    "fingerprint",
    "from_host",
    "locked",
    "nested",
    "seal",
    "to_host",
    "to_local",
    "verify",
]
