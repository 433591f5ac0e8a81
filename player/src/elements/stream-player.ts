/** <stream-player src poster storyboard>: the video with its controls, usable on any page. */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { everything, type Presence } from "../engine/presence";
import { requestFor } from "../store/keys";
import type { Marked } from "../store/markers";
import { Memory } from "../store/memory";
import type { Pass } from "../store/pass";
import { Playback, type PlaybackRequest, type PlaybackState } from "../store/playback";
import type { Span } from "../store/spans";
import { parseStoryboard, type Tile } from "../store/storyboard";
import { clock } from "../store/words";
import { shared } from "../styles/shared";
import "./audio-menu";
import "./caption-menu";
import "./error-overlay";
import { expand, pause, pip, play, replay, shrink, silent } from "./icons";
import "./live-pill";
import "./quality-menu";
import type { MarkerLayer } from "./marker-layer";
import { ask, RequestEvent } from "./request";
import "./speed-menu";
import { playerStyles } from "./stream-player.styles";
import "./tier-menu";
import "./time-line";
import "./volume-control";

const IDLE_MS = 2600;
const KEEP_EVERY_S = 5;
const CLICK_MS = 220;
/** What is begun near the edge of an upload would wait for it at once. */
const START_SPARE_S = 4;

/**
 * `src` is a multivariant HLS playlist. `start` is seconds; without it the place kept under `remember` is used.
 * `hotkeys` takes the keyboard of the whole page instead of the element's alone. What is signed needs a playback
 * `token`; the element fires `tokenexpiring` and asks `tokenprovider` before that ends, or when it is refused.
 */
@customElement("stream-player")
export class StreamPlayer extends LitElement {
  @property() src = "";
  @property() poster = "";
  @property() storyboard = "";
  @property() remember = "";
  @property({ type: Number }) start: number | undefined;
  @property({ type: Boolean }) autoplay = false;
  @property({ type: Boolean }) hotkeys = false;
  @property({ attribute: false }) coverage: readonly Span[] | undefined;
  /** Seconds up to which one can seek while the file is on its way. */
  @property({ type: Number }) edge = Number.POSITIVE_INFINITY;
  /** Something to know about the picture while one watches it live, "" for nothing. */
  @property() notice = "";
  /** Names what `src` leads to now: when another takes its place, what is still asked for of the old one is not waited for. */
  @property() generation = "";
  @property() token = "";
  /** Brings the next token, "" where there is none. */
  @property({ attribute: false }) tokenprovider: (() => Promise<string>) | undefined;
  /** What tells the engine which segments exist; set before the element is in the page. */
  @property({ attribute: false }) presence: Presence = everything;

  @query("video") video!: HTMLVideoElement;
  @query(".stage") private stage!: HTMLElement;
  @state() private playback: Playback | undefined;
  @state() private shown: Readonly<PlaybackState> | undefined;
  @state() private tiles: readonly Tile[] = [];
  @state() private idle = false;
  @state() private help = false;
  @state() private flash = "";
  private readonly memory = new Memory(localStorage);
  /** What puts the token into addresses; most films need none, so it is fetched with the first. */
  private pass: Pass | undefined;
  readonly address = (given: string): string => this.pass?.address(given) ?? given;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;
  private clickTimer: ReturnType<typeof setTimeout> | undefined;
  private menus = 0;
  private kept = 0;
  private cover = "";
  private layer: MarkerLayer | undefined;

  static override styles = [shared, playerStyles];

  /** Return the state that the controls show; undefined before the first rendering. */
  snapshot(): Readonly<PlaybackState> | undefined {
    return this.playback?.store.getState();
  }

  /** Ask the player for something, as its own controls do. */
  request(request: PlaybackRequest): void {
    this.playback?.store.dispatch(request);
    this.layer?.asked();
  }

