"""Uploads a trained run to the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, HubError, ZooError
from zoo.pretrained import folder_of
from zoo.pretrained.hub import NOW, REPOSITORY, Shared
from zoo.sharing.packing import pack
from zoo.system.files import write_whole
from zoo.system.hub import first_line, hub_problem

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

    CommitOperation = CommitOperationAdd | CommitOperationCopy | CommitOperationDelete

CARD = "README.md"
OURS = (".json", ".yaml", ".safetensors")
"""What a push writes; files of these kinds that an earlier one sent and this one does not go."""


@dataclass(frozen=True)
class Wish:
    """What is to be sent, and where.

    Attributes:
        run: Folder of a run or saved model, or the name of a shipped model.
        repo: Repository, as user/name.
        revision: Branch to write to; it is made if it is missing.
        private: Whether nobody else may read the repository.
        splits: Whether the names of the samples in train, validation and test are sent.
        language_model: Name or hub id of the language model, for a run that names a folder.
        licence: The hub's identifier of the licence under which the model is shared.
    """

    run: str | Path
    repo: str
    revision: str = NOW
    private: bool = False
    splits: bool = False
    language_model: str | None = None
    licence: str | None = None


def push(
    wish: Wish,
    *,
    dry_run: bool = False,
    tell: Callable[[dict[str, int]], None] = lambda sizes: None,
) -> Shared | None:
    """Send a trained run to the hub, and return its name with the commit.

    Args:
        wish: What to send, and where.
        dry_run: Whether to send nothing, and only tell what would be sent.
        tell: Called with the size in bytes of each file by its name, before anything is sent.

    Returns:
        The model with its commit; None for a dry run.

    Raises:
        ConfigError: If the repository's name is not valid, is that of a public one where `private`
            is asked for, or the language model is a folder of this machine.
        CheckpointError: If the run is no trained model, or is damaged.
        HubError: If the hub cannot be reached, or does not let the user write there.
    """
    if not REPOSITORY.fullmatch(wish.repo):
        raise ConfigError(
            f"{wish.repo!r} is no name of a repository. Write USER/NAME, as lab/sites."
        )
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as place:
        folder = Path(place)
        pack(folder_of(wish.run), folder, splits=wish.splits, language_model=wish.language_model)
        from zoo.sharing.card import hub_card

        write_whole(folder / CARD, hub_card(folder, wish.repo, wish.licence))
        tell(sizes(folder))
        return None if dry_run else _upload(folder, wish)


def sizes(folder: Path) -> dict[str, int]:
    """Return the size in bytes of each file in a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _upload(folder: Path, wish: Wish) -> Shared:
    if reason := hub_problem():
        raise HubError(
            f"Nothing was sent to {wish.repo}: {reason}. Run the same command on a machine with "
            "internet, to which the folder of the run was copied."
        )
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    hub = HfApi(library_name="protein-model-zoo")
    try:
        hub.create_repo(wish.repo, private=wish.private or None, exist_ok=True)
        if wish.private and not hub.model_info(wish.repo).private:
            raise ConfigError(
                f"{wish.repo} exists and everybody can read it, so nothing was sent. Leave "
                "--private out, give another name, or make it private on the hub first."
            )
        if wish.revision != NOW:
            hub.create_branch(wish.repo, branch=wish.revision, exist_ok=True)
        done = hub.create_commit(  # one commit, so that no name stands for half of a push
            wish.repo, _changes(folder, hub.list_repo_files(wish.repo, revision=wish.revision)),
            commit_message="Push a trained model with protein-model-zoo", revision=wish.revision,
        )  # fmt: skip
    except ZooError:
        raise
    except HfHubHTTPError as error:
        code = error.response.status_code
        advice = (
            " `hf auth login` logs in, with a token that may write." if code in (401, 403) else ""
        )
        raise HubError(
            f"{wish.repo}: the hub answered {code}: {first_line(error)}{advice}"
        ) from error
    except Exception as error:  # errors of the hub are many: no token, connection lost
        raise HubError(f"{wish.repo}: {type(error).__name__}: {first_line(error)}") from error
    return Shared(wish.repo, done.oid)


def _changes(folder: Path, there: Iterable[str]) -> list[CommitOperation]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    sent = sizes(folder)
    gone = [name for name in there if name.endswith(OURS) and name not in sent]
    return [
        *(CommitOperationAdd(name, folder / name) for name in sent),
        *map(CommitOperationDelete, gone),
    ]
