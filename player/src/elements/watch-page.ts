/** The watch page: the picture, what it is called, and how far its encoding has come. */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { Api } from "../api/client";
import { aired, arriving, type Asset, encoded, heights, onAir, sizes, type StreamState, uploaded } from "../api/asset";
import { openControl } from "../channel/open";
import { warmUp } from "../engine/choose";
import type { Beacons } from "../store/beacons";
import { Follow } from "../store/follow";
import { edgeOf, encodedSpans, Watching, type WatchRequest } from "../store/watching";
import { bitrate, clock, parseTime } from "../store/words";
import { shared } from "../styles/shared";
import { toast } from "../styles/toast";
import { back, share } from "./icons";
import type { RequestEvent } from "./request";
import type { StreamPlayer } from "./stream-player";
import "./stream-player";
import { watchStyles } from "./watch-page.styles";

/** What is told over the picture while the stream's sender is not there. */
const NOTICES: Partial<Record<StreamState, string>> = {
  slate: "The sender’s picture is interrupted. It goes on by itself.",
  reconnecting: "The sender is away for a moment. It goes on by itself.",
};

/** `src`, `poster` and `storyboard` come with the page where the server knows them, so that nothing waits for the API. `stream` makes it the page of a live stream: it shows what is on air. */
@customElement("watch-page")
export class WatchPage extends LitElement {
  @property() asset = "";
  @property() stream = "";
  @property() heading = "";
  @property() src = "";
  @property() poster = "";
  @property() storyboard = "";
  @query("stream-player") player!: StreamPlayer | null;
  @state() private shared = 0;
  private readonly control = openControl((link) => this.watching.store.set({ link }));
  private watching!: Watching;
  private follow!: Follow<ReturnType<Watching["store"]["getState"]>, WatchRequest>;
  private beacons: Promise<Beacons> | undefined;
  /** Since when the first picture is waited for, 0 where it is not. */
  private wishedAt = 0;
  private readonly begunAt = startOf(location.search);

