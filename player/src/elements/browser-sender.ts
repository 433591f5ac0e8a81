/** Go live from this browser: camera or screen, for as long as the stream's key is at hand. */
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { canSend, Sender } from "../publish/sender";
import { shared } from "../styles/shared";
import { camera, film, stop } from "./owner-icons";

type Origin = "camera" | "screen";

@customElement("browser-sender")
export class BrowserSender extends LitElement {
  @property() key = "";
  @query("video") private preview!: HTMLVideoElement | null;
  @state() private media: MediaStream | undefined;
  @state() private admitted = false;
  @state() private trouble = "";
  private sender: Sender | undefined;

  static override styles = [
    shared,
    css`
      div {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 10px;
        margin-top: 12px;
        font-size: 14px;
        color: var(--dim, #9aa4b5);
      }
      .button {
        color: var(--text, #eceff4);
      }
      video {
        width: 192px;
        aspect-ratio: 16 / 9;
        border-radius: 8px;
        background: #000;
        object-fit: contain;
      }
      p {
        margin: 8px 0 0;
        font-size: 13.5px;
        color: var(--bad, #ff7b7b);
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sender?.stop();
  }

  override updated(changed: PropertyValues): void {
    if (changed.has("media") && this.preview) this.preview.srcObject = this.media ?? null;
  }

  private readonly warn = (event: BeforeUnloadEvent): void => event.preventDefault();

  private async begin(origin: Origin): Promise<void> {
    this.trouble = "";
    const { key } = this;
    try {
      const { mediaDevices } = navigator;
      const wanted = { video: { width: 1280, height: 720, frameRate: 30 }, audio: true };
      this.media = await (origin === "camera" ? mediaDevices.getUserMedia(wanted) : mediaDevices.getDisplayMedia(wanted));
    } catch (error) {
      this.trouble = error instanceof DOMException && error.name === "NotAllowedError" ? "You have not allowed it." : String(error);
      return;
    }
    addEventListener("beforeunload", this.warn);
    this.sender = new Sender(this.media, key, {
      sending: () => (this.admitted = true),
      ended: (reason) => this.ended(reason),
    });
  }

  private ended(reason: string): void {
    removeEventListener("beforeunload", this.warn);
    this.media = undefined;
    this.admitted = false;
    this.sender = undefined;
    this.trouble = reason;
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.media && (!this.key || !canSend())) return this.trouble ? html`<p role="alert">${this.trouble}</p>` : nothing;
    return html`<div>
        ${this.media
          ? html`<video autoplay muted playsinline aria-label="What you send"></video>
              ${this.admitted ? "You are sending." : "Connecting…"}
              <button class="button" @click=${() => this.sender?.stop()}>${stop} Stop sending</button>`
          : html`Or send from this browser:
              <button class="button" @click=${() => this.begin("camera")}>${camera} Camera</button>
              <button class="button" @click=${() => this.begin("screen")}>${film} Screen</button>`}
      </div>
      ${this.trouble ? html`<p role="alert">${this.trouble}</p>` : nothing}`;
  }
}
