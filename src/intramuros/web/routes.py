"""All routes for browsers, built from the parts of one `App`. Who may call which is in `server/access.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from intramuros.web import (
    account,
    administration,
    batches,
    break_glass,
    directory,
    entrance,
    erasing,
    factors,
    groups,
    home,
    isolation,
    keys,
    masking,
    model_routes,
    passkeys,
    people,
    presets,
    privacy,
    project,
    prove,
    quotas,
    reach,
    records,
    second,
    selftest,
    sharing,
    sso,
    upstreams,
    viewer,
)
from intramuros.web.ask import ask
from intramuros.web.backups import BackupsPage
from intramuros.web.batch_beginning import Beginning, example
from intramuros.web.beside import PATH as ONE_MODEL
from intramuros.web.beside import BesidePage
from intramuros.web.documents import Documents
from intramuros.web.downloads import Downloads
from intramuros.web.memory import Loads
from intramuros.web.models import ModelsPage
from intramuros.web.visit import Visits

if TYPE_CHECKING:
    from intramuros.app import App

PROJECT = "/projects/{project}"
DOCUMENT = PROJECT + "/documents/{document}"
AUDIT = "/administration/audit"
PERSON = "/people/{user}"
CONVERSATION = PROJECT + "/conversations/{conversation}"


def routes(app: App) -> list[BaseRoute]:
    """The pages, what their forms and scripts send, and the static files."""
    visits = Visits(app)
    shown, sent, told, live = visits.shown, visits.sent, visits.told, visits.live
    downloads, loads = Downloads(app), Loads(app)
    documents, models, one_model = Documents(), ModelsPage(downloads, loads), BesidePage(downloads, loads)
    backups, beginning = BackupsPage(), Beginning()
    return [
        Route("/static/{version}/{name}", visits.look.statics.send, methods=["GET"]),
        Route("/sign-in", shown(entrance.sign_in_page), methods=["GET"]),
        Route("/sign-in", sent(entrance.sign_in, needs_session=False), methods=["POST"]),
        Route("/sign-in/sso", live(sso.begin), methods=["GET"]),
        Route("/sign-in/sso/callback", live(sso.finish), methods=["GET"]),
        Route("/sign-in/second", shown(second.show), methods=["GET"]),
        Route("/sign-in/second", sent(second.finish, needs_session=False), methods=["POST"]),
        Route("/sign-in/passkey/options", told(passkeys.begin, needs_session=False), methods=["POST"]),
        Route("/sign-in/passkey", told(passkeys.sign_in, needs_session=False), methods=["POST"]),
        Route("/sign-out", sent(entrance.sign_out), methods=["POST"]),
        Route("/first/{token}", shown(entrance.first_page), methods=["GET"]),
        Route("/first/{token}", sent(entrance.first, needs_session=False), methods=["POST"]),
        Route("/", shown(home.home), methods=["GET"]),
        Route("/projects", sent(home.create), methods=["POST"]),
        Route("/samples", sent(home.try_samples), methods=["POST"]),
        Route(PROJECT, shown(project.show), methods=["GET"]),
        Route(PROJECT + "/ask", live(ask), methods=["POST"]),
        Route(CONVERSATION, shown(project.conversation), methods=["GET"]),
        Route(CONVERSATION + "/remove", sent(project.remove_conversation), methods=["POST"]),
        Route(PROJECT + "/documents", live(documents.add), methods=["POST"]),
        Route(PROJECT + "/documents/live", live(documents.live), methods=["GET"]),
        Route(DOCUMENT, shown(viewer.show), methods=["GET"]),
        Route(DOCUMENT + "/pages/{page}.png", live(viewer.image), methods=["GET"]),
        Route(DOCUMENT + "/remove", sent(documents.remove), methods=["POST"]),
        Route("/privacy/export", sent(erasing.export), methods=["POST"]),
        Route("/receipts", shown(erasing.show), methods=["GET"]),
        Route("/receipts/{receipt}", shown(erasing.file), methods=["GET"]),
        Route("/receipts/people", sent(erasing.erase_user), methods=["POST"]),
        Route(PROJECT + "/retention", sent(erasing.keep), methods=["POST"]),
        Route(PROJECT + "/erase", sent(erasing.erase_project), methods=["POST"]),
        Route("/models", shown(models.show), methods=["GET"]),
        Route("/models/live", live(models.live), methods=["GET"]),
        Route("/models/install", live(models.install), methods=["POST"]),
        Route("/models/use", sent(models.use), methods=["POST"]),
        Route("/presets", shown(presets.show), methods=["GET"]),
        Route("/presets", sent(presets.create), methods=["POST"]),
        Route("/presets/{preset}", shown(presets.edit), methods=["GET"]),
        Route("/presets/{preset}", sent(presets.change), methods=["POST"]),
        Route("/presets/{preset}/try", live(presets.attempt), methods=["POST"]),
        Route("/presets/{preset}/remove", sent(presets.remove), methods=["POST"]),
        Route(ONE_MODEL, shown(one_model.show), methods=["GET"]),
        Route(ONE_MODEL + "/parts", live(one_model.add), methods=["POST"]),
        Route(ONE_MODEL + "/parts/remove", sent(one_model.remove), methods=["POST"]),
        Route(ONE_MODEL + "/upload", live(one_model.upload), methods=["POST"]),
        Route("/models/load", live(models.load), methods=["POST"]),
        Route("/models/unload", live(models.unload), methods=["POST"]),
        Route("/models/pin", live(models.pin), methods=["POST"]),
        Route("/administration/selftest", shown(selftest.show), methods=["GET"]),
        Route("/administration/selftest", sent(selftest.run), methods=["POST"]),
        Route("/administration/isolation", shown(isolation.show), methods=["GET"]),
        Route("/administration/isolation", sent(isolation.attack), methods=["POST"]),
        Route("/keys", shown(keys.show), methods=["GET"]),
        Route("/keys", sent(keys.create), methods=["POST"]),
        Route("/keys/{key}/revoke", sent(keys.revoke), methods=["POST"]),
        Route("/privacy", shown(privacy.show), methods=["GET"]),
        Route("/privacy/masking", shown(masking.show), methods=["GET"]),
        Route("/privacy/masking", sent(masking.mark), methods=["POST"]),
        Route("/administration", shown(administration.show), methods=["GET"]),
        Route(directory.PATH, shown(directory.show), methods=["GET"]),
        Route(directory.PATH, sent(directory.add), methods=["POST"]),
        Route(directory.PATH + "/remove", sent(directory.remove), methods=["POST"]),
        Route(keys.EVERYBODYS, shown(keys.show_all), methods=["GET"]),
        Route(keys.EVERYBODYS + "/{key}/limit", sent(keys.limit), methods=["POST"]),
        Route(keys.EVERYBODYS + "/{key}/revoke", sent(keys.revoke_any), methods=["POST"]),
        Route(quotas.PATH, shown(quotas.show), methods=["GET"]),
        Route(quotas.PATH, sent(quotas.set_limits), methods=["POST"]),
        Route(quotas.PATH + "/remove", sent(quotas.remove), methods=["POST"]),
        Route("/administration/backups", shown(backups.show), methods=["GET"]),
        Route("/administration/backups", live(backups.make), methods=["POST"]),
        Route(batches.PATH, shown(batches.show), methods=["GET"]),
        Route(batches.PATH + "/live", live(batches.live), methods=["GET"]),
        Route(batches.PATH, live(beginning.begin), methods=["POST"]),
        Route(batches.PATH + "/upload", live(beginning.upload), methods=["POST"]),
        Route(batches.PATH + "/example", shown(example), methods=["GET"]),
        Route(batches.ONE + "/live", live(batches.live_one), methods=["GET"]),
        Route(batches.ONE, shown(batches.show_one), methods=["GET"]),
        Route(batches.ONE + "/answers", shown(batches.answers), methods=["GET"]),
        Route(batches.ONE + "/failures", shown(batches.failures), methods=["GET"]),
        Route(batches.ONE + "/cancel", sent(batches.cancel), methods=["POST"]),
        Route(batches.EVERYBODYS, shown(batches.show_all), methods=["GET"]),
        Route(upstreams.PATH, shown(upstreams.show), methods=["GET"]),
        Route(upstreams.PATH, sent(upstreams.add), methods=["POST"]),
        Route(upstreams.ONE, shown(upstreams.show_one), methods=["GET"]),
        Route(upstreams.ONE, live(upstreams.change), methods=["POST"]),
        Route(upstreams.PATH + "/{upstream}/test", live(upstreams.test), methods=["POST"]),
        Route(upstreams.PATH + "/{upstream}/rename", sent(upstreams.rename), methods=["POST"]),
        Route(upstreams.PATH + "/{upstream}/remove", sent(upstreams.remove), methods=["POST"]),
        Route(upstreams.PATH + "/{upstream}/agree", sent(upstreams.agree), methods=["POST"]),
        Route(upstreams.PATH + "/{upstream}/withdraw", sent(upstreams.withdraw), methods=["POST"]),
        Route(model_routes.PATH, shown(model_routes.show), methods=["GET"]),
        Route(model_routes.PATH, live(model_routes.set_route), methods=["POST"]),
        Route(model_routes.PATH + "/rename", sent(model_routes.rename), methods=["POST"]),
        Route(model_routes.PATH + "/remove", sent(model_routes.remove), methods=["POST"]),
        Route(AUDIT, shown(records.show), methods=["GET"]),
        Route(AUDIT + "/verify", sent(records.verify), methods=["POST"]),
        Route(AUDIT + "/export", shown(records.export), methods=["GET"]),
        Route(AUDIT + "/public-key", shown(records.public_key), methods=["GET"]),
        Route("/account", shown(account.show), methods=["GET"]),
        Route("/account/prove", shown(prove.show), methods=["GET"]),
        Route("/account/prove", sent(prove.by_password), methods=["POST"]),
        Route("/account/prove/options", told(prove.begin), methods=["POST"]),
        Route("/account/prove/passkey", told(prove.by_passkey), methods=["POST"]),
        Route("/account/codes", sent(factors.begin_codes), methods=["POST"]),
        Route("/account/codes/confirm", sent(factors.add_codes), methods=["POST"]),
        Route("/account/codes/remove", sent(factors.remove_codes), methods=["POST"]),
        Route("/account/recovery", sent(factors.renew_recovery), methods=["POST"]),
        Route("/account/passkeys/options", told(passkeys.begin_adding), methods=["POST"]),
        Route("/account/passkeys", told(passkeys.add), methods=["POST"]),
        Route("/account/passkeys/{passkey}/remove", sent(passkeys.remove), methods=["POST"]),
        Route("/account/password", sent(account.change_password), methods=["POST"]),
        Route("/account/sessions/end", sent(account.end_others), methods=["POST"]),
        Route("/account/sessions/{session}/end", sent(account.end_session), methods=["POST"]),
        Route(PROJECT + "/sharing", shown(sharing.show), methods=["GET"]),
        Route(PROJECT + "/sharing", sent(sharing.share), methods=["POST"]),
        Route(PROJECT + "/sharing/remove", sent(sharing.unshare), methods=["POST"]),
        Route("/people", shown(people.show), methods=["GET"]),
        Route("/people/invite", sent(people.invite), methods=["POST"]),
        Route(PERSON + "/role", sent(people.change_role), methods=["POST"]),
        Route(PERSON + "/suspend", sent(people.suspend), methods=["POST"]),
        Route(PERSON + "/resume", sent(people.resume), methods=["POST"]),
        Route(PERSON + "/reset-factor", sent(people.reset_factor), methods=["POST"]),
        Route(PERSON + "/sign-out", sent(people.sign_out), methods=["POST"]),
        Route(PERSON + "/reach", shown(reach.show), methods=["GET"]),
        Route(PERSON + "/reach", live(reach.search), methods=["POST"]),
        Route("/groups", shown(groups.show), methods=["GET"]),
        Route("/groups", sent(groups.create), methods=["POST"]),
        Route("/groups/{group}/add", sent(groups.add), methods=["POST"]),
        Route("/groups/{group}/leave", sent(groups.leave), methods=["POST"]),
        Route("/groups/{group}/remove", sent(groups.remove), methods=["POST"]),
        Route("/break-glass", shown(break_glass.show), methods=["GET"]),
        Route("/break-glass", sent(break_glass.begin), methods=["POST"]),
        Route("/break-glass/{access}", shown(break_glass.open_one), methods=["GET"]),
        Route("/break-glass/{access}/end", sent(break_glass.end), methods=["POST"]),
    ]
