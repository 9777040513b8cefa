"""Every error Intramuros raises on purpose, in one tree.

    IntramurosError
    ├── BadRequest                 the caller must change the request           400
    │   ├── ContextOverflow        the prompt is longer than the model can read 400
    │   ├── TextBlocked            it holds what the policy lets nobody send    422
    │   └── TooLarge               more bytes than the limit                    413
    ├── NotSignedIn                who is asking is not known                   401
    │   └── WrongCode              a one-time or recovery code is not good      401
    ├── NotAllowed                 who is asking may not                        403
    │   ├── OutsideNotAllowed      the text may not leave these walls           403
    │   ├── SecondFactorNeeded     they must set up a second factor first       403
    │   └── ProofNeeded            they must show their password again first    403
    ├── NotFound                   no such model, project, document, page       404
    │   └── ModelNotFound
    ├── Conflict                   it exists already, or is in use              409
    ├── TooMany                    queue or limit reached; try again later      429
    │   └── QuotaReached           somebody has used their tokens or money      429
    ├── DocumentError              a document can't be read, and why            422
    ├── ModelFileError             a model file is broken or not a model        422
    ├── ModelTooLarge              the model does not fit in memory             507
    ├── MemoryBusy                 other models in use hold the memory          503
    ├── EngineError                the model process failed                     502
    │   ├── EngineLoadFailed       it could not load the model                  503
    │   ├── EngineDied             it stopped in the middle                     502
    │   ├── EngineTimeout          it stopped answering                         504
    │   │   └── UpstreamTimeout    a model server elsewhere did not go on       504
    │   ├── UpstreamFailed         a model server elsewhere failed              502
    │   └── NoTarget               nothing that a route names can answer now    503
    ├── IsolationTooWeak           a process can't be confined as required      503
    ├── DownloadFailed             a file could not be fetched or verified      502
    ├── EgressRefused              a connection the policy does not allow       403
    ├── SignInServiceFailed        the provider or directory can't be asked     502
    ├── DetectorFailed             what should find personal data failed        503
    ├── AuditUnavailable           the record can't be written: refuse          503
    ├── StorageError               the store can't be used                      503
    │   ├── WrongKey               the key does not open the database           503
    │   ├── StorageCorrupt         the database is damaged                      503
    │   │   └── BackupDamaged      a backup is not what was written             503
    │   ├── StorageFull            no space left on the disk                    507
    │   ├── StorageBusy            another process writes for too long          503
    │   ├── ErasureUnfinished      removed, but not proven yet                  503
    │   └── NotInitialised         there is no Intramuros data here             503
    ├── SettingsError              a setting is unknown or has a bad value      500
    ├── NoBackEnd                  nothing installed here can do this           501
    └── AlreadyRunning             another server has this data or this port    409

Each door turns `code`, `status`, `message` and `hint` into its own shape. No error carries text of a
prompt, an answer or a document.
"""

from __future__ import annotations


class IntramurosError(Exception):
    """The base: what happened, to what, and (`hint`) what to do next.

    `code` is stable and machine-readable, `status` the HTTP status, `retry` whether the same request may
    work later, `details` plain numbers and names for the caller (never content).
    """

    code = "internal_error"
    status = 500
    retry = False
    hint = ""

    def __init__(
        self, message: str = "", *, hint: str | None = None, code: str | None = None, **details: object
    ) -> None:
        self.message = message or (type(self).__doc__ or self.code).strip().splitlines()[0]
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code
        self.details = details
        super().__init__(self.message)

    @property
    def plain(self) -> dict[str, int | float | str]:
        """The details that a client is told as they are."""
        return {name: value for name, value in self.details.items() if isinstance(value, int | float | str)}


class BadRequest(IntramurosError):
    """The request can't be understood or has a value that is not allowed."""

    code, status = "bad_request", 400


