"""Presets: a model under a name of its own, with the system prompt, sampling and turns that it always begins with.

Called by the tasks that generate, which turn a request for a preset into one for its model before anything else, and by
the doors that list, make and change them. A preset is its owner's, or everyone's: those only administrators make. Who
may use the model itself is decided afterwards, by the model's own name. It knows no engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import orjson
from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import Caller
from intramuros.errors import BadRequest, Conflict, ModelNotFound, NotAllowed, NotFound
from intramuros.models import sampling
from intramuros.models.installed import DEFAULT, RESERVED, InstalledModels
from intramuros.models.manifest import NAME as MODEL_NAME
from intramuros.storage.database import Database
from intramuros.storage.schema import new_id, now, presets

NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}(:[a-z0-9][a-z0-9._-]{0,31})?")
ROLES = frozenset({"system", "user", "assistant"})
LONGEST_SYSTEM = 100_000
MOST_MESSAGES = 64
MOST_OF_ONE = 200
_FIND = (
    "SELECT id, owner_id, name, model, system, parameters, messages, adapter, created_at, updated_at FROM presets"
    " WHERE name = ? AND (owner_id = ? OR owner_id IS NULL) ORDER BY owner_id IS NULL LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a preset is to be. `messages`: turns that come before those of a request."""

    name: str
    model: str = DEFAULT
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[Mapping[str, str]] = ()
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Preset(Wanted):
    """One that is kept. `owner_id` None: everyone's."""

    id: str = ""
    owner_id: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def is_everyones(self) -> bool:
        """Whether all may use it."""
        return self.owner_id is None

    def request(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The request for its model that this request for it means; what the request says itself counts more.

        Shape: a chat with `messages`, or a text to go on with in `prompt`, which gets no system prompt.
        """
        model = self.model if self.adapter is None else f"{self.model}:{self.adapter}"
        made = {**sampling.for_engine(self.parameters), **asked, "model": model}
        if "messages" in asked:
            own = list(asked["messages"])
            has_system = any(message.get("role") == "system" for message in own)
            system = [{"role": "system", "content": self.system}] if self.system and not has_system else []
            made["messages"] = [*system, *self.messages, *own]
        return made


class Presets:
    """The presets of this installation."""

    def __init__(self, database: Database, models: InstalledModels) -> None:
        self._database, self._models = database, models
        self.is_route: Callable[[str], bool] = lambda _name: False
        """Whether a name is answered along a route, by whatever stands there."""

    def applied(self, asked: Mapping[str, Any], by: Caller) -> tuple[Mapping[str, Any], Preset | None]:
        """The request as the model of its preset gets it, and the preset; as it is, if its model is no preset."""
        preset = self.find(asked.get("model", DEFAULT), by=by)
        return (asked, None) if preset is None else (preset.request(asked), preset)

    def find(self, name: str, *, by: Caller) -> Preset | None:
        """The caller's own preset of this name, else everyone's, if there is one. Some microseconds."""
        if name == DEFAULT:
            return None
        row = self._database.glance(_FIND, name, by.user_id)
        if row is None:
            return None
        found = dict(zip(_COLUMNS, row, strict=True))
        return Preset(**found | {name: orjson.loads(found[name]) for name in ("parameters", "messages")})

    def get(self, preset: str, *, by: Caller) -> Preset:
        """The preset of this id or name that the caller may use. Raises: NotFound."""
        with self._database.read() as connection:
            row = connection.execute(
                select(presets)
                .where(or_(presets.c.id == preset, presets.c.name == preset), _visible(by))
                .order_by(presets.c.id != preset, presets.c.owner_id.is_(None))
                .limit(1)
            ).first()
        if row is None:
            raise NotFound(f"There is no preset {preset[:80]!r}.", hint="See them with: intramuros presets list")
        return _preset(row)

    def list(self, *, by: Caller) -> list[Preset]:
        """The caller's own presets and everyone's, by name; of two of one name the one that answers to it."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(presets).where(_visible(by)).order_by(presets.c.name, presets.c.owner_id.is_not(None))
            )
            return list({row.name: _preset(row) for row in rows}.values())

    def create(self, wanted: Wanted, *, by: Caller, for_everyone: bool = False) -> Preset:
        """A new preset, the caller's or everyone's.

        Raises: BadRequest, NotAllowed, Conflict if the name is taken, ModelNotFound.
        """
        if for_everyone:
            _check_administers(by)
        kept = self._checked(wanted, by)
        owner = None if for_everyone else by.user_id
        with self._writing(kept.name) as connection:
            own = presets.c.owner_id == owner if owner is not None else presets.c.owner_id.is_(None)
            if connection.scalar(select(func.count()).select_from(presets).where(own)) >= MOST_OF_ONE:
                raise BadRequest(f"There are {MOST_OF_ONE} presets already.", hint="Remove some that nobody uses.")
            preset = Preset(**_fields(kept), id=new_id(), owner_id=owner, created_at=now(), updated_at=now())
            connection.execute(insert(presets).values(_fields(preset, Preset)))
        return preset

    def change(self, preset: str, *, by: Caller, **values: Any) -> Preset:
        """Changes fields of `Wanted`; those left out stay. Raises: as `create`, NotFound."""
        found = self._own(preset, by)
        changed = self._checked(replace(found, **values), by)
        with self._writing(changed.name) as connection:
            connection.execute(
                update(presets).where(presets.c.id == found.id).values(_fields(changed) | {"updated_at": now()})
            )
        return self.get(found.id, by=by)

    def remove(self, preset: str, *, by: Caller) -> Preset:
        """Removes a preset; its model stays. Raises: NotFound, NotAllowed."""
        found = self._own(preset, by)
        with self._database.write() as connection:
            connection.execute(delete(presets).where(presets.c.id == found.id))
        return found

    def everyones(self, name: str) -> Preset | None:
        """The preset for everyone of this name, if there is one."""
        with self._database.read() as connection:
            row = connection.execute(
                select(presets).where(presets.c.name == name, presets.c.owner_id.is_(None))
            ).first()
        return None if row is None else _preset(row)

    def is_everyones(self, name: str) -> bool:
        """Whether this name is that of a preset for everyone, so that no model can be installed under it."""
        return self._database.glance("SELECT 1 FROM presets WHERE name = ? AND owner_id IS NULL", name) is not None

    def _own(self, preset: str, by: Caller) -> Preset:
        found = self.get(preset, by=by)
        if found.is_everyones:
            _check_administers(by)
        return found

    def _checked(self, wanted: Wanted, by: Caller) -> Wanted:
        """The same with everything in the form in which it is kept; one made from a preset has all that it says."""
        self._check_name(wanted.name)
        if len(wanted.system) > LONGEST_SYSTEM:
            raise BadRequest(f"'system' is longer than {LONGEST_SYSTEM} characters.", param="system")
        below = self.find(wanted.model, by=by)
        if below is not None and below.name == wanted.name:
            raise BadRequest(f"{wanted.name} can't be made from itself.", param="model")
        if below is None:
            model, adapter = self._models.split(wanted.model)
            wanted = replace(wanted, model=model, adapter=wanted.adapter or adapter)
        kept = replace(wanted, parameters=sampling.checked(wanted.parameters), messages=_messages(wanted.messages))
        if below is not None:
            kept = replace(
                kept,
                model=below.model,
                adapter=kept.adapter or below.adapter,
                system=kept.system or below.system,
                parameters={**below.parameters, **kept.parameters},
                messages=kept.messages or below.messages,
            )
        self._check_model(kept)
        return kept

    def _check_name(self, name: str) -> None:
        if not NAME.fullmatch(name) or name in RESERVED:
            raise BadRequest(
                f"A preset can't be named {name[:80]!r}.",
                hint="Use lower-case letters, digits and . _ - / with a tag after ':' if need be; 'default' and"
                " 'starter' are taken.",
                param="name",
            )
        model, _, adapter = name.partition(":")
        found = self._models.find(model) if MODEL_NAME.fullmatch(model) else None
        if self.is_route(name) or (found is not None and not adapter):
            _taken(name, "A model")
        if found is not None and any(part.name == adapter for part in found.adapters):
            _taken(name, "An adapter")

    def _check_model(self, wanted: Wanted) -> None:
        """Raises: ModelNotFound, BadRequest for a model that doesn't write or can't read as much as is asked for."""
        if self.is_route(wanted.model):
            return
        try:
            model = self._models.get(wanted.model)
        except ModelNotFound:
            if wanted.model == DEFAULT and wanted.adapter is None:
                return  # whichever is chosen later
            raise
        if not model.is_chat:
            raise BadRequest(f"{model.name} does not write: nothing can be made from it.", param="model")
        if wanted.adapter is not None and all(part.name != wanted.adapter for part in model.adapters):
            raise BadRequest(
                f"{model.name} has no adapter {wanted.adapter[:80]!r}.",
                hint="See them with: intramuros adapters list",
                param="adapter",
            )
        asked = wanted.parameters.get("context_tokens", 0)
        if model.header.context_tokens and asked > model.header.context_tokens:
            raise BadRequest(
                f"{model.name} reads {model.header.context_tokens} tokens at once, not {asked}.",
                param="parameters.context_tokens",
            )

    @contextmanager
    def _writing(self, name: str) -> Iterator[Any]:
        try:
            with self._database.write() as connection:
                yield connection
        except IntegrityError:
            _taken(name, "A preset")