  /** Take markers; what shows them at their moments, and fires `marker` here, is loaded with the first. */
  async mark(marked: readonly Marked[]): Promise<void> {
    if (!marked.length) return;
    const { MarkerLayer } = await import("./marker-layer");
    if (!this.playback) return;
    this.layer ??= new MarkerLayer(this.stage, this.video, this.playback);
    this.layer.take(marked);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("keydown", this.pageKeys);
    addEventListener("pagehide", this.keepPlace);
    if (this.hasUpdated) this.begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.pageKeys);
    removeEventListener("pagehide", this.keepPlace);
    clearTimeout(this.idleTimer);
    clearTimeout(this.clickTimer);
    this.keepPlace();
    this.layer?.destroy();
    this.layer = undefined;
    this.playback?.destroy();
    this.playback = undefined;
    this.pass?.end();
  }

  /** Get another token now, as when the server says that this one ends soon. */
  readonly renew = async (): Promise<boolean> => (await this.pass?.renew()) ?? false;

  /** A token is there that addresses do not have yet. */
  private get barred(): boolean {
    return Boolean(this.token) && !this.pass;
  }

  private async admit(): Promise<void> {
    const { Pass } = await import("../store/pass");
    this.pass ??= new Pass(this.nextToken, () => this.renewed());
    this.pass.take(this.token);
    this.requestUpdate();
    void this.loadStoryboard();
    if (this.shown?.trouble?.kind === "refused") this.request({ type: "retry" });
    else if (this.shown && this.shown.source !== this.src) this.loadSource();
  }

  private readonly nextToken = (): Promise<string> => {
    this.dispatchEvent(new Event("tokenexpiring"));
    return this.tokenprovider?.() ?? Promise.resolve("");
  };

  private renewed(): void {
    this.playback?.renewed();
    void this.loadStoryboard();
  }


  override firstUpdated(): void {
    this.begin();
  }

  override updated(changed: PropertyValues<this>): void {
    if (changed.has("token") && (this.token || this.pass)) void this.admit();
    if (changed.has("edge")) this.request({ type: "edge", to: this.edge });
    if (changed.get("generation")) this.request({ type: "renew" });
    if (changed.has("src") && this.playback && this.shown?.source !== this.src) this.loadSource();
    if (changed.has("storyboard")) void this.loadStoryboard();
  }

  private begin(): void {
    this.playback = new Playback(this.video, this.stage, this.memory, this.presence, (marked) => this.mark(marked), this);
    this.shown = this.playback.store.getState();
    this.playback.store.subscribe((next) => this.follow(next));
    this.loadSource();
  }

  private loadSource(): void {
    if (!this.src || this.barred) return;
    const wanted = this.start ?? (this.remember ? this.memory.place(this.remember) : 0);
    const start = Math.max(0, Math.min(wanted, this.edge - START_SPARE_S));
    this.request({ type: "edge", to: this.edge });
    this.request({ type: "load", source: this.src, start, autoplay: this.autoplay });
  }

  private async loadStoryboard(): Promise<void> {
    const address = this.storyboard;
    this.tiles = [];
    if (!address || this.barred) return;
    try {
      const response = await fetch(this.address(address));
      if (response.ok && address === this.storyboard) this.tiles = parseStoryboard(await response.text(), response.url);
    } catch {
      // Without pictures the timeline still tells times.
    }
  }

  private follow(next: Readonly<PlaybackState>): void {
    const before = this.shown;
    this.shown = next;
    if (before && before.paused !== next.paused) this.stir();
    if (Math.abs(next.time - this.kept) > KEEP_EVERY_S) this.keepPlace();
    this.dispatchEvent(new Event("statechange"));
  }

  private readonly keepPlace = (): void => {
    const now = this.snapshot();
    if (!this.remember || !now?.started || !Number.isFinite(now.duration)) return;
    this.kept = now.time;
    if (now.bandwidth) this.memory.keepLine(now.bandwidth);
    this.memory.keepPlace(this.remember, now.time, now.duration);
  };

  /** Show the controls, and hide them again when nothing has moved for a while. */
  private readonly stir = (): void => {
    this.idle = false;
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => {
      this.idle = !this.snapshot()?.paused && this.menus === 0;
    }, IDLE_MS);
  };

  private readonly pageKeys = (event: KeyboardEvent): void => {
    const path = event.composedPath();
    const within = path.includes(this);
    if (event.defaultPrevented || !(within || this.hotkeys)) return;
    const field = path[0];
    if (field instanceof HTMLInputElement && field.type !== "range") return;
    if (field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement) return;
    const pressed = field instanceof HTMLButtonElement || field instanceof HTMLAnchorElement;
    if (pressed && (event.key === " " || event.key === "Enter")) return;
    if (this.help && event.key === "Escape") this.help = false;
    const request = requestFor(event);
    if (!request) return;
    event.preventDefault();
    this.stir();
    if (request === "help") this.help = !this.help;
    else {
      this.request(request);
      this.say(request);
    }
  };

  /** Tell in the picture what a key did, since no control was seen moving. */
  private say(request: PlaybackRequest): void {
    const now = this.snapshot();
    if (!now) return;
    const said: Partial<Record<PlaybackRequest["type"], string>> = {
      louder: `Volume ${Math.round(this.video.volume * 100)} %`,
      mute: this.video.muted ? "Muted" : "Sound on",
      faster: `${this.video.playbackRate}×`,
      captions: now.textTracks.length ? (now.textTrack >= 0 ? "Captions on" : "Captions off") : "No captions",
      nudge: request.type === "nudge" ? `${request.by > 0 ? "+" : "−"}${Math.abs(request.by)} s` : "",
    };
    const text = said[request.type];
    if (!text) return;
    this.flash = "";
    void this.updateComplete.then(() => (this.flash = text));
  }

  /** One click plays or pauses, two fill the screen; the first waits to see whether a second comes. */
  private clicked(event: MouseEvent): void {
    clearTimeout(this.clickTimer);
    if (event.detail > 1) ask(this.stage, { type: "fullscreen" });
    else this.clickTimer = setTimeout(() => this.request({ type: "toggle" }), CLICK_MS);
  }

  private controls(now: Readonly<PlaybackState>): TemplateResult {
    const send = (request: PlaybackRequest) => () => this.request(request);
    const [name, icon] = now.ended ? ["Replay (k)", replay] : now.paused ? ["Play (k)", play] : ["Pause (k)", pause];
    return html`<div class="bar">
      <time-line .state=${now} .tiles=${this.tiles} .coverage=${this.coverage}></time-line>
      <div class="row" role="group" aria-label="Player controls">
        <button class="tool first" aria-label=${name} title=${name} @click=${send({ type: "toggle" })}>${icon}</button>
        <volume-control .state=${now}></volume-control>
        ${now.live
          ? html`<live-pill .state=${now}></live-pill>`
          : html`<time>${clock(now.time)} <span>/ ${clock(now.duration)}</span></time>`}
        <span class="space"></span>
        <caption-menu .state=${now}></caption-menu>
        <audio-menu .state=${now}></audio-menu>
        <speed-menu class="optional" .state=${now}></speed-menu>
        <tier-menu .state=${now}></tier-menu>
        <quality-menu .state=${now}></quality-menu>
        ${document.pictureInPictureEnabled
          ? html`<button class="tool optional" aria-label="Picture in picture (i)" title="Picture in picture (i)" @click=${send({ type: "pip" })}>${pip}</button>`
          : nothing}
        <button class="tool" aria-label="Full screen (f)" title="Full screen (f)" @click=${send({ type: "fullscreen" })}>
          ${now.fullscreen ? shrink : expand}
        </button>
      </div>
    </div>`;
  }

  override render(): TemplateResult {
    const now = this.shown;
    const covered = now?.started || (now?.time ?? 0) > 0;
    if (!covered) this.cover = this.poster; // nobody sees what comes later: that of a broadcast is renewed
    return html`<div
      class="stage ${this.idle ? "idle" : ""}"
      @pointermove=${this.stir}
      @focusin=${this.stir}
      @menu=${(event: CustomEvent<boolean>) => {
        this.menus += event.detail ? 1 : -1;
        this.stir();
      }}
      @streamer-request=${(event: RequestEvent<PlaybackRequest>) => {
        event.stopPropagation();
        this.request(event.request);
      }}
    >
      <video playsinline preload="auto" @click=${this.clicked}></video>
      ${this.cover && !this.barred ? html`<img class="poster ${covered ? "gone" : ""}" src=${this.address(this.cover)} alt="" />` : nothing}
      ${now ? this.overlays(now) : nothing}
    </div>`;
  }

  private shortcuts(): TemplateResult {
    import("./shortcut-help").catch(() => undefined);
    return html`<shortcut-help @close=${() => (this.help = false)}></shortcut-help>`;
  }

  private overlays(now: Readonly<PlaybackState>): TemplateResult {
    const waiting = Boolean(now.source) && now.waiting && !now.trouble;
    const inviting = now.paused && !now.started && !waiting && now.source && !now.trouble;
    return html`<div class="spinner ${waiting ? "on" : ""}" role=${waiting ? "status" : nothing} aria-label=${waiting ? "Loading" : nothing}></div>
      ${waiting && heldFor(now) ? html`<p class="held" role="status">${heldFor(now)}</p>` : nothing}
      ${this.notice && now.live && now.follows ? html`<p class="notice" role="status">${this.notice}</p>` : nothing}
      ${now.hushed
        ? html`<button class="hushed button" @click=${() => this.request({ type: "mute" })}>${silent} Sound on</button>`
        : nothing}
      ${now.cues.length ? html`<div class="cues">${now.cues.map((cue) => html`<p>${cue}</p><br />`)}</div>` : nothing}
      ${inviting
        ? html`<button class="big" aria-label="Play" @click=${() => this.request({ type: "play" })}>${play}</button>`
        : nothing}
      ${this.flash ? html`<div class="flash" @animationend=${() => (this.flash = "")}>${this.flash}</div>` : nothing}
      ${now.source ? this.controls(now) : nothing}
      ${now.trouble ? html`<error-overlay .trouble=${now.trouble}></error-overlay>` : nothing}
      ${this.help ? this.shortcuts() : nothing}`;
  }
}

/** Say why the picture waits: the place is not uploaded yet, or not encoded. */
function heldFor({ time, ahead, edge, preparing }: Readonly<PlaybackState>): string {
  if (time + ahead > edge - 1) return "Waiting for the upload…";
  return preparing ? "Being prepared…" : "";
}
