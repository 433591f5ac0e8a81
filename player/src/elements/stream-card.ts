/** One live stream on the go-live page: its connection light, where to send, and what can be done with it. */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { StreamState } from "../api/asset";
import { broadcasting, type Stream } from "../api/stream";
import { shared } from "../styles/shared";
import { play } from "./icons";
import { bin, copy, film, key, stop } from "./owner-icons";
import { ask } from "./request";
import { streamCardStyles } from "./stream-card.styles";

/** What the connection light shows: a colour, and whether it breathes. */
const LIGHTS: Record<StreamState, readonly [tone: string, words: string, busy: boolean]> = {
  idle: ["var(--faint)", "Nobody sends", false],
  connecting: ["var(--warn)", "Connected, waiting for pictures", true],
  live: ["#e5393f", "Live", true],
  slate: ["var(--warn)", "Connected, but nothing comes", true],
  reconnecting: ["var(--warn)", "Away, may come back", true],
  ended: ["var(--faint)", "Nobody sends", false],
};
const SURE_MS = 4000;

type Deed = "end" | "rotate" | "remove";

@customElement("stream-card")
export class StreamCard extends LitElement {
  @property({ attribute: false }) stream!: Stream;
  /** The key, while it may be seen. */
  @property() key = "";
  /** What was asked for once, and is done when it is asked for again. */
  @state() private asked: Deed | undefined;
  private calm: ReturnType<typeof setTimeout> | undefined;

  static override styles = [shared, streamCardStyles];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.calm);
  }

  override updated(changed: PropertyValues<this>): void {
    // What sends from here has nothing to show without a key; where it cannot be fetched, programs still send.
    if (changed.has("key") && this.key) import("./browser-sender").catch(() => undefined);
  }

  /** What cannot be taken back takes two clicks. */
  private deed(deed: Deed, words: string, icon: TemplateResult): TemplateResult {
    const sure = this.asked === deed;
    const click = (): void => {
      clearTimeout(this.calm);
      this.asked = sure ? undefined : deed;
      if (sure) ask(this, { type: deed, id: this.stream.id });
      else this.calm = setTimeout(() => (this.asked = undefined), SURE_MS);
    };
    return html`<button class="button ${sure ? "sure" : ""}" @click=${click}>${icon} ${sure ? `${words}: sure?` : words}</button>`;
  }

  private async copied(what: string, text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      ask(this, { type: "say", text: `${what} copied` });
    } catch {
      ask(this, { type: "say", text: "Copying is not allowed here: mark the text and copy it." });
    }
  }

  private line(name: string, text: string): TemplateResult {
    return html`<dt>${name}</dt>
      <dd>
        <code>${text}</code>
        <button class="icon" aria-label="Copy ${name.toLowerCase()}" title="Copy" @click=${() => this.copied(name, text)}>${copy}</button>
      </dd>`;
  }

  private sending(): TemplateResult | typeof nothing {
    const address = this.stream.ingest?.rtmp;
    if (!address) return html`<p class="hint">This server takes no RTMP: <code>live_rtmp_port</code> is off.</p>`;
    return html`<dl>
        ${this.line("Server", address)} ${this.key ? this.line("Stream key", this.key) : nothing}
      </dl>
      ${this.key
        ? html`<p class="once" role="status">
            The key is shown this once: put it into OBS (Settings, Stream, Custom) now. Lost keys are replaced.
            <button class="button" @click=${() => ask(this, { type: "forget", id: this.stream.id })}>I have it</button>
          </p>`
        : nothing}`;
  }

  override render(): TemplateResult {
    const { asset, id, page, refusal, state: now, title } = this.stream;
    const [tone, words, busy] = LIGHTS[now];
    const on = broadcasting(this.stream);
    return html`<article aria-label=${title}>
      <header>
        <h2>
          <input class="field" aria-label="Title" maxlength="200" .value=${title}
            @change=${(event: Event) => ask(this, { type: "rename", id, title: (event.target as HTMLInputElement).value })} />
        </h2>
        <span class="light ${busy ? "busy" : ""}" style="--tone:${tone}" role="status">${words}</span>
      </header>
      ${refusal && on ? html`<p class="hint">Encoded, and not passed through: ${refusal}.</p>` : nothing}
      ${this.sending()}
      <browser-sender .key=${this.key}></browser-sender>
      <footer>
        <a class="button" href=${page}>${play} Watch page</a>
        ${asset ? html`<a class="button" href="/?stream=${id}">${film} Recordings</a>` : nothing}
        <span class="space"></span>
        ${on ? this.deed("end", "End", stop) : nothing} ${this.deed("rotate", "New key", key)}
        ${on ? nothing : this.deed("remove", "Delete", bin)}
      </footer>
    </article>`;
  }
}