  static override styles = [shared, toast, watchStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.watching) return;
    this.watching = new Watching(
      this.asset,
      new Api(),
      this.control,
      this.stream,
      (marked) => this.player?.mark(marked),
      (to) => this.player?.request({ type: "aim", to }),
      tokenOf(location.hash),
    );
    this.control.expiring = () => void this.player?.renew();
    this.follow = new Follow(this, this.watching.store);
    this.watching.begin();
    if (!this.src) warmUp();
    addEventListener("online", () => this.control.wake());
  }

  override updated(changed: PropertyValues): void {
    const { asset, later, stream } = this.follow.state;
    const title = asset?.title ?? stream?.title;
    if (title && !changed.has("heading")) document.title = `${title} · streamer`;
    if (later) this.turn();
  }

  private send(request: WatchRequest): void {
    this.watching.store.dispatch(request);
  }

  /** Turn to what is on air now, unless its viewer is in the middle of an earlier recording. */
  private turn(): void {
    const now = this.player?.snapshot();
    const idle = !now || now.ended || (now.paused && now.time < 1);
    if (idle && this.follow.state.later?.playback) this.send({ type: "tune" });
  }

  /** Tell the server that somebody watches, from the first picture on. */
  private tell(): void {
    const now = this.player?.snapshot();
    if (!now) return;
    if (!now.started && !now.trouble) this.wishedAt = now.waiting ? this.wishedAt || performance.now() : 0;
    else this.beacons ??= this.openBeacons(this.wishedAt && now.started ? performance.now() - this.wishedAt : 0);
    this.beacons?.then((beacons) => beacons.changed(), () => undefined);
  }

  private async openBeacons(startup: number): Promise<Beacons> {
    const { Beacons } = await import("../store/beacons");
    return new Beacons(
      (message) => this.control.tell(message),
      () => this.watching.shown,
      () => this.player?.snapshot(),
      startup,
    );
  }

  /** Copy the address of what is shown, starting at the present second where it is not live. */
  private async copy(): Promise<void> {
    const now = this.player?.snapshot();
    const seconds = now?.live ? 0 : Math.floor(now?.time ?? 0);
    const shown = now?.live && this.stream ? this.stream : (this.follow.state.asset?.id ?? this.asset);
    const address = new URL(`/watch/${shown}`, location.href);
    if (seconds > 0) address.searchParams.set("t", String(seconds));
    try {
      await navigator.clipboard.writeText(address.href);
      this.send({ type: "say", text: seconds ? `Link copied, starting at ${clock(seconds)}` : "Link copied" });
    } catch {
      this.send({ type: "say", text: address.href });
    }
    this.shared += 1;
  }

  /** What is shown while there is nothing to play is fetched when that is so. */
  private waiting(asset: Asset | null): TemplateResult {
    import("./watch-wait").catch(() => undefined);
    const { gone, rate } = this.follow.state;
    return html`<watch-wait
      class="picture"
      .asset=${asset}
      .poster=${asset?.policy === "signed" ? "" : (asset?.poster ?? this.poster)}
      .gone=${gone}
      .rate=${rate}
      .off=${!asset && !!this.stream && !this.asset}
    ></watch-wait>`;
  }

  private facts(asset: Asset): TemplateResult {
    const tallest = heights(asset)[0];
    if (asset.live) return this.broadcast(asset, tallest);
    const coming = arriving(asset);
    const average = asset.duration && asset.size && !coming ? (asset.size * 8) / asset.duration : 0;
    return html`<div class="facts">
      ${asset.duration ? html`<span>${clock(asset.duration)}</span>` : nothing}
      ${tallest ? html`<span>up to ${tallest}p</span>` : nothing}
      ${asset.policy === "signed" ? html`<span>Signed</span>` : nothing}
      ${this.viewers()}
      <span>${sizes(asset)}${average ? ` · ${bitrate(average)} source` : ""}</span>
      ${coming && asset.playback
        ? html`<span role="status">Uploading ${asset.size ? `${Math.floor(uploaded(asset) * 100)} %` : ""} · can be watched to ${clock(asset.seekable ?? 0)}</span>`
        : nothing}
      ${asset.state === "playable" && !coming ? html`<span role="status">Encoding ${Math.floor(encoded(asset, this.follow.state.coverage) * 100)} %</span>` : nothing}
      ${asset.warnings.map((text) => html`<span class="warn">${text}</span>`)}
    </div>`;
  }

  private viewers(): TemplateResult | typeof nothing {
    const { viewers } = this.follow.state;
    return viewers ? html`<span class="viewers">${viewers} watching</span>` : nothing;
  }

  private broadcast(asset: Asset, tallest: number | undefined): TemplateResult {
    const begun = new Date(asset.created);
    return html`<div class="facts">
      ${onAir(asset)
        ? html`<span role="status">${asset.live ? aired(asset.live) : ""}</span><span>On air since ${begun.toLocaleTimeString([], { timeStyle: "short" })}</span>`
        : html`<span>Recorded ${begun.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}</span>
            ${asset.duration ? html`<span>${clock(asset.duration)}</span>` : nothing}`}
      ${tallest ? html`<span>up to ${tallest}p</span>` : nothing}
      ${this.viewers()}
      ${asset.live && !this.stream ? html`<a href="/watch/${asset.live.stream}">${onAir(asset) ? "The stream’s own page" : "The stream"}</a>` : nothing}
    </div>`;
  }

  /** What is below the picture must not hold it up, and the page does without: its element is fetched last. */
  private details(asset: Asset): TemplateResult {
    import("./asset-details").catch(() => undefined);
    return html`<asset-details .asset=${asset} .coverage=${this.follow.state.coverage}></asset-details>`;
  }

  /** Few need it: its element is fetched when somebody does. */
  private signIn(trouble: string): TemplateResult {
    import("./token-form").catch(() => undefined);
    return html`<token-form .trouble=${trouble}></token-form>`;
  }

  private later(): TemplateResult {
    return html`<div class="later" role="status">
      <i></i><span>On air now</span>
      <button class="button main" @click=${() => this.send({ type: "tune" })}>Watch live</button>
    </div>`;
  }

  override render(): TemplateResult {
    const now = this.follow.state;
    const { asset } = now;
    const first = !asset || asset.id === this.asset;
    const token = asset?.policy === "signed" ? now.token : "";
    const closed = now.gone || (asset?.policy === "signed" && !token);
    const source = closed ? "" : (asset ? (asset.playback?.hls ?? "") : this.src);
    return html`<div @streamer-request=${(event: RequestEvent<WatchRequest>) => this.send(event.request)}>
      <header><a class="brand" href="/">${back} Library</a></header>
      <main>
        ${now.signedOut && !source
          ? this.signIn(now.trouble)
          : source
            ? html`<stream-player
                class="picture"
                src=${source}
                poster=${asset?.poster ?? (first ? this.poster : "")}
                storyboard=${asset?.storyboard ?? (first ? this.storyboard : "")}
                remember=${asset?.live && onAir(asset) ? "" : (asset?.id ?? this.asset)}
                notice=${(asset?.live && NOTICES[asset.live.state]) ?? ""}
                .token=${token}
                .tokenprovider=${this.watching.next}
                .start=${first ? this.begunAt : undefined}
                .coverage=${encodedSpans(now)}
                .edge=${edgeOf(asset)}
                generation=${now.generation}
                .presence=${this.watching.presence}
                autoplay
                hotkeys
                @statechange=${() => {
                  if (now.later) this.turn();
                  this.tell();
                }}
              ></stream-player>`
            : this.waiting(asset)}
        ${now.later?.playback ? this.later() : nothing}
        <div class="head">
          <div>
            <h1>${asset?.title ?? now.stream?.title ?? this.heading}</h1>
            ${asset ? this.facts(asset) : nothing}
          </div>
          <div class="actions">
            ${source ? html`<button class="button" @click=${this.copy}>${share} ${asset && onAir(asset) ? "Share" : "Share at this time"}</button>` : nothing}
          </div>
        </div>
        ${asset && !onAir(asset) && !now.gone && !now.signedOut ? this.details(asset) : nothing}
      </main>
      ${now.said ? html`<div class="said" role="status" @animationend=${() => this.send({ type: "say", text: "" })}>${now.said}</div>` : nothing}
    </div>`;
  }
}

/** Return the second that `?t=` asks for, undefined without it. */
function startOf(search: string): number | undefined {
  const seconds = parseTime(new URLSearchParams(search).get("t") ?? "");
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** Return the playback token of a link, which is behind its # and so is not sent to any server; "" without it. */
function tokenOf(hash: string): string {
  return new URLSearchParams(hash.slice(1)).get("token") ?? "";
}
