/** Frames as they are encoded, pushed into Media Source Extensions, a fraction of a second behind. */
import { type Address, type Engine, type Listener, type LiveWindow, nothing, type Tier } from "./engine";
import { Pipe } from "./pipe";
import { beginning, closed, type Offer, offered, type Variant } from "./playlist";
import { Refused } from "./pushed";

/** How far the playhead means to stay behind what has come: some frames, and what a sound card wants. */
const BEHIND_S = 0.15;
/** A rung is taken that the line carries this many times over. */
const SPARE = 1.5;
/** The line before anything is known of it, bits a second. */
const LINE = 4_000_000;

export class PushEngine implements Engine {
  readonly name = "push";
  readonly tiers: readonly Tier[] = ["normal", "low", "push"];
  private readonly stop = new AbortController();
  private readonly media = new MediaSource();
  private readonly object = URL.createObjectURL(this.media);
  private source = "";
  private offer: Offer = { variants: [], sound: null };
  private shown = -1;
  private chosen = -1;
  private epoch = Number.NaN;
  private placed = false;
  private pictures: Pipe | undefined;
  private sound: Pipe | undefined;
  private buffer: SourceBuffer | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
    private readonly address: Address,
  ) {}

  load(source: string, _start: number, bandwidth: number): void {
    this.source = new URL(source, location.href).href;
    this.video.addEventListener("error", () => this.fell("the picture could not be decoded"), { signal: this.stop.signal });
    void this.run(bandwidth || LINE).catch((error: unknown) => this.failed(error));
  }

  setLevel(index: number): void {
    this.chosen = index;
    const wanted = index < 0 ? this.shown : index;
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.pictures?.close();
      void this.show().catch((error: unknown) => this.failed(error));
    }
    this.tell();
  }

  setAudio(): void {
    // There is one sound.
  }

  setText(): void {
    // Captions come with playlists only.
  }

  setTier(): void {
    // Every other tier is another engine's.
  }

  live(): LiveWindow | null {
    const { buffered } = this.video;
    if (!buffered.length) return null;
    const end = buffered.end(buffered.length - 1);
    return { start: buffered.start(buffered.length - 1), target: end - BEHIND_S, epoch: this.epoch };
  }

  timeOf(date: number): number {
    return (date - this.epoch) / 1000;
  }

  destroy(): void {
    this.stop.abort();
    this.pictures?.close();
    this.sound?.close();
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.object);
  }

  private async run(bandwidth: number): Promise<void> {
    const opened = new Promise((resolve) => this.media.addEventListener("sourceopen", resolve, { once: true }));
    this.video.src = this.object;
    const [playlist] = await Promise.all([this.text(this.source), opened]);
    this.stop.signal.throwIfAborted();
    this.offer = offered(playlist);
    const { sound, variants } = this.offer;
    this.shown = Math.max(0, variants.findLastIndex(({ bitrate }) => bitrate * SPARE <= bandwidth));
    this.tell();
    this.buffer = this.media.addSourceBuffer(typeOf("video", variants[this.shown]?.codecs));
    const buffer = sound ? this.media.addSourceBuffer(typeOf("audio", sound.codecs)) : undefined;
    if (sound && buffer) this.sound = this.pipe(buffer);
    void this.date();
    await Promise.all([this.show(), sound ? this.sound?.pour(this.named(sound.name)) : undefined]);
    await this.ended();
  }

  /** Show the chosen rung from its last keyframe on. */
  private async show(): Promise<void> {
    const variant = this.offer.variants[this.shown];
    if (!variant || !this.buffer) throw new Refused(404);
    if (this.pictures) this.buffer.changeType(typeOf("video", variant.codecs));
    this.pictures = this.pipe(this.buffer);
    const mine = this.pictures;
    try {
      await mine.pour(this.named(variant.name));
    } catch (error) {
      if (mine === this.pictures) throw error; // else another rung has taken its place
    }
  }

  private pipe(buffer: SourceBuffer): Pipe {
    return new Pipe(this.video, buffer, () => this.place());
  }

  /** Begin as late as there is something to show and to hear: before both have come, what there is of one tells nothing. */
  private place(): void {
    const both = [...this.media.sourceBuffers].every(({ buffered }) => buffered.length);
    const now = this.placed || !both ? null : this.live();
    if (!now || now.target < now.start) return;
    this.placed = true;
    this.video.currentTime = now.target;
  }

  private named(rendition: string): string {
    return this.address(new URL(`${rendition}.push.mp4`, this.source).href);
  }

  private async text(address: string): Promise<string> {
    const response = await fetch(this.address(address), { signal: this.stop.signal, cache: "no-store" });
    if (!response.ok) throw new Refused(response.status);
    return response.text();
  }

  private pictureList(): Promise<string> {
    return this.text(new URL(`${this.offer.variants[this.shown]?.name}.m3u8`, this.source).href);
  }

  /** Learn when this life of the stream began; without it only the delay is not known. */
  private async date(): Promise<void> {
    this.epoch = await this.pictureList().then(beginning, () => Number.NaN);
  }

  /** Tell why the server has ended what it pushed. */
  private async ended(): Promise<void> {
    if (closed(await this.pictureList())) this.listener.over();
    else this.fell("the stream began anew");
  }

  private failed(error: unknown): void {
    if (this.stop.signal.aborted) return;
    const status = error instanceof Refused ? error.status : 0;
    if (status === 503) this.fell("too many watch it so already");
    else if (status) this.fell("this stream is not pushed");
    else this.fell("the line did not carry it");
  }

  private fell(reason: string): void {
    if (!this.stop.signal.aborted) this.listener.fell(reason);
  }

  private tell(): void {
    const levels = this.offer.variants.map(({ width, height, bitrate, frameRate, audio }: Variant) => {
      return { width, height, bitrate, frameRate, audio };
    });
    this.listener.changed({ ...nothing, levels, level: this.chosen, shown: this.shown });
  }
}

function typeOf(kind: "video" | "audio", codecs = ""): string {
  return `${kind}/mp4; codecs="${codecs}"`;
}
