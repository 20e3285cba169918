"""The Optuna study of a search: its storage, sampler and pruner."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from optuna.study import Study

from hpo.queue import ENDED
from hpo.search import OBJECTIVES, Search
from zoo.errors import ConfigError, ZooError
from zoo.settings.checking import flat
from zoo.settings.config import Config
from zoo.system.reading import plain_file

GRPC_PORT = 13000
"""Default port of Optuna's gRPC proxy."""
MADE_FOR, OUT = "made_for", "out"
"""Attributes of a study: `Search.identity`, and the folder of the results."""


def open_storage(where: str) -> BaseStorage:
    """Return the storage at a journal file's path, a database's address or `grpc://host:port`.

    Raises:
        ConfigError: if it cannot be opened; names the reason.
    """
    scheme, _, rest = where.partition("://")
    try:
        if not rest:
            return _journal(Path(where))
        if scheme == "grpc":
            return _proxy(rest.rstrip("/"))
        return RDBStorage(where, engine_kwargs={"pool_pre_ping": True})
    except Exception as error:  # from the file system, SQLAlchemy, a driver or gRPC
        raise ConfigError(_reason(where, error)) from error


def _reason(where: str, error: Exception) -> str:
    first = (str(error).strip().splitlines() or ["no reason given"])[0]
    hint = ""
    if isinstance(error, ImportError):
        hint = " Drivers: pip install 'psycopg[binary]' (PostgreSQL), pymysql (MySQL), grpcio."
    return f"--storage {hidden(where)} cannot be opened ({type(error).__name__}: {first}).{hint}"


def hidden(where: str) -> str:
    """Return an address without its password."""
    scheme, mark, rest = where.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}{at}{host}" if at else where


def _journal(path: Path) -> JournalStorage:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file, as in {path / 'study.log'}")
    path = path.resolve()  # Optuna's lock is a link to the path, and a relative one would dangle
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = JournalFileOpenLock if sys.platform == "win32" else JournalFileSymlinkLock
    lock = kind(str(path))
    if path.exists():
        _cut_fragment(path, lock)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_fragment(path: Path, lock: JournalFileOpenLock | JournalFileSymlinkLock) -> None:
    """Cut off a last line that a killed worker did not finish, which no one could read.

    Under the journal's lock, so that no other worker is writing that line.
    """
    lock.acquire()
    try:
        with plain_file(path).open("rb+") as file:
            data = file.read()
            if data and not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)
    finally:
        lock.release()


def _proxy(address: str) -> BaseStorage:
    from optuna.storages import GrpcStorageProxy

    host, _, port = address.partition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = GrpcStorageProxy(host=host, port=int(port or GRPC_PORT))
    proxy.wait_server_ready(timeout=10)
    return proxy


def check_parallel(where: str, workers: int) -> None:
    """Check that a storage can be used by several workers at once.

    Raises:
        ConfigError: for SQLite, which cannot.
    """
    if where.startswith("sqlite") and workers > 1:
        raise ConfigError(
            f"--storage {where} with {workers} workers: SQLite locks its whole file for each "
            "write, and workers then fail with 'database is locked'. Use a journal file "
            "(--storage study.log), postgresql:// or mysql://."
        )


def sampler(*seed: int) -> optuna.samplers.TPESampler:
    """Return a TPE sampler over groups of parameters that occur together.

    All arguments whose defaults differ between Optuna 4 and 5 are given.
    """
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=10, n_ei_candidates=24, multivariate=True, group=True,
            constant_liar=True, seed=number,
        )  # fmt: skip


def pruner(kind: str, epochs: int) -> optuna.pruners.BasePruner:
    """Return the pruner that stops bad trials early, for trials of this many epochs."""
    if kind == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=epochs, reduction_factor=3, bootstrap_count=0
        )
    if kind == "percentile":
        return optuna.pruners.PercentilePruner(
            50.0, n_startup_trials=5, n_warmup_steps=1, interval_steps=1, n_min_trials=1
        )
    return optuna.pruners.NopPruner()


def open_study(search: Search, storage: BaseStorage, worker: int = 0) -> Study:
    """Return the study of a search, which is created if it does not exist.

    Args:
        search: search that the study is for.
        storage: storage that holds the study.
        worker: number of the worker; each one samples with its own seed.

    Raises:
        ConfigError: if a study of that name is for another search; shows the differences.
    """
    base = search.base()
    kind = search.pruner if search.pruned else "none"
    study = optuna.create_study(
        storage=storage, study_name=search.name, load_if_exists=True,
        directions=[OBJECTIVES[name] for name in search.objectives],
        pruner=pruner(kind, base.train.epochs),
    )  # fmt: skip
    # A worker that continues a study must not draw the same values as when it began.
    study.sampler = sampler(
        search.seed, worker, len(study.get_trials(deepcopy=False, states=ENDED))
    )
    made_for = study.user_attrs.get(MADE_FOR)
    if made_for is None:
        study.set_user_attr(MADE_FOR, search.identity())
    else:
        _check_same(search, made_for)
    return study


def _check_same(search: Search, made_for: dict[str, Any]) -> None:
    before, now = flat(_whole(made_for)), flat(_whole(search.identity()))
    keys = sorted(before.keys() | now.keys())
    differ = [key for key in keys if before.get(key) != now.get(key)]
    if differ:
        shown = "; ".join(f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
                          for key in differ[:4])  # fmt: skip
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise ConfigError(
            f"Study {search.name!r} in {hidden(search.storage)} was made for another search "
            f"({shown}{more}). Run the same command to continue it, or choose another --name."
        )


def revision_of(where: str, name: str) -> Literal[1, 2] | None:
    """Return the revision of a study's models, which it keeps; None for a study that is new."""
    if "://" not in where and not Path(where).is_file():
        return None
    storage = open_storage(where)
    if name not in [study.study_name for study in storage.get_all_studies()]:
        return None
    made_for = optuna.load_study(study_name=name, storage=storage).user_attrs.get(MADE_FOR)
    return None if made_for is None else Config.from_dict(made_for["config"]).revision


def _whole(identity: dict[str, Any]) -> dict[str, Any]:
    """Return what a study was made for, with the config's keys that came since."""
    from zoo.models.branches import with_neighbours  # imports torch, which takes seconds

    config = with_neighbours(Config.from_dict(identity["config"]))
    return {**identity, "config": config.to_dict()}


def load_study(where: str, name: str | None) -> Study:
    """Return an existing study.

    Raises:
        ConfigError: if there is no such study, or several and no name is given.
    """
    if "://" not in where and not Path(where).is_file():
        raise ConfigError(f"Study file {where!r} does not exist.")
    storage = open_storage(where)
    names = [study.study_name for study in storage.get_all_studies()]
    if name is None and len(names) != 1:
        listed = ", ".join(names) or "none"
        raise ConfigError(f"{hidden(where)} holds {len(names)} studies ({listed}): give --name.")
    if name is not None and name not in names:
        listed = ", ".join(names) or "none"
        raise ConfigError(f"{hidden(where)} holds no study {name!r}. It holds: {listed}.")
    return optuna.load_study(study_name=name or names[0], storage=storage)


class NoTrialError(ZooError):
    """A study has no trial that ended with a usable score."""
