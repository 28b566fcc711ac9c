"""Films for the node tests: small ones, that begin with both models."""

from __future__ import annotations

from .faces import NAME as FACES
from .graph import Graph

SIZE = (128, 72)
SHOT = {"seconds": 0.5, "place": "", "seed": 3, "camera": "stand still", "path": "", "seen": "",
        "lines": "", "happens": "", "ambience": 0.0, "cut": "cut", "cut_seconds": 0.25, "name": ""}


class FilmGraph(Graph):
    """A prompt that begins with the models of rooms (node 1) and of faces (node 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.add("GWMLoadModel", model_name="gwm-rooms", device="default")
        self.add("GWMLoadModel", model_name=FACES, device="default")

    def member(self, name: str, cast: list | None = None, portrait: bool = True, **inputs) -> list:
        """A cast with one more character."""
        if portrait:
            picture = self.add("LabTensor", shape="1,120,96,3", fill="picture")
            inputs["character"] = [self.add("GWMCharacter", image=[picture, 0], name=name,
                                            strength=1.0, anchors=""), 0]
        if cast is not None:
            inputs["cast"] = cast
        given = {"name": name, "voice": "Ruby"} | inputs
        return [self.add("GWMCastMember", **given), 0]

    def voice(self, seconds: float = 0.4) -> list:
        return [self.add("LabSound", kind="speech", rate=16000, seconds=seconds, channels=1), 0]

    def shot(self, shots: list | None = None, **inputs) -> list:
        """The shots with one more."""
        if shots is not None:
            inputs["shots"] = shots
        return [self.add("GWMShot", **SHOT | inputs), 0]

    def board(self, text: str = "", **inputs) -> str:
        given = {"text": text, "fps": 24.0, "width": SIZE[0], "height": SIZE[1],
                 "loudness": -23.0, "true_peak": -1.0} | inputs
        return self.add("GWMStoryboard", **given)

    def film(self, board: str, **inputs) -> str:
        given = {"max_frames": 100} | inputs
        return self.add("GWMGenerateVideo", storyboard=[board, 0], rooms=["1", 0],
                        faces=["2", 0], **given)

    def two_shots(self, camera: str = "close-up", **inputs) -> str:
        """The storyboard of half a second in a room and half a second of a character who speaks a
        recording."""
        cast = self.member("Ada")
        room = self.shot(place="a stone hall at dusk", happens="0.1: Q")
        both = self.shot(room, seen="Ada", camera=camera, lines="ada: Hello.",
                         recording=self.voice())
        return self.board(shots=both, cast=cast, **inputs)
