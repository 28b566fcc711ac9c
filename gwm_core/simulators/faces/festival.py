"""Festival's voices of other languages: sound and its own segment times. At data time only.

Built from recorded people (units of their speech, or models of it), which espeak-ng's voices are
not. They read English sentences by the spelling rules of their own languages. A voice has a process
of the program, which stays until this one ends.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from ...errors import AvatarError
from .speech import Phoneme, Spoken, at_rate, trimmed

PROGRAM = "festival"
_ROOT = Path("/usr/share/festival/voices")
PLAIN = 170
"""Words a minute that count as a voice's own tempo."""


@dataclass(frozen=True)
class _Phones:
    """A language's phones in IPA, "" for pauses. Marks of length and stress are taken off a
    name that the table has not; what is left is its own IPA."""

    ipa: dict[str, str]
    marks: str = ""

    def of(self, name: str) -> str:
        bare = name if name in self.ipa else name.rstrip(self.marks)
        return self.ipa.get(bare, bare)


def _table(pairs: str, pauses: str = "# pau") -> dict[str, str]:
    return {**dict(pair.split("=") for pair in pairs.split()), **dict.fromkeys(pauses.split(), "")}


# A trilled or tapped r is made behind lips that are not rounded: ɾ.
_CZECH = _Phones(_table("c=ts c~=tʃ ch=x d~=ɟ dz~=dʒ h=ɦ n*=ŋ n~=ɲ r=ɾ r~=ʒ r~*=ʃ s~=ʃ t~=c z~=ʒ "
                        "_=ʔ"), ":")
_ITALIAN = _Phones(_table("E=ɛ O=ɔ S=ʃ Z=ʒ tS=tʃ dZ=dʒ J=ɲ ng=ŋ nf=n L=ʎ r=ɾ"), "1")
_FINNISH = _Phones(_table("a=ɑ @=æ 7=ø &=ə T=θ D=ð S=ʃ Z=ʒ N=ŋ v=ʋ L=l r=ɾ", "# ##"), ":")
_CATALAN = _Phones(_table("ax=ə E=ɛ O=ɔ J=ɲ L=ʎ S=ʃ Z=ʒ r=ɾ rr=ɾ", "# pau _"), "1")
_RUSSIAN = _Phones(_table(
    "ii=i yy=ɨ uu=u ee=ɛ oo=o aa=a a=ʌ i=ɪ y=ɨ ae=ə ay=ə ur=ʊ pp=p bb=b tt=t dd=d kk=k gg=g c=ts "
    "ch=tʃ ff=f vv=v ss=s zz=z sh=ʃ sch=ʃ zh=ʒ h=x hh=x mm=m nn=n ll=l r=ɾ rr=ɾ"))


@dataclass(frozen=True)
class _Voice:
    """name: Festival's; language: its folder."""

    name: str
    language: str
    phones: _Phones

    @property
    def folder(self) -> Path:
        return _ROOT / self.language / self.name


_VOICES = {
    "dita": _Voice("czech_dita", "czech", _CZECH),
    "krb": _Voice("czech_krb", "czech", _CZECH),
    "machac": _Voice("czech_machac", "czech", _CZECH),
    "ph": _Voice("czech_ph", "czech", _CZECH),
    "lp": _Voice("lp_diphone", "italian", _ITALIAN),
    "pc": _Voice("pc_diphone", "italian", _ITALIAN),
    "lj": _Voice("suo_fi_lj_diphone", "finnish", _FINNISH),
    "mv": _Voice("hy_fi_mv_diphone", "finnish", _FINNISH),
    "ona": _Voice("upc_ca_ona_hts", "catalan", _CATALAN),
    "nsh": _Voice("msu_ru_nsh_clunits", "russian", _RUSSIAN),
}
VOICES = tuple(_VOICES)
PACKAGES = ("festival festvox-czech-dita festvox-czech-krb festvox-czech-machac festvox-czech-ph "
            "festvox-italp16k festvox-itapc16k festvox-suopuhe-lj festvox-suopuhe-mv "
            "festvox-ca-ona-hts festvox-ru")
"""Debian's, of all voices."""