class ContextOverflow(BadRequest):
    """The prompt is longer than the model can read."""

    code = "context_length_exceeded"
    hint = "Shorten the prompt, or choose a model with a longer context: intramuros models list"


class TooLarge(BadRequest):
    """The request or file is larger than the limit."""

    code, status = "too_large", 413


class TextBlocked(BadRequest):
    """The text holds something that the redaction policy lets nobody send."""

    code, status = "text_blocked", 422
    hint = "Take keys, tokens and passwords out of the text, or have them masked: --policy SECRET=mask"


class NotSignedIn(IntramurosError):
    """Sign in, or send an API key."""

    code, status = "not_signed_in", 401
    hint = "Send 'Authorization: Bearer imk_…'. Make a key with: intramuros keys create NAME"


class WrongCode(NotSignedIn):
    """This code is wrong, too old, or has been used already."""

    code = "wrong_code"
    hint = "Wait for the app's next code. If none is taken, check that the phone's clock is right."


class NotAllowed(IntramurosError):
    """You may not do this."""

    code, status = "not_allowed", 403


class OutsideNotAllowed(NotAllowed):
    """Only a model outside these walls could answer, and this text may not go there."""

    code = "outside_not_allowed"
    hint = (
        "Choose a model inside, or send 'X-Intramuros-Outside: allow' if you agree that it leaves, pseudonymised. An"
        " administrator opens the way out: INTRAMUROS_OUTSIDE_ALLOWED, intramuros upstreams agree"
    )


class SecondFactorNeeded(NotAllowed):
    """Set up a second factor first: nothing else is open to you."""

    code = "second_factor_needed"
    hint = "Open your account page in the browser and set up one-time codes or a passkey."


class ProofNeeded(NotAllowed):
    """Show your password or passkey again first: this changes how you sign in."""

    code = "proof_needed"
    hint = "Open your account page and confirm that it is you."


class NotFound(IntramurosError):
    """There is no such thing, or you may not see it."""

    code, status = "not_found", 404


class ModelNotFound(NotFound):
    """No model of this name is installed."""

    code = "model_not_found"
    hint = "See the installed models with: intramuros models list, or GET /v1/models"


class Conflict(IntramurosError):
    """It exists already, or is in use."""

    code, status = "conflict", 409


class TooMany(IntramurosError):
    """Too many requests at once; try again in a moment."""

    code, status, retry = "too_many_requests", 429, True


class QuotaReached(TooMany):
    """The tokens or the money of this day or month are used up."""

    code, retry = "quota_reached", False


class DocumentError(IntramurosError):
    """The document can't be read."""

    code, status = "document_unreadable", 422


class ModelFileError(IntramurosError):
    """The file is not a model that can be loaded."""

    code, status = "model_file_invalid", 422
    hint = "Fetch it again with: intramuros models pull NAME"


class ModelTooLarge(IntramurosError):
    """The model does not fit in this machine's memory."""

    code, status = "model_too_large", 507
    hint = "See the models that fit with: intramuros models list"


class MemoryBusy(IntramurosError):
    """Other models, which are in use, hold the memory this one needs."""

    code, status, retry = "memory_busy", 503, True
    hint = "Try again in a moment; see what holds it with: intramuros models ps"


class EngineError(IntramurosError):
    """The model process failed."""

    code, status, retry = "engine_error", 502, True


class EngineLoadFailed(EngineError):
    """The engine could not load the model."""

    code, status, retry = "engine_load_failed", 503, False


class IsolationTooWeak(IntramurosError):
    """The kernel does not confine a process as far as the policy requires."""

    code, status = "isolation_too_weak", 503
    hint = (
        "See what is missing with: intramuros selftest isolation. Allow user namespaces and Landlock on this machine,"
        " or lower INTRAMUROS_ISOLATION_REQUIRED."
    )


class EngineDied(EngineError):
    """The model process stopped in the middle of an answer; it is being restarted."""

    code = "engine_died"
    hint = "Send the request again."


