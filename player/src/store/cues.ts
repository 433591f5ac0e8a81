/** The captions that are due now, as text: they are drawn by us, above the controls. */

export class Cues {
  private track: TextTrack | undefined;
  private shown = "";
  private readonly stop = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly show: (cues: readonly string[]) => void,
  ) {}

  /** Follow the track that is switched on; only picture-in-picture leaves drawing to the browser. */
  follow(): void {
    const tracks = Array.from(this.video.textTracks);
    const track = tracks.find(({ kind, mode }) => (kind === "subtitles" || kind === "captions") && mode !== "disabled");
    if (track) track.mode = document.pictureInPictureElement === this.video ? "showing" : "hidden";
    if (track !== this.track) {
      this.track = track;
      track?.addEventListener("cuechange", () => this.read(), { signal: this.stop.signal });
    }
    this.read();
  }

  destroy(): void {
    this.stop.abort();
  }

  private read(): void {
    const active = Array.from(this.track?.mode === "hidden" ? (this.track.activeCues ?? []) : []);
    const cues = active.map((cue) => plain(cue as VTTCue)).filter(Boolean);
    if (cues.join("\n") === this.shown) return;
    this.shown = cues.join("\n");
    this.show(cues);
  }
}

function plain(cue: VTTCue): string {
  const fragment = cue.getCueAsHTML();
  for (const line of fragment.querySelectorAll("br")) line.replaceWith("\n");
  return fragment.textContent?.trim() ?? "";
}
