/** A file of this page on its way to the server: plays from the local copy meanwhile. */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Asset, Coverage } from "../api/asset";
import type { LocalUpload } from "../store/library";
import { remaining, size } from "../store/words";
import { shared } from "../styles/shared";
import { cardStyles } from "./card.styles";
import "./coverage-strip";
import { cross, replay, share } from "./icons";
import { ask } from "./request";

@customElement("upload-card")
export class UploadCard extends LitElement {
  @property({ attribute: false }) upload!: LocalUpload;
  @property({ attribute: false }) asset: Asset | undefined;
  @property({ attribute: false }) coverage: Coverage | undefined;

  static override styles = [
    shared,
    cardStyles,
    css`
      .ready {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        margin-top: 6px;
        font-size: 13px;
        font-weight: 600;
        color: var(--good, #57d3a0);
        text-decoration: none;
      }
      .ready:hover {
        text-decoration: underline;
      }
    `,
  ];

  private figures(): TemplateResult {
    const { sent, size: all, rate, state } = this.upload;
    if (state === "sent") return html`<div class="meta"><span>Uploaded</span><span>preparing to play</span></div>`;
    return html`<div class="meta">
      <span>${size(sent)} of ${size(all)}</span>
      ${rate > 0 ? html`<span>${size(rate)}/s</span><span>${remaining((all - sent) / rate)} left</span>` : nothing}
    </div>`;
  }

  override render(): TemplateResult {
    const { key, name, preview, sent, size: all, state, message } = this.upload;
    const percent = all ? Math.floor((sent / all) * 100) : 100;
    const failed = state === "failed";
    const tone = failed ? "var(--bad)" : "var(--accent)";
    const label = failed ? "Stopped" : state === "sent" ? "Preparing" : `Uploading ${percent} %`;
    const asset = this.asset;
    return html`<article aria-label=${name}>
      <div class="frame">
        <video src=${preview} muted playsinline controls preload="metadata" aria-label="Preview of ${name}"></video>
        <span class="badge state ${failed ? "" : "busy"}" style="--tone:${tone}">${label}</span>
      </div>
      <div class="head">
        <h3 title=${name}>${asset?.title ?? name}</h3>
        <div class="tools">
          <button class="icon" aria-label="Stop uploading ${name}" title="Stop" @click=${() => ask(this, asset ? { type: "delete", id: asset.id } : { type: "dismiss", key })}>
            ${cross}
          </button>
        </div>
      </div>
      <div class="progress" role="progressbar" aria-label="Uploaded" aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100">
        <i style="width:${percent}%"></i>
      </div>
      ${asset?.rungs.length ? html`<coverage-strip .rungs=${asset.rungs} .coverage=${this.coverage ?? {}}></coverage-strip>` : nothing}
      ${failed
        ? html`<div class="failure" role="alert">
            <strong>The upload stopped</strong>
            <p>${message}</p>
            <button class="button" @click=${() => ask(this, { type: "resend", key })}>${replay} Go on</button>
          </div>`
        : this.figures()}
      ${asset?.playback ? html`<a class="ready" href="/watch/${asset.id}">${share} Watch link ready</a>` : nothing}
    </article>`;
  }
}
