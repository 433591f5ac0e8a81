/** What stands in the place of the picture while there is nothing to play: why, and how far it has come. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { type Asset, doing, encoded, sizes, uploaded } from "../api/asset";
import { shared } from "../styles/shared";
import { back, replay } from "./icons";
import { broadcast } from "./owner-icons";
import { ask } from "./request";

@customElement("watch-wait")
export class WatchWait extends LitElement {
  @property({ attribute: false }) asset: Asset | null = null;
  @property({ attribute: false }) poster = "";
  @property({ attribute: false }) gone = false;
  /** Frames a second of what is encoded, 0 where that is not known. */
  @property({ attribute: false }) rate = 0;
  /** It is the page of a stream that shows nothing. */
  @property({ attribute: false }) off = false;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .wait {
        display: grid;
        height: 100%;
        place-items: center;
        position: relative;
        overflow: hidden;
        border-radius: var(--radius);
        background: #000;
        text-align: center;
      }
      .wait img {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        object-fit: cover;
        filter: blur(18px) brightness(0.45);
        transform: scale(1.08);
      }
      .wait div {
        position: relative;
        padding: 20px;
        max-width: 520px;
      }
      .wait h2 {
        margin: 0 0 4px;
        font-size: 20px;
      }
      .wait p {
        margin: 0;
        color: var(--dim);
        font-variant-numeric: tabular-nums;
      }
      .wait .button {
        margin-top: 16px;
      }
      .wait pre {
        text-align: left;
        max-height: 160px;
        overflow: auto;
        font-size: 12px;
        white-space: pre-wrap;
        color: var(--dim);
      }
      progress {
        appearance: none;
        width: 280px;
        height: 5px;
        margin: 16px 0 8px;
        border: 0;
        border-radius: 3px;
        overflow: hidden;
        background: rgb(255 255 255 / 14%);
      }
      progress::-webkit-progress-bar {
        background: rgb(255 255 255 / 14%);
      }
      progress::-webkit-progress-value {
        background: var(--accent);
        transition: width 0.3s;
      }
      progress::-moz-progress-bar {
        background: var(--accent);
      }
      .signal {
        display: inline-block;
        margin-bottom: 10px;
        font-size: 44px;
        color: var(--faint);
      }
      .signal.coming {
        color: #e5393f;
        animation: breathe 1.6s ease-in-out infinite;
      }
      @keyframes breathe {
        50% {
          opacity: 0.4;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const { asset, gone, off, poster, rate } = this;
    const picture = poster ? html`<img src=${poster} alt="" />` : nothing;
    if (gone) {
      return html`<div class="wait"><div>
        <h2>This video is not here</h2><p>It may have been deleted, or the address is wrong.</p>
        <a class="button" href="/">${back} To the library</a>
      </div></div>`;
    }
    if (asset?.state === "failed") {
      return html`<div class="wait">${picture}<div role="alert">
        <h2>Failed while ${asset.failure ? doing(asset.failure) : "preparing"}</h2><p>${asset.failure?.message}</p>
        ${asset.failure?.log.length ? html`<pre>${asset.failure.log.join("\n")}</pre>` : nothing}
        ${asset.live ? nothing : html`<button class="button main" @click=${() => ask(this, { type: "retryAsset" })}>${replay} Retry</button>`}
      </div></div>`;
    }
    if (asset?.live || off) {
      return html`<div class="wait">${picture}<div role="status">
        <span class="signal ${asset ? "coming" : ""}">${broadcast}</span>
        <h2>${asset ? "Starting" : "Not on air"}</h2>
        <p>${asset ? "The first pictures are on their way." : "It starts by itself when the broadcast begins."}</p>
      </div></div>`;
    }
    if (!asset) return html`<div class="wait">${picture}</div>`;
    const uploading = asset.state === "uploading";
    const share = uploading ? uploaded(asset) : encoded(asset);
    return html`<div class="wait">${picture}<div role="status">
      <h2>${uploading ? "Uploading" : "Getting ready"}</h2>
      <p>It starts by itself as soon as it can be played.</p>
      <progress max="1" .value=${share} aria-label="Progress"></progress>
      <p>${uploading ? sizes(asset) : rate ? `${rate} frames a second` : "Looking inside the file"}</p>
    </div></div>`;
  }
}