_SAY = """
(set! czech-rand-range 1)
(set! gwm_stretch (Parameter.get 'Duration_Stretch))
(define (gwm_mean values sum count)
  (if values
      (gwm_mean (cdr values) (+ sum (car values)) (+ count 1))
      (if (> count 0) (/ sum count) 0)))
(define (gwm_melody utt)
  (if (member 'Target (utt.relationnames utt))
      (let ((leafs nil) (middle 0))
        (mapcar (lambda (s) (if (> (item.feat s 'f0) 20) (set! leafs (cons s leafs))))
                (utt.relation.leafs utt 'Target))
        (set! middle (gwm_mean (mapcar (lambda (s) (item.feat s 'f0)) leafs) 0 0))
        (mapcar (lambda (s)
                  (item.set_feat s 'f0 (* gwm_pitch (+ middle (* gwm_span
                                                     (- (item.feat s 'f0) middle))))))
                leafs)))
  utt)
(set! after_analysis_hooks (append after_analysis_hooks (list gwm_melody)))
(define (gwm_say text slowness pitch span seed folder)
  (srand seed)
  (Parameter.set 'Duration_Stretch (* gwm_stretch slowness))
  (set! gwm_pitch pitch)
  (set! gwm_span span)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))) (file nil))
    (utt.save.wave utt (string-append folder "/wave") 'riff)
    (set! file (fopen (string-append folder "/segments") "w"))
    (mapcar (lambda (s) (format file "%s %f\\n" (item.name s) (item.feat s 'end)))
            (utt.relation.items utt 'Segment))
    (fclose file)))
"""


class _Speaker:
    """A voice's process."""

    def __init__(self, voice: _Voice) -> None:
        self.voice, self.asked = voice, 0
        self.folder = Path(tempfile.mkdtemp(prefix="gwm-festival-"))
        """What it says, and when, is handed over in files here."""
        self.process = subprocess.Popen(
            [PROGRAM, "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8", errors="replace")
        atexit.register(self.close)
        for command in (f"(voice_{voice.name})", _SAY):
            if not self.done(command):
                raise AvatarError(f"festival: the voice {voice.name} does not start")

    def done(self, command: str) -> bool:
        """Whether ``command`` came to its end without an error."""
        self.asked += 1
        mark = f"gwm-{self.asked}-"  # what voices print besides is passed over
        try:
            self.process.stdin.write(f'(unwind-protect (begin {command} (print "{mark}done")) '
                                     f'(print "{mark}failed"))\n(fflush nil)\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        for line in self.process.stdout:
            if mark in line:
                return "done" in line
        return False

    def say(self, text: str, slowness: float, pitch: float, span: float, seed: int
            ) -> tuple[np.ndarray, int, list[Phoneme]]:
        """(sound float32 [N], samples a second, phonemes in IPA)"""
        quoted = text.replace("\\", " ").replace('"', " ")
        chance = zlib.crc32(f"{seed} {text}".encode()) % 2**31
        if not self.done(f'(gwm_say "{quoted}" {slowness:.3f} {pitch:.3f} {span:.3f} {chance} '
                         f'"{self.folder}")'):
            raise AvatarError(f"festival: the voice {self.voice.name} cannot say {text!r}")
        rate, wave = wavfile.read(self.folder / "wave")
        phonemes: list[Phoneme] = []
        start = 0.0
        for line in (self.folder / "segments").read_text("latin-1").splitlines():
            name, end = line.split()[0], float(line.split()[1])
            name = self.voice.phones.of(name)
            if phonemes and phonemes[-1].name == name:  # long, and one gesture of the lips
                phonemes[-1] = Phoneme(phonemes[-1].start, max(end, start), name)
            else:
                phonemes.append(Phoneme(start, max(end, start), name))
            start = max(end, start)
        return wave.astype(np.float32) / 32768, rate, phonemes

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@lru_cache(maxsize=len(_VOICES))
def _speaker(name: str) -> _Speaker:
    return _Speaker(_VOICES[name])


def installed() -> tuple[str, ...]:
    """Those of ``VOICES`` that this machine has."""
    if shutil.which(PROGRAM) is None:
        return ()
    return tuple(name for name, voice in _VOICES.items() if voice.folder.is_dir())


def speak(text: str, voice: str, speed: int = PLAIN, pitch: int = 50, span: int = 50,
          seed: int = 0) -> Spoken:
    """``text`` said by one of ``VOICES``, its phonemes in IPA.

    speed: words a minute, about, 80..400; pitch and span (of the melody): 0..100. The voices ona
    and nsh have their own tempo and melody whatever is asked for. seed: of the lengths and the
    melody, which the Czech voices draw; the same arguments give the same sound. AvatarError if the
    program or the voice is missing or unknown.
    """
    if voice not in VOICES:
        raise AvatarError(f"festival: no voice {voice!r}; {', '.join(VOICES)} are accepted")
    if voice not in installed():
        raise AvatarError(f"festival: {PROGRAM} or its voice {_VOICES[voice].name} is not "
                          "installed; the training of gwm-faces speaks with it "
                          f"(Debian: {PACKAGES})")
    wave, rate, phonemes = _speaker(voice).say(
        text, PLAIN / float(np.clip(speed, 80, 400)), 2 ** ((pitch - 50) / 60), span / 50,
        seed)
    return trimmed(at_rate(wave, rate), phonemes)
