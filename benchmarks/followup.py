"""Time to first token of a follow-up on the same sources, as a ratio to the first question's."""

from __future__ import annotations

import argparse
import json
import statistics

from benchmarks.running import prepared, served
from benchmarks.streaming import chat, first_token

PARAGRAPH = (
    "Article {n}. Le prestataire intervient dans un délai de {n} heures ouvrées après l'appel du client, "
    "et remet un rapport d'intervention signé. Toute pièce remplacée est garantie {n} mois. "
)


def measure(runs: int) -> dict[str, object]:
    ratios, firsts, followups = [], [], []
    with prepared() as (data, key), served(data, key) as server:
        first_token(server, "Bonjour", retry=True)
        for run in range(runs):
            sources = f"Dossier {run}. " + "".join(PARAGRAPH.format(n=n + run) for n in range(1, 25))
            messages = [{"role": "user", "content": f"{sources}\n\nQuel est le délai d'intervention ?"}]
            first = chat(server, messages, max_tokens=24)
            messages += [
                {"role": "assistant", "content": "Le délai est de quatre heures."},
                {"role": "user", "content": "Et la garantie ?"},
            ]
            followup = chat(server, messages, max_tokens=24)
            firsts.append(first.first_token_s)
            followups.append(followup.first_token_s)
            ratios.append(followup.first_token_s / first.first_token_s)
    return {
        "first_question_ms": round(1000 * statistics.median(firsts)),
        "followup_ms": round(1000 * statistics.median(followups)),
        "followup_to_first_ratio": round(statistics.median(ratios), 3),
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.runs)
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
