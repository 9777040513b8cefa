"""What each route for programs answers, by the types that its code is checked by, and the errors of each door.

Called by `server.openapi`. A test holds real answers of every route against what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from intramuros.api import (
    ask,
    break_glass,
    erasing,
    errors,
    groups,
    health,
    people,
    presets,
    privacy,
    projects,
    quotas,
    sharing,
    upstreams,
)
from intramuros.api.anthropic import batches as message_batches
from intramuros.api.anthropic import models as anthropic_models
from intramuros.api.anthropic.dialect import VERSION
from intramuros.api.anthropic.errors import AnthropicError
from intramuros.api.anthropic.events import MessageEvent
from intramuros.api.anthropic.messages import MessageTokens
from intramuros.api.anthropic.replies import MessageObject
from intramuros.api.anthropic.shape import MessagePage
from intramuros.api.described import Described
from intramuros.api.mcp.message import RpcAnswer, RpcError, RpcNotification
from intramuros.api.ollama import embedding, models
from intramuros.api.ollama.answers import ChatPiece, GeneratedPiece
from intramuros.api.ollama.errors import OllamaError
from intramuros.api.ollama.sending import Step
from intramuros.api.openai import (
    audio,
    batches,
    embeddings,
    images,
    vector_store_files,
    vector_store_search,
    vector_stores,
)
from intramuros.api.openai import models as openai_models
from intramuros.api.openai.errors import OpenAIError
from intramuros.api.openai.files import FileObject
from intramuros.api.openai.listing import Deleted, Page
from intramuros.api.openai.replies import ChatCompletion, ChatCompletionChunk
from intramuros.api.openai.responses.compacting import CompactionObject
from intramuros.api.openai.responses.conversations import ConversationObject
from intramuros.api.openai.responses.items import ItemObject
from intramuros.api.openai.responses.routes import InputTokens
from intramuros.api.openai.responses.writing import EventObject, ResponseObject
from intramuros.api.openai.stored import StoredMessage
from intramuros.engines.renaming import Renamed
from intramuros.engines.route import RouteObject
from intramuros.engines.routing import ConsentObject
from intramuros.engines.trial import Trial
from intramuros.engines.upstream import UpstreamObject
from intramuros.privacy.erase.receipt import ReceiptObject
from intramuros.privacy.erase.retention import Kept
from intramuros.server.doors import ANTHROPIC, API, MCP, OLLAMA, OPENAI, Door, door_of
from intramuros.tasks.answered import AnswerObject
from intramuros.tasks.continuing import TextCompletion
from intramuros.tasks.moderating import ModerationReply

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
BYTES, TEXT = "application/octet-stream", "text/plain"
EACH = "x-each"
"""What each event or line of a stream is. OpenAPI 3.1 has no word for it; 3.2 calls it `itemSchema`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a route answers where nothing is wrong.

    `kind`: of its JSON; None where `media` is no JSON, or, with `media` empty, where there is nothing to read. `beside`
    is another media type that the request may ask for; of a stream `each` says what its events or lines are. `empty` is
    the status where the request is one that nothing is answered to.
    """

    kind: Any = None
    status: int = 200
    media: str = JSON
    each: Any = None
    beside: str = ""
    empty: int | None = None

    def content(self, described: Described) -> dict[str, Any]:
        """The answer as the document has it, by media type."""
        found: dict[str, Any] = {}
        if self.media:
            found[self.media] = {"schema": {"type": "string"} if self.kind is None else described.of(self.kind)}
        if self.beside:
            more = {} if self.each is None else {EACH: described.of(self.each)}
            found[self.beside] = {"schema": {"type": "string"}, **more}
        return found


def _streams(kind: Any, each: Any, *, beside: str = EVENTS) -> Answers:
    return Answers(kind, each=each, beside=beside)


NOTHING = Answers(status=204, media="")
_RECEIPT = Answers(ReceiptObject)
_PERSON = Answers(people.PersonObject)
_SHARING = Answers(sharing.SharingObject)
_DELETED = Answers(Deleted)
_CONVERSATION = Answers(ConversationObject)
_COMPLETION = Answers(ChatCompletion)
_RESPONSE = Answers(ResponseObject)
_STREAMED_RESPONSE = _streams(ResponseObject, EventObject)
_BATCH = Answers(batches.BatchObject)
_STORE = Answers(vector_stores.StoreObject)
_STORE_FILE = Answers(vector_store_files.StoreFileObject)
_STORE_FILES = Answers(Page[vector_store_files.StoreFileObject])
_FILE_BATCH = Answers(vector_store_files.FileBatchObject)
_MESSAGE_BATCH = Answers(message_batches.MessageBatchObject)
_ITEMS = Answers(Page[ItemObject])
_STEPS = _streams(Step, Step | OllamaError, beside=LINES)
_DONE = Answers(media="")
_PICTURES = Answers(images.ImagesObject)

ANSWERS: Mapping[tuple[str, str], Answers] = {
    ("GET", "/health"): Answers(health.HealthObject),
    ("GET", "/metrics"): Answers(media=TEXT),
    # The OpenAI door.
    ("POST", "/v1/chat/completions"): _streams(ChatCompletion, ChatCompletionChunk | OpenAIError),
    ("GET", "/v1/chat/completions"): Answers(Page[ChatCompletion]),
    ("GET", "/v1/chat/completions/{completion}"): _COMPLETION,
    ("POST", "/v1/chat/completions/{completion}"): _COMPLETION,
    ("DELETE", "/v1/chat/completions/{completion}"): _DELETED,
    ("GET", "/v1/chat/completions/{completion}/messages"): Answers(Page[StoredMessage]),
    ("POST", "/v1/responses"): _STREAMED_RESPONSE,
    ("POST", "/v1/responses/input_tokens"): Answers(InputTokens),
    ("POST", "/v1/responses/compact"): Answers(CompactionObject),
    ("GET", "/v1/responses/{response}"): _STREAMED_RESPONSE,
    ("DELETE", "/v1/responses/{response}"): _DELETED,
    ("POST", "/v1/responses/{response}/cancel"): _RESPONSE,
    ("GET", "/v1/responses/{response}/input_items"): _ITEMS,
    ("POST", "/v1/conversations"): _CONVERSATION,
    ("GET", "/v1/conversations/{dialogue}"): _CONVERSATION,
    ("POST", "/v1/conversations/{dialogue}"): _CONVERSATION,
    ("DELETE", "/v1/conversations/{dialogue}"): _DELETED,
    ("GET", "/v1/conversations/{dialogue}/items"): _ITEMS,
    ("POST", "/v1/conversations/{dialogue}/items"): _ITEMS,
    ("GET", "/v1/conversations/{dialogue}/items/{item}"): Answers(ItemObject),
    ("DELETE", "/v1/conversations/{dialogue}/items/{item}"): _CONVERSATION,
    ("POST", "/v1/completions"): _streams(TextCompletion, TextCompletion | OpenAIError),
    ("POST", "/v1/embeddings"): Answers(embeddings.EmbeddingReply),
    ("POST", "/v1/rerank"): Answers(embeddings.RankReply),
    ("POST", "/v1/moderations"): Answers(ModerationReply),
    ("POST", "/v1/audio/speech"): Answers(media="audio/*"),
    ("POST", "/v1/audio/transcriptions"): Answers(audio.Heard, beside=TEXT),
    ("POST", "/v1/audio/translations"): Answers(audio.Heard, beside=TEXT),
    ("POST", "/v1/images/generations"): _PICTURES,
    ("POST", "/v1/images/edits"): _PICTURES,
    ("POST", "/v1/images/variations"): _PICTURES,
    ("GET", "/v1/models"): Answers(openai_models.ModelObjects | MessagePage[anthropic_models.MessageModel]),
    ("GET", "/v1/models/{model:path}"): Answers(openai_models.ModelObject | anthropic_models.MessageModel),
    ("DELETE", "/v1/models/{model:path}"): _DELETED,
    ("POST", "/v1/files"): Answers(FileObject),
    ("GET", "/v1/files"): Answers(Page[FileObject]),
    ("GET", "/v1/files/{file}"): Answers(FileObject),
    ("DELETE", "/v1/files/{file}"): _DELETED,
    ("GET", "/v1/files/{file}/content"): Answers(media=BYTES),
    ("POST", "/v1/batches"): _BATCH,
    ("GET", "/v1/batches"): Answers(Page[batches.BatchObject]),
    ("GET", "/v1/batches/{batch}"): _BATCH,
    ("POST", "/v1/batches/{batch}/cancel"): _BATCH,
    ("POST", "/v1/vector_stores"): _STORE,
    ("GET", "/v1/vector_stores"): Answers(Page[vector_stores.StoreObject]),
    ("GET", "/v1/vector_stores/{store}"): _STORE,
    ("POST", "/v1/vector_stores/{store}"): _STORE,
    ("DELETE", "/v1/vector_stores/{store}"): _DELETED,
    ("POST", "/v1/vector_stores/{store}/search"): Answers(vector_store_search.SearchPage),
    ("POST", "/v1/vector_stores/{store}/files"): _STORE_FILE,
    ("GET", "/v1/vector_stores/{store}/files"): _STORE_FILES,
    ("GET", "/v1/vector_stores/{store}/files/{file}"): _STORE_FILE,
    ("POST", "/v1/vector_stores/{store}/files/{file}"): _STORE_FILE,
    ("DELETE", "/v1/vector_stores/{store}/files/{file}"): _DELETED,
    ("GET", "/v1/vector_stores/{store}/files/{file}/content"): Answers(vector_store_files.FileContent),
    ("POST", "/v1/vector_stores/{store}/file_batches"): _FILE_BATCH,
    ("GET", "/v1/vector_stores/{store}/file_batches/{batch}"): _FILE_BATCH,
    ("POST", "/v1/vector_stores/{store}/file_batches/{batch}/cancel"): _FILE_BATCH,
    ("GET", "/v1/vector_stores/{store}/file_batches/{batch}/files"): _STORE_FILES,
    # The Ollama door.
    ("POST", "/api/chat"): _streams(ChatPiece, ChatPiece | OllamaError, beside=LINES),
    ("POST", "/api/generate"): _streams(GeneratedPiece, GeneratedPiece | OllamaError, beside=LINES),
    ("POST", "/api/embed"): Answers(embedding.EmbedReply),
    ("POST", "/api/embeddings"): Answers(embedding.OldEmbedReply),
    ("GET", "/api/tags"): Answers(models.Tags),
    ("POST", "/api/show"): Answers(models.ShownModel),
    ("GET", "/api/ps"): Answers(models.LoadedModels),
    ("GET", "/api/version"): Answers(models.VersionObject),
    ("POST", "/api/pull"): _STEPS,
    ("POST", "/api/create"): _STEPS,
    ("POST", "/api/copy"): _DONE,
    ("DELETE", "/api/delete"): _DONE,
    ("GET", "/api/blobs/{digest}"): _DONE,
    ("POST", "/api/blobs/{digest}"): Answers(status=201, media=""),
    # The Anthropic door.
    ("POST", "/v1/messages"): _streams(MessageObject, MessageEvent),
    ("POST", "/v1/messages/count_tokens"): Answers(MessageTokens),
    ("GET", "/v1/messages/batches"): Answers(MessagePage[message_batches.MessageBatchObject]),
    ("POST", "/v1/messages/batches"): _MESSAGE_BATCH,
    ("GET", "/v1/messages/batches/{messagebatch}"): _MESSAGE_BATCH,
    ("DELETE", "/v1/messages/batches/{messagebatch}"): Answers(message_batches.DeletedMessageBatch),
    ("POST", "/v1/messages/batches/{messagebatch}/cancel"): _MESSAGE_BATCH,
    ("GET", "/v1/messages/batches/{messagebatch}/results"): Answers(media="application/x-jsonl"),
    # The MCP door.
    ("POST", "/mcp"): replace(_streams(RpcAnswer | RpcError, RpcAnswer | RpcError | RpcNotification), empty=202),
    ("GET", "/mcp"): Answers(status=405, media=""),
    ("DELETE", "/mcp"): Answers(status=405, media=""),
    # The product's own API.
    ("GET", "/api/v1/projects"): Answers(projects.ProjectObjects),
    ("POST", "/api/v1/projects"): Answers(projects.ProjectObject, status=201),
    ("GET", "/api/v1/projects/{project}"): Answers(projects.ProjectObject),
    ("DELETE", "/api/v1/projects/{project}"): _RECEIPT,
    ("GET", "/api/v1/projects/{project}/documents"): Answers(projects.Documents),
    ("POST", "/api/v1/projects/{project}/documents"): Answers(projects.Received, status=202),
    ("GET", "/api/v1/projects/{project}/documents/{document}"): Answers(projects.DocumentObject),
    ("DELETE", "/api/v1/projects/{project}/documents/{document}"): _RECEIPT,
    ("POST", "/api/v1/projects/{project}/search"): Answers(projects.FoundPassages),
    ("POST", "/api/v1/projects/{project}/ask"): _streams(AnswerObject, ask.EventObject),
    ("GET", "/api/v1/projects/{project}/members"): _SHARING,
    ("PUT", "/api/v1/projects/{project}/members/{user}"): _SHARING,
    ("DELETE", "/api/v1/projects/{project}/members/{user}"): NOTHING,
    ("PUT", "/api/v1/projects/{project}/groups/{group}"): _SHARING,
    ("DELETE", "/api/v1/projects/{project}/groups/{group}"): NOTHING,
    ("DELETE", "/api/v1/projects/{project}/conversations/{conversation}"): _RECEIPT,
    ("GET", "/api/v1/projects/{project}/retention"): Answers(Kept),
    ("PUT", "/api/v1/projects/{project}/retention"): Answers(Kept),
    ("GET", "/api/v1/receipts"): Answers(erasing.Receipts),
    ("GET", "/api/v1/receipts/{receipt}"): _RECEIPT,
    ("GET", "/api/v1/users"): Answers(people.People),
    ("POST", "/api/v1/users"): Answers(people.PersonObject, status=201),
    ("POST", "/api/v1/invitations"): Answers(people.InvitationObject, status=201),
    ("GET", "/api/v1/users/{user}"): Answers(people.PersonInGroups),
    ("DELETE", "/api/v1/users/{user}"): Answers(people.Removed),
    ("PUT", "/api/v1/users/{user}/role"): _PERSON,
    ("POST", "/api/v1/users/{user}/suspend"): _PERSON,
    ("POST", "/api/v1/users/{user}/resume"): _PERSON,
    ("POST", "/api/v1/users/{user}/reset-factor"): _PERSON,
    ("POST", "/api/v1/users/{user}/sign-out"): _PERSON,
    ("GET", "/api/v1/users/{user}/reach"): Answers(people.ReachObject),
    ("POST", "/api/v1/users/{user}/search"): Answers(projects.Passages),
    ("GET", "/api/v1/groups"): Answers(groups.GroupObjects),
    ("POST", "/api/v1/groups"): Answers(groups.GroupObject, status=201),
    ("GET", "/api/v1/groups/{group}"): Answers(groups.GroupWithMembers),
    ("PATCH", "/api/v1/groups/{group}"): Answers(groups.GroupObject),
    ("DELETE", "/api/v1/groups/{group}"): NOTHING,
    ("PUT", "/api/v1/groups/{group}/members/{user}"): Answers(groups.GroupObject),
    ("DELETE", "/api/v1/groups/{group}/members/{user}"): Answers(groups.GroupObject),
    ("GET", "/api/v1/quotas"): Answers(quotas.QuotaObjects),
    ("GET", "/api/v1/quotas/{kind}/{subject}"): Answers(quotas.QuotaObject),
    ("PUT", "/api/v1/quotas/{kind}/{subject}"): Answers(quotas.QuotaObject),
    ("DELETE", "/api/v1/quotas/{kind}/{subject}"): NOTHING,
    ("GET", "/api/v1/usage"): Answers(quotas.OwnLimits),
    ("GET", "/api/v1/presets"): Answers(presets.PresetObjects),
    ("POST", "/api/v1/presets"): Answers(presets.PresetObject, status=201),
    ("GET", "/api/v1/presets/{preset:path}"): Answers(presets.PresetObject),
    ("PATCH", "/api/v1/presets/{preset:path}"): Answers(presets.PresetObject),
    ("DELETE", "/api/v1/presets/{preset:path}"): NOTHING,
    ("GET", "/api/v1/break-glass"): Answers(break_glass.Openings),
    ("POST", "/api/v1/break-glass"): Answers(break_glass.OpeningObject, status=201),
    ("POST", "/api/v1/break-glass/{access}/end"): Answers(break_glass.OpeningObject),
    ("GET", "/api/v1/upstreams"): Answers(upstreams.Upstreams),
    ("POST", "/api/v1/upstreams"): Answers(UpstreamObject, status=201),
    ("PATCH", "/api/v1/upstreams/{upstream}"): Answers(UpstreamObject),
    ("DELETE", "/api/v1/upstreams/{upstream}"): NOTHING,
    ("POST", "/api/v1/upstreams/{upstream}/test"): Answers(Trial),
    ("POST", "/api/v1/upstreams/{upstream}/rename"): Answers(Renamed),
    ("POST", "/api/v1/upstreams/{upstream}/consents"): Answers(ConsentObject),
    ("POST", "/api/v1/upstreams/{upstream}/consents/withdraw"): NOTHING,
    ("GET", "/api/v1/routes"): Answers(upstreams.Routes),
    ("GET", "/api/v1/routes/{route:path}"): Answers(upstreams.ComparedRoute),
    ("PUT", "/api/v1/routes/{route:path}"): Answers(RouteObject),
    ("POST", "/api/v1/routes/{route:path}/rename"): Answers(Renamed),
    ("DELETE", "/api/v1/routes/{route:path}"): NOTHING,
    ("POST", "/privacy/v1/redact"): Answers(privacy.WithMap),
    ("POST", "/privacy/v1/restore"): Answers(privacy.Restored),
}
"""By method and path. What is not here answers nothing but an error."""

ERRORS: Mapping[Door, Any] = {
    OPENAI: OpenAIError,
    OLLAMA: OllamaError,
    ANTHROPIC: AnthropicError,
    MCP: RpcError,
    API: errors.ErrorObject,
}
"""The shape of each door's errors."""


def errors_at(path: str) -> list[Any]:
    """The shapes that errors of an address may have: of an address of two doors that of either."""
    doors = (door_of(path, headers) for headers in ({}, {VERSION.decode(): ""}))
    return [ERRORS[door] for door in dict.fromkeys(doors)]
