"""Who made the weights that a user brings, and under which terms.

Shown before a model is first used, and stored in every world that it makes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """Terms of published weights.

    name    SPDX name, or the title of their own terms
    source  where they were published
    maker   who published them
    note    what a person should know besides; "" for nothing
    sure    whether we have read it on the weights' own page; else it is what the code's licence
            or a third party says
    """

    name: str
    source: str
    maker: str
    note: str = ""
    sure: bool = True

    def lines(self, title: str) -> str:
        """A few lines for a person."""
        told = f"{title}: weights by {self.maker}, licence {self.name}, from {self.source}"
        if not self.sure:
            told += "\nThe weights' own licence could not be confirmed; read their page first."
        return f"{told}\n{self.note}" if self.note else told


HUB = "https://huggingface.co/"
LICENCES = {
    "waypoint-1.5": Licence(
        "Apache-2.0", HUB + "Overworld/Waypoint-1.5-1B", "Overworld",
        "Their own engine is GPL-3.0; GWM shares no code with it.",
    ),
    "waypoint-1.5-360p": Licence(
        "Apache-2.0", HUB + "Overworld/Waypoint-1.5-1B-360P", "Overworld",
        "Their own engine is GPL-3.0; GWM shares no code with it.",
    ),
    "matrix-game-2": Licence("MIT", HUB + "Skywork/Matrix-Game-2.0", "Skywork AI"),
    "self-forcing": Licence(
        "Apache-2.0", HUB + "gdhe17/Self-Forcing", "the authors of Self Forcing",
        "Made from Wan 2.1 (Apache-2.0).", sure=False,
    ),
    "causal-forcing": Licence(
        "Apache-2.0", HUB + "zhuhz22/Causal-Forcing", "the authors of Causal Forcing",
        "Made from Wan 2.1 (Apache-2.0). Files of its long_video folder are for academic use only.",
        sure=False,
    ),
    "causal-wan": Licence(
        "Apache-2.0", HUB + "Wan-AI", "makers that the file does not name",
        "A causal Wan 2.1: shapes do not tell who made it, so its own page decides.", sure=False,
    ),
    "wan-2.1-vae": Licence("Apache-2.0", HUB + "Wan-AI/Wan2.1-T2V-1.3B", "Alibaba Wan"),
    "twin": Licence("Apache-2.0", "gwm_core.backbones.tiny_models", "GWM",
                    "Random numbers; nothing was learned."),
    "taehv": Licence("MIT", "https://github.com/madebyollin/taehv", "Ollin Boer Bohan"),
}