def _visible(by: Caller) -> Any:
    return or_(presets.c.owner_id == by.user_id, presets.c.owner_id.is_(None))


def _check_administers(by: Caller) -> None:
    """Raises: NotAllowed, unless the caller may change what is everyone's; a key needs its scope for that."""
    if not by.is_administrator:
        raise NotAllowed("Only administrators make and change presets for everyone.", hint="Make one for yourself.")
    by.rights.check_scope("admin")


def _taken(name: str, what: str) -> NoReturn:
    raise Conflict(f"{what} of the name {name} is there already.", hint="Choose another name, or remove that one.")


def _messages(values: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    if len(values) > MOST_MESSAGES:
        raise BadRequest(f"A preset begins with at most {MOST_MESSAGES} messages.", param="messages")
    kept = []
    for place, value in enumerate(values):
        role, content = value.get("role"), value.get("content")
        if role not in ROLES or not isinstance(content, str) or set(value) - {"role", "content"}:
            raise BadRequest(
                f"'messages[{place}]' must have a 'role' (system, user or assistant) and a text as its 'content'.",
                param=f"messages[{place}]",
            )
        kept.append({"role": role, "content": content})
    return kept


def _preset(row: Row[Any]) -> Preset:
    return Preset(**{name: getattr(row, name) for name in _COLUMNS})


def _fields(values: Wanted, kind: type[Wanted] = Wanted) -> dict[str, Any]:
    return {name: getattr(values, name) for name in kind.__dataclass_fields__}


_COLUMNS = (
    "id",
    "owner_id",
    "name",
    "model",
    "system",
    "parameters",
    "messages",
    "adapter",
    "created_at",
    "updated_at",
)
