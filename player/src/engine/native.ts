/** The browser's own HLS, on Apple's devices. It chooses rungs by itself and tells little. */
import { type Address, type Engine, type Listener, type LiveWindow, nothing, type Tier, type Track } from "./engine";

interface AudioTrackList {
  readonly length: number;
  [index: number]: { enabled: boolean; label: string; language: string };
}

export class NativeEngine implements Engine {
  readonly name = "native";
  readonly tiers: readonly Tier[] = [];
  private readonly stop = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
    private readonly address: Address,
  ) {
    const signal = this.stop.signal;
    video.addEventListener("loadedmetadata", () => this.tell(), { signal });
    video.addEventListener("resize", () => this.tell(), { signal });
    video.textTracks.addEventListener("addtrack", () => this.tell(), { signal });
    video.addEventListener("error", () => this.failed(), { signal });
  }

  load(source: string, start: number): void {
    this.video.src = this.address(source);
    if (start > 0) {
      const seek = (): void => void (this.video.currentTime = start);
      this.video.addEventListener("loadedmetadata", seek, { once: true, signal: this.stop.signal });
    }
    this.video.load();
  }

  setLevel(): void {
    // Apple's player has no door for this.
  }

  setAudio(index: number): void {
    const tracks = this.audio();
    for (let each = 0; each < tracks.length; each += 1) {
      const track = tracks[each];
      if (track) track.enabled = each === index;
    }
    this.tell();
  }

  setText(index: number): void {
    Array.from(this.captions()).forEach((track, each) => (track.mode = each === index ? "hidden" : "disabled"));
    this.tell();
  }

  setTier(): void {
    // Apple's player chooses its own delay.
  }

  live(): LiveWindow | null {
    const { duration, seekable } = this.video;
    if (duration !== Number.POSITIVE_INFINITY || !seekable.length) return null;
    return {
      start: seekable.start(0),
      target: seekable.end(seekable.length - 1),
      epoch: this.epoch(),
    };
  }

  timeOf(date: number): number {
    return (date - this.epoch()) / 1000;
  }

  destroy(): void {
    this.stop.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  private epoch(): number {
    return (this.video as unknown as { getStartDate?(): Date }).getStartDate?.().getTime() ?? Number.NaN;
  }

  private audio(): AudioTrackList {
    return (this.video as unknown as { audioTracks?: AudioTrackList }).audioTracks ?? { length: 0 };
  }

  private captions(): TextTrack[] {
    return Array.from(this.video.textTracks).filter(({ kind }) => kind === "subtitles" || kind === "captions");
  }

  private tell(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    const audio = Array.from({ length: this.audio().length }, (_, index) => this.audio()[index]);
    const captions = this.captions();
    this.listener.changed({
      ...nothing,
      levels: height ? [{ width, height, bitrate: 0, frameRate: 0, audio: "" }] : [],
      shown: height ? 0 : -1,
      audioTracks: audio.map((track): Track => ({ label: track?.label ?? "", language: track?.language ?? "" })),
      audioTrack: audio.findIndex((track) => track?.enabled),
      textTracks: captions.map(({ label, language }) => ({ label, language })),
      textTrack: captions.findIndex(({ mode }) => mode !== "disabled"),
    });
  }

  private failed(): void {
    const error = this.video.error;
    const kind = error?.code === MediaError.MEDIA_ERR_NETWORK ? "network" : "media";
    this.listener.failed({ kind, message: "The video stopped.", detail: error?.message ?? "" });
  }
}