class EngineTimeout(EngineError):
    """The model process stopped answering; it is being restarted."""

    code, status = "engine_timeout", 504
    hint = "Send the request again."


class UpstreamTimeout(EngineTimeout):
    """The model server elsewhere did not go on in time."""

    code = "upstream_timeout"
    hint = "Try again; if it goes on, an administrator sees why with: intramuros upstreams test NAME"


class UpstreamFailed(EngineError):
    """The model server elsewhere failed, or answers in a way that can't be used."""

    code = "upstream_failed"
    hint = "Try again; if it goes on, an administrator sees why with: intramuros upstreams test NAME"


class NoTarget(EngineError):
    """Nothing that the route names can answer now: all of it failed a moment ago and rests."""

    code, status = "no_target", 503
    hint = "Try again in a moment; an administrator sees why with: intramuros upstreams list --check"


class DownloadFailed(IntramurosError):
    """The file could not be fetched or is not what was expected."""

    code, status, retry = "download_failed", 502, True


class EgressRefused(IntramurosError):
    """This connection is not on the allow-list; nothing left the machine."""

    code, status = "egress_refused", 403


class SignInServiceFailed(IntramurosError):
    """The organisation's sign-in service or directory can't be asked."""

    code, status, retry = "sign_in_service_failed", 502, True
    hint = "Try again; if it goes on, tell an administrator."


class DetectorFailed(IntramurosError):
    """A detector of personal data failed, so the text was not let through."""

    code, status, retry = "detector_failed", 503, True
    hint = "Try again; if it goes on, report which detector it is."


class AuditUnavailable(IntramurosError):
    """The audit record can't be written, so the request is refused."""

    code, status, retry = "audit_unavailable", 503, True
    hint = "Free some disk space, then check with: intramuros selftest"


class StorageError(IntramurosError):
    """The store can't be used."""

    code, status = "storage_error", 503


class WrongKey(StorageError):
    """The key does not open this data."""

    code = "wrong_key"
    hint = "Give the key this data was made with (INTRAMUROS_KEY_FILE or the passphrase)."


class StorageCorrupt(StorageError):
    """The database is damaged."""

    code = "storage_corrupt"
    hint = "Stop the server and restore the last backup: intramuros restore FOLDER --replace"


class BackupDamaged(StorageCorrupt):
    """A backup is not what was written."""

    code = "backup_damaged"
    hint = "Use an earlier one: intramuros backup list FOLDER"


class StorageFull(StorageError):
    """The disk is full; nothing was changed."""

    code, status = "storage_full", 507
    hint = "Free some disk space and try again."


class StorageBusy(StorageError):
    """Another process has been writing to the database for too long; nothing was changed."""

    code, retry = "storage_busy", True
    hint = "Try again in a moment."


class ErasureUnfinished(StorageError):
    """What was to be erased is removed, but that it is gone from the files can't be proven yet."""

    code, retry = "erasure_unfinished", True
    hint = "A running server finishes it by itself; without one: intramuros erase resume"


class NotInitialised(StorageError):
    """There is no Intramuros data in this folder."""

    code = "not_initialised"
    hint = "Create it with: intramuros init"


class SettingsError(IntramurosError):
    """A setting is unknown or has a bad value."""

    code = "bad_setting"


class NoBackEnd(IntramurosError):
    """Nothing that is installed here can do this; the request was understood."""

    code, status = "no_back_end", 501


class AlreadyRunning(IntramurosError):
    """Another server uses this data folder or this port."""

    code, status = "already_running", 409


def kind_of(value: object) -> str:
    """What a JSON value is, in words: for messages that say what came where something else was expected."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "something else")


def error_kind(code: str) -> type[IntramurosError]:
    """The class of this code, of an error that was written down; the base if there is none any more."""
    waiting = [IntramurosError]
    while waiting:
        kind = waiting.pop()
        if kind.__dict__.get("code") == code:
            return kind
        waiting += kind.__subclasses__()
    return IntramurosError
