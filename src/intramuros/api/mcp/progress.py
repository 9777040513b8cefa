"""What a waiting client is told of an answer that is being made: its turn, what was found, how far it is."""

from __future__ import annotations

from intramuros.tasks.answered import Event, Found, JudgedSentence, Loading, Queued


def told(event: Event, *, is_french: bool) -> str | None:
    """The words for one event; None for what is not worth any."""
    match event:
        case Queued(position=position, expected_wait_s=wait_s):
            return (
                f"En attente : {position} avant vous, environ {wait_s:.0f} s."
                if is_french
                else f"Waiting: {position} before you, about {wait_s:.0f} s."
            )
        case Loading(title=title, progress=progress):
            if progress is None:
                return f"{title} est prêt." if is_french else f"{title} is ready."
            usual = "" if progress.usual_s is None else f" ({progress.usual_s:.0f} s)"
            return f"{title} se charge{usual}." if is_french else f"{title} is being loaded{usual}."
        case Found(passages=passages):
            return f"Passages trouvés : {len(passages)}" if is_french else f"Passages found: {len(passages)}"
        case JudgedSentence():
            return "Une phrase est vérifiée." if is_french else "A sentence is verified."
        case _:
            return None
